"""The keeper: the child that has the database to itself.

Runs the embedded PostgreSQL (or knows the operator's), brings the schema up to date, makes the
first key work, starts PostgreSQL again when it dies and frees the tasks of dead workers.
"""

from __future__ import annotations

import asyncio
import os

import asyncpg
import structlog

from windlass import storage
from windlass.errors import DatabaseUnavailable, SettingsError, WindlassError
from windlass.server.channel import Ready
from windlass.server.supervisor import RESTART_PAUSES_S, Birth
from windlass.settings import Settings
from windlass.storage.embedded import EmbeddedPostgres

log = structlog.get_logger(__name__)

STOP_TIMEOUT_S = 10.0
SILENT_WAIT_S = 2.0


class Keeper:
    """The database's life, and the releases that wait for it."""

    def __init__(self, settings: Settings, key: str, birth: Birth) -> None:
        self._settings = settings
        self._key = key
        self._birth = birth
        self._releases: asyncio.Queue[str] = asyncio.Queue()

    def release(self, worker_id: str) -> None:
        """Frees the tasks of a dead worker as soon as the database can be asked."""
        self._releases.put_nowait(worker_id)

    async def run(self, hurry: asyncio.Event) -> None:
        """Keeps the database until cancelled; `hurry` then says to stop it without waiting."""
        if self._settings.database_url:
            await self._prepare_theirs(self._settings.database_url)
            await self._serve(self._settings.database_url)
            return
        postgres = EmbeddedPostgres(self._settings.data, holder=os.getppid())
        tasks: list[asyncio.Task[None]] = []
        try:
            dsn = await postgres.start()
            tasks.append(asyncio.create_task(_revive(postgres), name="revive"))
            tasks.append(asyncio.create_task(self._prepare_and_serve(dsn), name="serve"))
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await _stop(postgres, hurry)

    async def _prepare_and_serve(self, dsn: str) -> None:
        await self._prepare(dsn)
        await self._serve(dsn)

    async def _prepare_theirs(self, dsn: str) -> None:
        patience = asyncio.get_running_loop().call_later(
            SILENT_WAIT_S, log.warning, "database_does_not_answer_yet"
        )
        try:
            await self._prepare(dsn)
        except (DatabaseUnavailable, asyncpg.PostgresError) as error:
            reason = error.__cause__ or error
            raise SettingsError(f"WINDLASS_DATABASE_URL cannot be used: {reason}") from error
        finally:
            patience.cancel()

    async def _prepare(self, dsn: str) -> None:
        await storage.migrate(dsn)
        if self._birth.alone and not self._settings.database_url:
            # Every worker of the run before is dead: its leases need not run out first.
            await storage.release_all_workers(dsn)
        await storage.ensure_bootstrap(dsn, self._key, self._settings.webhook_secret)

    async def _serve(self, dsn: str) -> None:
        self._birth.channel.send(Ready(dsn))
        while True:
            worker_id = await self._releases.get()
            try:
                await storage.release_worker(dsn, worker_id)
            except WindlassError as error:
                # Its tasks wait for its lease instead, a few seconds longer.
                log.warning("release_failed", reason=error.message)


async def _revive(postgres: EmbeddedPostgres) -> None:
    """Starts PostgreSQL again, at the same address, whenever it ends by itself."""
    while True:
        status = await postgres.wait()
        log.error("postgres_died", status=status)
        for attempt in range(1_000_000):
            await asyncio.sleep(RESTART_PAUSES_S[min(attempt, len(RESTART_PAUSES_S) - 1)])
            try:
                await postgres.start()
            except WindlassError as error:
                log.error("postgres_does_not_start", reason=error.message)
            else:
                log.warning("postgres_restarted", pid=postgres.pid)
                break


async def _stop(postgres: EmbeddedPostgres, hurry: asyncio.Event) -> None:
    """A fast shutdown; an immediate one as soon as the operator asks a second time."""
    stopping = asyncio.create_task(postgres.stop(timeout_s=STOP_TIMEOUT_S))
    hurrying = asyncio.create_task(hurry.wait())
    await asyncio.wait({stopping, hurrying}, return_when=asyncio.FIRST_COMPLETED)
    if hurrying.done():
        postgres.hurry()
    hurrying.cancel()
    await stopping
