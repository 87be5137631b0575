"""The printed policies are those of the hosted product's documentation, names replaced."""

from __future__ import annotations

import json
import re
import shlex
from typing import Any

import msgspec
import pytest

from windlass.buckets.policy import (
    UNKNOWN_ACCOUNT,
    UNKNOWN_ARN,
    Setup,
    Step,
    Wanted,
    for_gcs,
    for_s3,
)
from windlass.errors import InvalidRequest

ARN = "arn:aws:iam::111122223333:user/windlass"

DELIVERY = """
{"Version": "2012-10-17", "Statement": [
  {"Sid": "NimbleCloudDelivery", "Effect": "Allow", "Principal": {"AWS": "PRINCIPAL"},
   "Action": ["s3:PutObject", "s3:PutObjectAcl", "s3:GetBucketLocation"],
   "Resource": ["arn:aws:s3:::YOUR_BUCKET", "arn:aws:s3:::YOUR_BUCKET/*"]}]}
"""
JOBS = """
{"Version": "2012-10-17", "Statement": [
  {"Sid": "NimbleListBucket", "Effect": "Allow", "Principal": {"AWS": "PRINCIPAL"},
   "Action": "s3:ListBucket", "Resource": "arn:aws:s3:::YOUR_BUCKET"},
  {"Sid": "NimbleReadInputPrefix", "Effect": "Allow", "Principal": {"AWS": "PRINCIPAL"},
   "Action": "s3:GetObject", "Resource": "arn:aws:s3:::YOUR_BUCKET/input/*"},
  {"Sid": "NimbleReadWriteOutputPrefix", "Effect": "Allow", "Principal": {"AWS": "PRINCIPAL"},
   "Action": ["s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload",
              "s3:ListMultipartUploadParts"],
   "Resource": "arn:aws:s3:::YOUR_BUCKET/output/*"}]}
"""
KEY = """
{"Sid": "NimbleKMSAccess", "Effect": "Allow", "Principal": {"AWS": "PRINCIPAL"},
 "Action": ["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*",
            "kms:DescribeKey"],
 "Resource": "*"}
"""


def documented(text: str, *, arn: str = ARN, bucket: str = "lake") -> Any:
    """A document of the hosted product for our principal and bucket."""
    text = text.replace("PRINCIPAL", arn).replace("YOUR_BUCKET", bucket)
    return json.loads(text.replace("Nimble", "Windlass"))


def step(setup: Setup, name: str) -> Step:
    (found,) = [one for one in setup.steps if one.name == name]
    return found


def written(step: Step) -> Any:
    """A step's document as it is printed."""
    return json.loads(msgspec.json.encode(step.document))


def test_delivery_to_a_bucket_is_granted_as_documented_plus_the_abort() -> None:
    policy = written(step(for_s3(Wanted(bucket="lake", principal=ARN)), "bucket_policy"))
    abort = policy["Statement"].pop()
    assert policy == documented(DELIVERY)
    assert abort == {
        "Sid": "WindlassAbortFailedUploads",
        "Effect": "Allow",
        "Principal": {"AWS": ARN},
        "Action": "s3:AbortMultipartUpload",
        "Resource": "arn:aws:s3:::lake/*",
    }


def test_jobs_are_granted_as_documented() -> None:
    wanted = Wanted(bucket="lake", principal=ARN, purpose="jobs")
    assert written(step(for_s3(wanted), "bucket_policy")) == documented(JOBS)


def test_nothing_above_the_prefix_may_be_written() -> None:
    for purpose in ("delivery", "jobs"):
        wanted = Wanted(bucket="lake", prefix="a/b/", principal=ARN, purpose=purpose)
        for statement in step(for_s3(wanted), "bucket_policy").document["Statement"]:
            if statement["Action"] == "s3:ListBucket":
                continue
            resources = statement["Resource"]
            for resource in [resources] if isinstance(resources, str) else resources:
                assert resource == "arn:aws:s3:::lake" or resource.startswith(
                    "arn:aws:s3:::lake/a/b/"
                )


def test_no_policy_grants_a_delete() -> None:
    for purpose in ("delivery", "jobs"):
        for setup in (
            for_s3(Wanted(bucket="lake", principal=ARN, purpose=purpose)),
            for_gcs(Wanted(bucket="lake", purpose=purpose)),
        ):
            text = msgspec.json.encode(setup.steps[0]).decode()
            assert not re.search(r"delete|objectAdmin|objectUser|s3:\*", text, re.IGNORECASE)


def test_a_key_gets_the_documented_statement() -> None:
    setup = for_s3(Wanted(bucket="lake", principal=ARN, key="arn:aws:kms:x:1:key/k"))
    assert written(step(setup, "key_statement")) == documented(KEY)
    assert [one.name for one in setup.steps] == ["bucket_policy", "key_statement", "lifecycle"]


def test_without_a_key_no_key_statement_is_printed() -> None:
    assert [one.name for one in for_s3(Wanted(bucket="lake")).steps] == [
        "bucket_policy",
        "lifecycle",
    ]


def test_an_unknown_principal_is_a_placeholder_and_a_note_says_so() -> None:
    setup = for_s3(Wanted(bucket="lake"))
    assert setup.principal == UNKNOWN_ARN
    assert any(UNKNOWN_ARN in note and "--principal" in note for note in setup.notes)
    google = for_gcs(Wanted(bucket="lake"))
    assert google.principal == f"serviceAccount:{UNKNOWN_ACCOUNT}"
    assert any(UNKNOWN_ACCOUNT in note and "--principal" in note for note in google.notes)


def test_a_session_of_a_role_is_granted_as_the_role() -> None:
    session = "arn:aws:sts::111122223333:assumed-role/uploader/i-0abc"
    setup = for_s3(Wanted(bucket="lake", principal=session))
    assert setup.principal == "arn:aws:iam::111122223333:role/uploader"


def test_buckets_of_another_partition_are_named_in_it() -> None:
    arn = "arn:aws-cn:iam::111122223333:user/windlass"
    policy = step(for_s3(Wanted(bucket="lake", principal=arn)), "bucket_policy").document
    assert policy["Statement"][0]["Resource"] == ("arn:aws-cn:s3:::lake", "arn:aws-cn:s3:::lake/*")


@pytest.mark.parametrize(
    "principal", ["windlass", "arn:aws:iam:user/x", "arn:aws:s3:::lake", ARN + '"', ARN + "\n"]
)
def test_what_is_no_arn_is_refused(principal: str) -> None:
    with pytest.raises(InvalidRequest, match="--principal"):
        for_s3(Wanted(bucket="lake", principal=principal))


@pytest.mark.parametrize("principal", ["windlass", "a@b c", "a@b'", "robot:a@b"])
def test_what_is_no_member_is_refused(principal: str) -> None:
    with pytest.raises(InvalidRequest, match="--principal"):
        for_gcs(Wanted(bucket="lake", principal=principal))


def test_wildcards_in_a_prefix_stand_for_themselves() -> None:
    wanted = Wanted(bucket="lake", prefix="a*b?$c/", principal=ARN)
    policy = step(for_s3(wanted), "bucket_policy").document
    assert policy["Statement"][1]["Resource"] == "arn:aws:s3:::lake/a${*}b${?}${$}c/*"


def test_lifecycle_rules_end_unfinished_uploads_below_the_prefix() -> None:
    (rule,) = step(for_s3(Wanted(bucket="lake", prefix="a/")), "lifecycle").document["Rules"]
    assert rule["Filter"] == {"Prefix": "a/"}
    assert rule["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 1}
    assert "Expiration" not in rule
    (rule,) = step(for_gcs(Wanted(bucket="lake", prefix="a/")), "lifecycle").document["rule"]
    assert rule == {
        "action": {"type": "AbortIncompleteMultipartUpload"},
        "condition": {"age": 1, "matchesPrefix": ["a/"]},
    }


def test_google_delivery_is_the_object_creator_role() -> None:
    setup = for_gcs(Wanted(bucket="lake", principal="robot@p.iam.gserviceaccount.com"))
    (binding,) = step(setup, "role_bindings").document["bindings"]
    assert binding == {
        "role": "roles/storage.objectCreator",
        "members": ["serviceAccount:robot@p.iam.gserviceaccount.com"],
    }
    (command,) = step(setup, "role_bindings").commands
    assert shlex.split(command)[-1] == "--condition=None"


def test_google_bindings_are_limited_to_the_prefix() -> None:
    wanted = Wanted(bucket="lake", prefix="it's, here/", principal="user:a@b.test")
    bound = step(for_gcs(wanted), "role_bindings")
    (binding,) = bound.document["bindings"]
    wished = 'resource.name.startsWith("projects/_/buckets/lake/objects/it\'s, here/")'
    assert binding["condition"]["expression"] == wished
    condition = shlex.split(bound.commands[0])[-1].removeprefix("--condition=^;;^")
    assert dict(part.split("=", 1) for part in condition.split(";;")) == binding["condition"]


def test_google_jobs_may_list_read_and_write_but_not_outside() -> None:
    wanted = Wanted(bucket="lake", prefix="a/", principal="user:a@b.test", purpose="jobs")
    rights = []
    for one in step(for_gcs(wanted), "role_bindings").document["bindings"]:
        expression = one.get("condition", {}).get("expression", "")
        below = expression.partition("/objects/")[2].removesuffix('")')
        rights.append((one["role"].rpartition(".")[2], below))
    assert rights == [
        ("legacyBucketReader", ""),
        ("objectViewer", "a/input/"),
        ("objectViewer", "a/output/"),
        ("objectCreator", "a/output/"),
    ]
