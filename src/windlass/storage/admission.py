"""Admission: decides which waiting tasks may start now and hands them to the queue.

The backlog lives in the task table and may be millions; the queue holds about twice the free
slots. Per lane (host) the concurrency is counted and the delay kept, whoever asks and in however
many processes: lanes are locked first, counted in the next statement, and moved on in the same
transaction. Notifications are hints; the loop in the worker and `recover` are the floor.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Protocol
from uuid import UUID

import msgspec
from pgqueuer.domain.models import Job

from windlass.model.task import Priority, Task
from windlass.settings import Settings
from windlass.storage import manager_id, queue
from windlass.storage.database import Database
from windlass.storage.rows import to_task

LANES_PER_ROUND = 64
SLICE = 1000


class Limits(msgspec.Struct, frozen=True):
    """What one lane allows: tasks at a time, seconds between two starts; in whose slots its tasks
    run, and whether it gets all of that before it has shown that it works."""

    concurrency: int
    delay_s: float = 0.0
    pool: str = queue.DELIVERIES
    proven: bool = True


class Round(msgspec.Struct, frozen=True):
    """What a round of admission did, and in how many seconds another could do more (None: not
    before something happens)."""

    admitted: int
    next_in_s: float | None


class Urgent(msgspec.Struct, frozen=True):
    """What came of tasks that somebody waits for: how many were admitted, and the lanes that are
    closed for now."""

    admitted: int
    closed: tuple[str, ...] = ()


class Held(msgspec.Struct, frozen=True):
    """A worker's slots for tasks: how many it has, how many are free for what it admits itself, and
    how many tasks it has under way."""

    worker: str
    slots: int
    free: int
    running: int


class Slots(Protocol):
    """The slots of the worker that admits: what it has room for need not go through the queue."""

    @property
    def settled(self) -> dict[UUID, int]:
        """The attempts under way (task and number), of any pool, that ask no more of their hosts:
        all that is missing is that their outcomes are applied."""
        ...

    def held(self, queued: int) -> AbstractAsyncContextManager[Held]:
        """Nobody else fills them meanwhile. Free are those that what is queued does not need."""
        ...

    def start(self, taken: Sequence[tuple[Job, Task]]) -> None:
        """Starts what was taken while they were held."""
        ...


class _Share(msgspec.Struct, frozen=True):
    """What the worker that admits takes at once: `most` tasks, and of all that are then under way
    as many as its slots are of all (`part`). It is `behind` by so many tasks before. What is
    `settled` takes no place of its lane."""

    worker: str = ""
    most: int = 0
    part: float = 0.0
    behind: float = 0.0
    settled: dict[UUID, int] = {}

    @classmethod
    def of(cls, held: Held, row: Any, settled: dict[UUID, int]) -> _Share:
        """The share by a row of admission_room."""
        part = min(held.slots / max(row["slots"], 1), 1.0)
        under_way = row["queued"] + row["taken"]
        behind = part * under_way - held.running
        return cls(held.worker, held.free, part, behind, settled)


class _Ask(msgspec.Struct, frozen=True):
    """What is to be admitted: `room` tasks at most, of a lane no more than `most` says for it; of
    `favoured` accounts only, and then before those of others."""

    lanes: list[str]
    room: int
    most: list[int]
    favoured: list[int] | None = None
    share: _Share = _Share()


class _Caps(msgspec.Struct, frozen=True):
    """What accounts may have under way: where nothing else is said, and by name. None: anything."""

    others: int | None = None
    own: dict[str, int] = {}

    @property
    def counted(self) -> bool:
        """Whether any account has a limit."""
        return self.others is not None or bool(self.own)

    @property
    def arguments(self) -> tuple[int | None, list[str], list[int]]:
        """The limits for account_room."""
        return self.others, list(self.own), list(self.own.values())


_Admitted = tuple[list[Any], dict[UUID, Job]]
"""The rows of admit_heads, and by task the rows of the queue that the worker has taken."""
_UNLIMITED = _Caps()
_PROMPT = 1
"""The rank up to which tasks have slots of their own."""
_COUNTING = 0x636F756E
"""Advisory lock key: where accounts have limits, one process counts at a time."""


def _rank(priority: int, favoured: bool) -> int:
    """The place in the queue: what somebody waits for, accounts with little under way, the rest."""
    if priority == Priority.INTERACTIVE:
        return 0
    return 1 if favoured else 1 + priority


def limits_of(lane: str, settings: Settings) -> Limits:
    """The limits of a lane by the operator's settings: "web:host:port" for pages,
    "hook:account:endpoint" for webhooks, "put:bucket" for uploads."""
    family, _, rest = lane.partition(":")
    if family == "hook":
        return Limits(settings.webhook_concurrency, proven=False)
    if family == "put":
        return Limits(settings.upload_concurrency)
    host = rest.rpartition(":")[0]
    return Limits(
        settings.host_concurrency_for.get(host, settings.host_concurrency),
        settings.host_delay_for.get(host, settings.host_delay),
        queue.TASKS,
    )


def _pool_of(lane: str) -> str:
    return queue.DELIVERIES if lane.startswith(("hook:", "put:")) else queue.TASKS


def _entry(row: Any, pool: str, favoured: bool) -> queue.Entry:
    rank = _rank(row["priority"], favoured)
    first = pool == queue.TASKS and rank <= _PROMPT
    return queue.Entry(row["id"], queue.PROMPT if first else pool, rank, row["own"])


class Admission:
    """Admits tasks. Every process that accepts or finishes tasks has one."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database = database
        self._settings = settings
        self._caps = _Caps(settings.account_concurrency or None, settings.account_concurrency_for)

    async def arm(self, lanes: Sequence[str]) -> None:
        """Says that something waits in these lanes."""
        distinct = sorted(set(lanes))
        limits = [limits_of(lane, self._settings) for lane in distinct]
        await self._database.execute(
            "arm_lanes",
            distinct,
            [limit.concurrency for limit in limits],
            [limit.delay_s for limit in limits],
            [limit.pool for limit in limits],
            [limit.proven for limit in limits],
        )

    async def apply_limits(self) -> None:
        """Brings lanes made under other settings to today's limits."""
        rows = await self._database.relaxed.fetch("SELECT key FROM lane")
        keys = [row["key"] for row in rows]
        limits = [limits_of(key, self._settings) for key in keys]
        await self._database.execute(
            "set_lane_limits",
            keys,
            [limit.concurrency for limit in limits],
            [limit.delay_s for limit in limits],
        )

    async def admit(self, freed: Sequence[str] = (), slots: Slots | None = None) -> Round:
        """One round. `freed` are lanes where a task has ended, so that a full one has room again.
        What fits into `slots` is started at once.

        Nothing is admitted to a pool while its queue holds enough for the slots that exist.
        """
        rooms = await self._rooms()
        task_due_s: float | None = rooms[0]["task_due_s"]
        if task_due_s is not None and task_due_s <= 0:
            await self._promote()
            rooms = await self._rooms()
            task_due_s = rooms[0]["task_due_s"]
        waits, favoured = [task_due_s], 0
        if rooms[0]["slots"] and rooms[0]["shared"]:
            favoured = await self._favour_newcomers()
        admitted = favoured
        for row in rooms:
            ended = [lane for lane in freed if _pool_of(lane) == row["pool"]]
            due = row["lane_due_s"] is not None and row["lane_due_s"] <= 0
            if row["room"] <= 0:
                continue  # a task that starts makes room, and tells
            waits.append(row["lane_due_s"])
            if due or ended:
                admitted += await self._take_due(row, ended, slots, favoured)
        known = [wait for wait in waits if wait is not None]
        return Round(admitted, max(min(known), 0.0) if known else None)

    async def _rooms(self) -> list[Any]:
        return await self._database.fetch("admission_room")

    async def _take_due(
        self, row: Any, ended: list[str], slots: Slots | None, favoured: int
    ) -> int:
        """Admits to a pool, by its row of admission_room, after which so many were favoured."""
        settled = slots.settled if slots else {}
        if slots is None or row["pool"] != queue.TASKS:
            return len((await self._take_share(row, ended, _Share(settled=settled)))[0])
        async with slots.held(row["queued"] + favoured) as held:
            rows, jobs = await self._take_share(row, ended, _Share.of(held, row, settled))
            # Should the answer to the commit be lost, the leases of what was taken end.
            slots.start([(jobs[one["id"]], to_task(one)) for one in rows if one["own"]])
        return len(rows)

    async def _take_share(self, row: Any, ended: list[str], share: _Share) -> _Admitted:
        pool, room = row["pool"], row["room"]
        async with self._locked("lock_due_lanes", LANES_PER_ROUND, ended, pool) as (found, due):
            lanes = [lane["key"] for lane in due]
            return await self._take(found, _Ask(lanes, room, [room] * len(lanes), share=share))

    async def _favour_newcomers(self) -> int:
        """Admits what waits of accounts that have less than their share of the slots, however full
        the queue: nobody's backlog stands before another's first tasks."""
        heads = await self._database.fetch("newcomers", LANES_PER_ROUND)
        if not heads:
            return 0
        room = {row["account_id"]: row["room"] for row in heads}
        most: dict[str, int] = {}
        for row in heads:
            most[row["lane"]] = max(most.get(row["lane"], 0), row["room"])
        async with self._locked("lock_lanes", sorted(most)) as (connection, rows):
            free = [row["key"] for row in rows if not row["closed"]]
            each = [most[lane] for lane in free]
            rows, _ = await self._take(connection, _Ask(free, sum(room.values()), each, list(room)))
            return len(rows)

    async def admit_interactive(self, lanes: Sequence[str]) -> Urgent:
        """Admits at once what somebody waits for, if its lane is free, however full the queue."""
        urgent = Counter(lanes)
        async with self._locked("lock_lanes", sorted(urgent)) as (connection, rows):
            free = [row["key"] for row in rows if not row["closed"]]
            most = [urgent[lane] for lane in free]
            admitted, _ = await self._take(connection, _Ask(free, len(lanes), most))
        return Urgent(len(admitted), tuple(row["key"] for row in rows if row["closed"]))

    @asynccontextmanager
    async def _locked(self, lock: str, *arguments: object) -> AsyncIterator[tuple[Any, list[Any]]]:
        """A transaction that holds these lanes."""
        async with self._database.relaxed.acquire() as connection, connection.transaction():
            yield connection, await connection.fetch(self._database.sql(lock), *arguments)

    async def _take(self, connection: Any, ask: _Ask) -> _Admitted:
        """Admits; what was admitted, and the rows of the queue that the worker has taken."""
        if not ask.lanes:
            return [], {}
        pool, share = _pool_of(ask.lanes[0]), ask.share
        limited = await self._limited(connection, self._caps if pool == queue.TASKS else _UNLIMITED)
        rows = await connection.fetch(
            self._database.sql("admit_heads"),
            ask.lanes,
            ask.room,
            ask.most,
            list(limited),
            list(limited.values()),
            ask.favoured,
            share.worker,
            share.most,
            share.part,
            share.behind,
            list(share.settled),
            list(share.settled.values()),
        )
        entries = [_entry(row, pool, bool(ask.favoured)) for row in rows]
        if not entries:
            return [], {}
        return rows, await queue.enqueue(connection, entries, manager_id(share.worker))

    async def _limited(self, connection: Any, caps: _Caps) -> dict[int, int]:
        """How many more tasks the accounts that have a limit may have under way; until the end of
        the transaction nobody else admits any."""
        if not caps.counted:
            return {}
        await connection.execute("SELECT pg_advisory_xact_lock($1)", _COUNTING)
        rows = await connection.fetch(self._database.sql("account_room"), *caps.arguments)
        return {row["id"]: row["free"] for row in rows}

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
