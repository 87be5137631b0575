"""Retention and tidying, in slices so that nothing else waits. Any worker may run it."""

from __future__ import annotations

from windlass.errors import TaskExpired
from windlass.model.stats import Depth, Stats, Tally
from windlass.settings import Settings
from windlass.storage.database import Database

SLICE = 500


class Maintenance:
    """What must happen now and then."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database = database
        self._settings = settings

    async def tidy(self) -> None:
        """Expires results, fails tasks never started, purges old rows, sessions and lanes.

        Rows outlive their results by the same time again, so that a late reader is told
        "expired" instead of "not found". The store forgets the bytes by their age.
        """
        ttl = self._settings.result_ttl
        while await self._database.fetch("expire_results", ttl, SLICE, durable=True):
            pass
        message = TaskExpired().message
        limit = self._settings.start_within
        while await self._database.fetch("expire_waiting", limit, SLICE, message, durable=True):
            pass
        while await self._database.fetch("purge_tasks", 2 * ttl, SLICE):
            pass
        await self._database.execute("purge_sessions")
        await self._database.execute("purge_idle_lanes")
        await self._database.execute("forget_silent_workers")

    async def stats(self) -> Stats:
        """The numbers that concern all processes together."""
        depths = await self._database.fetch("queue_depths")
        tallies = await self._database.fetch("read_tallies")
        workers = await self._database.fetch_row("living_workers")
        return Stats(
            depths=tuple(Depth(row["state"], row["count"], row["oldest_s"]) for row in depths),
            tallies=tuple(Tally(*row.values()) for row in tallies),
            workers=workers["workers"] if workers else 0,
            slots=workers["slots"] if workers else 0,
        )
