"""The circuit breaker of a webhook endpoint, as pure rules over its lane's columns.

Closed: tasks start as the lane allows. An endpoint is *proven* by a success and doubted again after
a few failures in a row; until proven it gets one task at a time, so that many dead endpoints hold
few slots. Open: nothing starts but one probe when its time has come; what waits is postponed, not
failed.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec

OPENS_AFTER = 10
"""Failures in a row that open the breaker."""
WINDOW = 20
WINDOW_S = 300.0
"""Half of the last WINDOW attempts failed, all of them within WINDOW_S: opens, too."""
DOUBTED_AFTER = 3
PROBE_S = 60.0
LONGEST_PROBE_S = 900.0


class Try(msgspec.Struct, frozen=True, array_like=True):
    """One attempt: when it ended (Unix seconds) and whether the endpoint took it."""

    at: float
    taken: bool


class Breaker(msgspec.Struct, frozen=True, kw_only=True):
    """What a lane remembers of its endpoint. `recent` is kept only while there is trouble."""

    proven: bool = True
    streak: int = 0
    recent: tuple[Try, ...] = ()
    open_until: datetime | None = None
    probe_s: float | None = None

    def after(self, tries: Sequence[bool], now: datetime) -> Breaker:
        """What the breaker is after further attempts, in their order."""
        breaker = self
        for taken in tries:
            breaker = breaker._after_success(now) if taken else breaker._after_failure(now)
        return breaker

    def _after_success(self, now: datetime) -> Breaker:
        if self.open_until is not None:  # the probe came through, or one that was under way
            return Breaker()
        recent = self._remembered(Try(now.timestamp(), True))
        if all(attempt.taken for attempt in recent):
            recent = ()
        return Breaker(recent=recent)

    def _after_failure(self, now: datetime) -> Breaker:
        recent = self._remembered(Try(now.timestamp(), False))
        streak = self.streak + 1
        doubted = msgspec.structs.replace(
            self, proven=self.proven and streak < DOUBTED_AFTER, streak=streak, recent=recent
        )
        if self.open_until is not None:
            if now < self.open_until:  # under way since before it opened
                return doubted
            return doubted._opened(now, min(2 * (self.probe_s or PROBE_S), LONGEST_PROBE_S))
        if streak >= OPENS_AFTER or _mostly_failed(recent):
            return doubted._opened(now, PROBE_S)
        return doubted

    def _opened(self, now: datetime, probe_s: float) -> Breaker:
        until = now + timedelta(seconds=probe_s)
        return msgspec.structs.replace(self, proven=False, open_until=until, probe_s=probe_s)

    def _remembered(self, attempt: Try) -> tuple[Try, ...]:
        since = attempt.at - WINDOW_S
        kept = [item for item in self.recent if item.at >= since]
        return (*kept, attempt)[-WINDOW:]


def _mostly_failed(recent: Sequence[Try]) -> bool:
    failed = sum(not attempt.taken for attempt in recent)
    return len(recent) >= WINDOW and 2 * failed >= WINDOW
