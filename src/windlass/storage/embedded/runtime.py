"""The private folder that a running PostgreSQL has in a place such as /tmp: made, held, removed.

A folder belongs to the process that holds its lock, which the kernel drops however that process
ends. Called by identity.py and the embedded server; must touch no folder that somebody holds.
"""

from __future__ import annotations

import fcntl
import os
import pwd
import re
import shutil
import socket
import stat
from collections.abc import Iterable
from pathlib import Path

import structlog

from windlass.errors import EngineError, SettingsError

SOCKET_NAME = ".s.PGSQL.5432"
SOCKET_PATH_LIMIT = 103
"""Bytes; the smallest sun_path of the systems we run on (macOS), less its terminator."""

FALLBACK_ACCOUNTS = ("windlass", "nobody")
"""Accounts that PostgreSQL may run as when we are root."""

_NAME = re.compile(r"windlass-[0-9a-f]{8}")
_ANSWER_WITHIN_S = 1.0

log = structlog.get_logger(__name__)


class Runtime:
    """A folder that is ours until `remove` or `release`, or until this process ends."""

    def __init__(self, path: Path, lock: int) -> None:
        self.path = path
        self._lock: int | None = lock

    def remove(self) -> None:
        """Deletes it."""
        try:
            shutil.rmtree(self.path)
        finally:
            self.release()

    def release(self) -> None:
        """Leaves it to whoever removes it."""
        lock, self._lock = self._lock, None
        if lock is not None:
            os.close(lock)


def bases() -> list[Path]:
    """Folders that may hold a private one: there, and short enough for a socket's path.

    Not XDG_RUNTIME_DIR, which the system empties when its user logs out.
    """
    named = [os.environ.get("TMPDIR", "/tmp"), "/tmp", "/var/tmp", "/dev/shm"]  # noqa: S108
    spare = len("/windlass-12345678/") + len(SOCKET_NAME)
    fitting = [
        base
        for base in (Path(name) for name in dict.fromkeys(named))
        if base.is_dir() and len(os.fsencode(base)) + spare <= SOCKET_PATH_LIMIT
    ]
    if not fitting:
        raise SettingsError("TMPDIR is too long for a socket and /tmp does not exist")
    return fitting


def make(base: Path, former: Path | None) -> Runtime:
    """A new folder in `base`, under the name of an earlier run's if that is free."""
    # A name that somebody else took meanwhile is never used: mkdir refuses it.
    names = [f"windlass-{os.urandom(4).hex()}" for _ in range(100)]
    if former is not None and former.parent == base:
        names.insert(0, former.name)
    for name in names:
        path = base / name
        try:
            path.mkdir(mode=0o700)
        except FileExistsError:
            continue
        except OSError as error:
            raise SettingsError(f"cannot write to {base}: {error.strerror}") from error
        held = _hold(path)
        if held is not None:
            return held
    raise EngineError(f"no free name in {base}")


def remove_left(path: Path) -> None:
    """Deletes the folder of a run that has ended, if it is one of ours and nobody's."""
    if not _NAME.fullmatch(path.name) or not _is_ours(path):
        return
    held = _hold(path)
    if held is None:
        return
    if _answers(path / SOCKET_NAME):  # a version of ours that did not lock its folder
        held.release()
        return
    held.remove()


def remove_abandoned(places: Iterable[Path]) -> None:
    """Deletes what killed runs left in these places, whose state directories may be gone too."""
    for path in (path for base in places for path in base.glob("windlass-*")):
        try:
            remove_left(path)
        except OSError as error:
            log.warning("folder_kept", folder=str(path), reason=str(error))


def fallback_accounts() -> list[pwd.struct_passwd]:
    """Those of FALLBACK_ACCOUNTS that exist, in their order."""
    entries = {entry.pw_name: entry for entry in pwd.getpwall() if entry.pw_uid != 0}
    return [entries[name] for name in FALLBACK_ACCOUNTS if name in entries]


def _hold(path: Path) -> Runtime | None:
    """The folder with its lock; None if somebody has it, or removed it meanwhile."""
    try:
        lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(lock), path.lstat()):
            return Runtime(path, lock)
    except (BlockingIOError, FileNotFoundError):
        pass
    except BaseException:
        os.close(lock)
        raise
    os.close(lock)
    return None


def _is_ours(path: Path) -> bool:
    try:
        info = path.lstat()
    except FileNotFoundError:
        return False
    owners = {os.geteuid()}
    if os.geteuid() == 0:
        owners |= {entry.pw_uid for entry in fallback_accounts()}
    return stat.S_ISDIR(info.st_mode) and info.st_uid in owners


def _answers(address: Path) -> bool:
    """Whether somebody listens at a socket, or may."""
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(_ANSWER_WITHIN_S)
        try:
            probe.connect(str(address))
        except (FileNotFoundError, ConnectionRefusedError):
            return False
        except OSError:
            return True
        return True
