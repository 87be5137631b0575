"""Stats: the numbers that concern all processes together."""

from __future__ import annotations

import msgspec


class Depth(msgspec.Struct, frozen=True):
    """Unfinished tasks of one kind in one state ("delayed", "waiting", "admitted", "running",
    "delivering")."""

    kind: str
    state: str
    count: int
    oldest_s: float


class Tally(msgspec.Struct, frozen=True):
    """Attempts so far with one outcome ("succeeded", "failed", or "retried": the task starts
    again), and the seconds they took."""

    kind: str
    outcome: str
    code: str
    count: int
    seconds: float


class Stats(msgspec.Struct, frozen=True):
    """Everything /metrics says about the server as a whole. `open_circuits` are webhook endpoints
    that are left alone because they failed."""

    depths: tuple[Depth, ...]
    tallies: tuple[Tally, ...]
    workers: int
    slots: int
    open_circuits: int = 0
