"""`windlass storage test` against an S3 and a Google Cloud Storage that enforce what was granted.

What is granted is what `windlass storage policy` prints.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from aiohttp import web

from tests.support.gcs import CREATOR, GCS
from tests.support.s3 import DOCUMENTED, S3, Access
from windlass.buckets.places import Place
from windlass.buckets.policy import Purpose, Wanted, for_s3
from windlass.buckets.probe import TEST_OBJECT, probe
from windlass.settings import Settings

LIMIT_S = 60.0
ARN = "arn:aws:iam::111122223333:user/windlass"


def statements(bucket: str, prefix: str, purpose: Purpose) -> list[dict[str, Any]]:
    """The statements that we print, as those of a user or role: the double knows no others."""
    wanted = Wanted(bucket=bucket, prefix=prefix, principal=ARN, purpose=purpose)
    printed: list[dict[str, Any]] = for_s3(wanted).steps[0].document["Statement"]
    own = [{name: one for name, one in item.items() if name != "Principal"} for item in printed]
    for item in own:
        if item["Action"] == "s3:ListBucket":  # which is what HEAD needs; the double asks for more
            item["Action"] = ["s3:ListBucket", "s3:HeadBucket"]
    return own


def policy_user(s3: S3, bucket: str, prefix: str, purpose: Purpose) -> Access:
    """Keys with the statements that we print."""
    return s3.grant_statements(statements(bucket, prefix, purpose))


def settings(s3: S3, access: Access, **more: str) -> Settings:
    return Settings(**(access.settings(s3.url) | more))


async def test_the_printed_delivery_policy_is_enough_to_write(s3: S3) -> None:
    bucket = s3.bucket()
    mine = settings(s3, policy_user(s3, bucket, "results/", "delivery"))
    for _ in range(2):
        found = await probe(mine, Place("s3", bucket, "results/"), "write")
        assert found.message == "✓ Connection OK"
        assert "s3:ListBucket" in found.cause, "HEAD was denied, and the PUT decided"
    assert s3.operations(bucket) == ["HeadBucket", "PutObject"] * 2
    assert s3.keys(bucket) == [f"results/{TEST_OBJECT}"]
    assert s3.object(bucket, f"results/{TEST_OBJECT}")[0] == b""


async def test_the_printed_delivery_policy_ends_at_its_prefix(s3: S3) -> None:
    bucket = s3.bucket()
    mine = settings(s3, policy_user(s3, bucket, "results/", "delivery"))
    found = await probe(mine, Place("s3", bucket, "others/"), "write")
    assert found.message == "✗ Access denied"
    assert s3.keys(bucket) == []


async def test_the_printed_jobs_policy_reads_input_and_writes_output(s3: S3) -> None:
    bucket = s3.bucket()
    mine = settings(s3, policy_user(s3, bucket, "", "jobs"))
    empty = await probe(mine, Place("s3", bucket, "input/"), "read")
    assert empty.message == "✓ Connection OK - prefix is empty"
    s3.s3.put_object(Bucket=bucket, Key="input/urls.csv", Body=b"url\n")
    found = await probe(mine, Place("s3", bucket, "input/"), "read")
    assert (found.message, found.cause) == ("✓ Connection OK", "")
    written = await probe(mine, Place("s3", bucket, "output/"), "write")
    assert (written.message, written.cause) == ("✓ Connection OK", "")
    refused = await probe(mine, Place("s3", bucket, "input/"), "write")
    assert refused.message == "✗ Access denied"
    assert s3.operations(bucket) == [
        *("HeadBucket", "ListObjects") * 2,
        *("HeadBucket", "PutObject") * 2,
    ]


async def test_the_vendors_policy_is_enough_to_write(s3: S3) -> None:
    bucket = s3.bucket()
    mine = settings(s3, s3.grant_on(bucket))
    assert (await probe(mine, Place("s3", bucket, ""), "write")).code == "ok"


@pytest.mark.parametrize(
    ("mode", "granted"),
    [("write", tuple(set(DOCUMENTED) - {"s3:PutObject"})), ("read", DOCUMENTED)],
)
async def test_a_missing_permission_is_access_denied(
    s3: S3, mode: Any, granted: tuple[str, ...]
) -> None:
    bucket = s3.bucket()
    found = await probe(settings(s3, s3.grant_on(bucket, granted)), Place("s3", bucket, "a/"), mode)
    assert found.message == "✗ Access denied"
    assert "AccessDenied" in found.cause
    assert "windlass storage policy" in found.fix


@pytest.mark.parametrize("mode", ["read", "write"])
async def test_wrong_keys_are_access_denied(s3: S3, mode: Any) -> None:
    bucket = s3.bucket()
    right = s3.grant_on(bucket)
    for wrong in (
        Access(right.access_key_id, "x" * 40),
        Access("AKIAIOSFODNN7EXAMPLE", right.secret_access_key),
    ):
        found = await probe(settings(s3, wrong), Place("s3", bucket, ""), mode)
        assert found.message == "✗ Access denied"


@pytest.mark.parametrize("mode", ["read", "write"])
async def test_a_bucket_that_nobody_made_does_not_exist(s3: S3, mode: Any) -> None:
    everything = s3.grant(("s3:*",), ("*",))
    found = await probe(settings(s3, everything), Place("s3", "nobody-made-this", ""), mode)
    assert found.message == "✗ Bucket does not exist"
    assert "nobody-made-this" in found.cause


async def test_a_bucket_with_dots_is_found(s3: S3) -> None:
    bucket = s3.bucket("my-lake.example.com")
    found = await probe(settings(s3, s3.grant_on(bucket)), Place("s3", bucket, "a/"), "write")
    assert found.code == "ok"


def assumed_role(s3: S3, statements: list[dict[str, Any]]) -> dict[str, str]:
    """The keys of a session of a new role, as a machine's metadata service tells them."""
    admin = s3.grant(("*",), ("*",))
    keys = {
        "aws_access_key_id": admin.access_key_id,
        "aws_secret_access_key": admin.secret_access_key,
        "endpoint_url": s3.url,
        "region_name": "us-east-1",
    }
    iam, sts = boto3.client("iam", **keys), boto3.client("sts", **keys)
    anyone = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}
    trust = json.dumps({"Version": "2012-10-17", "Statement": [anyone]})
    name = f"role-{uuid.uuid4().hex}"
    arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    document = json.dumps({"Version": "2012-10-17", "Statement": statements})
    iam.put_role_policy(RoleName=name, PolicyName="granted", PolicyDocument=document)
    made = sts.assume_role(RoleArn=arn, RoleSessionName="machine")["Credentials"]
    return {
        "AccessKeyId": made["AccessKeyId"],
        "SecretAccessKey": made["SecretAccessKey"],
        "Token": made["SessionToken"],
        "Expiration": "2099-01-01T00:00:00Z",
    }


@pytest.fixture
async def metadata(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[dict[str, str]]:
    """The metadata service of a machine; the keys that it tells are in the dictionary."""
    keys: dict[str, str] = {}

    async def answer(request: web.Request) -> web.Response:
        if request.path.endswith("/api/token"):
            return web.Response(text="token")
        if request.path.endswith("/security-credentials/"):
            return web.Response(text="uploader")
        return web.json_response(keys)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    monkeypatch.setenv("AWS_METADATA_ENDPOINT", f"http://127.0.0.1:{runner.addresses[0][1]}")
    yield keys
    await runner.cleanup()


async def test_a_machine_with_a_role_is_tested_too(s3: S3, metadata: dict[str, str]) -> None:
    bucket = s3.bucket()
    mine = Settings(aws_endpoint_url_s3=s3.url, storage_instance_role=True)
    metadata.update(assumed_role(s3, statements(bucket, "results/", "delivery")))
    written = await probe(mine, Place("s3", bucket, "results/"), "write")
    assert (written.code, written.cause) == ("ok", "")
    assert s3.keys(bucket) == [f"results/{TEST_OBJECT}"]
    for mode in ("read", "write"):
        refused = await probe(mine, Place("s3", bucket, "others/"), mode)
        assert refused.message == "✗ Access denied"
    everything = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
    metadata.update(assumed_role(s3, [everything]))
    assert (await probe(mine, Place("s3", bucket, "results/"), "read")).code == "ok"
    assert (await probe(mine, Place("s3", bucket, "others/"), "read")).code == "empty"
    missing = await probe(mine, Place("s3", "nobody-made-this", ""), "write")
    assert missing.message == "✗ Bucket does not exist"


def google(gcs: GCS, folder: Path, roles: frozenset[str]) -> Settings:
    return Settings(google_application_credentials=str(gcs.key_file(folder, roles)))


async def test_google_takes_writers_who_may_only_create(gcs: GCS, tmp_path: Path) -> None:
    bucket = gcs.bucket()
    mine = google(gcs, tmp_path, CREATOR)
    first = await probe(mine, Place("gs", bucket, "results"), "write")
    assert first.message == "✓ Connection OK"
    again = await probe(mine, Place("gs", bucket, "results"), "write")
    assert again.message == "✓ Connection OK"
    assert gcs.keys(bucket) == [f"results/{TEST_OBJECT}"]


async def test_google_readers_see_whether_there_is_anything(gcs: GCS, tmp_path: Path) -> None:
    bucket = gcs.bucket()
    mine = google(gcs, tmp_path, CREATOR | {"list"})
    empty = await probe(mine, Place("gs", bucket, "results/"), "read")
    assert empty.message == "✓ Connection OK - prefix is empty"
    await probe(mine, Place("gs", bucket, "results/"), "write")
    found = await probe(mine, Place("gs", bucket, "results/"), "read")
    assert found.message == "✓ Connection OK"


@pytest.mark.parametrize("mode", ["read", "write"])
async def test_google_refuses_those_without_a_role(gcs: GCS, tmp_path: Path, mode: Any) -> None:
    mine = google(gcs, tmp_path, frozenset())
    found = await probe(mine, Place("gs", gcs.bucket(), ""), mode)
    assert found.message == "✗ Access denied"


@pytest.mark.parametrize("mode", ["read", "write"])
async def test_google_has_no_bucket_that_nobody_made(gcs: GCS, tmp_path: Path, mode: Any) -> None:
    mine = google(gcs, tmp_path, CREATOR | {"list"})
    found = await probe(mine, Place("gs", "nobody-made-this", ""), mode)
    assert found.message == "✗ Bucket does not exist"


def windlass(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """The command, in a shell without any other cloud's variables."""
    cloud = ("AWS_", "GOOGLE_", "STORAGE_", "WINDLASS_")
    kept = {name: text for name, text in os.environ.items() if not name.startswith(cloud)}
    return subprocess.run(
        [str(Path(sys.executable).parent / "windlass"), "storage", *arguments],
        env=kept | variables,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )


def test_the_command_tells_the_finding_and_its_status(s3: S3, tmp_path: Path) -> None:
    bucket = s3.bucket()
    keys = s3.grant_on(bucket).settings(s3.url)
    mine = {name.upper(): text for name, text in keys.items()}
    url = f"s3://{bucket}/results"
    fine = windlass(tmp_path, "test", url, "--mode", "write", **mine)
    assert (fine.returncode, fine.stdout.splitlines()[0]) == (0, "✓ Connection OK")
    denied = windlass(tmp_path, "test", url, "--mode", "read", **mine)
    assert denied.returncode == 5
    assert [line.split(" ")[0] for line in denied.stdout.splitlines()] == ["✗", "cause:", "fix:"]
    as_json = windlass(tmp_path, "test", url, "--mode", "read", "--json", **mine)
    assert as_json.returncode == 5
    told = json.loads(as_json.stdout)
    assert (told["ok"], told["code"], told["message"]) == (
        False,
        "access_denied",
        "✗ Access denied",
    )
    nobody = windlass(
        tmp_path, "test", url, **(mine | {"AWS_ENDPOINT_URL_S3": "http://127.0.0.1:9"})
    )
    assert (nobody.returncode, nobody.stdout.splitlines()[0]) == (6, "✗ Connection failed")
    for run in (fine, denied, as_json, nobody):
        assert mine["AWS_SECRET_ACCESS_KEY"] not in run.stdout + run.stderr


def test_the_command_says_what_is_wrong_with_its_call(tmp_path: Path) -> None:
    for arguments in (("test", "s3://lake/x"), ("test", "ftp://lake/x"), ("policy", "s3://a/../b")):
        run = windlass(tmp_path, *arguments)
        assert (run.returncode, run.stdout) == (2, "")
        assert run.stderr.startswith("windlass: ")
        assert run.stderr.count("\n") == 1


def test_the_printed_policy_is_json_for_programs(tmp_path: Path, gcs: GCS) -> None:
    run = windlass(tmp_path, "policy", "s3://lake/a", "--principal", ARN, "--kms", "k", "--json")
    assert run.returncode == 0
    told = json.loads(run.stdout)
    assert list(told) == ["principal", "bucket_policy", "key_statement", "lifecycle", "notes"]
    file = gcs.key_file(tmp_path, CREATOR)
    account = json.loads(file.read_text())["client_email"]
    mine = {"GOOGLE_APPLICATION_CREDENTIALS": str(file)}
    run = windlass(tmp_path, "policy", "gs://lake/a/", "--json", **mine)
    assert json.loads(run.stdout)["principal"] == f"serviceAccount:{account}"
