"""The local store of result bytes: what is particular to folders. The rest: e2e/test_blobs.py."""

from __future__ import annotations

import resource
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from windlass.blobs.file import FileBlobs
from windlass.errors import StorageFull

NOW = datetime.now(UTC)


@pytest.fixture
async def blobs(tmp_path: Path) -> AsyncIterator[FileBlobs]:
    store = FileBlobs(tmp_path)
    yield store
    await store.aclose()


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
