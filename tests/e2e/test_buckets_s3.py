"""Uploads to S3, with the rights of the vendor's documentation and not one more."""

from __future__ import annotations

import asyncio
import gzip
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from typing import Any

import msgspec
import pytest

from tests.support.origin import Origin
from tests.support.s3 import DOCUMENTED, S3
from tests.support.s3_faults import FaultyS3
from tests.support.waiting import eventually_async
from windlass.buckets import WHOLE_BYTES, Buckets, Held, Source, s3rest, stores
from windlass.errors import BucketMissing, StorageDenied, StorageUnconfigured
from windlass.settings import Settings

MIB = 1024 * 1024
BODY = b'{"data":{"html":"<p>\xc3\xbc</p>"}}' * 100


class Large(msgspec.Struct, frozen=True):
    """Content that is made while it is read."""

    size: int
    block: bytes

    async def chunks(self) -> AsyncIterator[bytes]:
        """The block, as often as it takes."""
        left = self.size
        while left:
            piece = self.block[:left]
            left -= len(piece)
            yield piece

    @property
    def content(self) -> bytes:
        """All of it."""
        return (self.block * (self.size // len(self.block) + 1))[: self.size]


def large(size: int = WHOLE_BYTES + 5 * MIB) -> Large:
    return Large(size, os.urandom(MIB))


async def upload(settings: Settings, url: str, source: Source, **options: bool) -> None:
    buckets = Buckets(settings)
    try:
        await buckets.upload(url, source, compress=options.pop("compress", False), **options)
    finally:
        await buckets.aclose()


def granted(s3: S3, bucket: str, actions: Sequence[str] = DOCUMENTED, **more: Any) -> Settings:
    return Settings(**s3.grant_on(bucket, actions).settings(s3.url), **more)


# ---------------------------------------------------------------- bytes, names, types


async def test_an_object_is_json_under_its_key(s3: S3) -> None:
    bucket = s3.bucket()
    await upload(granted(s3, bucket), f"s3://{bucket}/a/b.json", Held([BODY[:7], BODY[7:]]))
    content, about = s3.object(bucket, "a/b.json")
    assert content == BODY
    assert about["ContentType"] == "application/json"
    assert s3.operations(bucket) == ["PutObject"]


async def test_a_compressed_object_is_a_gzip_file_and_the_same_every_time(s3: S3) -> None:
    bucket = s3.bucket()
    settings = granted(s3, bucket)
    await upload(settings, f"s3://{bucket}/a.json.gz", Held([BODY]), compress=True)
    content, about = s3.object(bucket, "a.json.gz")
    assert gzip.decompress(content) == BODY
    assert about["ContentType"] == "application/gzip"
    assert "ContentEncoding" not in about
    await upload(settings, f"s3://{bucket}/a.json.gz", Held([BODY]), compress=True)
    assert s3.object(bucket, "a.json.gz")[0] == content


@pytest.mark.parametrize("key", ["a b+c&d=e.json", "é/ü?#%25.json", "~*'()!@$,;:.json", "…/日本"])
async def test_keys_arrive_as_they_are(s3: S3, key: str) -> None:
    bucket = s3.bucket()
    await upload(granted(s3, bucket), f"s3://{bucket}/{key}", Held([BODY]))
    assert s3.keys(bucket) == [key]


async def test_a_bucket_name_may_have_dots(s3: S3) -> None:
    bucket = s3.bucket("results.my-company.com")
    await upload(granted(s3, bucket), f"s3://{bucket}/a.json", Held([BODY]))
    assert s3.object(bucket, "a.json")[0] == BODY


async def test_an_object_is_replaced(s3: S3) -> None:
    bucket = s3.bucket()
    settings = granted(s3, bucket)
    for body in (b"{}", BODY):
        await upload(settings, f"s3://{bucket}/a.json", Held([body]))
    assert s3.object(bucket, "a.json")[0] == BODY


async def test_a_bucket_that_encrypts_with_a_key_of_its_owner_needs_nothing_of_us(s3: S3) -> None:
    bucket = s3.bucket()
    rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms"}}
    s3.s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": [rule]})
    await upload(granted(s3, bucket), f"s3://{bucket}/a.json", Held([BODY]))
    content, about = s3.object(bucket, "a.json")
    assert (content, about["ServerSideEncryption"]) == (BODY, "aws:kms")


# ---------------------------------------------------------------- large content


async def test_large_content_goes_in_parts_and_needs_no_more_rights(s3: S3) -> None:
    bucket, source = s3.bucket(), large()
    await upload(granted(s3, bucket), f"s3://{bucket}/big.json", source)
    content, about = s3.object(bucket, "big.json")
    assert content == source.content
    assert about["ContentType"] == "application/json"
    seen = s3.operations(bucket)
    assert seen[0] == "CreateMultipartUpload"
    assert seen[-1] == "CompleteMultipartUpload"
    assert set(seen[1:-1]) == {"UploadPart"}
    assert s3.unfinished(bucket) == []


async def test_large_content_that_compresses_well_is_one_request(s3: S3) -> None:
    bucket, source = s3.bucket(), Large(WHOLE_BYTES, BODY * 400)
    await upload(granted(s3, bucket), f"s3://{bucket}/big.json.gz", source, compress=True)
    assert gzip.decompress(s3.object(bucket, "big.json.gz")[0]) == source.content
    assert s3.operations(bucket) == ["PutObject"]


async def test_a_cancelled_upload_leaves_nothing(s3: S3) -> None:
    bucket = s3.bucket()
    buckets = Buckets(granted(s3, bucket, [*DOCUMENTED, "s3:AbortMultipartUpload"]))
    task = asyncio.create_task(buckets.upload(f"s3://{bucket}/big", large(), compress=False))

    async def in_the_middle() -> bool:
        return s3.operations(bucket).count("UploadPart") >= 2

    await eventually_async(in_the_middle, "two parts are on their way")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await buckets.aclose()
    assert (s3.unfinished(bucket), s3.keys(bucket)) == ([], [])
    assert "AbortMultipartUpload" in s3.operations(bucket)


class Broken(Large, frozen=True):
    """Content whose reading fails late."""

    async def chunks(self) -> AsyncIterator[bytes]:
        """Forty pieces, then the disk breaks."""
        for _ in range(40):
            yield self.block
        raise OSError("the disk is broken")


async def test_content_that_cannot_be_read_leaves_nothing(s3: S3) -> None:
    bucket = s3.bucket()
    settings = granted(s3, bucket, [*DOCUMENTED, "s3:AbortMultipartUpload"])
    with pytest.raises(OSError, match="the disk is broken"):
        await upload(settings, f"s3://{bucket}/big", Broken(WHOLE_BYTES, os.urandom(MIB)))
    assert (s3.unfinished(bucket), s3.keys(bucket)) == ([], [])


_MEASURED = """
import asyncio, os, sys
from collections.abc import AsyncIterator
from windlass.buckets import Buckets, Held
from windlass.settings import load

def peak() -> int:
    lines = open("/proc/self/status").read().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))

class Made:
    size = int(sys.argv[2]) * 1024 * 1024
    async def chunks(self) -> AsyncIterator[bytes]:
        for _ in range(int(sys.argv[2])):
            yield os.urandom(1024 * 1024)

async def main() -> None:
    buckets = Buckets(load().settings)
    await buckets.upload(sys.argv[1] + "/small", Held([b"{}"]), compress=False)
    before = peak()
    await buckets.upload(sys.argv[1] + "/big", Made(), compress=sys.argv[3] == "gzip")
    print((peak() - before) * 1024)

asyncio.run(main())
"""


@pytest.mark.parametrize("way", ["plain", "gzip"])
def test_memory_is_bounded_whatever_the_size(faulty_s3: FaultyS3, way: str) -> None:
    environment = {name.upper(): text for name, text in faulty_s3.settings().items()}
    run = subprocess.run(
        [sys.executable, "-c", _MEASURED, "s3://lake", "150", way],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=100,
        check=True,
    )
    assert len(faulty_s3.objects["lake/big"]) >= 150 * MIB
    assert int(run.stdout) < 90 * MIB


# ---------------------------------------------------------------- rights


async def test_a_missing_right_to_put_is_told(s3: S3) -> None:
    bucket = s3.bucket()
    settings = granted(s3, bucket, ["s3:PutObjectAcl", "s3:GetBucketLocation"])
    with pytest.raises(StorageDenied, match=f"PutObject on bucket '{bucket}'") as caught:
        await upload(settings, f"s3://{bucket}/a.json", Held([BODY]))
    assert not caught.value.retryable
    with pytest.raises(StorageDenied, match="CreateMultipartUpload"):
        await upload(settings, f"s3://{bucket}/big.json", large())


async def test_a_bucket_that_is_not_there_is_told(s3: S3) -> None:
    settings = Settings(**s3.grant(["s3:*"], ["*"]).settings(s3.url))
    with pytest.raises(BucketMissing, match="no-such-lake") as caught:
        await upload(settings, "s3://no-such-lake/a.json", Held([BODY]))
    assert not caught.value.retryable


async def test_keys_that_nobody_knows_are_told(s3: S3) -> None:
    bucket = s3.bucket()
    access = s3.grant_on(bucket)
    wrong = access.settings(s3.url) | {"aws_secret_access_key": "wrong"}
    with pytest.raises(StorageDenied, match="secret key does not belong"):
        await upload(Settings(**wrong), f"s3://{bucket}/a.json", Held([BODY]))


async def test_the_owner_gets_control_if_the_setting_says_so(s3: S3) -> None:
    bucket = s3.bucket()
    settings = granted(s3, bucket, storage_acl="bucket-owner-full-control")
    await upload(settings, f"s3://{bucket}/a.json", Held([BODY]))
    (request,) = [one for one in s3.requests if one.bucket == bucket and one.key == "a.json"]
    assert request.headers["x-amz-acl"] == "bucket-owner-full-control"
    assert "x-amz-acl" in request.headers["authorization"], "it is signed"
    await upload(settings, f"s3://{bucket}/big.json", large())
    parts = [one for one in s3.requests if one.operation == "UploadPart" and one.bucket == bucket]
    assert parts
    assert all("x-amz-acl" not in one.headers for one in parts), "S3 refuses it there"
    assert s3.operations(bucket)[-1] == "PutObjectAcl"


async def test_a_missing_right_to_set_the_acl_is_told(s3: S3) -> None:
    bucket = s3.bucket()
    actions = ["s3:PutObject", "s3:GetBucketLocation"]
    settings = granted(s3, bucket, actions, storage_acl="bucket-owner-full-control")
    with pytest.raises(StorageDenied, match="PutObjectAcl"):
        await upload(settings, f"s3://{bucket}/big.json", large())


# ---------------------------------------------------------------- regions


@pytest.fixture
def as_amazon(s3: S3, monkeypatch: pytest.MonkeyPatch) -> S3:
    """The double stands where Amazon's own endpoints are."""
    monkeypatch.setattr(s3rest, "service_url", lambda *_: s3.url)
    monkeypatch.setattr(stores, "fits_host", lambda _: False)
    return s3


def at_amazon(access: dict[str, str], **more: Any) -> Settings:
    return Settings(**{**access, "aws_endpoint_url_s3": ""}, **more)


async def test_the_buckets_region_is_asked_for_once_and_signed_for(as_amazon: S3) -> None:
    bucket = as_amazon.bucket(region="eu-west-3")
    access = as_amazon.grant_on(bucket).settings("")
    buckets = Buckets(at_amazon(access))
    for name in ("a", "b"):
        await buckets.upload(f"s3://{bucket}/{name}", Held([BODY]), compress=False)
    await buckets.aclose()
    assert as_amazon.operations(bucket) == ["GetBucketLocation", "PutObject", "PutObject"]
    puts = [one for one in as_amazon.requests if one.bucket == bucket and one.key]
    assert all("/eu-west-3/s3/" in one.headers["authorization"] for one in puts)


async def test_without_the_right_to_ask_the_settings_region_is_used(as_amazon: S3) -> None:
    bucket = as_amazon.bucket()
    access = as_amazon.grant_on(bucket, ["s3:PutObject"]).settings("")
    await upload(at_amazon(access), f"s3://{bucket}/a", Held([BODY]))
    assert as_amazon.keys(bucket) == ["a"]


def test_amazons_endpoints_are_named_after_region_and_partition() -> None:
    urls = [s3rest.service_url(Settings(), name) for name in ("eu-west-1", "cn-north-1")]
    assert urls == [
        "https://s3.eu-west-1.amazonaws.com",
        "https://s3.cn-north-1.amazonaws.com.cn",
    ]
    assert [stores.fits_host(name) for name in ("lake-1", "la.ke", "Lake", "la_ke")] == [
        True,
        False,
        False,
        False,
    ]


# ---------------------------------------------------------------- nothing is taken silently


@pytest.fixture
def machine(origin: Origin, monkeypatch: pytest.MonkeyPatch) -> Origin:
    """What a cloud machine offers: a metadata service and a container's credentials."""
    monkeypatch.setenv("AWS_METADATA_ENDPOINT", origin.base)
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{origin.base}/container")
    monkeypatch.setenv("GCE_METADATA_HOST", origin.base.removeprefix("http://"))
    monkeypatch.setenv("GCE_METADATA_IP", origin.base.removeprefix("http://"))
    monkeypatch.setenv("HOME", "/nonexistent")
    return origin


async def test_the_machines_own_credentials_are_never_asked_for(
    machine: Origin, faulty_s3: FaultyS3
) -> None:
    settings = Settings(aws_endpoint_url_s3=faulty_s3.url)
    for url in ("s3://lake/a.json", "gs://pool/a.json"):
        with pytest.raises(StorageUnconfigured):
            await upload(settings, url, Held([BODY]))
    await upload(Settings(**faulty_s3.settings()), "s3://lake/a.json", Held([BODY]))
    assert machine.all_visits() == []


async def test_they_are_if_the_setting_says_so(machine: Origin, faulty_s3: FaultyS3) -> None:
    settings = Settings(aws_endpoint_url_s3=faulty_s3.url, storage_instance_role=True)
    for url in ("s3://lake/a.json", "gs://pool/a.json"):
        with pytest.raises(StorageUnconfigured, match="signing in"):
            await upload(settings, url, Held([BODY]))
    paths = " ".join(seen.path for seen in machine.all_visits())
    assert "/latest/" in paths, "the S3 way"
    assert "/computeMetadata/" in paths, "the Google way"


async def test_variables_of_the_library_do_not_go_before_settings(
    s3: S3, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, text in (
        ("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9"),
        ("AWS_ENDPOINT_URL", "http://127.0.0.1:9"),
        ("AWS_ACCESS_KEY_ID", "other"),
        ("AWS_SECRET_ACCESS_KEY", "other"),
        ("AWS_SESSION_TOKEN", "other"),
        ("AWS_SKIP_SIGNATURE", "true"),
        ("AWS_REGION", "nowhere-1"),
        ("AWS_VIRTUAL_HOSTED_STYLE_REQUEST", "true"),
    ):
        monkeypatch.setenv(name, text)
    bucket = s3.bucket()
    await upload(granted(s3, bucket), f"s3://{bucket}/a.json", Held([BODY]))
    assert s3.keys(bucket) == ["a.json"]
