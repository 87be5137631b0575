"""Ends what a killed run left behind in a cluster folder, so that a new one may use it.

Called by the embedded server while it holds the state directory's lock: whatever PostgreSQL still
works there belongs to a server that is gone. Must touch nothing else, a person's shell included.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

from windlass.errors import EngineError

_PROGRAMS = ("postgres", "initdb")
_SHUTDOWNS = ((signal.SIGINT, 10.0), (signal.SIGQUIT, 5.0))
"""Signals to a postmaster, fast and immediate shutdown, and the seconds each gets."""

_ORPHANS = ((signal.SIGQUIT, 1.0), (signal.SIGKILL, 10.0))
"""Signals to processes without a postmaster. What they had not committed, recovery undoes."""

_POLL_S = 0.02


async def end(cluster: Path) -> None:
    """Returns when no PostgreSQL works in `cluster` any more.

    A postmaster that its parent's death is already shutting down is waited for. Backends that
    outlive a killed postmaster are ended too: PostgreSQL refuses to start beside them.
    Raises EngineError when one survives even SIGKILL (stuck in the kernel).
    """
    if _postmaster(cluster) in processes(cluster):
        for number, patience_s in _SHUTDOWNS:
            _send(_postmaster(cluster), number)
            if await _gone(cluster, patience_s):
                return
    for number, patience_s in _ORPHANS:
        for pid in processes(cluster):
            _send(pid, number)
        if await _gone(cluster, patience_s):
            return
    raise EngineError(f"a PostgreSQL of an earlier run does not end: {processes(cluster)}")


def processes(cluster: Path) -> list[int]:
    """Process ids of the PostgreSQL programs whose working folder is `cluster`."""
    if sys.platform != "linux":
        return _by_lock_file(cluster)
    try:
        wanted = cluster.stat()
    except FileNotFoundError:
        return []
    found = []
    for entry in os.scandir("/proc"):
        if not entry.name.isdigit():
            continue
        try:
            folder = Path(entry.path, "cwd").stat()
            if not os.path.samestat(folder, wanted):
                continue
            program = Path(entry.path, "comm").read_text().strip()
            state = Path(entry.path, "stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            continue  # gone meanwhile, or another user's
        if program in _PROGRAMS and state != "Z":
            found.append(int(entry.name))
    return found


def _postmaster(cluster: Path) -> int:
    """The process id in the cluster's lock file; 0 without one."""
    try:
        first, *_ = (cluster / "postmaster.pid").read_text().splitlines()
        return abs(int(first))
    except (FileNotFoundError, ValueError):
        return 0


def _by_lock_file(cluster: Path) -> list[int]:
    pid = _postmaster(cluster)
    if pid == 0:
        return []
    shown = subprocess.run(
        ["ps", "-o", "comm=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return [pid] if Path(shown.stdout.strip()).name in _PROGRAMS else []


def _send(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


async def _gone(cluster: Path, patience_s: float) -> bool:
    clock = asyncio.get_running_loop()
    deadline = clock.time() + patience_s
    while clock.time() < deadline:
        if not processes(cluster):
            return True
        await asyncio.sleep(_POLL_S)
    return False
