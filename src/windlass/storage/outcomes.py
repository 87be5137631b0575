"""Applies outcomes: everything an attempt came to, in one durable transaction, or nothing of it.

Called by the worker only. Late attempts are dropped whole by apply_outcomes; the rest of the
transaction then concerns only those that were not.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
from pgqueuer.domain.models import Job

from windlass.frontier.heard import Heard
from windlass.model.crawl import CRAWL_TASKS
from windlass.model.page import Failure
from windlass.model.task import NewTask, Outcome, Priority, SessionUpdate, State, Task
from windlass.model.visit import Visit
from windlass.storage import crawling, following
from windlass.storage.batcher import Batcher, Linger
from windlass.storage.breaker import Patience
from windlass.storage.crawlrows import page_of
from windlass.storage.database import Database, notify, retrying
from windlass.storage.lanes import keep_shown
from windlass.storage.rows import LINGER_S, REFUSED, new_columns, storable

DONE_CHANNEL = "windlass_done"
_OF_CRAWLS = CRAWL_TASKS | {"upload"}
"""Kinds whose end may move a crawl on."""


class Finished(msgspec.Struct, frozen=True):
    """One attempt's end: the claim it belongs to, what it came to, and where its bytes are."""

    task: Task
    job: Job
    outcome: Outcome
    result_address: str | None


class Applied(msgspec.Struct, frozen=True):
    """`lanes`: where tasks wait now because of it."""

    lanes: tuple[str, ...] = ()


class Outcomes:
    """Ends attempts. One per worker process."""

    def __init__(
        self,
        database: Database,
        hosts: Patience,
        under_way: Callable[[], int] = lambda: 1,
        heard: Heard | None = None,
    ) -> None:
        """`under_way` counts the attempts that may end; `heard` is told of the URLs that crawls
        have heard of."""
        self._database = database
        self._hosts = hosts
        self._heard = heard or Heard()
        self._applying = Batcher(
            self._apply,
            limit=200,
            linger=Linger(LINGER_S, under_way, _is_awaited),
            alone_on=REFUSED,
        )

    async def apply(self, finished: Finished) -> Applied | None:
        """Applies an outcome whole, durably; None if the attempt was no longer ours.

        Keeps trying while the database is away: a result that exists is not given up.
        """
        return await self._applying.call(finished)

    async def drain(self) -> None:
        """Waits until every outcome handed in has been applied."""
        await self._applying.drain()

    async def _apply(self, batch: Sequence[Finished]) -> Sequence[Applied | None]:
        applied = await retrying(lambda: self._apply_once(batch), for_s=600)
        return [applied.get(item.task.id) for item in batch]

    async def _apply_once(self, batch: Sequence[Finished]) -> dict[UUID, Applied]:
        async with self._database.durable.acquire() as connection:
            application = Application(connection, self._database, self._hosts)
            async with connection.transaction():
                applied = await application.run(batch)
        for crawl_id, keys in application.heard.items():
            self._heard.add(crawl_id, keys)
        return applied


class Application:
    """One transaction's work."""

    def __init__(self, connection: asyncpg.Connection, database: Database, hosts: Patience) -> None:
        self._connection = connection
        self._database = database
        self._patience = hosts
        self._sql = database.sql
        self.heard: dict[UUID, frozenset[bytes]] = {}
        """The URLs that crawls have heard of once this is committed."""

    async def run(self, batch: Sequence[Finished]) -> dict[UUID, Applied]:
        """Applies what is still wanted; what that set off, by task."""
        crawls = await self._lock_crawls(batch)
        rows: list[Any] = await self._fetch("apply_outcomes", *_outcomes(batch))
        applied = {row["id"] for row in rows}
        kept = [item for item in batch if item.task.id in applied]
        if not kept:
            return {}
        parents = await self._end_parents(kept)
        moved, silent = await self._move_crawls(crawls, kept)
        new = {item.task.id: _set_off(item, parents, silent) for item in kept}
        await self._insert([task for tasks in new.values() for task in tasks])
        await self._keep_sessions(kept)
        await self._keep_sights(kept)
        ended = [row for row in (*rows, *parents.values()) if row["state"] != "running"]
        jobs = [item.job for item in kept]
        await announce(self._connection, self._sql("add_tallies"), ended, jobs)
        # Last: admission and other workers want these rows, too.
        troubled = frozenset(row["lane"] for row in rows if row["troubled"])
        ended_attempts = ((item.task, item.outcome) for item in kept)
        await keep_shown(self._connection, self._database, ended_attempts, troubled, self._patience)
        lanes = {key: [task.lane for task in tasks] for key, tasks in new.items()}
        lanes[kept[0].task.id] += [task.lane for task in moved]
        return {key: Applied(tuple(each)) for key, each in lanes.items()}

    async def _lock_crawls(self, batch: Sequence[Finished]) -> dict[UUID, crawling.Locked]:
        """The crawls that this moves on, locked before any task."""
        ids = {
            item.task.group_id
            for item in batch
            if item.task.group_id is not None
            and item.outcome.state.terminal
            and item.task.kind in _OF_CRAWLS
        }
        return await crawling.lock(self._connection, self._database, ids) if ids else {}

    async def _move_crawls(
        self, crawls: dict[UUID, crawling.Locked], kept: Sequence[Finished]
    ) -> tuple[list[NewTask], frozenset[UUID]]:
        """The tasks that crawls made, and their tasks that are no pages."""
        tasks: list[NewTask] = []
        silent: frozenset[UUID] = frozenset()
        for crawl in crawls.values():
            ended = [
                _ended(item)
                for item in kept
                if item.task.group_id == crawl.id
                and item.outcome.state.terminal
                and item.task.kind in CRAWL_TASKS
            ]
            moved = await crawling.Crawling(self._connection, self._database, crawl).move(ended)
            tasks += moved.tasks
            silent |= moved.silent
            self.heard[crawl.id] = moved.heard
        if silent:
            await self._connection.execute(self._sql("silence_tasks"), list(silent))
        return tasks, silent

    async def _fetch(self, name: str, *arguments: Any) -> list[Any]:
        rows: list[Any] = await self._connection.fetch(self._sql(name), *arguments)
        return rows

    async def _insert(self, tasks: Sequence[NewTask]) -> None:
        if tasks:
            await self._connection.execute(self._sql("insert_tasks"), *new_columns(tasks))

    async def _keep_sessions(self, kept: Sequence[Finished]) -> None:
        updates = [item.outcome.session for item in kept if item.outcome.session]
        if updates:
            await self._connection.execute(self._sql("save_sessions"), *_sessions(updates))

    async def _keep_sights(self, kept: Sequence[Finished]) -> None:
        seen = [item for item in kept if item.outcome.sight is not None]
        if seen:
            await self._connection.execute(self._sql("record_sights"), *_sights(seen))

    async def _end_parents(self, kept: Sequence[Finished]) -> dict[UUID, Any]:
        """The parents that uploads have ended, by id."""
        ends = [item for item in kept if _ends_parent(item)]
        if not ends:
            return {}
        rows = await self._fetch("end_parents", *_parent_ends(ends))
        return {row["id"]: row for row in rows}


async def announce(
    connection: asyncpg.Connection, add_tallies: str, rows: Sequence[Any], jobs: Sequence[Job] = ()
) -> None:
    """Counts ended attempts, takes their rows out of the queue, and wakes the callers that wait for
    interactive tasks."""
    if not rows and not jobs:
        return
    await connection.execute(add_tallies, *_tallies(rows), [job.id for job in jobs])
    ids = [
        row["id"]
        for row in rows
        if row["priority"] == Priority.INTERACTIVE and row["state"] != "queued"
    ]
    await notify(connection, DONE_CHANNEL, ids)


def _set_off(item: Finished, parents: dict[UUID, Any], silent: frozenset[UUID]) -> list[NewTask]:
    """The tasks that an applied outcome makes."""
    task, outcome = item.task, item.outcome
    if following.parks(task, outcome):
        return [*outcome.follow_ups, following.upload_for(task)]
    if _ends_parent(item):
        # A parent that is not among them was cancelled meanwhile, and has told its owner.
        parent = parents.get(task.parent_id) if task.parent_id else None
        return [*outcome.follow_ups, *following.webhooks_for([parent] if parent else [])]
    if task.id in silent:
        return list(outcome.follow_ups)
    if outcome.state.terminal and task.delivery is not None and task.delivery.webhook is not None:
        webhook = task.delivery.webhook
        return [
            *outcome.follow_ups,
            following.webhook_for(task.id, task.account_id, task.api, webhook),
        ]
    return list(outcome.follow_ups)


def _is_awaited(item: Finished) -> bool:
    return item.task.awaited


def _ended(item: Finished) -> crawling.Ended:
    outcome = item.outcome
    return crawling.Ended(
        item.task.id, outcome.visit or Visit(), page_of(item.task), bool(outcome.follow_ups)
    )


def _ends_parent(item: Finished) -> bool:
    return item.task.kind == "upload" and item.outcome.state.terminal


def _parent_ends(ends: Sequence[Finished]) -> list[list[Any]]:
    failures = [item.outcome.failure for item in ends]
    return [
        [item.task.parent_id for item in ends],
        [failure.code if failure else None for failure in failures],
        [storable(failure.message) if failure else None for failure in failures],
    ]


def _outcomes(batch: Sequence[Finished]) -> list[list[Any]]:
    outcomes = [item.outcome for item in batch]
    failures = [outcome.failure for outcome in outcomes]
    return [
        [item.task.id for item in batch],
        [item.task.attempt for item in batch],
        [
            State.RUNNING.value if following.parks(item.task, item.outcome) else item.outcome.state
            for item in batch
        ],
        [outcome.status_code for outcome in outcomes],
        [failure.code if failure else None for failure in failures],
        [storable(failure.message) if failure else None for failure in failures],
        [item.result_address for item in batch],
        [outcome.retry_in_s for outcome in outcomes],
        [outcome.counts for outcome in outcomes],
    ]


def _sights(seen: Sequence[Finished]) -> list[list[Any]]:
    sights = [item.outcome.sight for item in seen if item.outcome.sight is not None]
    return [
        [item.task.id for item in seen],
        [item.task.attempt for item in seen],
        [sight.status_code for sight in sights],
        [sight.duration_ms for sight in sights],
        [storable(sight.answer) for sight in sights],
        [item.outcome.state is State.QUEUED for item in seen],
    ]


def _sessions(updates: Sequence[SessionUpdate]) -> list[list[Any]]:
    newest = {(update.account_id, update.id): update for update in updates}.values()
    return [
        [update.account_id for update in newest],
        [update.id for update in newest],
        [msgspec.json.encode(update.cookies).decode() for update in newest],
        [update.timeout_s for update in newest],
    ]


def _tallies(rows: Sequence[Any]) -> list[list[Any]]:
    counts: Counter[tuple[str, str, str]] = Counter()
    seconds: defaultdict[tuple[str, str, str], float] = defaultdict(float)
    for row in rows:
        key = (row["kind"], "retried" if row["state"] == "queued" else row["state"], row["code"])
        counts[key] += 1
        seconds[key] += row["seconds"] or 0.0
    keys = list(counts)
    columns = [[key[place] for key in keys] for place in range(3)]
    return [*columns, [counts[key] for key in keys], [seconds[key] for key in keys]]


def failed_parents(rows: Sequence[Any], failure: Failure) -> list[list[Any]]:
    """Arguments of end_parents for uploads that failed without an attempt."""
    parents = [row["parent_id"] for row in rows if row["kind"] == "upload" and row["parent_id"]]
    return [parents, [failure.code] * len(parents), [failure.message] * len(parents)]
