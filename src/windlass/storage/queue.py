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
from pgqueuer.adapters.drivers.asyncpg import AsyncpgDriver, AsyncpgPoolDriver
from pgqueuer.adapters.persistence.qb import (
    QueryBuilderEnvironment,
    QueryQueueBuilder,
    QuerySchedulerBuilder,
)
from pgqueuer.adapters.persistence.queries import Queries
from pgqueuer.domain.models import Job, TracebackRecord
from pgqueuer.domain.settings import DBSettings, Durability
from pgqueuer.domain.types import JOB_STATUS, Channel, QueueEntrypoint
from pgqueuer.ports.driver import Driver

from windlass.storage.database import SCHEMA

ENTRYPOINT = "task"

# Explicit values: PGQUEUER_* variables of the surroundings must not move our tables.
_SETTINGS = DBSettings(
    prefix="",
    db_schema=SCHEMA,
    channel=Channel("windlass_queue"),
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


class WorkerQueries(Queries):
    """The queue as a worker's manager sees it, less the statements that we know the answer to.

    We take a finished task's row out ourselves, with its outcome; and nothing in the queue is ever
    deferred, that is what delayed tasks are for.
    """

    def __init__(self, pool: asyncpg.Pool) -> None:
        super().__init__(AsyncpgPoolDriver(pool), **_builders())
        self.completed: set[int] = set()

    async def log_jobs(
        self, job_status: list[tuple[Job, JOB_STATUS, TracebackRecord | None]]
    ) -> None:
        """Takes out the rows whose task needed no outcome (it had ended before)."""
        left = [entry for entry in job_status if entry[0].id not in self.completed]
        self.completed.difference_update(job.id for job, _, _ in job_status)
        if left:
            await super().log_jobs(left)

    async def next_deferred_eta(self, entrypoints: list[QueueEntrypoint]) -> timedelta | None:
        """Never: nothing is deferred."""
        return None

    async def queued_work(self, entrypoints: list[QueueEntrypoint]) -> int:
        """None that is not eligible, and that was asked before."""
        return 0


async def enqueue(connection: Any, tasks: Sequence[tuple[UUID, int]]) -> None:
    """Hands admitted tasks (id, priority: smaller first) to the queue, in our transaction."""
    await _queries(AsyncpgDriver(connection)).enqueue(
        [ENTRYPOINT] * len(tasks),
        [task_id.bytes for task_id, _ in tasks],
        [-priority for _, priority in tasks],
    )


async def complete(connection: Any, jobs: Sequence[Job]) -> None:
    """Takes finished queue rows out, in the transaction that applies their outcomes."""
    await _queries(AsyncpgDriver(connection)).log_jobs([(job, "successful", None) for job in jobs])


def channel() -> Channel:
    """The channel on which the queue says that it changed."""
    return _SETTINGS.channel
