"""One server per state directory: an flock that the kernel drops however its holder ends.

Called by the embedded server.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from windlass.errors import SettingsError


class DirectoryLock:
    """The right to use a state directory, from `take` to `release`."""

    def __init__(self, data: Path) -> None:
        self._path = data / "server.lock"
        self._file: int | None = None

    def take(self) -> None:
        """Raises SettingsError naming the process that has it already."""
        if self._file is not None:
            return
        file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.read(file, 20).decode(errors="replace").strip() or "unknown"
            os.close(file)
            raise SettingsError(
                f"another Windlass server (pid {holder}) uses this data directory: "
                f"{self._path.parent}"
            ) from error
        except OSError as error:
            os.close(file)
            raise SettingsError(
                f"WINDLASS_DATA must be on a file system with locks: {error.strerror}"
            ) from error
        os.ftruncate(file, 0)
        os.pwrite(file, f"{os.getpid()}\n".encode(), 0)
        self._file = file

    def release(self) -> None:
        """Lets the next server in. The file stays: removing it would let two hold a lock."""
        if self._file is not None:
            os.close(self._file)
            self._file = None
