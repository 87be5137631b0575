"""Turns to fetch in lanes that keep a gap. Called by kinds, right before they fetch.

Admission spaces tasks when it hands them out; what happens until a fetch leaves (queues, slots,
robots.txt) takes one task longer than another, so the gap is kept here once more, by the database's
clock.
"""

from __future__ import annotations

import asyncio

from windlass.storage.database import Database

_WIDENED = 1.02
"""Clocks and event loops are not exact: what arrives at the host shall keep the gap."""
_LATE_S = 0.01


class Turns:
    """Whose turn it is in a lane. One per process."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def take(self, lane: str, patience_s: float) -> bool:
        """Waits until a fetch may start in this lane, which is now; False if that will not be
        within `patience_s`."""
        loop = asyncio.get_running_loop()
        give_up_at = loop.time() + patience_s
        while True:
            asked = loop.time()
            row = await self._database.fetch_row("take_turn", lane, _WIDENED)
            wait_s = row["wait_s"] if row else 0.0
            if not wait_s:
                await self._hold(lane, asked)
                return True
            if loop.time() + wait_s > give_up_at:
                return False
            await asyncio.sleep(wait_s)

    async def _hold(self, lane: str, asked: float) -> None:
        """Counts the gap from now, should the answer have taken its time."""
        loop = asyncio.get_running_loop()
        for _ in range(3):
            if loop.time() - asked < _LATE_S:
                return
            asked = loop.time()
            await self._database.execute("prolong_turn", lane, _WIDENED)
