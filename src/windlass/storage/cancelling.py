"""Cancels tasks, many at once: with their uploads, and with news to their owners."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from windlass.storage import following
from windlass.storage.database import Database, notify, retrying
from windlass.storage.outcomes import announce
from windlass.storage.rows import new_columns

CANCEL_CHANNEL = "windlass_cancel"


async def cancel(
    database: Database, account_id: int, ids: Sequence[UUID], *, tell: bool = True
) -> list[str]:
    """Ends those of an account's tasks that have not ended and tells the workers that run them.

    Returns the lanes where something waits because of it. `tell` False keeps it from their owners.
    """
    stopped, lanes = await retrying(lambda: _end(database, account_id, ids, tell), for_s=8)
    # Should it get lost: workers look for themselves every few seconds.
    await notify(database.relaxed, CANCEL_CHANNEL, stopped)
    return lanes


async def _end(
    database: Database, account_id: int, ids: Sequence[UUID], tell: bool
) -> tuple[list[UUID], list[str]]:
    sql = database.sql
    async with database.durable.acquire() as connection, connection.transaction():
        await connection.execute(sql("lock_uploads"), ids, account_id)
        ended = await connection.fetch(sql("cancel_tasks"), ids, account_id)
        if not ended:
            return [], []
        ended_ids = [row["id"] for row in ended]
        uploads = await connection.fetch(sql("cancel_uploads"), ended_ids)
        news = following.webhooks_for(ended) if tell else []
        if news:
            await connection.execute(sql("insert_tasks"), *new_columns(news))
        await announce(connection, sql("add_tallies"), [*ended, *uploads])
        return [*ended_ids, *(row["id"] for row in uploads)], [task.lane for task in news]
