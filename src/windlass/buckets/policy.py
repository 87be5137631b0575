"""Policies: what a bucket's owner sets up so that the server may write there, as documents.

Pure: `windlass storage policy` prints them, docs/delivery.md explains them. Nothing is looked up,
nothing is applied. They grant what the hosted product asks for, to the operator's own principal.
"""

from __future__ import annotations

import re
import shlex
from typing import Any, Literal

import msgspec

from windlass.errors import InvalidRequest

Purpose = Literal["delivery", "jobs"]

UNKNOWN_ARN = "YOUR_PRINCIPAL_ARN"
UNKNOWN_ACCOUNT = "YOUR_SERVICE_ACCOUNT_EMAIL"
"""What stands where the principal is not known. No cloud accepts it, so it cannot stay unseen."""

_ARN = re.compile(r"arn:(?P<partition>aws[a-z-]*):(?:iam|sts)::[\w+=,.@-]*:[\w+=,.@/-]+")
_ASSUMED = re.compile(r"(arn:aws[a-z-]*):sts::(\d*):assumed-role/([^/]+)/.+")
_MEMBER = re.compile(r"(?:serviceAccount|user|group|principal|principalSet):\S+")
_KEY_ACTIONS = (
    "kms:Encrypt",
    "kms:Decrypt",
    "kms:ReEncrypt*",
    "kms:GenerateDataKey*",
    "kms:DescribeKey",
)


class Statement(msgspec.Struct, frozen=True, kw_only=True, rename="pascal"):
    """One statement of an AWS policy; encodes as AWS writes it."""

    sid: str
    effect: str = "Allow"
    principal: dict[str, str]
    action: str | tuple[str, ...]
    resource: str | tuple[str, ...]


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What a policy is asked for.

    `prefix` is empty or ends in a slash. `principal` is an ARN on S3, an e-mail address or a
    member ("serviceAccount:…") on Google Cloud, empty if it is not known. `key` names the KMS key
    that the bucket encrypts with.
    """

    bucket: str
    prefix: str = ""
    principal: str = ""
    purpose: Purpose = "delivery"
    key: str = ""


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One thing to set up: `name` for programs, `title` for people, and how to do it. `commands`
    take the document from a file `NAME.json`."""

    name: str
    title: str
    document: dict[str, Any]
    commands: tuple[str, ...] = ()


class Setup(msgspec.Struct, frozen=True, kw_only=True):
    """All that a bucket needs, in order; `notes` say what is to be filled in or thought of."""

    principal: str
    steps: tuple[Step, ...]
    notes: tuple[str, ...] = ()


def for_s3(wanted: Wanted) -> Setup:
    """Bucket policy, key statement and lifecycle rule for Amazon S3.

    Raises InvalidRequest if the principal is no ARN.
    """
    arn, notes = _principal_arn(wanted.principal)
    statements = s3_statements(wanted, arn)
    steps = [
        Step(
            name="bucket_policy",
            title=f"Bucket policy of {wanted.bucket}",
            document={"Version": "2012-10-17", "Statement": _plain(statements)},
            commands=(
                f"aws s3api put-bucket-policy --bucket {wanted.bucket}"
                " --policy file://bucket_policy.json",
            ),
        )
    ]
    if wanted.key:
        steps.append(
            Step(
                name="key_statement",
                title=f"Statement to add to the policy of the KMS key {wanted.key}",
                document=_plain(key_statement(arn)),
            )
        )
    steps.append(
        Step(
            name="lifecycle",
            title="Lifecycle rule: removes what a killed server leaves of an upload in parts",
            document=s3_lifecycle(wanted.prefix),
            commands=(
                f"aws s3api put-bucket-lifecycle-configuration --bucket {wanted.bucket}"
                " --lifecycle-configuration file://lifecycle.json",
            ),
        )
    )
    notes += (
        "Both commands replace what the bucket has: keep the statements and rules that are there.",
        "If the bucket or key belongs to another account, or the store knows no bucket policies "
        "(MinIO), give the principal itself the same statements without Principal.",
    )
    return Setup(principal=arn, steps=tuple(steps), notes=notes)


def s3_statements(wanted: Wanted, arn: str) -> tuple[Statement, ...]:
    """The statements of the hosted product's documentation, for `arn` and below the prefix.

    To delivery one is added that it lacks: without s3:AbortMultipartUpload the parts of an upload
    that failed stay, invisible and paid for, until the lifecycle rule removes them.
    """
    bucket = f"{_partition(arn)}:s3:::{wanted.bucket}"
    # A policy takes these three for itself; in braces they are characters of the name.
    below = f"{bucket}/" + re.sub(r"[*?$]", r"${\g<0>}", wanted.prefix)

    def allow(sid: str, action: str | tuple[str, ...], *resource: str) -> Statement:
        whole = resource[0] if len(resource) == 1 else resource
        return Statement(sid=sid, principal={"AWS": arn}, action=action, resource=whole)

    if wanted.purpose == "delivery":
        written = ("s3:PutObject", "s3:PutObjectAcl", "s3:GetBucketLocation")
        return (
            allow("WindlassCloudDelivery", written, bucket, f"{below}*"),
            allow("WindlassAbortFailedUploads", "s3:AbortMultipartUpload", f"{below}*"),
        )
    output = (
        "s3:GetObject",
        "s3:PutObject",
        "s3:AbortMultipartUpload",
        "s3:ListMultipartUploadParts",
    )
    # Listing is granted on the whole bucket: HEAD on a bucket carries no prefix, so that a
    # condition on the prefix would refuse the connection test.
    return (
        allow("WindlassListBucket", "s3:ListBucket", bucket),
        allow("WindlassReadInputPrefix", "s3:GetObject", f"{below}input/*"),
        allow("WindlassReadWriteOutputPrefix", output, f"{below}output/*"),
    )


def key_statement(arn: str) -> Statement:
    """What the policy of a bucket's KMS key has to say; "*" is there the key itself."""
    return Statement(
        sid="WindlassKMSAccess", principal={"AWS": arn}, action=_KEY_ACTIONS, resource="*"
    )


def s3_lifecycle(prefix: str) -> dict[str, Any]:
    """A lifecycle configuration that ends uploads in parts a day after they began."""
    return {
        "Rules": [
            {
                "ID": "windlass-abort-unfinished-uploads",
                "Status": "Enabled",
                "Filter": {"Prefix": prefix},
                "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1},
            }
        ]
    }


def for_gcs(wanted: Wanted) -> Setup:
    """Role bindings and lifecycle rule for Google Cloud Storage.

    Raises InvalidRequest if the principal is neither an e-mail address nor a member.
    """
    member, notes = _member(wanted.principal)
    bindings = [_binding(wanted, role, member, below) for role, below in _roles(wanted)]
    commands = tuple(_binding_command(wanted.bucket, one) for one in bindings)
    steps = (
        Step(
            name="role_bindings",
            title=f"Role bindings of gs://{wanted.bucket}",
            document={"version": 3, "bindings": bindings},
            commands=commands,
        ),
        Step(
            name="lifecycle",
            title="Lifecycle rule: removes what a killed server leaves of an upload in parts",
            document=gcs_lifecycle(wanted.prefix),
            commands=(
                f"gcloud storage buckets update gs://{wanted.bucket}"
                " --lifecycle-file=lifecycle.json",
            ),
        ),
    )
    notes += ("The last command replaces the rules of the bucket: keep those that are there.",)
    if any("condition" in one for one in bindings):
        notes += ("Conditions need a bucket with uniform bucket-level access.",)
    if wanted.key:
        notes += (
            "Cloud Storage encrypts with its own service agent: grant the key to that "
            "(gcloud storage service-agent --authorize-cmek KEY), not to the principal.",
        )
    return Setup(principal=member, steps=steps, notes=notes)


def gcs_lifecycle(prefix: str) -> dict[str, Any]:
    """A lifecycle configuration that ends uploads in parts a day after they began."""
    condition: dict[str, Any] = {"age": 1}
    if prefix:
        condition["matchesPrefix"] = [prefix]
    return {
        "rule": [{"action": {"type": "AbortIncompleteMultipartUpload"}, "condition": condition}]
    }


def _roles(wanted: Wanted) -> tuple[tuple[str, str | None], ...]:
    """Roles, each with the prefix that it is limited to; None for the whole bucket."""
    prefix = wanted.prefix
    if wanted.purpose == "delivery":
        return (("roles/storage.objectCreator", prefix or None),)
    # Lists are asked of the bucket, so a condition on object names would refuse them.
    return (
        ("roles/storage.legacyBucketReader", None),
        ("roles/storage.objectViewer", f"{prefix}input/"),
        ("roles/storage.objectViewer", f"{prefix}output/"),
        ("roles/storage.objectCreator", f"{prefix}output/"),
    )


def _binding(wanted: Wanted, role: str, member: str, below: str | None) -> dict[str, Any]:
    binding: dict[str, Any] = {"role": role, "members": [member]}
    if below is not None:
        name = f"projects/_/buckets/{wanted.bucket}/objects/{below}"
        binding["condition"] = {
            "title": f"windlass {role.rpartition('.')[2]}",
            "expression": f"resource.name.startsWith({msgspec.json.encode(name).decode()})",
        }
    return binding


def _binding_command(bucket: str, binding: dict[str, Any]) -> str:
    """The same binding for gcloud. "^;;^" makes it split its pairs there and not at commas, which
    prefixes may hold; None keeps it from asking when the bucket has conditions already."""
    (member,) = binding["members"]
    condition = "None"
    if "condition" in binding:
        one = binding["condition"]
        condition = f"^;;^title={one['title']};;expression={one['expression']}"
    return (
        f"gcloud storage buckets add-iam-policy-binding gs://{bucket} --member={member}"
        f" --role={binding['role']} {shlex.quote(f'--condition={condition}')}"
    )


def _principal_arn(principal: str) -> tuple[str, tuple[str, ...]]:
    """The ARN to grant to, and what there is to say about it."""
    if not principal:
        return UNKNOWN_ARN, (
            f"Replace {UNKNOWN_ARN}, or say --principal ARN. Who the server's credentials are: "
            "aws sts get-caller-identity --query Arn --output text",
        )
    if not _ARN.fullmatch(principal):
        raise InvalidRequest(
            f"--principal {principal} is no ARN such as arn:aws:iam::111122223333:user/windlass"
        )
    assumed = _ASSUMED.fullmatch(principal)
    if assumed is None:
        return principal, ()
    partition, account, role = assumed.groups()
    return f"{partition}:iam::{account}:role/{role}", (
        "The principal is a session of a role; the role is granted, which outlives it. "
        "If the role has a path, put it before its name.",
    )


def _member(principal: str) -> tuple[str, tuple[str, ...]]:
    if not principal:
        return f"serviceAccount:{UNKNOWN_ACCOUNT}", (
            f"Replace {UNKNOWN_ACCOUNT}, or say --principal EMAIL. It is client_email in the file "
            "that GOOGLE_APPLICATION_CREDENTIALS names.",
        )
    if _MEMBER.fullmatch(principal):
        return principal, ()
    if not re.fullmatch(r"[^@\s:']+@[^@\s:']+", principal):
        raise InvalidRequest(
            f"--principal {principal} is no e-mail address of a service account and no member "
            "such as user:name@example.com"
        )
    return f"serviceAccount:{principal}", ()


def _partition(arn: str) -> str:
    """ "arn:aws", or that of China or GovCloud, whose buckets have it too."""
    found = _ARN.fullmatch(arn)
    return f"arn:{found['partition']}" if found else "arn:aws"


def _plain(value: Any) -> Any:
    return msgspec.to_builtins(value)
