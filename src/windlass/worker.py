"""A worker process: claim → handle → commit, and the loops that keep tasks moving.

PgQueuer says which task is ours and redelivers it if we die; the task row says what is true.
Losing the database stops the taking but not the work: an outcome is applied when the database is
back, if the attempt is still the task's newest.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from uuid import UUID

import msgspec
import structlog
from pgqueuer.domain.models import Job

from windlass import metrics
from windlass.blobs import Blobs, open_blobs
from windlass.errors import (
    DatabaseUnavailable,
    EngineError,
    RequestTimeout,
    ResultsUnavailable,
    StorageFull,
    WindlassError,
    WorkerLost,
)
from windlass.extraction import Extractor
from windlass.kinds import KINDS, Context, Kind
from windlass.model.page import Failure
from windlass.model.task import Outcome, State, Task
from windlass.settings import Settings
from windlass.storage import manager_id
from windlass.storage.accounts import Accounts
from windlass.storage.admission import LANES_PER_ROUND, Admission
from windlass.storage.batcher import Batcher, Linger
from windlass.storage.cancelling import CANCEL_CHANNEL
from windlass.storage.closedlanes import turn_away
from windlass.storage.crawling import sweep
from windlass.storage.crawls import Crawls
from windlass.storage.database import CONNECTION_ERRORS, Database
from windlass.storage.lanes import patience_of
from windlass.storage.maintenance import Maintenance
from windlass.storage.outcomes import Finished, Outcomes
from windlass.storage.queue import CHANNEL, DELIVERIES, TASKS, Leases, brings
from windlass.storage.robots import RobotsRules
from windlass.storage.tasks import Tasks
from windlass.storage.turns import Turns

log = structlog.get_logger(__name__)

BEAT_S = 5.0
RECOVER_S = 5.0
TIDY_S = 60.0
ADMIT_FLOOR_S = 2.0
_ADMIT_PACE_S = 0.03
_DEQUEUE_S = 2.0
_FULL_RETRY_S = 15.0
_UNKNOWN_RETRY_S = 30.0
_HANGS_S = 5.0
_STORED_AHEAD = timedelta(hours=2)
"""Bytes are stored before their task ends: by longer when the database or a bucket is away."""
_RECONNECT_S = 0.3
_DRAIN_S = 10.0
_SUSPECT_LOSSES = 2
"""Losses from which a task may be what kills workers: two such do not run side by side, lest the
innocent fail with the guilty."""
_SUSPECT_RETRY_S = 1.0
_TAKE_AT_ONCE = 32
_TAKE_PACE_S = 0.03


_LATER = Outcome(state=State.QUEUED, retry_in_s=_SUSPECT_RETRY_S, counts=False)


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
        self._outcomes = Outcomes(database, patience_of(settings), self._under_way)
        self._context = Context(
            settings=settings,
            tasks=Tasks(database, worker_id),
            accounts=Accounts(database),
            crawls=Crawls(database, settings),
            robots=RobotsRules(database),
            turns=Turns(database),
            blobs=blobs,
            extractor=extractor,
        )
        self._admission = Admission(database, settings)
        self._maintenance = Maintenance(database, settings)
        self._storing = Batcher(blobs.put, limit=64, linger=Linger(0.003, self._under_way))
        self._kinds: dict[str, Kind] = {}
        self._running: dict[UUID, tuple[asyncio.Task[None], Job]] = {}
        self._cancelled: set[UUID] = set()
        self._suspect: UUID | None = None
        self._freed: set[str] = set()
        self._refilled: set[str] = set()
        self._admit = asyncio.Event()
        self._wake = asyncio.Event()
        self._more = True
        self._leases = Leases(database.relaxed, manager_id(worker_id), settings.lease)
        self._recover_first = True

    async def run(self, stop: asyncio.Event) -> None:
        """See the function run above."""
        await self._admission.apply_limits()
        await self._beat()
        async with asyncio.TaskGroup() as group:
            loops = [
                group.create_task(loop, name=name)
                for name, loop in (
                    ("keep", self._every(self._settings.lease / 4, self._keep_leases)),
                    ("admit", self._keep_admitting()),
                    ("beat", self._every(BEAT_S, self._beat)),
                    ("recover", self._every(RECOVER_S, self._recover)),
                    ("tidy", self._every(TIDY_S, self._tidy)),
                    ("listen", self._listen()),
                    ("lag", metrics.watch_loop("worker")),
                )
            ]
            consume = group.create_task(self._consume(), name="consume")
            await stop.wait()
            consume.cancel()
            await self._settle()
            for loop in loops:
                loop.cancel()
        await self._goodbye()

    # ------------------------------------------------------------ the queue

    async def _consume(self) -> None:
        """Takes tasks from the queue while slots are free."""
        loop = asyncio.get_running_loop()
        while True:
            started = loop.time()
            self._wake.clear()
            try:
                more = await self._take()
            except CONNECTION_ERRORS as error:
                log.warning("queue_lost", reason=repr(error))
                self._recover_first = True
                await asyncio.sleep(_RECONNECT_S)
                continue
            if more:
                continue
            try:
                async with asyncio.timeout(_DEQUEUE_S):
                    await self._wake.wait()
            except TimeoutError:
                pass
            if self._running:
                # News comes in bursts under load; one look serves them all.
                await asyncio.sleep(max(started + _TAKE_PACE_S - loop.time(), 0))

    async def _take(self) -> bool:
        """Starts what the queue holds and slots allow; whether there may be more of it."""
        if self._recover_first:  # a crash of the database has emptied the queue
            await self._recover()
            self._recover_first = False
        free = self._free()
        self._more = len(free) < 2
        # What is taken from both pools at once must fit into either.
        if not free or not await self._take_from(list(free), min(free.values())):
            return False
        more = False
        for pool, slots in self._free().items():
            more |= await self._take_from([pool], slots)
        self._more = more or len(self._free()) < 2
        return more

    def _free(self) -> dict[str, int]:
        """The pools that have free slots, and how many."""
        delivering = sum(job.entrypoint == DELIVERIES for _, job in self._running.values())
        free = {
            TASKS: self._settings.slots - len(self._running) + delivering,
            DELIVERIES: self._settings.delivery_slots - delivering,
        }
        return {pool: slots for pool, slots in free.items() if slots > 0}

    async def _take_from(self, pools: Sequence[str], slots: int) -> bool:
        """Starts up to so many tasks of these pools; whether there were as many as asked for."""
        limit = min(slots, _TAKE_AT_ONCE)
        jobs = await self._leases.take(limit, pools)
        for job in jobs:
            task_id = UUID(bytes=job.payload)
            # Our own heartbeat was late and the row came back: it is ours all the same.
            if task_id not in self._running:
                self._start(task_id, job)
        return len(jobs) == limit

    def _start(self, task_id: UUID, job: Job) -> None:
        def ended(_: object) -> None:
            del self._running[task_id]
            if self._more:
                self._wake.set()

        attempt = asyncio.create_task(self._attempt(job), name=f"task {task_id}")
        self._running[task_id] = (attempt, job)
        attempt.add_done_callback(ended)

    def _under_way(self) -> int:
        return len(self._running)

    async def _keep_leases(self) -> None:
        if self._running:
            await self._leases.keep([job for _, job in self._running.values()])

    # ------------------------------------------------------------ one attempt

    async def _attempt(self, job: Job) -> None:
        """Claim → handle → store → apply. Whatever goes wrong ends in an outcome or in recovery."""
        try:
            task = await self._context.tasks.claim(job)
            if task is None:
                await self._leases.drop(job)
                return
            structlog.contextvars.bind_contextvars(task=str(task.id), account=task.account)
            started = time.perf_counter()
            with self._suspecting(task) as alone:
                outcome = await self._outcome(task) if alone else _LATER
            if outcome is None:
                await self._leases.drop(job)
                return
            await self._finish(task, job, outcome)
            metrics.HANDLER_SECONDS.labels(task.kind, outcome.state.value).observe(
                time.perf_counter() - started
            )
        except CONNECTION_ERRORS as error:
            log.warning("attempt_without_database", reason=repr(error))
        except Exception as error:
            log.error("attempt_broke", exc_info=error)

    @contextmanager
    def _suspecting(self, task: Task) -> Iterator[bool]:
        """Whether the task may run now: it never killed a worker, or no other suspect runs."""
        if task.losses < _SUSPECT_LOSSES:
            yield True
        elif self._suspect is not None:
            yield False
        else:
            self._suspect = task.id
            try:
                yield True
            finally:
                self._suspect = None

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
            return _given_up(kind, task, lost)
        try:
            # The kind keeps its own deadline and says more; this one is for kinds that hang.
            async with asyncio.timeout(task.deadline_s + _HANGS_S):
                return await kind.handle(task)
        except TimeoutError:
            failure = Failure.of(RequestTimeout(f"no result within {task.deadline_s:g} s"))
            return _given_up(kind, task, Outcome(state=State.FAILED, failure=failure))
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
        delay_s = 2.0**task.failures
        if isinstance(error, DatabaseUnavailable):
            return Outcome(state=State.QUEUED, failure=failure, retry_in_s=delay_s, counts=False)
        if known.retryable and task.failures + 1 < self._settings.max_attempts:
            return Outcome(state=State.QUEUED, failure=failure, retry_in_s=delay_s)
        return _given_up(kind, task, Outcome(state=State.FAILED, failure=failure))

    async def _finish(self, task: Task, job: Job, outcome: Outcome) -> None:
        address = None
        if outcome.result is not None:
            try:
                address = await self._storing.call(outcome.result)
            except (StorageFull, ResultsUnavailable, OSError) as error:
                known = error if isinstance(error, WindlassError) else EngineError()
                event = "storage_failed" if known is not error else known.code
                log.error(event, reason=repr(error), retry_in_s=_FULL_RETRY_S)
                failure = Failure.of(known)
                outcome = Outcome(
                    state=State.QUEUED, failure=failure, retry_in_s=_FULL_RETRY_S, counts=False
                )
        if outcome.failure is not None:
            metrics.ERRORS.labels(outcome.failure.code).inc()
        applied = await self._outcomes.apply(
            Finished(task, job, msgspec.structs.replace(outcome, result=None), address)
        )
        if applied is None:
            log.info("late_outcome_dropped", attempt=task.attempt)
        self._freed.add(task.lane)
        if outcome.state == State.QUEUED and not outcome.retry_in_s:
            self._refilled.add(task.lane)
        if applied is not None:
            self._refilled.update(applied.lanes)
        self._admit.set()

    def _kind(self, name: str) -> Kind:
        if name not in self._kinds:
            self._kinds[name] = KINDS.get(name)(self._context)
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
        settings = self._settings
        await self._database.execute("beat", self._id, settings.slots, settings.delivery_slots)

    async def _recover(self) -> None:
        await self._stop_cancelled()
        if count := await self._admission.recover():
            log.warning("tasks_recovered", count=count)
            self._admit.set()
        if count := await turn_away(self._database, self._settings):
            log.warning("hosts_given_up", tasks=count)
        if count := await sweep(self._database, self._settings):
            log.info("crawls_resumed", count=count)
            self._admit.set()

    async def _tidy(self) -> None:
        await self._maintenance.tidy()
        ended = datetime.now(UTC) - timedelta(seconds=self._settings.result_ttl)
        parked = await self._maintenance.oldest_parked()
        # What is still to be uploaded is kept, however long a bucket is away.
        await self._blobs.expire(min(ended, parked or ended) - _STORED_AHEAD)

    async def _listen(self) -> None:
        await self._database.listen(
            {CANCEL_CHANNEL: self._on_cancel, CHANNEL: self._on_queue},
            on_lost=self._on_lost,
        )

    def _on_lost(self) -> None:
        """A crash of the database has emptied the queue, be it too short for a look to notice."""
        self._recover_first = True
        self._wake.set()

    def _on_queue(self, payload: str) -> None:
        if brings(payload):
            self._wake.set()

    def _on_cancel(self, payload: str) -> None:
        for task_id in payload.split(","):
            self._stop_attempt(UUID(task_id))

    async def _stop_cancelled(self) -> None:
        """Should a notice of a cancel get lost, the task stops within seconds all the same."""
        if self._running:
            for row in await self._database.fetch("cancelled_tasks", list(self._running)):
                self._stop_attempt(row["id"])

    def _stop_attempt(self, task_id: UUID) -> None:
        if running := self._running.get(task_id):
            attempt, _ = running
            self._cancelled.add(task_id)
            attempt.add_done_callback(lambda _: self._cancelled.discard(task_id))
            attempt.cancel()

    # ------------------------------------------------------------ the end

    async def _settle(self) -> None:
        """Lets running attempts finish; when the grace is over they give their tasks back."""
        running = {attempt for attempt, _ in self._running.values()}
        if running:
            await asyncio.wait(running, timeout=self._settings.grace)
        late = {attempt for attempt, _ in self._running.values()}
        for attempt in late:
            attempt.cancel()
        if late:
            log.info("tasks_given_back", count=len(late))
            await asyncio.wait(late, timeout=10)
        with suppress(TimeoutError):
            # With the database away it would take minutes; another worker takes over what is left.
            async with asyncio.timeout(_DRAIN_S):
                await self._outcomes.drain()
        for kind in self._kinds.values():
            await kind.aclose()

    async def _goodbye(self) -> None:
        try:
            await self._database.execute("release_picked", manager_id(self._id))
            await self._database.execute("forget_worker", self._id)
        except CONNECTION_ERRORS as error:
            log.warning("goodbye_without_database", reason=repr(error))


def _given_up(kind: Kind, task: Task, outcome: Outcome) -> Outcome:
    """The outcome with the kind's result; without one rather than never."""
    try:
        return kind.give_up(task, outcome)
    except Exception as error:
        log.error("no_result_made", exc_info=error)
        return outcome
