"""Processes and what descends from them: found, weighed, killed, buried.

Linux's /proc; elsewhere nothing is found. Used by process.py.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path

_PROC = Path("/proc")
_KIB = 1024
_PR_SET_CHILD_SUBREAPER = 36


def adopt_orphans() -> None:
    """Makes this process the parent of whatever of its descendants loses its own.

    A dead Chromium leaves children; where the machine's first process buries nobody, as in many
    containers, they would stay as zombies. Whoever kills descendants then has to `bury` them.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def bury(pids: list[int]) -> list[int]:
    """Takes leave of dead processes that became our children; returns those not gone yet."""
    for pid in pids:
        with suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)
    return [pid for pid in pids if (_PROC / str(pid)).exists()]


def descendants(root: int) -> list[int]:
    """Ids of the processes below `root`, parents first."""
    children: dict[int, list[int]] = {}
    for entry in os.listdir(_PROC) if _PROC.is_dir() else ():  # noqa: PTH208 - only names
        if entry.isdigit() and (parent := _parent(int(entry))):
            children.setdefault(parent, []).append(int(entry))
    found: list[int] = []
    waiting = [root]
    while waiting:
        below = children.get(waiting.pop(0), [])
        found += below
        waiting += below
    return found


def weight(pids: list[int]) -> int:
    """Bytes of memory of some processes, what they share counted once (PSS)."""
    return sum(_proportional(pid) for pid in pids)


def kill(pids: list[int]) -> None:
    """Ends processes at once."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _parent(pid: int) -> int:
    try:
        stat = (_PROC / str(pid) / "stat").read_text(errors="replace")
    except OSError:
        return 0
    return int(stat.rpartition(")")[2].split()[1])


def _proportional(pid: int) -> int:
    try:
        lines = (_PROC / str(pid) / "smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * _KIB for line in lines if line.startswith("Pss:")), 0)
