"""Groups in the database, and the keys that make a repeated call the same call.

A group and its tasks are made in one transaction; its numbers are counted when they are read.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from windlass.errors import GroupNotFound, IdempotencyConflict
from windlass.model.account import Account
from windlass.model.group import Group, GroupPage, Idempotency, NewGroup
from windlass.model.task import NewTask, Task
from windlass.storage.cancelling import cancel
from windlass.storage.cursors import cursor_at, position_of
from windlass.storage.database import Database, queries, retrying
from windlass.storage.rows import new_columns, to_task

SLICE = 500
STORED_AT_ONCE = 100
"""Tasks that one statement stores: they may be megabytes, and other calls have their turn."""
LISTED_TASKS = 50_000
"""Tasks that all groups on one page have together, unless the first has more."""


class Groups:
    """The group table. One per process."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def accept(self, group: NewGroup, idempotency: Idempotency | None = None) -> Group:
        """Stores a group with its tasks, all or nothing; the group that was made with the same
        key before, if there was one.

        Raises IdempotencyConflict, and DatabaseUnavailable, after which it may or may not have been
        stored.
        """
        return await retrying(lambda: self._accept(group, idempotency), for_s=8)

    async def accept_task(self, task: NewTask, idempotency: Idempotency) -> UUID:
        """Stores one task that was asked for with a key. As `accept`."""
        return await retrying(lambda: self._accept_task(task, idempotency), for_s=8)

    async def _accept(self, group: NewGroup, idempotency: Idempotency | None) -> Group:
        sql = self._database.sql
        async with self._database.durable.acquire() as connection, connection.transaction():
            made = await claim_key(connection, group.account_id, group.id, idempotency)
            if made == group.id:
                await self._insert(connection, group)
            row = await connection.fetchrow(sql("get_group"), made, group.account_id, group.kind)
            if row is None:  # made with the key, but nothing is left of it
                raise IdempotencyConflict
            return _to_group(row)

    async def _insert(self, connection: Any, group: NewGroup) -> None:
        sql, tasks = self._database.sql, group.tasks
        members = [task.id for task in tasks]
        await connection.execute(
            sql("insert_group"), group.id, group.account_id, group.kind, group.input, members
        )
        for start in range(0, len(tasks), STORED_AT_ONCE):
            columns = new_columns(tasks[start : start + STORED_AT_ONCE])
            await connection.execute(sql("insert_tasks"), *columns)

    async def _accept_task(self, task: NewTask, idempotency: Idempotency) -> UUID:
        sql = self._database.sql
        async with self._database.durable.acquire() as connection, connection.transaction():
            made = await claim_key(connection, task.account_id, task.id, idempotency)
            if made == task.id:
                await connection.execute(sql("insert_tasks"), *new_columns([task]))
            return made

    async def get(self, account: Account, kind: str, group_id: UUID) -> Group:
        """One group. Raises GroupNotFound, also for a group of another account."""
        row = await self._database.fetch_row("get_group", group_id, account.id, kind)
        if row is None:
            raise GroupNotFound(f"{kind.capitalize()} not found")
        return _to_group(row)

    async def tasks(self, group: Group, members: slice) -> tuple[Task | None, ...]:
        """Some of a group's tasks, in the order of its members; None where retention has removed
        one."""
        ids = group.members[members]
        rows = await self._database.fetch("get_members", ids, group.id, group.account_id)
        by_id = {row["id"]: to_task(row) for row in rows}
        return tuple(by_id.get(task_id) for task_id in ids)

    async def list(self, account: Account, kind: str, cursor: str | None, limit: int) -> GroupPage:
        """Groups, newest first, without `finished_at`; fewer than `limit` where they are large.
        Raises InvalidRequest for a cursor that is not ours."""
        created_at, last_id = position_of(cursor)
        rows = await self._database.fetch(
            "list_groups", account.id, kind, created_at, last_id, limit + 1, LISTED_TASKS
        )
        groups = tuple(_to_group(row) for row in rows[:limit])
        more = bool(rows) and rows[0]["found"] > len(groups)
        after = cursor_at(groups[-1].created_at, groups[-1].id) if more else None
        count = await self._database.fetch_row("count_groups", account.id, kind)
        return GroupPage(groups, after, count[0] if count else 0)

    async def cancel(self, account: Account, kind: str, group_id: UUID) -> Sequence[str]:
        """Ends all of a group's tasks that have not ended; the lanes where something waits because
        of it. Raises GroupNotFound."""
        row = await self._database.fetch_row(
            "cancel_group", group_id, account.id, kind, durable=True
        )
        if row is None:
            raise GroupNotFound(f"{kind.capitalize()} not found")
        lanes: set[str] = set()
        while rows := await self._database.fetch("unfinished_members", group_id, SLICE):
            lanes.update(await cancel(self._database, account.id, [row["id"] for row in rows]))
        return sorted(lanes)


async def claim_key(
    connection: Any,
    account_id: int,
    made: UUID,
    idempotency: Idempotency | None,
) -> UUID:
    """What belongs to the key: what is being made, or what was made with it before."""
    if idempotency is None:
        return made
    sql, key, digest = queries(), idempotency.key, idempotency.digest
    row = None
    while row is None:  # a key that is purged between the two statements is free again
        # Of two calls at once, the second waits here until the first has made it, or has not.
        if await connection.fetch(sql["claim_key"], account_id, key, digest, made):
            return made
        row = await connection.fetchrow(sql["find_made"], account_id, key)
    if row["digest"] != digest:
        raise IdempotencyConflict
    found: UUID = row["made"]
    return found


def _to_group(row: Any) -> Group:
    ended, members = row["ended"], tuple(row["members"])
    return Group(
        id=row["id"],
        account_id=row["account_id"],
        account=row["account"],
        kind=row["kind"],
        members=members,
        ended=ended,
        created_at=row["created_at"],
        finished_at=row["finished_at"] if ended >= len(members) else None,
        cancelled=row["cancelled"],
    )
