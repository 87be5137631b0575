"""One server per state directory: an flock that the kernel drops however its holder ends.

Called by the embedded server.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
from pathlib import Path

from windlass.errors import SettingsError

PATIENCE_S = 1.0
_POLL_S = 0.02


class DirectoryLock:
    """The right to use a state directory, from `take` to `release`."""

    def __init__(self, data: Path, holder: int) -> None:
        self._path = data / "server.lock"
        self._holder = holder
        self._file: int | None = None

    async def take(self) -> None:
        """Raises SettingsError naming the process that has it already."""
        if self._file is not None:
            return
        file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            await self._wait_for(file)
        except BaseException:
            os.close(file)
            raise
        os.ftruncate(file, 0)
        os.pwrite(file, f"{self._holder}\n".encode(), 0)
        self._file = file

    async def _wait_for(self, file: int) -> None:
        """Patient for a moment: a killed server still holds the lock while it dies."""
        clock = asyncio.get_running_loop()
        deadline = clock.time() + PATIENCE_S
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                if clock.time() > deadline:
                    holder = os.pread(file, 20, 0).decode(errors="replace").strip()
                    raise SettingsError(
                        f"another Windlass server (pid {holder or 'unknown'}) "
                        f"uses this data directory: {self._path.parent}"
                    ) from error
            except OSError as error:
                raise SettingsError(
                    f"WINDLASS_DATA must be on a file system with locks: {error.strerror}"
                ) from error
            else:
                return
            await asyncio.sleep(_POLL_S)

    def release(self) -> None:
        """Lets the next server in. The file stays: removing it would let two hold a lock."""
        if self._file is not None:
            os.close(self._file)
            self._file = None
