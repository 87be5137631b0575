"""The delivery log in the database: read deliveries with their attempts, and send them again.

Deliveries are tasks; tasks.py and outcomes.py make, run and end them. Nothing here changes one
that has not ended.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from windlass.errors import NotFound, NotResendable
from windlass.model.account import Account
from windlass.model.delivery import Sight
from windlass.model.deliverylog import (
    BEGINNING,
    TOTAL_LIMIT,
    Attempt,
    Circuit,
    CircuitState,
    DeliveryFilter,
    DeliveryPage,
    DeliveryRecord,
    Resending,
)
from windlass.model.page import Failure
from windlass.storage.cursors import START, cursor_at, position_of
from windlass.storage.database import Database, translating
from windlass.storage.rows import state_of, words_of

ATTEMPTS_SHOWN = 200
"""Of one delivery, the latest; only one that is sent again and again has more."""
SLICE = 1000
FIRST = (BEGINNING, UUID(int=0))
"""The position before every delivery, oldest first."""
_EVERY = DeliveryFilter()
_ENDS = ("succeeded", "failed")


class Slice(msgspec.Struct, frozen=True):
    """Deliveries that wait again, by the lane of each, and where to go on (None: all are done)."""

    lanes: tuple[str, ...]
    position: tuple[datetime, UUID] | None


class Deliveries:
    """The deliveries among the tasks."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list(
        self, account: Account, which: DeliveryFilter, cursor: str | None, limit: int
    ) -> DeliveryPage:
        """Deliveries of the account, newest first, without their attempts.

        Raises InvalidRequest for a cursor that is not ours.
        """
        position = position_of(cursor)
        sql, fields = self._database.sql, _fields(which)
        under_way = which.state is not None and not which.state.terminal
        async with self._searching(self._database.relaxed) as connection:
            rows = await connection.fetch(
                sql("list_deliveries"), account.id, *position, limit + 1, None, *fields, under_way
            )
            total = await connection.fetchval(
                sql("count_deliveries"), account.id, TOTAL_LIMIT, *fields, under_way
            )
        records = tuple(_record(row) for row in rows[:limit])
        after = None
        if len(rows) > limit:
            after = cursor_at(records[-1].created_at, records[-1].id)
        return DeliveryPage(records, after, total)

    async def get(self, account: Account, delivery_id: UUID) -> DeliveryRecord:
        """One delivery with its attempts. Raises NotFound, also for one of another account."""
        sql = self._database.sql
        async with self._searching(self._database.relaxed) as connection:
            row = await connection.fetchrow(
                sql("list_deliveries"), account.id, *START, 1, delivery_id, *_fields(_EVERY), False
            )
            if row is None:
                raise NotFound("Delivery not found")
            attempts = await connection.fetch(sql("get_attempts"), delivery_id, ATTEMPTS_SHOWN)
        history = tuple(_attempt(each) for each in attempts)
        return msgspec.structs.replace(_record(row), history=history)

    async def resend(self, account: Account, delivery_id: UUID) -> str:
        """Lets a delivery that has ended start again; the lane where it waits.

        Raises NotFound, or NotResendable for one that is under way or was cancelled.
        """
        sql = self._database.sql
        async with self._searching(self._database.durable) as connection:
            row = await connection.fetchrow(sql("lock_delivery"), delivery_id, account.id)
            if row is None:
                raise NotFound("Delivery not found")
            if row["state"] == "cancelled":
                raise NotResendable("The delivery was canceled with its task")
            if row["state"] not in _ENDS:
                raise NotResendable("The delivery is under way: it has not ended yet")
            lane: str = await connection.fetchval(sql("send_again"), [delivery_id])
        return lane

    async def resend_slice(
        self, account: Account, wanted: Resending, position: tuple[datetime, UUID]
    ) -> Slice:
        """Lets the next deliveries that fit start again, oldest first."""
        sql, which = self._database.sql, wanted.which
        task_id, states, kind, destination = _fields(which)
        async with self._searching(self._database.durable) as connection:
            rows = await connection.fetch(
                sql("lock_ended_deliveries"),
                *(account.id, states, wanted.since, wanted.until, *position, SLICE),
                *(task_id, kind, destination),
            )
            again = await connection.fetch(sql("send_again"), [row["id"] for row in rows])
        after = (rows[-1]["created_at"], rows[-1]["id"]) if len(rows) == SLICE else None
        return Slice(tuple(row["lane"] for row in again), after)

    @asynccontextmanager
    async def _searching(self, pool: asyncpg.Pool) -> AsyncIterator[asyncpg.Connection]:
        """A transaction whose statements are planned for the very filter they get: a plan that
        serves all of them would read the whole log for the few that failed."""
        async with translating(), pool.acquire() as connection, connection.transaction():
            await connection.execute("SET LOCAL plan_cache_mode = force_custom_plan")
            yield connection


def _fields(which: DeliveryFilter) -> tuple[UUID | None, list[str] | None, str | None, str | None]:
    states = None if which.state is None else words_of(which.state)
    return which.task_id, states, which.kind, which.destination


def _record(row: Any) -> DeliveryRecord:
    return DeliveryRecord(
        id=row["id"],
        task_id=row["parent_id"],
        kind=row["kind"],
        state=state_of(row["state"]),
        url=row["url"],
        attempt_count=row["attempt"],
        created_at=row["created_at"],
        modified_at=row["modified_at"],
        finished_at=row["finished_at"],
        status_code=row["status_code"],
        failure=_failure(row["failure_code"], row["failure_message"]),
        next_attempt_at=row["next_attempt_at"],
        postponed_until=row["open_until"] if row["postponed"] else None,
        circuit=_circuit(row),
        header_names=tuple(row["header_names"]),
    )


def _circuit(row: Any) -> Circuit:
    if row["open_until"] is None:
        return Circuit(streak=row["streak"])
    state: CircuitState = "open" if row["open"] else "probing"
    return Circuit(state=state, open_until=row["open_until"], streak=row["streak"])


def _attempt(row: Any) -> Attempt:
    sight = None
    if row["duration_ms"] is not None:
        sight = Sight(
            status_code=row["status_code"],
            duration_ms=row["duration_ms"],
            answer=row["answer"] or "",
        )
    return Attempt(
        number=row["number"],
        started_at=row["started_at"],
        finished_at=row["finished_at"],
        outcome=row["outcome"],
        failure=_failure(row["code"], row["message"]),
        sight=sight,
        next_at=row["next_at"],
    )


def _failure(code: str | None, message: str | None) -> Failure | None:
    return None if code is None else Failure(code, message or code)
