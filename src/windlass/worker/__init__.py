"""A worker process: claim → handle → commit, and the loops that keep tasks moving.

PgQueuer says which task is ours and redelivers it if we die; the task row says what is true.
Losing the database stops the taking but not the work: an outcome is applied when the database is
back, if the attempt is still the task's newest.
"""

from __future__ import annotations

import asyncio

from windlass.blobs import open_blobs
from windlass.extraction import Extractor
from windlass.settings import Settings
from windlass.storage.database import Database
from windlass.storage.sites import RenderedSites
from windlass.worker.loops import Worker


async def run(settings: Settings, dsn: str, worker_id: str, stop: asyncio.Event) -> None:
    """Works until `stop` is set, then gives running tasks `settings.grace` seconds to finish;
    those that do not go back to the queue without having lost an attempt."""
    database = await Database.open(dsn)
    blobs = open_blobs(settings)
    extractor = Extractor(settings, RenderedSites(database))
    worker = Worker(settings, database, blobs, extractor, worker_id)
    try:
        await worker.run(stop)
    finally:
        await extractor.aclose()
        await blobs.aclose()
        await database.aclose()
