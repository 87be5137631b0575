"""Tasks in the database: accept, claim, apply outcomes, read, list, cancel.

Every promise about a task's life is kept here, by the SQL of queries.sql. Calls that wait at the
same time share one statement.
"""

from __future__ import annotations

import base64
import binascii
from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
from pgqueuer.domain.models import Job

from windlass.errors import InvalidRequest, Problem, TaskNotFound
from windlass.model.account import Account
from windlass.model.page import Failure
from windlass.model.request import Cookie
from windlass.model.task import ListPage, NewTask, Outcome, Priority, SessionUpdate, State, Task
from windlass.storage import queue
from windlass.storage.batcher import Batcher
from windlass.storage.database import Database, retrying

DONE_CHANNEL = "windlass_done"
CANCEL_CHANNEL = "windlass_cancel"
_IDS_PER_NOTICE = 200
"""A notification's payload ends at 8,000 bytes; an id takes 37."""

_LINGER_S = 0.005
_REFUSED = (asyncpg.PostgresError, ValueError, OverflowError)
"""What says that a value, not the database, is the trouble."""

_STATES = {
    "delayed": State.QUEUED,
    "waiting": State.QUEUED,
    "admitted": State.QUEUED,
    "running": State.RUNNING,
    "succeeded": State.SUCCEEDED,
    "failed": State.FAILED,
    "cancelled": State.CANCELLED,
}
_END_OF_TIME = datetime(9999, 1, 1, tzinfo=UTC)
_HIGHEST_ID = UUID(int=2**128 - 1)


class Finished(msgspec.Struct, frozen=True):
    """One attempt's end: the claim it belongs to, what it came to, and where its bytes are."""

    task: Task
    job: Job
    outcome: Outcome
    result_address: str | None


class Tasks:
    """The task table. One per process."""

    def __init__(self, database: Database, worker: str = "") -> None:
        self._database = database
        self._worker = worker
        self._accepting = Batcher(self._insert, limit=500, lanes=2, alone_on=_REFUSED)
        self._claiming = Batcher(self._claim, limit=200, linger_s=_LINGER_S)
        self._applying = Batcher(self._apply, limit=200, linger_s=_LINGER_S, alone_on=_REFUSED)

    # ------------------------------------------------------------ accept

    async def accept(self, task: NewTask) -> datetime:
        """Stores a task and returns its creation time; from then on it survives anything.

        Raises DatabaseUnavailable, after which it may or may not have been stored.
        """
        return await self._accepting.call(task)

    async def _insert(self, tasks: Sequence[NewTask]) -> Sequence[datetime]:
        columns = _columns(tasks)
        rows = await retrying(
            lambda: self._database.fetch("insert_tasks", *columns, durable=True), for_s=8
        )
        # No row: an earlier try got through although its answer was lost.
        created_at = rows[0]["created_at"] if rows else datetime.now(UTC)
        return [created_at] * len(tasks)

    # ------------------------------------------------------------ claim and apply

    async def claim(self, job: Job) -> Task | None:
        """Starts the task of a queue row, or None if it has already ended."""
        return await self._claiming.call(UUID(bytes=job.payload))

    async def _claim(self, ids: Sequence[UUID]) -> Sequence[Task | None]:
        rows = await self._database.fetch("claim_tasks", list(set(ids)), self._worker)
        by_id = {row["id"]: to_task(row) for row in rows}
        return [by_id.get(task_id) for task_id in ids]

    async def apply(self, finished: Finished) -> bool:
        """Applies an outcome whole, durably; False if the attempt was no longer ours.

        Keeps trying while the database is away: a result that exists is not given up.
        """
        return await self._applying.call(finished)

    async def _apply(self, batch: Sequence[Finished]) -> Sequence[bool]:
        rows = await retrying(lambda: self._apply_once(batch), for_s=600)
        applied = {row["id"] for row in rows}
        return [item.task.id in applied for item in batch]

    async def _apply_once(self, batch: Sequence[Finished]) -> list[Any]:
        sql = self._database.sql
        async with self._database.durable.acquire() as connection, connection.transaction():
            rows: list[Any] = await connection.fetch(sql("apply_outcomes"), *_outcomes(batch))
            applied = {row["id"] for row in rows}
            kept = [item for item in batch if item.task.id in applied]
            if not kept:
                return rows
            follow_ups = [task for item in kept for task in item.outcome.follow_ups]
            if follow_ups:
                await connection.execute(sql("insert_tasks"), *_columns(follow_ups))
            updates = [item.outcome.session for item in kept if item.outcome.session]
            if updates:
                await connection.execute(sql("save_sessions"), *_sessions(updates))
            await connection.execute(sql("add_tallies"), *_tallies(rows))
            await queue.complete(connection, [item.job for item in kept])
            await _announce(connection, rows)
            return rows

    async def drain(self) -> None:
        """Waits until every outcome handed in has been applied."""
        await self._applying.drain()

    # ------------------------------------------------------------ read

    async def get(self, account: Account, task_id: UUID) -> Task:
        """One task. Raises TaskNotFound, also for a task of another account."""
        row = await self._database.fetch_row("get_task", task_id, account.id)
        if row is None:
            raise TaskNotFound
        return to_task(row)

    async def list(self, account: Account, cursor: str | None, limit: int) -> ListPage:
        """Listed tasks, newest first. Raises InvalidRequest for a cursor that is not ours."""
        created_at, last_id = (_END_OF_TIME, _HIGHEST_ID) if cursor is None else _position(cursor)
        rows = await self._database.fetch("list_tasks", account.id, created_at, last_id, limit + 1)
        tasks = tuple(to_task(row) for row in rows[:limit])
        more = len(rows) > limit
        count = await self._database.fetch_row("count_tasks", account.id)
        return ListPage(tasks, _cursor(tasks[-1]) if more else None, count[0] if count else 0)

    async def cancel(self, account: Account, task_id: UUID) -> Task:
        """Ends a task that has not ended, and stops it if it runs. Raises TaskNotFound."""
        row = await self._database.fetch_row("cancel_task", task_id, account.id, durable=True)
        if row is not None:
            await self._database.relaxed.execute(
                "SELECT pg_notify($1, $2), pg_notify($3, $2)",
                CANCEL_CHANNEL,
                str(task_id),
                DONE_CHANNEL,
            )
        return await self.get(account, task_id)

    async def session_cookies(self, account_id: int, session_id: str) -> tuple[Cookie, ...]:
        """The cookies of a session, none if it is new or over."""
        row = await self._database.fetch_row("get_session", account_id, session_id)
        if row is None:
            return ()
        return msgspec.json.decode(row["cookies"], type=tuple[Cookie, ...])


def to_task(row: Any) -> Task:
    """A task of a row with the columns of get_task."""
    failure = None
    if row["failure_code"]:
        failure = Failure(row["failure_code"], row["failure_message"] or row["failure_code"])
    return Task(
        id=row["id"],
        account_id=row["account_id"],
        account=row["account"],
        kind=row["kind"],
        api=row["api"],
        state=_STATES[row["state"]],
        lane=row["lane"],
        priority=row["priority"],
        input=row["input"],
        request=row["request"],
        attempt=row["attempt"],
        failures=row["failures"],
        losses=row["losses"],
        created_at=row["created_at"],
        modified_at=row["modified_at"],
        started_at=row["started_at"],
        deadline_s=row["deadline_s"],
        status_code=row["status_code"],
        failure=failure,
        result_address=row["result_address"],
        result_expired=row["result_expired"],
        listed=row["listed"],
    )


def _columns(tasks: Sequence[NewTask]) -> list[list[Any]]:
    return [
        [task.id for task in tasks],
        [task.account_id for task in tasks],
        [task.kind for task in tasks],
        [task.api for task in tasks],
        [task.lane for task in tasks],
        [task.input for task in tasks],
        [task.request for task in tasks],
        [task.priority for task in tasks],
        [task.listed for task in tasks],
        [task.deadline_s for task in tasks],
        [task.not_before for task in tasks],
    ]


def _outcomes(batch: Sequence[Finished]) -> list[list[Any]]:
    outcomes = [item.outcome for item in batch]
    failures = [outcome.failure for outcome in outcomes]
    return [
        [item.task.id for item in batch],
        [item.task.attempt for item in batch],
        [outcome.state.value for outcome in outcomes],
        [outcome.status_code for outcome in outcomes],
        [failure.code if failure else None for failure in failures],
        [_storable(failure.message) if failure else None for failure in failures],
        [item.result_address for item in batch],
        [outcome.retry_in_s for outcome in outcomes],
        [outcome.counts for outcome in outcomes],
    ]


def _storable(text: str) -> str:
    """Without what PostgreSQL refuses: messages may quote a site's bytes."""
    return text.replace("\x00", "").encode("utf-8", "replace").decode()


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
    columns = [list(column) for column in zip(*keys, strict=True)]
    return [*columns, [counts[key] for key in keys], [seconds[key] for key in keys]]


async def _announce(connection: asyncpg.Connection, rows: Sequence[Any]) -> None:
    """Wakes the callers that wait for interactive tasks; nobody waits for the others."""
    ids = [
        str(row["id"])
        for row in rows
        if row["priority"] == Priority.INTERACTIVE and row["state"] != "queued"
    ]
    for start in range(0, len(ids), _IDS_PER_NOTICE):
        payload = ",".join(ids[start : start + _IDS_PER_NOTICE])
        await connection.execute("SELECT pg_notify($1, $2)", DONE_CHANNEL, payload)


def _cursor(task: Task) -> str:
    position = f"{task.created_at.isoformat()}/{task.id}"
    return base64.urlsafe_b64encode(position.encode()).decode().rstrip("=")


def _position(cursor: str) -> tuple[datetime, UUID]:
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        text = base64.urlsafe_b64decode(padded.encode("ascii")).decode("ascii")
        moment, _, task_id = text.partition("/")
        created_at = datetime.fromisoformat(moment)
        if created_at.tzinfo is None:
            raise ValueError("a position has a time zone")
        return created_at, UUID(task_id)
    except (ValueError, binascii.Error) as error:
        problem = Problem("/cursor", "must be a cursor from an earlier page", keyword="format")
        raise InvalidRequest("invalid cursor", (problem,)) from error
