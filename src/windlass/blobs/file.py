"""Bytes in a folder of the local disk (or a shared one). Writes are atomic and durable."""

from __future__ import annotations

import asyncio
import errno
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit
from urllib.request import url2pathname

from windlass.errors import BlobMissing, StorageFull
from windlass.settings import Settings

T = TypeVar("T")
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_UNFINISHED = ".part"
_ABANDONED_S = 3600.0


def open_file_blobs(settings: Settings) -> FileBlobs:
    """The folder of a file:// URL, or the one in the state directory."""
    if not settings.results_url:
        return FileBlobs(settings.data)
    return FileBlobs(Path(url2pathname(urlsplit(settings.results_url).path)))


class FileBlobs:
    """Keys are paths below `folder`. Each file appears whole or not at all."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="blobs")

    async def put(self, items: Sequence[tuple[str, bytes]]) -> None:
        """Stores all items and waits for the disk. Raises StorageFull."""
        try:
            await self._run(lambda: self._put(items))
        except OSError as error:
            if error.errno in _FULL:
                raise StorageFull from error
            raise

    async def get(self, key: str) -> bytes:
        """The bytes of a key. Raises BlobMissing."""
        try:
            return await self._run(self._path(key).read_bytes)
        except FileNotFoundError as error:
            raise BlobMissing(f"no bytes are stored under {key}") from error

    async def delete(self, keys: Sequence[str]) -> None:
        """Deletes; missing keys are no error."""

        def delete() -> None:
            for key in keys:
                self._path(key).unlink(missing_ok=True)

        await self._run(delete)

    async def sweep(self) -> None:
        """Removes what a process that was killed while it wrote left behind."""
        await self._run(self._sweep)

    async def aclose(self) -> None:
        """Waits for writes under way."""
        await asyncio.to_thread(self._threads.shutdown)

    async def _run(self, action: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, action)

    def _path(self, key: str) -> Path:
        path = self._folder / key
        if ".." in path.parts or not path.is_relative_to(self._folder):
            raise BlobMissing(f"no bytes are stored under {key}")
        return path

    def _put(self, items: Sequence[tuple[str, bytes]]) -> None:
        folders: set[Path] = set()
        for key, content in items:
            path = self._path(key)
            if path.parent not in folders:
                path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                folders.add(path.parent)
            _write(path, content)
        # A rename survives a power cut only once its folder is on the disk.
        for folder in folders:
            _sync_folder(folder)

    def _sweep(self) -> None:
        old = time.time() - _ABANDONED_S
        for path in self._folder.rglob(f"*{_UNFINISHED}"):
            try:
                if path.stat().st_mtime < old:
                    path.unlink()
            except FileNotFoundError:
                continue


def _write(path: Path, content: bytes) -> None:
    part = path.with_name(f"{path.name}.{os.urandom(4).hex()}{_UNFINISHED}")
    try:
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            view = memoryview(content)
            while view:
                view = view[os.write(descriptor, view) :]
            os.fdatasync(descriptor)
        finally:
            os.close(descriptor)
        part.replace(path)
    except OSError:
        part.unlink(missing_ok=True)
        raise


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
