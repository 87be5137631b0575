"""The circuit breaker of a webhook endpoint or a host, as pure rules over its lane's columns.

Closed: tasks start as the lane allows. A lane is *proven* by a success and doubted again after a
few failures in a row; until proven it gets one task at a time, so that many dead endpoints hold
few slots. Open: nothing starts but one probe when its time has come; what waits is postponed, and
fails only once a host is given up.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec

from windlass.errors import HostBusy, HostDown

OPENS_AFTER = 10
"""Failures in a row that open the breaker."""
WINDOW = 20
WINDOW_S = 300.0
"""Half of the last WINDOW attempts failed, all of them within WINDOW_S: opens, too."""
DOUBTED_AFTER = 3
PROBE_S = 60.0
LONGEST_PROBE_S = 900.0


class Patience(msgspec.Struct, frozen=True, kw_only=True):
    """How long an open breaker waits for its probes, and when it gives up on what waits, in seconds
    since anything went well: `down_s` where nothing answers, `busy_s` where all is refused.

    `windowed`: also opens when half of the latest attempts failed.
    """

    probe_s: float = PROBE_S
    longest_probe_s: float = LONGEST_PROBE_S
    windowed: bool = True
    down_s: float = float("inf")
    busy_s: float = float("inf")


ENDPOINT = Patience()


def for_hosts(down_s: float, busy_s: float) -> Patience:
    """The patience with hosts: probes are soon and cheap, and somebody waits for the answer."""
    return Patience(probe_s=5.0, longest_probe_s=60.0, windowed=False, down_s=down_s, busy_s=busy_s)


class Try(msgspec.Struct, frozen=True, array_like=True):
    """One attempt: when it ended (Unix seconds) and whether the endpoint took it."""

    at: float
    taken: bool


class Breaker(msgspec.Struct, frozen=True, kw_only=True):
    """What a lane remembers of its endpoint. `recent` is kept only while there is trouble.

    `since`: nothing went well since then. `given_up`: the code that what waits fails with.
    """

    proven: bool = True
    streak: int = 0
    recent: tuple[Try, ...] = ()
    open_until: datetime | None = None
    probe_s: float | None = None
    since: datetime | None = None
    given_up: str | None = None

    def after(
        self, tries: Sequence[bool | None], now: datetime, patience: Patience = ENDPOINT
    ) -> Breaker:
        """What the breaker is after further attempts, in their order. None: there is somebody, who
        turned it away."""
        breaker = self
        for taken in tries:
            if taken is None:
                breaker = breaker._after_refusal(now, patience)
            elif taken:
                breaker = breaker._after_success(now, patience)
            else:
                breaker = breaker._after_failure(now, patience)
        return breaker

    def _after_success(self, now: datetime, patience: Patience) -> Breaker:
        if self.open_until is not None or not patience.windowed:
            return Breaker()  # the probe came through, or one that was under way
        recent = self._remembered(Try(now.timestamp(), True))
        if all(attempt.taken for attempt in recent):
            recent = ()
        return Breaker(recent=recent)

    def _after_refusal(self, now: datetime, patience: Patience) -> Breaker:
        since = self.since or now
        answering = Breaker(since=since)
        if (now - since).total_seconds() < patience.busy_s:
            return answering
        given_up = msgspec.structs.replace(answering, given_up=HostBusy.code)
        return given_up._opened(now, patience.longest_probe_s)

    def _after_failure(self, now: datetime, patience: Patience) -> Breaker:
        recent = self._remembered(Try(now.timestamp(), False)) if patience.windowed else ()
        streak = self.streak + 1
        doubted = msgspec.structs.replace(
            self,
            proven=self.proven and streak < DOUBTED_AFTER,
            streak=streak,
            recent=recent,
            since=self.since or now,
        )
        if self.open_until is not None:
            if now < self.open_until:  # under way since before it opened
                return doubted
            probe_s = 2 * (self.probe_s or patience.probe_s)
            return doubted._opened_on(now, min(probe_s, patience.longest_probe_s), patience)
        if streak >= OPENS_AFTER or _mostly_failed(recent):
            return doubted._opened_on(now, patience.probe_s, patience)
        return doubted

    def _opened_on(self, now: datetime, probe_s: float, patience: Patience) -> Breaker:
        """Opened because nobody answers; for good reasons given up."""
        opened = self._opened(now, probe_s)
        if self.since is None or (now - self.since).total_seconds() < patience.down_s:
            return opened
        return msgspec.structs.replace(opened, given_up=HostDown.code)

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
