"""The local store of result bytes."""

from __future__ import annotations

import asyncio
import resource
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from windlass.blobs.file import FileBlobs
from windlass.errors import BlobMissing, StorageFull

NOW = datetime.now(UTC)


@pytest.fixture
async def blobs(tmp_path: Path) -> AsyncIterator[FileBlobs]:
    store = FileBlobs(tmp_path)
    yield store
    await store.aclose()


async def test_what_is_put_can_be_got(blobs: FileBlobs) -> None:
    contents = [b"one", b"", b"x" * 3_000_000]
    addresses = await blobs.put(contents)
    assert [await blobs.get(address) for address in addresses] == contents


async def test_another_process_reads_by_the_address_alone(blobs: FileBlobs, tmp_path: Path) -> None:
    (address,) = await blobs.put([b"shared"])
    other = FileBlobs(tmp_path)
    assert await other.get(address) == b"shared"
    await other.aclose()


async def test_many_writers_at_once_do_not_mix(blobs: FileBlobs) -> None:
    batches = [[f"{n}-{i}".encode() * 50 for i in range(5)] for n in range(40)]
    found = await asyncio.gather(*(blobs.put(batch) for batch in batches))
    for batch, addresses in zip(batches, found, strict=True):
        assert [await blobs.get(address) for address in addresses] == batch


@pytest.mark.parametrize(
    "address", ["", "x", "../../etc/passwd:0:5", "results/2026010100/../../api-key.pack:0:9"]
)
async def test_an_address_that_is_not_ours_is_missing(blobs: FileBlobs, address: str) -> None:
    with pytest.raises(BlobMissing):
        await blobs.get(address)


async def test_bytes_beyond_the_end_are_missing(blobs: FileBlobs) -> None:
    (address,) = await blobs.put([b"abc"])
    name = address.split(":")[0]
    with pytest.raises(BlobMissing):
        await blobs.get(f"{name}:1:5")


async def test_old_hours_are_removed_and_the_rest_stays(blobs: FileBlobs, tmp_path: Path) -> None:
    (kept,) = await blobs.put([b"kept"])
    old = tmp_path / "results" / (NOW - timedelta(days=8)).strftime("%Y%m%d%H")
    young = tmp_path / "results" / (NOW - timedelta(days=6)).strftime("%Y%m%d%H")
    strange = tmp_path / "results" / "lost+found"
    for folder in (old, young, strange):
        folder.mkdir()
        (folder / "1-a.pack").write_bytes(b"")
    await blobs.expire(NOW - timedelta(days=7))
    assert (old.exists(), young.exists(), strange.exists()) == (False, True, True)
    await blobs.expire(NOW + timedelta(days=1))
    assert await blobs.get(kept) == b"kept"


@pytest.fixture
def small_files() -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


async def test_a_full_disk_is_told_and_what_was_stored_stays(
    blobs: FileBlobs, small_files: None
) -> None:
    (address,) = await blobs.put([b"good"])
    with pytest.raises(StorageFull):
        await blobs.put([b"x" * 60_000, b"y" * 60_000])
    assert await blobs.get(address) == b"good"
    (again,) = await blobs.put([b"room again"])
    assert await blobs.get(again) == b"room again"
