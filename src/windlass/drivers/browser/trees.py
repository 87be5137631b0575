"""Processes, what descends from them and what shares a session: found, weighed, killed, buried.

Linux's /proc; elsewhere nothing is found. Used by process.py.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_PROC = Path("/proc")
_KIB = 1024
_PAGE = os.sysconf("SC_PAGE_SIZE")
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
    for pid, (parent, _) in _everything():
        children.setdefault(parent, []).append(pid)
    found: list[int] = []
    waiting = [root]
    while waiting:
        below = children.get(waiting.pop(0), [])
        found += below
        waiting += below
    return found


def session(leader: int) -> list[int]:
    """Ids of the processes of a session, its leader first, dead ones that nobody has buried among
    them; they stay in it when their parents die. Empty for leader 0, which is the kernel."""
    found = [pid for pid, (_, leads) in _everything() if leads == leader] if leader else []
    return sorted(found, key=lambda pid: pid != leader)


def weight(pids: list[int], light: int = 0) -> int:
    """Bytes of memory of some processes, what they share counted once (PSS).

    At most `light` bytes are not weighed so exactly, which stops the processes meanwhile: what
    they share may then be counted more than once.
    """
    most = sum(_resident(pid) for pid in pids)
    return most if most <= light else sum(_proportional(pid) for pid in pids)


def kill(pids: list[int]) -> None:
    """Ends processes at once."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _everything() -> Iterator[tuple[int, tuple[int, int]]]:
    """Every process with its parent and its session's leader."""
    for entry in os.listdir(_PROC) if _PROC.is_dir() else ():  # noqa: PTH208 - only names
        if not entry.isdigit():
            continue
        try:
            stat = (_PROC / entry / "stat").read_text(errors="replace")
        except OSError:
            continue
        _, parent, _, leader = stat.rpartition(")")[2].split()[:4]
        yield int(entry), (int(parent), int(leader))


def _resident(pid: int) -> int:
    try:
        pages = (_PROC / str(pid) / "statm").read_text().split()[1]
    except OSError:
        return 0
    return int(pages) * _PAGE


def _proportional(pid: int) -> int:
    try:
        lines = (_PROC / str(pid) / "smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * _KIB for line in lines if line.startswith("Pss:")), 0)
