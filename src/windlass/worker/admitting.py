"""Keeps admission going: a round whenever there is room, a due lane or a due task.

One of the worker's loops; attempts say what their ends make possible.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import suppress

import structlog

from windlass.storage.admission import LANES_PER_ROUND, Admission, Slots
from windlass.storage.database import CONNECTION_ERRORS

log = structlog.get_logger(__name__)

ADMIT_FLOOR_S = 2.0
_ADMIT_PACE_S = 0.045
_MANY = 10
"""Free places for which a round is worth it at once."""


class Admitting:
    """One per worker."""

    def __init__(self, admission: Admission) -> None:
        self._admission = admission
        self._freed: set[str] = set()
        self._refilled: set[str] = set()
        self._wake = asyncio.Event()
        self._places = 0
        self._many = asyncio.Event()

    def settled(self, lane: str) -> None:
        """The place that a task had in this lane is free, although it has not ended."""
        self._freed.add(lane)
        self._wake.set()
        self._places += 1
        if self._places >= _MANY:
            self._many.set()

    def freed(self, lane: str, refilled: Iterable[str]) -> None:
        """A task of this lane has ended; in the lanes `refilled` tasks wait because of it."""
        self._freed.add(lane)
        self._refilled.update(refilled)
        self._wake.set()

    def wake(self) -> None:
        """There may be something to admit that no attempt has told of."""
        self._wake.set()

    async def keep_admitting(self, slots: Slots) -> None:
        """Fills `slots`: waits for room, for a due lane or for a due task."""
        loop = asyncio.get_running_loop()
        while True:
            wait_s, started = ADMIT_FLOOR_S, loop.time()
            try:
                wait_s = await self._round(slots)
            except CONNECTION_ERRORS as error:
                log.warning("admission_deferred", reason=repr(error))
            try:
                async with asyncio.timeout(wait_s):
                    await self._wake.wait()
            except TimeoutError:
                pass
            # Under load the queue holds enough for a moment; rounds come in bulk then.
            with suppress(TimeoutError):
                async with asyncio.timeout_at(started + _ADMIT_PACE_S):
                    await self._many.wait()
            self._wake.clear()

    async def _round(self, slots: Slots) -> float:
        """Admits while there is room; seconds until another round is worth it."""
        self._many.clear()
        self._places = 0
        freed, self._freed = self._freed, set()
        refilled, self._refilled = self._refilled, set()
        if refilled:
            await self._admission.arm(list(refilled))
        done = await self._admission.admit(list(freed), slots)
        while done.admitted >= LANES_PER_ROUND:
            done = await self._admission.admit(slots=slots)
        if done.next_in_s is None:
            return ADMIT_FLOOR_S
        # A lane that is due but gave nothing is being served by another process.
        return min(max(done.next_in_s, 2 * _ADMIT_PACE_S), ADMIT_FLOOR_S)
