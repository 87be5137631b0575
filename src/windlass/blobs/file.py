"""Bytes in a folder of the local disk (or a shared one), appended to packs.

A file per result costs ten times the CPU of an append, most of it for the file system's own
records, and two disk flushes instead of one. A pack belongs to one process and one hour:
"results/2026112204/4711-9f3a.pack"; an address adds offset and length. What was appended but never
referred to (a crash, a dropped outcome) goes when its pack does.
"""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit
from urllib.request import url2pathname

from windlass.blobs.packs import HOUR, RESULTS, Address, Pieces, hour_over, pack_name
from windlass.errors import BlobMissing, StorageFull
from windlass.settings import Settings

T = TypeVar("T")

PACK_BYTES = 256_000_000
"""A pack that has grown beyond this is closed and a new one begun."""
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def open_file_blobs(settings: Settings) -> FileBlobs:
    """The folder of a file:// URL, or the one in the state directory."""
    if not settings.results_url:
        return FileBlobs(settings.data)
    return FileBlobs(Path(url2pathname(urlsplit(settings.results_url).path)))


class FileBlobs:
    """Packs below `folder`. Safe for many processes: each appends to packs of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        (folder / RESULTS).mkdir(parents=True, exist_ok=True, mode=0o700)
        # Appends follow each other; reads need not wait for them.
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="pack")
        self._readers = ThreadPoolExecutor(2, thread_name_prefix="blobs")
        self._pack: Pack | None = None

    async def put(self, contents: Sequence[bytes]) -> Sequence[str]:
        """Appends everything with one flush of the disk. Raises StorageFull."""
        try:
            return await self._run(self._writer, lambda: self._append(contents))
        except OSError as error:
            if error.errno in _FULL:
                raise StorageFull from error
            raise

    async def get(self, address: str) -> bytes:
        """The bytes at an address. Raises BlobMissing."""
        return await self._range(Address.of(address))

    async def source(self, address: str) -> Pieces:
        """The bytes at an address, a megabyte at a time. Raises BlobMissing."""
        where = Address.of(address)
        if not await self._run(self._readers, (self._folder / where.pack).exists):
            raise BlobMissing(f"no bytes are stored at {address}")
        return Pieces(where, self._range)

    async def expire(self, before: datetime) -> None:
        """Removes the folders of the hours that ended before a moment."""
        await self._run(self._readers, lambda: self._expire(before))

    async def aclose(self) -> None:
        """Waits for writes under way and closes the pack."""
        await self._run(self._writer, self._close)
        await asyncio.to_thread(self._writer.shutdown)
        await asyncio.to_thread(self._readers.shutdown)

    async def _range(self, where: Address) -> bytes:
        path = self._folder / where.pack
        try:
            content = await self._run(
                self._readers, lambda: _read(path, where.offset, where.length)
            )
        except FileNotFoundError as error:
            raise BlobMissing(f"no bytes are stored at {where}") from error
        if len(content) != where.length:
            raise BlobMissing(f"the bytes at {where} are cut short")
        return content

    async def _run(self, threads: ThreadPoolExecutor, action: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(threads, action)

    def _append(self, contents: Sequence[bytes]) -> Sequence[str]:
        hour = datetime.now(UTC).strftime(HOUR)
        if self._pack is None or self._pack.hour != hour or self._pack.size >= PACK_BYTES:
            self._close()
            self._pack = Pack(self._folder, hour)
        try:
            return self._pack.append(contents)
        except OSError:
            self._close()  # what it now holds beyond its last good append is not worth knowing
            raise

    def _close(self) -> None:
        if self._pack is not None:
            self._pack.close()
            self._pack = None

    def _expire(self, before: datetime) -> None:
        for folder in (self._folder / RESULTS).iterdir():
            if hour_over(folder.name, before):
                shutil.rmtree(folder, ignore_errors=True)


class Pack:
    """A file being appended to."""

    def __init__(self, folder: Path, hour: str) -> None:
        self.hour = hour
        self.size = 0
        self._name = pack_name(hour)
        path = folder / self._name
        path.parent.mkdir(exist_ok=True, mode=0o700)
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        # A new name survives a power cut only once the folders above it are on the disk.
        for parent in (path.parent, path.parent.parent):
            _sync_folder(parent)

    def append(self, contents: Sequence[bytes]) -> list[str]:
        """The addresses of what is now on the disk. Raises OSError, and then nothing counts."""
        addresses = []
        end = self.size
        for content in contents:
            _write(self._file, content, end)
            addresses.append(str(Address(self._name, end, len(content))))
            end += len(content)
        os.fdatasync(self._file)
        self.size = end
        return addresses

    def close(self) -> None:
        """Gives the file back."""
        os.close(self._file)


def _write(file: int, content: bytes, offset: int) -> None:
    view = memoryview(content)
    while view:
        written = os.pwrite(file, view, offset)
        view, offset = view[written:], offset + written


def _read(path: Path, offset: int, length: int) -> bytes:
    with path.open("rb", buffering=0) as file:
        return os.pread(file.fileno(), length, offset)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
