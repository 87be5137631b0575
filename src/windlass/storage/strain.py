"""How far a host is slowed down, as pure rules over its lane's columns.

A host that says 429 or 503, or stops answering, gets half as much at once; what goes well gives it
back slowly. The lane's `pace` and `gap_s` are made of the level by the schema. Called by lanes.py.
"""

from __future__ import annotations

import math
from datetime import datetime

import msgspec

EASED_BY = 0.1
"""What one success takes off the level."""
LEVEL_S = 20.0
"""Time that one level takes at least to go."""
_SLOWEST = 7
"""Levels below one task at a time: a gap of a minute."""


class Strain(msgspec.Struct, frozen=True, kw_only=True):
    """`level`: halvings of what the lane allows. `at`: when it rose last, `eased`: when it fell."""

    level: float = 0.0
    at: datetime | None = None
    eased: datetime | None = None

    def after_trouble(self, started: datetime | None, now: datetime, concurrency: int) -> Strain:
        """After an attempt that began at `started` met trouble. Those that were under way when the
        level rose say nothing new: a burst of refusals is one."""
        if self.at is not None and started is not None and started < self.at:
            return self
        most = math.log2(concurrency) + _SLOWEST
        level = max(self.level, min(self.level + 1.0, most))
        return Strain(level=level, at=now, eased=now)

    def after_successes(self, count: int, now: datetime) -> Strain:
        """After so many that went well and had begun since the level rose."""
        if not count or not self.level:
            return self
        rested_s = (now - self.eased).total_seconds() if self.eased else 0.0
        eased_by = min(count * EASED_BY, rested_s / LEVEL_S)
        if eased_by >= self.level:
            return Strain()
        return msgspec.structs.replace(self, level=self.level - eased_by, eased=now)
