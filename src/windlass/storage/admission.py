"""Admission: decides which waiting tasks may start now and hands them to the queue.

The backlog lives in the task table and may be millions; the queue holds about twice the free
slots. Per lane (host) the concurrency is counted and the delay kept, whoever asks and in however
many processes: lanes are locked first, counted in the next statement, and moved on in the same
transaction. Notifications are hints; the loop in the worker and `recover` are the floor.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from windlass.settings import Settings
from windlass.storage import queue
from windlass.storage.database import Database

LANES_PER_ROUND = 64
SLICE = 1000


class Limits(msgspec.Struct, frozen=True):
    """What one lane allows: tasks at a time, seconds between two starts."""

    concurrency: int
    delay_s: float


class Round(msgspec.Struct, frozen=True):
    """What a round of admission did, and in how many seconds another could do more (None: not
    before something happens)."""

    admitted: int
    next_in_s: float | None


def limits_of(lane: str, settings: Settings) -> Limits:
    """The limits of a lane "web:host:port" by the operator's settings."""
    host = _host_of(lane)
    return Limits(
        settings.host_concurrency_for.get(host, settings.host_concurrency),
        settings.host_delay_for.get(host, settings.host_delay),
    )


def _host_of(lane: str) -> str:
    return lane.partition(":")[2].rpartition(":")[0]


class Admission:
    """Admits tasks. Every process that accepts or finishes tasks has one."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database = database
        self._settings = settings

    async def arm(self, lanes: Sequence[str]) -> None:
        """Says that something waits in these lanes."""
        distinct = sorted(set(lanes))
        limits = [limits_of(lane, self._settings) for lane in distinct]
        await self._database.execute(
            "arm_lanes",
            distinct,
            [limit.concurrency for limit in limits],
            [limit.delay_s for limit in limits],
        )

    async def apply_limits(self) -> None:
        """Brings lanes made under other settings to today's limits."""
        settings = self._settings
        hosts = {*settings.host_concurrency_for, *settings.host_delay_for}
        rows = await self._database.relaxed.fetch("SELECT key FROM lane")
        special = [row["key"] for row in rows if _host_of(row["key"]) in hosts]
        limits = [limits_of(lane, settings) for lane in special]
        await self._database.execute(
            "set_lane_limits",
            settings.host_concurrency,
            settings.host_delay,
            special,
            [limit.concurrency for limit in limits],
            [limit.delay_s for limit in limits],
        )

    async def admit(self, freed: Sequence[str] = ()) -> Round:
        """One round. `freed` are lanes where a task has ended, so that a full one has room again.

        Nothing is admitted while the queue holds enough for the slots that exist.
        """
        row = await self._room()
        if row["task_due_s"] is not None and row["task_due_s"] <= 0:
            await self._promote()
            row = await self._room()
        lane_due_s: float | None = row["lane_due_s"]
        due = lane_due_s is not None and lane_due_s <= 0
        admitted = 0
        if row["room"] <= 0:
            lane_due_s = None  # a task that starts makes room, and tells
        elif due or freed:
            admitted = await self._take("lock_due_lanes", row["room"], LANES_PER_ROUND, list(freed))
        waits = [wait for wait in (lane_due_s, row["task_due_s"]) if wait is not None]
        return Round(admitted, max(min(waits), 0.0) if waits else None)

    async def _room(self) -> Any:
        row = await self._database.fetch_row("admission_room")
        assert row is not None
        return row

    async def admit_interactive(self, lanes: Sequence[str]) -> int:
        """Admits at once what somebody waits for, if its lane is free, however full the queue."""
        urgent = Counter(lanes)
        return await self._take("lock_lanes", len(lanes), sorted(urgent), most=urgent)

    async def _take(
        self, lock: str, room: int, *arguments: object, most: Mapping[str, int] | None = None
    ) -> int:
        """Admits `room` tasks at most, of a lane no more than `most` says for it."""
        sql = self._database.sql
        async with self._database.relaxed.acquire() as connection, connection.transaction():
            lanes = [row["key"] for row in await connection.fetch(sql(lock), *arguments)]
            if not lanes:
                return 0
            shares = [room if most is None else most[lane] for lane in lanes]
            rows = await connection.fetch(sql("admit_heads"), lanes, room, shares)
            if rows:
                await queue.enqueue(connection, [(row["id"], row["priority"]) for row in rows])
            return len(rows)

    async def _promote(self) -> None:
        """Lets delayed tasks that are due wait in their lanes."""
        while rows := await self._database.fetch("promote_delayed", SLICE):
            await self.arm([row["lane"] for row in rows])
            if len(rows) < SLICE:
                return

    async def recover(self) -> int:
        """Puts right what crashes left behind; how many tasks wait again because of it."""
        rows = await self._database.fetch("recover_tasks")
        unarmed = await self._database.fetch("unarmed_lanes")
        lanes = [row["lane"] for row in (*rows, *unarmed)]
        if lanes:
            await self.arm(lanes)
        return len(rows)
