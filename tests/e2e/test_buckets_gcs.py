"""Uploads to Google Cloud Storage: created, never replaced, with the Object Creator role."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage

from tests.support.gcs import ADMIN, CREATOR, GCS, NOBODY
from windlass.buckets import WHOLE_BYTES, Buckets, Held, Source
from windlass.errors import (
    BucketMissing,
    ObjectExists,
    StorageDenied,
    StorageUnavailable,
)
from windlass.settings import Settings

BODY = b'{"data":{}}'
LARGE = Held([os.urandom(1024 * 1024)] * (WHOLE_BYTES // 1024 // 1024 + 5))


@pytest.fixture
def creator(gcs: GCS, tmp_path: Path) -> Settings:
    """A service account that may create objects, and nothing else."""
    path = gcs.key_file(tmp_path, CREATOR)
    return Settings(google_application_credentials=str(path))


@pytest.fixture
def admin(gcs: GCS, tmp_path: Path) -> Settings:
    """A service account that may do everything."""
    folder = tmp_path / "admin"
    folder.mkdir()
    return Settings(google_application_credentials=str(gcs.key_file(folder, ADMIN)))


async def upload(settings: Settings, url: str, source: Source, **options: bool) -> None:
    buckets = Buckets(settings)
    try:
        await buckets.upload(url, source, compress=options.pop("compress", False), **options)
    finally:
        await buckets.aclose()


async def test_who_may_only_create_creates(gcs: GCS, creator: Settings) -> None:
    bucket = gcs.bucket()
    await upload(creator, f"gs://{bucket}/a b/é.json", Held([BODY]))
    await upload(creator, f"gs://{bucket}/a.json.gz", Held([BODY]), compress=True)
    assert gcs.objects[bucket, "a b/é.json"].content == BODY
    assert gcs.objects[bucket, "a b/é.json"].kind == "application/json"
    assert gcs.objects[bucket, "a.json.gz"].kind == "application/gzip"
    assert {method for method, _ in gcs.seen} == {"PUT"}


async def test_large_content_goes_in_parts_and_needs_no_more_rights(
    gcs: GCS, creator: Settings
) -> None:
    bucket = gcs.bucket()
    await upload(creator, f"gs://{bucket}/big.json", LARGE)
    made = gcs.objects[bucket, "big.json"]
    assert made.content == b"".join(LARGE.pieces)
    assert (made.kind, made.in_parts) == ("application/json", True)
    assert gcs.uploads == {}


async def test_googles_own_client_reads_what_was_stored(
    gcs: GCS, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = gcs.bucket()
    settings = Settings(storage_emulator_host=gcs.url.removeprefix("http://"))
    await upload(settings, f"gs://{bucket}/pages/1.json", Held([BODY]))
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", gcs.url)
    client = storage.Client(project="p", credentials=AnonymousCredentials())
    (found,) = client.list_blobs(bucket)
    assert (found.name, found.content_type) == ("pages/1.json", "application/json")
    assert found.download_as_bytes() == BODY
    client.close()


@pytest.mark.parametrize("source", [Held([BODY]), LARGE], ids=["whole", "parts"])
async def test_another_object_of_that_name_is_not_replaced(
    gcs: GCS, creator: Settings, source: Held
) -> None:
    bucket = gcs.bucket()
    await upload(creator, f"gs://{bucket}/a.json", Held([b"somebody's"]))
    with pytest.raises(ObjectExists, match=r"a\.json.*never replaced") as caught:
        await upload(creator, f"gs://{bucket}/a.json", source)
    assert not caught.value.retryable
    assert gcs.objects[bucket, "a.json"].content == b"somebody's"
    assert gcs.uploads == {}, "the parts were aborted"


async def test_an_object_that_arrived_while_its_answer_was_lost_is_a_success(
    gcs: GCS, creator: Settings
) -> None:
    bucket = gcs.bucket()
    gcs.lose = 1
    with pytest.raises(StorageUnavailable) as caught:
        await upload(creator, f"gs://{bucket}/a.json", Held([BODY]))
    assert caught.value.retryable
    await upload(creator, f"gs://{bucket}/a.json", Held([BODY]), again=True)
    assert gcs.objects[bucket, "a.json"].content == BODY


async def test_an_upload_in_parts_that_had_arrived_is_a_success(
    gcs: GCS, creator: Settings
) -> None:
    bucket = gcs.bucket()
    await upload(creator, f"gs://{bucket}/big.json", LARGE)
    await upload(creator, f"gs://{bucket}/big.json", LARGE, again=True)
    assert gcs.uploads == {}


async def test_who_may_look_knows_whether_the_bytes_are_ours(gcs: GCS, admin: Settings) -> None:
    bucket = gcs.bucket()
    await upload(admin, f"gs://{bucket}/a.json", Held([BODY]))
    await upload(admin, f"gs://{bucket}/a.json", Held([BODY]))
    for again in (False, True):
        with pytest.raises(ObjectExists):
            await upload(admin, f"gs://{bucket}/a.json", Held([b"other bytes"]), again=again)
    assert gcs.objects[bucket, "a.json"].content == BODY


async def test_missing_rights_and_buckets_are_told(
    gcs: GCS, creator: Settings, tmp_path: Path
) -> None:
    bucket = gcs.bucket()
    with pytest.raises(BucketMissing):
        await upload(creator, "gs://no-such-pool/a.json", Held([BODY]))
    nobody = Settings(google_application_credentials=str(gcs.key_file(tmp_path, NOBODY)))
    for source in (Held([BODY]), LARGE):
        with pytest.raises(StorageDenied, match=r"storage\.\w+\.create"):
            await upload(nobody, f"gs://{bucket}/a.json", source)
