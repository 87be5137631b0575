"""A worker process: claim → handle → commit, and the loops that keep tasks moving.

PgQueuer says which task is ours and redelivers it if we die; the task row says what is true. Every
attempt runs in an asyncio task of its own, so that losing the database stops the queue's loop but
not the work: its outcome is applied when the database is back, if the attempt is still ours.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from uuid import UUID

import msgspec
import structlog
from pgqueuer.core.qm import QueueManager
from pgqueuer.domain.models import Job
from pgqueuer.domain.types import QueueManagerId

from windlass import metrics
from windlass.blobs import Blobs, open_blobs, result_key, result_keys
from windlass.errors import (
    EngineError,
    RequestTimeout,
    StorageFull,
    WindlassError,
    WorkerLost,
)
from windlass.extraction import Extractor
from windlass.kinds import KINDS, Kind
from windlass.model.page import Failure
from windlass.model.task import Outcome, State, Task
from windlass.settings import Settings
from windlass.storage import manager_id, queue
from windlass.storage.admission import LANES_PER_ROUND, Admission
from windlass.storage.batcher import Batcher
from windlass.storage.database import CONNECTION_ERRORS, Database
from windlass.storage.maintenance import Maintenance
from windlass.storage.tasks import CANCEL_CHANNEL, Finished, Tasks

log = structlog.get_logger(__name__)

BEAT_S = 5.0
RECOVER_S = 5.0
TIDY_S = 60.0
ADMIT_FLOOR_S = 2.0
_ADMIT_PACE_S = 0.01
_DEQUEUE_S = 2.0
_FULL_RETRY_S = 15.0
_UNKNOWN_RETRY_S = 30.0
_RESTART_S = 0.3


async def run(settings: Settings, dsn: str, worker_id: str, stop: asyncio.Event) -> None:
    """Works until `stop` is set, then gives running tasks `settings.grace` seconds to finish;
    those that do not go back to the queue without having lost an attempt."""
    database = await Database.open(dsn)
    blobs = open_blobs(settings)
    extractor = Extractor(settings)
    worker = Worker(settings, database, blobs, extractor, worker_id)
    try:
        await worker.run(stop)
    finally:
        await extractor.aclose()
        await blobs.aclose()
        await database.aclose()


class Worker:
    """Runs up to `settings.slots` tasks at a time."""

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
        self._extractor = extractor
        self._id = worker_id
        self._tasks = Tasks(database, worker_id)
        self._admission = Admission(database, settings)
        self._maintenance = Maintenance(database, settings)
        self._storing: Batcher[tuple[str, bytes], None] = Batcher(
            self._store, limit=64, lanes=2, linger_s=0.002
        )
        self._kinds: dict[str, Kind] = {}
        self._running: dict[UUID, asyncio.Task[None]] = {}
        self._cancelled: set[UUID] = set()
        self._freed: set[str] = set()
        self._refilled: set[str] = set()
        self._admit = asyncio.Event()
        self._held: set[asyncio.Future[None]] = set()
        self._manager: QueueManager | None = None
        self._queue = queue.WorkerQueries(database.relaxed)

    async def run(self, stop: asyncio.Event) -> None:
        """See the function run above."""
        await self._admission.apply_limits()
        await self._beat()
        async with asyncio.TaskGroup() as group:
            loops = [
                group.create_task(loop, name=name)
                for name, loop in (
                    ("consume", self._consume(stop)),
                    ("admit", self._keep_admitting()),
                    ("beat", self._every(BEAT_S, self._beat)),
                    ("recover", self._every(RECOVER_S, self._recover)),
                    ("tidy", self._every(TIDY_S, self._tidy)),
                    ("listen", self._listen()),
                    ("lag", metrics.watch_loop("worker")),
                )
            ]
            await stop.wait()
            if self._manager is not None:
                self._manager.shutdown.set()
            await self._settle()
            for loop in loops:
                loop.cancel()
        await self._goodbye()

    # ------------------------------------------------------------ the queue

    async def _consume(self, stop: asyncio.Event) -> None:
        """Runs the queue's manager; it ends when the database does, so it is started again."""
        while not stop.is_set():
            manager = self._new_manager()
            self._manager = manager
            try:
                # A crash of the database has emptied the queue.
                await self._recover()
                await manager.run(
                    dequeue_timeout=timedelta(seconds=_DEQUEUE_S),
                    batch_size=max(1, min(16, self._settings.slots // 2)),
                    max_concurrent_tasks=max(2, self._settings.slots),
                    # Its first probe may come before it listens, which would end the loop for
                    # nothing; our own listener tells when the database is gone.
                    shutdown_on_listener_failure=False,
                    heartbeat_timeout=timedelta(seconds=self._settings.lease),
                    log_aggregation_interval=timedelta(0),
                )
            except Exception as error:  # noqa: BLE001 - whatever ended it, it must run again
                log.warning("queue_lost", reason=repr(error))
            if not stop.is_set():
                await asyncio.sleep(_RESTART_S)

    def _new_manager(self) -> QueueManager:
        self._queue = queue.WorkerQueries(self._database.relaxed)
        manager = QueueManager(self._queue, channel=queue.channel())
        manager.queue_manager_id = QueueManagerId(manager_id(self._id))
        manager.entrypoint(queue.ENTRYPOINT, accepts_context=False)(self._on_job)
        return manager

    async def _on_job(self, job: Job) -> None:
        """Holds the lease for as long as the attempt runs, or until the queue is lost."""
        task_id = UUID(bytes=job.payload)
        running = self._running.get(task_id)
        if running is None:
            running = asyncio.create_task(self._attempt(job), name=f"task {task_id}")
            self._running[task_id] = running
            running.add_done_callback(lambda _: self._running.pop(task_id, None))
        held = asyncio.get_running_loop().create_future()
        self._held.add(held)
        running.add_done_callback(lambda _: _release(held))
        try:
            await held
        finally:
            self._held.discard(held)

    # ------------------------------------------------------------ one attempt

    async def _attempt(self, job: Job) -> None:
        """Claim → handle → store → apply. Whatever goes wrong ends in an outcome or in recovery."""
        try:
            task = await self._tasks.claim(job)
            if task is None:
                return
            structlog.contextvars.bind_contextvars(task=str(task.id), account=task.account)
            started = time.perf_counter()
            outcome = await self._outcome(task)
            if outcome is None:
                return
            await self._finish(task, job, outcome)
            metrics.HANDLER_SECONDS.labels(task.kind, outcome.state.value).observe(
                time.perf_counter() - started
            )
        except CONNECTION_ERRORS as error:
            log.warning("attempt_without_database", reason=repr(error))

    async def _outcome(self, task: Task) -> Outcome | None:
        """What the attempt comes to; None if the task was cancelled meanwhile."""
        try:
            kind = self._kind(task.kind)
        except (WindlassError, ImportError) as error:
            # A kind that this process does not know or cannot load; another one may.
            log.error("kind_unavailable", kind=task.kind, exc_info=error)
            failure = Failure.of(EngineError())
            return Outcome(state=State.QUEUED, failure=failure, retry_in_s=_UNKNOWN_RETRY_S)
        if task.losses > self._settings.max_rescues:
            lost = Outcome(state=State.FAILED, failure=Failure.of(WorkerLost()))
            return kind.give_up(task, lost)
        try:
            async with asyncio.timeout(task.deadline_s):
                return await kind.handle(task)
        except TimeoutError:
            failure = Failure.of(RequestTimeout(f"no result within {task.deadline_s:g} s"))
            return kind.give_up(task, Outcome(state=State.FAILED, failure=failure))
        except asyncio.CancelledError:
            if task.id in self._cancelled:
                return None
            return Outcome(state=State.QUEUED, counts=False)
        except Exception as error:  # noqa: BLE001 - the border where any failure becomes an outcome
            return self._failed(task, kind, error)

    def _failed(self, task: Task, kind: Kind, error: Exception) -> Outcome:
        known = error if isinstance(error, WindlassError) else EngineError()
        log.error("attempt_failed", code=known.code, exc_info=error)
        failure = Failure.of(known)
        if known.retryable and task.failures + 1 < self._settings.max_attempts:
            return Outcome(state=State.QUEUED, failure=failure, retry_in_s=2.0**task.failures)
        return kind.give_up(task, Outcome(state=State.FAILED, failure=failure))

    async def _finish(self, task: Task, job: Job, outcome: Outcome) -> None:
        key = None
        if outcome.result is not None:
            key = result_key(task.id, task.attempt)
            try:
                await self._storing.call((key, outcome.result))
            except StorageFull as error:
                log.error("storage_full", retry_in_s=_FULL_RETRY_S)
                failure = Failure.of(error)
                outcome = Outcome(
                    state=State.QUEUED, failure=failure, retry_in_s=_FULL_RETRY_S, counts=False
                )
                key = None
        if outcome.failure is not None:
            metrics.ERRORS.labels(outcome.failure.code).inc()
        applied = await self._tasks.apply(
            Finished(task, job, msgspec.structs.replace(outcome, result=None), key)
        )
        if applied:
            self._queue.completed.add(job.id)
        else:
            log.info("late_outcome_dropped", attempt=task.attempt)
        self._freed.add(task.lane)
        if outcome.state == State.QUEUED and not outcome.retry_in_s:
            self._refilled.add(task.lane)
        self._refilled.update(follow_up.lane for follow_up in outcome.follow_ups)
        self._admit.set()

    async def _store(self, items: Sequence[tuple[str, bytes]]) -> Sequence[None]:
        await self._blobs.put(items)
        return [None] * len(items)

    async def _delete_results(self, tasks: Sequence[tuple[UUID, int]]) -> None:
        await self._blobs.delete([key for id, count in tasks for key in result_keys(id, count)])

    def _kind(self, name: str) -> Kind:
        if name not in self._kinds:
            self._kinds[name] = KINDS.get(name)(self._settings, self._tasks, self._extractor)
        return self._kinds[name]

    # ------------------------------------------------------------ loops

    async def _keep_admitting(self) -> None:
        """Waits for room, for a due lane or for a due task, whichever comes first."""
        loop = asyncio.get_running_loop()
        while True:
            wait_s, started = ADMIT_FLOOR_S, loop.time()
            try:
                wait_s = await self._admit_round()
            except CONNECTION_ERRORS as error:
                log.warning("admission_deferred", reason=repr(error))
            try:
                async with asyncio.timeout(wait_s):
                    await self._admit.wait()
            except TimeoutError:
                pass
            # Under load the queue holds enough for a moment; rounds come in bulk then.
            await asyncio.sleep(max(started + _ADMIT_PACE_S - loop.time(), 0))
            self._admit.clear()

    async def _admit_round(self) -> float:
        """Admits while there is room; seconds until another round is worth it."""
        freed, self._freed = self._freed, set()
        refilled, self._refilled = self._refilled, set()
        if refilled:
            await self._admission.arm(list(refilled))
        done = await self._admission.admit(list(freed))
        while done.admitted >= LANES_PER_ROUND:
            done = await self._admission.admit()
        if done.next_in_s is None:
            return ADMIT_FLOOR_S
        # A lane that is due but gave nothing is being served by another process.
        return min(max(done.next_in_s, 2 * _ADMIT_PACE_S), ADMIT_FLOOR_S)

    async def _every(self, seconds: float, action: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await action()
            except CONNECTION_ERRORS as error:
                log.warning("loop_without_database", reason=repr(error))
            await asyncio.sleep(seconds)

    async def _beat(self) -> None:
        await self._database.execute("beat", self._id, self._settings.slots)

    async def _recover(self) -> None:
        if count := await self._admission.recover():
            log.warning("tasks_recovered", count=count)
            self._admit.set()

    async def _tidy(self) -> None:
        await self._maintenance.tidy(self._delete_results)
        await self._blobs.sweep()

    async def _listen(self) -> None:
        await self._database.listen({CANCEL_CHANNEL: self._on_cancel}, on_lost=self._on_lost)

    def _on_cancel(self, payload: str) -> None:
        task_id = UUID(payload)
        if running := self._running.get(task_id):
            self._cancelled.add(task_id)
            running.add_done_callback(lambda _: self._cancelled.discard(task_id))
            running.cancel()

    def _on_lost(self) -> None:
        """The database went away: end the queue's loop now, it starts anew when it can."""
        for held in list(self._held):
            _release(held)
        if self._manager is not None:
            self._manager.shutdown.set()

    # ------------------------------------------------------------ the end

    async def _settle(self) -> None:
        """Lets running attempts finish; when the grace is over they give their tasks back."""
        running = set(self._running.values())
        if running:
            await asyncio.wait(running, timeout=self._settings.grace)
        late = set(self._running.values())
        for attempt in late:
            attempt.cancel()
        if late:
            log.info("tasks_given_back", count=len(late))
            await asyncio.wait(late, timeout=10)
        await self._tasks.drain()

    async def _goodbye(self) -> None:
        try:
            await self._database.execute("release_picked", manager_id(self._id))
            await self._database.execute("forget_worker", self._id)
        except CONNECTION_ERRORS as error:
            log.warning("goodbye_without_database", reason=repr(error))


def _release(held: asyncio.Future[None]) -> None:
    if not held.done():
        held.set_result(None)
