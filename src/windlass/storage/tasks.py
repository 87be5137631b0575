"""Tasks in the database: accept, claim, read, list, cancel. outcomes.py ends them.

Every promise about a task's life is kept by the SQL of queries.sql. Calls that wait at the same
time share one statement.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

import msgspec
from pgqueuer.domain.models import Job

from windlass.errors import TaskNotFound
from windlass.model.account import Account
from windlass.model.request import Cookie
from windlass.model.task import ListPage, NewTask, Task
from windlass.storage.batcher import Batcher, Weight
from windlass.storage.cancelling import cancel
from windlass.storage.cursors import cursor_at, position_of
from windlass.storage.database import Database, retrying
from windlass.storage.rows import REFUSED, new_columns, to_task

_ACCEPTED: Weight[NewTask] = Weight(
    lambda task: 32_000 + len(task.input) + len(task.request), 16_000_000
)
"""At most 500 tasks, and 16 MB, in one statement."""


class Tasks:
    """The task table. One per process."""

    def __init__(self, database: Database, worker: str = "") -> None:
        self._database = database
        self._worker = worker
        self._accepting = Batcher(self._insert, limit=_ACCEPTED, lanes=2, alone_on=REFUSED)
        # Does not linger: the worker takes, and claims, in bulk as it is.
        self._claiming = Batcher(self._claim, limit=200)
        self._reading = Batcher(self._parents, limit=500, lanes=2)
        self._settling = Batcher(self._settle)

    # ------------------------------------------------------------ accept and claim

    async def accept(self, task: NewTask) -> datetime:
        """Stores a task and returns its creation time; from then on it survives anything.

        Raises DatabaseUnavailable, after which it may or may not have been stored.
        """
        return await self._accepting.call(task)

    async def _insert(self, tasks: Sequence[NewTask]) -> Sequence[datetime]:
        columns = new_columns(tasks)
        rows = await retrying(
            lambda: self._database.fetch("insert_tasks", *columns, durable=True), for_s=8
        )
        # No row: an earlier try got through although its answer was lost.
        created_at = rows[0]["created_at"] if rows else datetime.now(UTC)
        return [created_at] * len(tasks)

    async def claim(self, job: Job) -> Task | None:
        """Starts the task of a queue row, or None if it has already ended."""
        return await self._claiming.call(UUID(bytes=job.payload))

    async def _claim(self, ids: Sequence[UUID]) -> Sequence[Task | None]:
        rows = await self._database.fetch("claim_tasks", list(set(ids)), self._worker)
        by_id = {row["id"]: to_task(row) for row in rows}
        return [by_id.get(task_id) for task_id in ids]

    async def settle_start(self, task: Task) -> None:
        """Returns when a task's start is on the disk: whatever dies, the next has another number.

        Claims do not wait for it, so a crash of the database may forget the latest. For attempts
        that must know whether they are the first. Raises DatabaseUnavailable.
        """
        await self._settling.call(task)

    async def _settle(self, tasks: Sequence[Task]) -> Sequence[None]:
        await self._database.execute("settle", durable=True)
        return [None] * len(tasks)

    # ------------------------------------------------------------ read

    async def get(self, account: Account, task_id: UUID) -> Task:
        """One task. Raises TaskNotFound, also for a task of another account."""
        row = await self._database.fetch_row("get_task", task_id, account.id)
        if row is None:
            raise TaskNotFound
        return to_task(row)

    async def parent(self, delivery: Task) -> Task:
        """The task whose result or news this one delivers, as it is now."""
        assert delivery.parent_id is not None
        parent = await self._reading.call(delivery.parent_id)
        if parent is None:
            raise TaskNotFound
        return parent

    async def _parents(self, ids: Sequence[UUID]) -> Sequence[Task | None]:
        rows = await self._database.fetch("get_parents", list(set(ids)))
        by_id = {row["id"]: to_task(row) for row in rows}
        return [by_id.get(task_id) for task_id in ids]

    async def latest_attempt(self, task: Task, code: str) -> int:
        """The number of a task's latest attempt that failed with a code, 0 if none did."""
        row = await self._database.fetch_row("latest_attempt", task.id, code)
        return row["number"] if row else 0

    async def list(self, account: Account, cursor: str | None, limit: int) -> ListPage:
        """Listed tasks, newest first. Raises InvalidRequest for a cursor that is not ours."""
        created_at, last_id = position_of(cursor)
        rows = await self._database.fetch("list_tasks", account.id, created_at, last_id, limit + 1)
        tasks = tuple(to_task(row) for row in rows[:limit])
        more = len(rows) > limit
        count = await self._database.fetch_row("count_tasks", account.id)
        after = cursor_at(tasks[-1].created_at, tasks[-1].id) if more else None
        return ListPage(tasks, after, count[0] if count else 0)

    async def session_cookies(self, account_id: int, session_id: str) -> tuple[Cookie, ...]:
        """The cookies of a session, none if it is new or over."""
        row = await self._database.fetch_row("get_session", account_id, session_id)
        if row is None:
            return ()
        return msgspec.json.decode(row["cookies"], type=tuple[Cookie, ...])

    async def cancel(self, account: Account, task_id: UUID) -> tuple[Task, Sequence[str]]:
        """Ends a task that has not ended, its upload too, and stops what runs; the task, and the
        lanes where something waits because of it. Raises TaskNotFound."""
        lanes = await cancel(self._database, account.id, [task_id])
        return await self.get(account, task_id), lanes
