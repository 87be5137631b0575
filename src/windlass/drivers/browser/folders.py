"""The folders that browsers keep their profiles and temporary files in: made, held, swept.

A folder belongs to the process that holds its lock, which the kernel drops however that process
ends. Used by process.py and the pool; touches nothing else in the state directory.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from pathlib import Path

import structlog

_LOCK = "lock"

log = structlog.get_logger(__name__)


class Folder:
    """A folder that is ours until `remove`, or until this process ends."""

    def __init__(self, path: Path, lock: int) -> None:
        self.path = path
        self._lock: int | None = lock

    def remove(self) -> None:
        """Deletes it and what is in it."""
        lock, self._lock = self._lock, None
        if lock is not None:
            _delete(self.path)
            os.close(lock)


def make(home: Path) -> Folder:
    """A new folder in `home`. Raises OSError."""
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = home / f"{os.getpid()}-{os.urandom(4).hex()}"
    path.mkdir(mode=0o700)
    lock = os.open(path / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return Folder(path, lock)


def sweep(home: Path) -> int:
    """Deletes the folders that nobody holds, left by killed processes; how many there were."""
    if not home.is_dir():
        return 0
    return sum(_swept(path) for path in home.iterdir())


def _swept(path: Path) -> bool:
    try:
        lock = os.open(path / _LOCK, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        # Being made or being deleted by another worker, or its owner died in between.
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    else:
        _delete(path)
        return True
    finally:
        os.close(lock)


def _delete(path: Path) -> None:
    """All of it but, to the last, the lock: what is left when we are killed here can be swept."""
    for child in path.iterdir():
        if child.name != _LOCK and child.is_dir() and not child.is_symlink():
            shutil.rmtree(child, ignore_errors=True)
        elif child.name != _LOCK:
            child.unlink(missing_ok=True)
    shutil.rmtree(path, ignore_errors=True)
    if path.exists():
        log.warning("browser_folder_left", path=str(path))
