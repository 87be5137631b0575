"""The attempts under way: claim → handle → store → apply, each in an asyncio task of its own.

Used by the worker's loops. Which task is next is not decided here (taking.py), nor what is admitted
because of an outcome (admitting.py).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import NamedTuple
from uuid import UUID

import msgspec
import structlog
from pgqueuer.domain.models import Job

from windlass import metrics
from windlass.errors import (
    DatabaseUnavailable,
    EngineError,
    RequestTimeout,
    ResultsUnavailable,
    StorageFull,
    WindlassError,
    WorkerLost,
)
from windlass.kinds import KINDS, Context, Kind
from windlass.model.page import Failure
from windlass.model.task import Outcome, State, Task
from windlass.storage.batcher import Batcher, Linger
from windlass.storage.database import CONNECTION_ERRORS, Database
from windlass.storage.lanes import patience_of
from windlass.storage.outcomes import Finished, Outcomes
from windlass.storage.queue import Leases
from windlass.worker.admitting import Admitting

log = structlog.get_logger(__name__)

_FULL_RETRY_S = 15.0
_UNKNOWN_RETRY_S = 30.0
_HANGS_S = 5.0
_DRAIN_S = 10.0
_LINGER_S = 0.01
"""How long results wait to be stored together while there is load."""
_SUSPECT_LOSSES = 2
"""Losses from which a task may be what kills workers: two such do not run side by side, lest the
innocent fail with the guilty."""
_SUSPECT_RETRY_S = 1.0
_LATER = Outcome(state=State.QUEUED, retry_in_s=_SUSPECT_RETRY_S, counts=False)


class _Result(NamedTuple):
    """What is to be stored, and whether somebody waits for it."""

    content: bytes
    awaited: bool


def _is_awaited(result: _Result) -> bool:
    return result.awaited


class Attempts:
    """One per worker. `running` is read by those who need to know how much is under way."""

    def __init__(
        self, database: Database, context: Context, leases: Leases, admitting: Admitting
    ) -> None:
        self._settings = context.settings
        self._context = context
        self._leases = leases
        self._admitting = admitting
        self._outcomes = Outcomes(
            database, patience_of(context.settings), self._under_way, context.crawls.heard
        )
        self._storing: Batcher[_Result, str] = Batcher(
            self._store, limit=64, linger=Linger(_LINGER_S, self._under_way, _is_awaited)
        )
        self._kinds: dict[str, Kind] = {}
        self._cancelled: set[UUID] = set()
        self._suspect: UUID | None = None
        self.running: dict[UUID, tuple[asyncio.Task[None], Job]] = {}
        self.settled: dict[UUID, int] = {}
        """Those of them whose outcomes are there, and only to be applied: attempts by task."""

    def start(self, task_id: UUID, job: Job, task: Task | None = None) -> asyncio.Task[None]:
        """Starts an attempt, which is one of `running` until it ends; `task` if it is claimed
        already. It raises nothing."""
        attempt = asyncio.create_task(self._attempt(job, task), name=f"task {task_id}")
        self.running[task_id] = (attempt, job)
        attempt.add_done_callback(lambda _: self.running.pop(task_id))
        return attempt

    def stop(self, task_id: UUID) -> None:
        """Stops the attempt at a task that was cancelled, if there is one."""
        if running := self.running.get(task_id):
            attempt, _ = running
            self._cancelled.add(task_id)
            attempt.add_done_callback(lambda _: self._cancelled.discard(task_id))
            attempt.cancel()

    async def wind_up(self) -> None:
        """Lets running attempts finish; when the grace is over they give their tasks back."""
        running = {attempt for attempt, _ in self.running.values()}
        if running:
            await asyncio.wait(running, timeout=self._settings.grace)
        late = {attempt for attempt, _ in self.running.values()}
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

    def _under_way(self) -> int:
        return len(self.running)

    async def _attempt(self, job: Job, task: Task | None) -> None:
        """Claim → handle → store → apply. Whatever goes wrong ends in an outcome or in recovery."""
        try:
            task = task or await self._context.tasks.claim(job)
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
            with self._settling(task, outcome):
                await self._finish(task, job, outcome)
            seconds = metrics.handler_seconds(task.kind, outcome.state.value)
            seconds.observe(time.perf_counter() - started)
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
                if task.wait_s:
                    await asyncio.sleep(task.wait_s)
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
        if known.retryable and task.may_fail_again(self._settings.max_attempts):
            return Outcome(state=State.QUEUED, failure=failure, retry_in_s=delay_s)
        return _given_up(kind, task, Outcome(state=State.FAILED, failure=failure))

    @contextmanager
    def _settling(self, task: Task, outcome: Outcome) -> Iterator[None]:
        """While an outcome is stored and applied, its host may be asked the next."""
        if not outcome.calm:
            yield
            return
        self.settled[task.id] = task.attempt
        self._admitting.settled(task.lane)
        try:
            yield
        finally:
            self.settled.pop(task.id, None)

    async def _finish(self, task: Task, job: Job, outcome: Outcome) -> None:
        address = None
        if outcome.result is not None:
            try:
                address = await self._storing.call(_Result(outcome.result, task.awaited))
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
        refilled = () if applied is None else applied.lanes
        if outcome.state == State.QUEUED and not outcome.retry_in_s:
            refilled += (task.lane,)
        self._admitting.freed(task.lane, refilled)

    async def _store(self, results: Sequence[_Result]) -> Sequence[str]:
        return await self._context.blobs.put([result.content for result in results])

    def _kind(self, name: str) -> Kind:
        if name not in self._kinds:
            self._kinds[name] = KINDS.get(name)(self._context)
        return self._kinds[name]


def _given_up(kind: Kind, task: Task, outcome: Outcome) -> Outcome:
    """The outcome with the kind's result; without one rather than never."""
    try:
        return kind.give_up(task, outcome)
    except Exception as error:
        log.error("no_result_made", exc_info=error)
        return outcome
