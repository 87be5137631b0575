"""Retention and tidying, in slices so that nothing else waits. Any worker may run it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from windlass.errors import DeliveryExpired, TaskExpired
from windlass.model.page import Failure
from windlass.model.stats import Depth, Stats, Tally
from windlass.settings import Settings
from windlass.storage import following
from windlass.storage.database import Database
from windlass.storage.outcomes import announce, failed_parents
from windlass.storage.rows import new_columns

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
        while await self._expire_waiting():
            pass
        while await self._expire_deliveries():
            pass
        while await self._database.fetch("purge_tasks", 2 * ttl, SLICE):
            pass
        while await self._database.fetch("purge_groups", 2 * ttl, SLICE):
            pass
        await self._database.execute("purge_keys", ttl)
        await self._database.execute("purge_robots")
        await self._database.execute("purge_rendered_sites")
        await self._database.execute("purge_sessions")
        await self._database.execute("purge_idle_lanes")
        await self._database.execute("forget_silent_workers")

    async def _expire_waiting(self) -> bool:
        """Fails a slice of the tasks that were not started in time, and tells their owners."""
        late, limit = Failure.of(TaskExpired()), self._settings.start_within
        async with self._database.durable.acquire() as connection, connection.transaction():
            sql = self._database.sql
            rows: list[Any] = await connection.fetch(
                sql("expire_waiting"), limit, SLICE, late.code, late.message
            )
            await announce(connection, sql("add_tallies"), rows)
            # Nobody arms their lanes here; recovery does so within seconds.
            await connection.execute(
                sql("insert_tasks"), *new_columns(following.webhooks_for(rows))
            )
            return len(rows) >= SLICE

    async def _expire_deliveries(self) -> bool:
        """Fails a slice of the deliveries that nobody took in time; an upload's parent with it."""
        late, limit = Failure.of(DeliveryExpired()), self._settings.delivery_within
        async with self._database.durable.acquire() as connection, connection.transaction():
            sql = self._database.sql
            rows: list[Any] = await connection.fetch(
                sql("expire_deliveries"), limit, SLICE, late.code, late.message
            )
            parents: list[Any] = await connection.fetch(
                sql("end_parents"), *failed_parents(rows, late)
            )
            await announce(connection, sql("add_tallies"), [*rows, *parents])
            await connection.execute(
                sql("insert_tasks"), *new_columns(following.webhooks_for(parents))
            )
            return len(rows) == SLICE

    async def oldest_parked(self) -> datetime | None:
        """Since when the task that has waited longest for its upload does so; None: none waits."""
        row = await self._database.fetch_row("oldest_parked")
        return row["since"] if row else None

    async def stats(self) -> Stats:
        """The numbers that concern all processes together."""
        depths = await self._database.fetch("queue_depths")
        tallies = await self._database.fetch("read_tallies")
        workers = await self._database.fetch_row("living_workers")
        circuits = await self._database.fetch_row("open_circuits")
        return Stats(
            depths=tuple(Depth(*row.values()) for row in depths),
            tallies=tuple(Tally(*row.values()) for row in tallies),
            workers=workers["workers"] if workers else 0,
            slots=workers["slots"] if workers else 0,
            open_circuits=circuits["count"] if circuits else 0,
        )
