"""CPU and memory of a server's processes over a stretch of time. Used by the questions only."""

from __future__ import annotations

import os
import threading
import time
from dataclasses import dataclass, field

from tests.support.processes import busy_s, pss_bytes, read
from tests.support.server import WindlassServer, role_of

MEMORY_EVERY_S = 1.0
_SHOWN_AS = {"backend": "postgres"}


@dataclass(frozen=True)
class Cost:
    """What a stretch cost: wall seconds, CPU seconds by role, of the site, of the client.

    `others_cores` is what programs that have nothing to do with it took of the machine.
    """

    wall_s: float
    cpu_s: dict[str, float]
    site_cpu_s: float
    client_cpu_s: float
    others_cores: float
    peak_pss_mb: float

    @property
    def total_cpu_s(self) -> float:
        """CPU seconds of the server and its PostgreSQL."""
        return sum(self.cpu_s.values())


def by_role(server: WindlassServer) -> dict[str, list[int]]:
    """Process ids by role, PostgreSQL's processes together."""
    found = server.processes()
    known = {process.pid: process for process in found}
    roles: dict[str, list[int]] = {}
    for process in found:
        role = role_of(process, known, server.pid)
        roles.setdefault(_SHOWN_AS.get(role, role), []).append(process.pid)
    return roles


def cpu_by_role(server: WindlassServer) -> dict[str, float]:
    """CPU seconds so far, ended children included."""
    return {role: sum(map(_cpu_s, pids)) for role, pids in by_role(server).items()}


def pss_by_role(server: WindlassServer) -> dict[str, float]:
    """Megabytes of proportional set size."""
    return {
        role: sum(pss_bytes(pid) for pid in pids) / 1e6 for role, pids in by_role(server).items()
    }


def _cpu_s(pid: int) -> float:
    process = read(pid)
    return process.cpu_s if process is not None else 0.0


@dataclass(frozen=True)
class _Moment:
    """Seconds on the clock and CPU seconds so far."""

    at: float
    cpu: dict[str, float]
    site: float
    client: float
    busy: float


@dataclass
class Meter:
    """A context: what happened between its beginning and its end is in `cost`."""

    server: WindlassServer
    site_pids: tuple[int, ...] = ()
    cost: Cost | None = None
    _peak_mb: float = 0.0
    _done: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Meter:
        self._watcher = threading.Thread(target=self._watch_memory)
        self._watcher.start()
        self._began = self._now()
        return self

    def _now(self) -> _Moment:
        used = os.times()
        site = sum(map(_cpu_s, self.site_pids))
        client = used.user + used.system
        return _Moment(time.perf_counter(), cpu_by_role(self.server), site, client, busy_s())

    def _watch_memory(self) -> None:
        while True:
            self._peak_mb = max(self._peak_mb, sum(pss_by_role(self.server).values()))
            if self._done.wait(MEMORY_EVERY_S):
                return

    def stop_watching_memory(self) -> None:
        """For a stretch in which looking would be most of what happens."""
        self._done.set()

    def __exit__(self, *_: object) -> None:
        now, began = self._now(), self._began
        self._done.set()
        self._watcher.join()
        wall = now.at - began.at
        # What a child used before it ended is from then on its parent's: a role may go down.
        roles = now.cpu.keys() | began.cpu.keys()
        spent = {role: now.cpu.get(role, 0.0) - began.cpu.get(role, 0.0) for role in roles}
        site, client = now.site - began.site, now.client - began.client
        others = now.busy - began.busy - sum(spent.values()) - site - client
        self.cost = Cost(wall, spent, site, client, max(others, 0.0) / wall, self._peak_mb)
