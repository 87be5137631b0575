"""PgQueuer on our database: leases, heartbeats, redelivery after a dead worker, wake-up.

Its tables are unlogged and its log is discarded: the task row is the truth, and what a crash of
PostgreSQL empties, recovery fills again. Only this file and the worker know the library.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
from pgqueuer.adapters.drivers.asyncpg import AsyncpgPoolDriver
from pgqueuer.adapters.persistence.qb import (
    QueryBuilderEnvironment,
    QueryQueueBuilder,
    QuerySchedulerBuilder,
)
from pgqueuer.adapters.persistence.queries import Queries
from pgqueuer.domain.models import Job
from pgqueuer.domain.settings import DBSettings, Durability
from pgqueuer.domain.types import Channel, QueueEntrypoint, QueueManagerId
from pgqueuer.ports.driver import Driver
from pgqueuer.ports.repository import EntrypointExecutionParameter

from windlass.storage.database import SCHEMA

TASKS, PROMPT, DELIVERIES = POOLS = ("task", "prompt", "delivery")
"""The pools: what goes first finds slots when long pages have all others, and deliveries have their
own, so that receivers that hang hold up no page."""
CHANNEL = "windlass_queue"
"""Where the queue says that it changed."""
_UNLIMITED = EntrypointExecutionParameter(concurrency_limit=0)

_WAITS = "waiting"
"""The notice that rows wait for a worker; release_picked says it, too."""

# The library's own statement cannot insert what is taken already, and writes to its log.
_ENQUEUE = """
INSERT INTO pgqueuer (priority, entrypoint, payload, status, queue_manager_id)
SELECT priority, entrypoint, payload,
    CASE WHEN own THEN 'picked' ELSE 'queued' END::pgqueuer_status,
    CASE WHEN own THEN $5::uuid END
FROM unnest($1::int[], $2::text[], $3::bytea[], $4::boolean[])
    AS new (priority, entrypoint, payload, own)
RETURNING pgqueuer.*, CASE WHEN status = 'queued' THEN pg_notify($6, $7) END AS told
"""

# Explicit values: PGQUEUER_* variables of the surroundings must not move our tables.
_SETTINGS = DBSettings(
    prefix="",
    db_schema=SCHEMA,
    channel=Channel(CHANNEL),
    function="fn_pgqueuer_changed",
    statistics_table="pgqueuer_statistics",
    queue_status_type="pgqueuer_status",
    queue_table="pgqueuer",
    queue_table_log="pgqueuer_log",
    trigger="tg_pgqueuer_changed",
    schedules_table="pgqueuer_schedules",
    durability=Durability.volatile,
)

# Three log rows with four index entries each per task would be its dearest part, and we keep our
# own history; a trigger that returns NULL drops the row before it is written.
_DISCARD_LOG = """
CREATE FUNCTION discard_row() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RETURN NULL; END $$;
CREATE TRIGGER discard_log BEFORE INSERT ON pgqueuer_log
FOR EACH ROW EXECUTE FUNCTION discard_row();
"""


# It would tell every worker of every row that comes and goes; we say ourselves when one waits.
_NO_TRIGGER = "DROP TRIGGER tg_pgqueuer_changed ON pgqueuer"


def _builders() -> dict[str, Any]:
    return {
        "qbe": QueryBuilderEnvironment(_SETTINGS),
        "qbq": QueryQueueBuilder(_SETTINGS),
        "qbs": QuerySchedulerBuilder(_SETTINGS),
    }


def _queries(driver: Driver) -> Queries:
    return Queries(driver, **_builders())


async def install(connection: asyncpg.Connection) -> None:
    """Makes the queue's tables; runs inside the migration's transaction."""
    environment = QueryBuilderEnvironment(_SETTINGS)
    await connection.execute(environment.build_install_query(create_schema=False))
    await connection.execute(environment.build_optimize_autovacuum_query())
    await connection.execute(_DISCARD_LOG)
    await connection.execute(_NO_TRIGGER)


class Leases:
    """The rows of the queue that one worker holds.

    We run the loop ourselves instead of the library's manager: one statement takes and one keeps
    alive as many as there are, where the manager spends a dozen coroutines on each.
    """

    def __init__(self, pool: asyncpg.Pool, holder: UUID, lease_s: float) -> None:
        self._pool = pool
        self._queries = _queries(AsyncpgPoolDriver(pool))
        self._holder = QueueManagerId(holder)
        self._lease = timedelta(seconds=lease_s)

    async def take(self, limit: int, pools: Sequence[str] = (TASKS,)) -> list[Job]:
        """Up to `limit` rows: urgent ones first, and those of workers that fell silent."""
        return await self._queries.dequeue(
            batch_size=limit,
            entrypoints={QueueEntrypoint(pool): _UNLIMITED for pool in pools},
            queue_manager_id=self._holder,
            global_concurrency_limit=None,
            heartbeat_timeout=self._lease,
        )

    async def keep(self, jobs: Sequence[Job]) -> None:
        """Says that we are alive and still at these."""
        await self._queries.update_heartbeat([job.id for job in jobs])

    async def drop(self, job: Job) -> None:
        """Takes out a row whose task had ended before."""
        await self._pool.execute("DELETE FROM pgqueuer WHERE id = $1", job.id)


class Entry(msgspec.Struct, frozen=True):
    """An admitted task for the queue: its pool, its rank (smaller first), and whether the worker
    that admits it has taken it (own)."""

    task_id: UUID
    pool: str
    rank: int
    own: bool = False


def brings(notice: str) -> bool:
    """Whether a notice of the queue means work."""
    return notice == _WAITS


async def enqueue(
    connection: Any, entries: Sequence[Entry], holder: UUID | None = None
) -> dict[UUID, Job]:
    """Hands admitted tasks to the queue, in our transaction; the rows of those that are `holder`'s
    own, by task."""
    rows = await connection.fetch(
        _ENQUEUE,
        [-entry.rank for entry in entries],
        [entry.pool for entry in entries],
        [entry.task_id.bytes for entry in entries],
        [entry.own for entry in entries],
        holder,
        CHANNEL,
        _WAITS,
    )
    taken = [Job.model_validate(dict(row)) for row in rows if row["queue_manager_id"] is not None]
    return {UUID(bytes=job.payload): job for job in taken}
