"""PostgreSQL: schema, statements, accounts, tasks, admission, and our private server."""

from __future__ import annotations

from uuid import NAMESPACE_OID, UUID, uuid5

from windlass.storage.accounts import ensure_bootstrap
from windlass.storage.database import Database
from windlass.storage.migrate import migrate

__all__ = [
    "ensure_bootstrap",
    "manager_id",
    "migrate",
    "release_all_workers",
    "release_worker",
]


def manager_id(worker_id: str) -> UUID:
    """The name under which a worker holds leases in the queue."""
    return uuid5(NAMESPACE_OID, worker_id)


async def release_worker(dsn: str, worker_id: str) -> None:
    """Lets the tasks of a worker that has died start elsewhere at once.

    Without this they start when its lease runs out. `worker_id` is what `worker.run` was given.
    """
    database = await Database.open(dsn, size=1)
    try:
        await database.execute("release_picked", manager_id(worker_id))
        await database.execute("forget_worker", worker_id)
    finally:
        await database.aclose()


async def release_all_workers(dsn: str) -> None:
    """Lets every leased task start again at once.

    Only for a database that nobody else can be using: our own, right after it started.
    """
    database = await Database.open(dsn, size=1)
    try:
        await database.execute("release_all_picked")
    finally:
        await database.aclose()
