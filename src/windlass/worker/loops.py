"""The worker itself: its parts, its loops, and its end.

Made by worker.run. The taking, the attempts and the admitting lie in files of their own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID

import structlog

from windlass import metrics
from windlass.blobs import Blobs
from windlass.extraction import Extractor
from windlass.kinds import Context
from windlass.settings import Settings
from windlass.storage import manager_id
from windlass.storage.accounts import Accounts
from windlass.storage.admission import Admission
from windlass.storage.cancelling import CANCEL_CHANNEL
from windlass.storage.closedlanes import turn_away
from windlass.storage.crawling import sweep
from windlass.storage.crawls import Crawls
from windlass.storage.database import CONNECTION_ERRORS, Database
from windlass.storage.maintenance import Maintenance
from windlass.storage.queue import CHANNEL, Leases
from windlass.storage.robots import RobotsRules
from windlass.storage.tasks import Tasks
from windlass.storage.turns import Turns
from windlass.worker.admitting import Admitting
from windlass.worker.attempts import Attempts
from windlass.worker.taking import Taking

log = structlog.get_logger(__name__)

BEAT_S = 5.0
RECOVER_S = 5.0
TIDY_S = 60.0
_IN_VAIN_S = 60.0
_STORED_AHEAD = timedelta(hours=2)
"""Bytes are stored before their task ends: by longer when the database or a bucket is away."""


class Worker:
    """Runs up to `settings.slots` tasks and `settings.delivery_slots` deliveries at a time."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        blobs: Blobs,
        extractor: Extractor,
        worker_id: str,
    ) -> None:
        self._settings = settings
        self._database = database
        self._blobs = blobs
        self._id = worker_id
        self._admission = Admission(database, settings)
        self._maintenance = Maintenance(database, settings)
        context = Context(
            settings=settings,
            tasks=Tasks(database, worker_id),
            accounts=Accounts(database),
            crawls=Crawls(database, settings),
            robots=RobotsRules(database),
            turns=Turns(database),
            blobs=blobs,
            extractor=extractor,
        )
        leases = Leases(database.relaxed, manager_id(worker_id), settings.lease)
        self._admitting = Admitting(self._admission)
        self._attempts = Attempts(database, context, leases, self._admitting)
        self._taking = Taking(settings, leases, self._attempts, worker_id, self._recover)

    async def run(self, stop: asyncio.Event) -> None:
        """See worker.run."""
        await self._admission.apply_limits()
        await self._beat()
        async with asyncio.TaskGroup() as group:
            loops = [
                group.create_task(loop, name=name)
                for name, loop in (
                    ("keep", _every(self._settings.lease / 4, self._taking.keep_leases)),
                    ("admit", self._admitting.keep_admitting(self._taking)),
                    ("beat", _every(BEAT_S, self._beat)),
                    ("recover", _every(RECOVER_S, self._recover)),
                    ("move on", _every(RECOVER_S, self._move_on)),
                    ("tidy", _every(TIDY_S, self._tidy)),
                    ("listen", self._listen()),
                    ("lag", metrics.watch_loop("worker")),
                )
            ]
            consume = group.create_task(self._taking.consume(), name="consume")
            await stop.wait()
            consume.cancel()
            await self._taking.close()
            await self._attempts.wind_up()
            for loop in loops:
                loop.cancel()
        await self._goodbye()

    async def _beat(self) -> None:
        settings = self._settings
        await self._database.execute("beat", self._id, settings.slots, settings.delivery_slots)

    async def _recover(self) -> None:
        await self._stop_cancelled()
        if count := await self._admission.recover():
            log.warning("tasks_recovered", count=count)
            self._admitting.wake()

    async def _move_on(self) -> None:
        """Moves on what waits in vain: for hosts that are left alone, or in crawls without a task.
        The one makes more of the other: a crawl has most of its URLs still to come."""
        loop = asyncio.get_running_loop()
        until = loop.time() + _IN_VAIN_S
        failed, resumed = 0, 0
        while True:
            turned = await turn_away(self._database, self._settings)
            swept = await sweep(self._database, self._settings)
            failed, resumed = failed + turned, resumed + swept
            if not turned or not swept or loop.time() > until:
                break
        if failed:
            log.warning("hosts_left_alone", tasks_failed=failed)
        if resumed:
            log.info("crawls_resumed", count=resumed)
            self._admitting.wake()

    async def _tidy(self) -> None:
        await self._maintenance.tidy()
        ended = datetime.now(UTC) - timedelta(seconds=self._settings.result_ttl)
        parked = await self._maintenance.oldest_parked()
        # What is still to be uploaded is kept, however long a bucket is away.
        await self._blobs.expire(min(ended, parked or ended) - _STORED_AHEAD)

    async def _listen(self) -> None:
        await self._database.listen(
            {CANCEL_CHANNEL: self._on_cancel, CHANNEL: self._taking.on_queue},
            on_lost=self._taking.on_lost,
        )

    def _on_cancel(self, payload: str) -> None:
        for task_id in payload.split(","):
            self._attempts.stop(UUID(task_id))

    async def _stop_cancelled(self) -> None:
        """Should a notice of a cancel get lost, the task stops within seconds all the same."""
        if running := list(self._attempts.running):
            for row in await self._database.fetch("cancelled_tasks", running):
                self._attempts.stop(row["id"])

    async def _goodbye(self) -> None:
        try:
            await self._database.execute("release_picked", manager_id(self._id))
            await self._database.execute("forget_worker", self._id)
        except CONNECTION_ERRORS as error:
            log.warning("goodbye_without_database", reason=repr(error))


async def _every(seconds: float, action: Callable[[], Awaitable[None]]) -> None:
    while True:
        try:
            await action()
        except CONNECTION_ERRORS as error:
            log.warning("loop_without_database", reason=repr(error))
        await asyncio.sleep(seconds)
