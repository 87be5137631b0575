"""The suite that every store of result bytes passes: a folder, S3, Google Cloud Storage."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.support.gcs import GCS
from tests.support.s3 import S3
from tests.support.s3_faults import INTERNAL, FaultyS3
from windlass.blobs import Blobs, bucket, open_blobs
from windlass.blobs.packs import HOUR
from windlass.buckets import Buckets, Held
from windlass.errors import BlobMissing, ResultsUnavailable, SettingsError
from windlass.settings import Settings

NOW = datetime.now(UTC)


@pytest.fixture(params=["file", "s3", "gs"])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    """Where results are kept."""
    if request.param == "file":
        return Settings(data=tmp_path, results_url=f"file://{tmp_path}")
    if request.param == "gs":
        gcs: GCS = request.getfixturevalue("gcs")
        url = f"gs://{gcs.bucket()}/kept"
        return Settings(data=tmp_path, results_url=url, storage_emulator_host=gcs.url)
    s3: S3 = request.getfixturevalue("s3")
    name = s3.bucket()
    rights = ["s3:PutObject", "s3:GetObject", "s3:DeleteObject", "s3:ListBucket"]
    access = s3.grant_on(name, rights).settings(s3.url)
    return Settings(data=tmp_path, results_url=f"s3://{name}/kept/", **access)


@pytest.fixture
async def blobs(settings: Settings) -> AsyncIterator[Blobs]:
    store = open_blobs(settings)
    yield store
    await store.aclose()


@pytest.fixture
def place(settings: Settings) -> Callable[[str], str]:
    """The name of an hour's folder → what stands before the names in it."""
    base = settings.results_url.rstrip("/")
    return lambda hour: f"{base}/results/{hour}/"


async def test_what_is_put_can_be_got(blobs: Blobs) -> None:
    contents = [b"one", b"", b"x" * 3_000_000]
    addresses = await blobs.put(contents)
    assert [await blobs.get(address) for address in addresses] == contents


async def test_another_process_reads_by_the_address_alone(blobs: Blobs, settings: Settings) -> None:
    (address,) = await blobs.put([b"shared"])
    other = open_blobs(settings)
    assert await other.get(address) == b"shared"
    await other.aclose()


async def test_what_is_put_twice_has_two_addresses(blobs: Blobs) -> None:
    (one,), (two,) = await blobs.put([b"same"]), await blobs.put([b"same"])
    assert one != two


async def test_many_writers_at_once_do_not_mix(blobs: Blobs) -> None:
    batches = [[f"{n}-{i}".encode() * 50 for i in range(5)] for n in range(20)]
    found = await asyncio.gather(*(blobs.put(batch) for batch in batches))
    for batch, addresses in zip(batches, found, strict=True):
        assert [await blobs.get(address) for address in addresses] == batch


async def test_large_content_is_read_in_pieces(blobs: Blobs) -> None:
    content = bytes(range(256)) * 80_000
    _, address, _ = await blobs.put([b"before", content, b"after"])
    source = await blobs.source(address)
    assert source.size == len(content)
    for _ in range(2):
        pieces = [piece async for piece in source.chunks()]
        assert b"".join(pieces) == content
        assert len(pieces) > 1
        assert max(map(len, pieces)) < len(content) / 2


async def test_a_source_can_be_uploaded(blobs: Blobs, faulty_s3: FaultyS3) -> None:
    content = bytes(range(256)) * 80_000
    (address,) = await blobs.put([content])
    source = await blobs.source(address)
    buckets = Buckets(Settings(**faulty_s3.settings()))
    await buckets.upload("s3://lake/a", source, compress=False)
    assert faulty_s3.objects["lake/a"] == content


@pytest.mark.parametrize(
    "address", ["", "x", "../../etc/passwd:0:5", "results/2026010100/../../api-key.pack:0:9"]
)
async def test_an_address_that_is_not_ours_is_missing(blobs: Blobs, address: str) -> None:
    with pytest.raises(BlobMissing):
        await blobs.get(address)
    with pytest.raises(BlobMissing):
        await blobs.source(address)


async def test_bytes_that_are_not_there_are_missing(blobs: Blobs) -> None:
    (address,) = await blobs.put([b"abc"])
    name = address.split(":")[0]
    hour = name.split("/")[1]
    for absent in (f"{name}:1:5", f"{name}:7:5", f"results/{hour}/0-0.pack:0:3"):
        with pytest.raises(BlobMissing):
            await blobs.get(absent)
        with pytest.raises(BlobMissing):
            source = await blobs.source(absent)
            assert [piece async for piece in source.chunks()]


async def stored_in(settings: Settings, prefix: str, hour: str) -> str:
    """A pack of an hour, put there by hand; its address."""
    if settings.results_url.startswith("file"):
        folder = settings.data / "results" / hour
        folder.mkdir()
        (folder / "1-a.pack").write_bytes(b"abc")
    else:
        await Buckets(settings).put(f"{prefix}1-a.pack", Held([b"abc"]))
    return f"results/{hour}/1-a.pack:0:3"


async def test_old_hours_are_removed_and_the_rest_stays(
    blobs: Blobs, settings: Settings, place: Callable[[str], str]
) -> None:
    (kept,) = await blobs.put([b"kept"])
    hours = [(NOW - timedelta(days=days)).strftime(HOUR) for days in (9, 8, 6)]
    oldest, old, young = [await stored_in(settings, place(hour), hour) for hour in hours]
    await blobs.expire(NOW - timedelta(days=7))
    for gone in (oldest, old):
        with pytest.raises(BlobMissing):
            await blobs.get(gone)
    assert await blobs.get(young) == b"abc"
    await blobs.expire(NOW + timedelta(days=1))
    assert await blobs.get(kept) == b"kept"


async def test_results_put_together_are_one_object(s3: S3) -> None:
    name = s3.bucket()
    access = s3.grant_on(name, ["s3:PutObject"]).settings(s3.url)
    store = open_blobs(Settings(results_url=f"s3://{name}", **access))
    await store.put([b"x" * 100] * 64)
    assert len(s3.keys(name)) == 1
    await store.aclose()


async def test_many_large_results_do_not_make_one_huge_object(
    s3: S3, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bucket, "PACK_BYTES", 1000)
    name = s3.bucket()
    access = s3.grant_on(name, ["s3:PutObject", "s3:GetObject"]).settings(s3.url)
    store = open_blobs(Settings(results_url=f"s3://{name}/kept/", **access))
    contents = [b"a" * 600, b"b" * 600, b"c" * 300, b"d" * 5000, b"e"]
    addresses = await store.put(contents)
    assert [await store.get(address) for address in addresses] == contents
    assert len(s3.keys(name)) == 4
    await store.aclose()


async def test_a_store_that_does_not_answer_is_no_missing_result(faulty_s3: FaultyS3) -> None:
    store = open_blobs(Settings(results_url="s3://lake/kept", **faulty_s3.settings()))
    (address,) = await store.put([b"abc"])
    faulty_s3.fail("GetObject", *[INTERNAL] * 20)
    faulty_s3.fail("PutObject", *[INTERNAL] * 20)
    with pytest.raises(ResultsUnavailable) as caught:
        await store.get(address)
    assert caught.value.retryable
    assert not caught.value.public, "callers do not learn where results are kept"
    with pytest.raises(ResultsUnavailable):
        await store.put([b"abc"])
    await store.aclose()


async def test_a_bucket_is_asked_once_an_hour_what_is_old(s3: S3) -> None:
    name = s3.bucket()
    access = s3.grant_on(name, ["s3:ListBucket"]).settings(s3.url)
    store = open_blobs(Settings(results_url=f"s3://{name}/kept", **access))
    for _ in range(3):
        await store.expire(NOW - timedelta(days=7))
    assert s3.operations(name) == ["ListObjects"]
    await store.aclose()


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("s3://lake/kept", "AWS_ACCESS_KEY_ID"),
        ("gs://pool/kept", "GOOGLE_APPLICATION_CREDENTIALS"),
        ("s3://la@ke/kept", "is not s3://bucket/key"),
        ("ftp://lake/kept", "s3://"),
    ],
)
def test_a_bucket_that_cannot_be_used_is_told_at_the_start(url: str, said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        open_blobs(Settings(results_url=url))
