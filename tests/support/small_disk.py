"""A disk that can be filled and emptied under a running server. Used by tests/fault.

A small tmpfs where mounting is allowed; elsewhere a file size limit of nothing on every process
of the server, which makes the same writes fail.
"""

from __future__ import annotations

import errno
import os
import resource
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from tests.support.server import WindlassServer

_CHUNK = 1 << 20


class SmallDisk(Protocol):
    """Something that can run out of space."""

    def fill(self, server: WindlassServer) -> None:
        """From now on writes fail."""
        ...

    def free(self, server: WindlassServer) -> None:
        """From now on writes work again."""
        ...


class _Mounted:
    def __init__(self, folder: Path) -> None:
        self._ballast = folder / "ballast"

    def fill(self, server: WindlassServer) -> None:
        with self._ballast.open("wb", buffering=0) as file:
            for size in (_CHUNK, 4096, 1):
                self._grow(file.fileno(), size)

    @staticmethod
    def _grow(file: int, size: int) -> None:
        block = b"\0" * size
        while True:
            try:
                os.write(file, block)
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
                return

    def free(self, server: WindlassServer) -> None:
        self._ballast.unlink()


class _Limited:
    def fill(self, server: WindlassServer) -> None:
        self._limit(server, 0)

    def free(self, server: WindlassServer) -> None:
        self._limit(server, resource.RLIM_INFINITY)

    @staticmethod
    def _limit(server: WindlassServer, size: int) -> None:
        for process in server.processes():
            resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[SmallDisk]:
    """A disk of that size at `folder`, which must exist and be empty."""
    options = f"size={megabytes}m,mode=0700"
    mount = ["mount", "-t", "tmpfs", "-o", options, "windlass-test", str(folder)]
    done = subprocess.run(mount, capture_output=True, check=False)
    if done.returncode != 0:
        yield _Limited()
        return
    try:
        yield _Mounted(folder)
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)
