"""What a tree of processes costs: CPU seconds and memory, straight from /proc.

Used by server.py, tests/fault and bench/. Reads only; kills nothing.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

_TICK_S = 1.0 / os.sysconf("SC_CLK_TCK")
_PAGE_KB = 1024


@dataclass(frozen=True)
class Process:
    """One process as it was. `cpu_s` includes its ended children that it waited for."""

    pid: int
    parent: int
    name: str
    command: tuple[str, ...]
    cpu_s: float
    state: str

    @property
    def alive(self) -> bool:
        """False for a zombie that only waits to be collected."""
        return self.state not in ("Z", "X")


def read(pid: int) -> Process | None:
    """The process now, None if it is gone."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
        raw = Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return None
    name = stat[stat.index("(") + 1 : stat.rindex(")")]
    rest = stat[stat.rindex(")") + 2 :].split()
    command = tuple(part.decode(errors="replace") for part in raw.split(b"\0") if part)
    ticks = sum(int(field) for field in rest[11:15])
    return Process(pid, int(rest[1]), name, command, ticks * _TICK_S, rest[0])


def everything() -> dict[int, Process]:
    """All processes of the machine by pid."""
    found = (read(int(entry)) for entry in os.listdir("/proc") if entry.isdigit())
    return {process.pid: process for process in found if process is not None}


def tree(root: int) -> list[Process]:
    """A process and all its descendants that are alive, parents before children."""
    processes = everything()
    children: dict[int, list[int]] = {}
    for process in processes.values():
        children.setdefault(process.parent, []).append(process.pid)
    ordered: list[Process] = []
    pending = [root]
    while pending:
        pid = pending.pop(0)
        if pid in processes and processes[pid].alive:
            ordered.append(processes[pid])
        pending.extend(children.get(pid, ()))
    return ordered


def pss_bytes(pid: int) -> int:
    """Proportional set size: private memory plus this process's share of what it shares.

    0 for a process that ended meanwhile.
    """
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    for line in text.splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * _PAGE_KB
    return 0


def busy_s() -> float:
    """CPU seconds that all programs of the machine have used, over all cores."""
    fields = Path("/proc/stat").read_text().splitlines()[0].split()[1:9]
    user, nice, system, _idle, _iowait, irq, softirq, steal = (int(field) for field in fields)
    return (user + nice + system + irq + softirq + steal) * _TICK_S
