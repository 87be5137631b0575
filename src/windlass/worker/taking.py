"""Takes tasks from the queue while slots are free, and keeps what is taken ours.

One of the worker's loops. What is done with a task is not its concern.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from uuid import UUID

import structlog
from pgqueuer.domain.models import Job

from windlass.model.task import Task
from windlass.settings import Settings
from windlass.storage.admission import Held
from windlass.storage.database import CONNECTION_ERRORS
from windlass.storage.queue import DELIVERIES, POOLS, PROMPT, TASKS, Leases, brings
from windlass.worker.attempts import Attempts

log = structlog.get_logger(__name__)

_DEQUEUE_S = 2.0
_RECONNECT_S = 0.3
_TAKE_AT_ONCE = 32
_TAKE_PACE_S = 0.03
_CLOSE_S = 1.0


class Taking:
    """Fills the slots of each pool, from the queue and with what admission hands over. One per
    worker.

    `recover` puts back into the queue what a crash of the database has taken out of it.
    """

    def __init__(
        self,
        settings: Settings,
        leases: Leases,
        attempts: Attempts,
        worker: str,
        recover: Callable[[], Awaitable[None]],
    ) -> None:
        self._settings = settings
        self._leases = leases
        self._attempts = attempts
        self._worker = worker
        self._recover = recover
        self._open = True
        self._closed = False
        self._reserved = 0
        """Slots that look free, and are being filled."""
        self._handing_over = asyncio.Lock()
        self._wake = asyncio.Event()
        self._more = True
        self._recover_first = True

    async def consume(self) -> None:
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
            if self._attempts.running:
                # News comes in bursts under load; one look serves them all.
                await asyncio.sleep(max(started + _TAKE_PACE_S - loop.time(), 0))

    async def _take(self) -> bool:
        """Starts what the queue holds and slots allow; whether there may be more of it."""
        if self._recover_first:  # a crash of the database has emptied the queue
            await self._recover()
            self._recover_first = False
        free = self._free()
        self._more = len(free) < len(POOLS)
        # What is taken from all pools at once must fit into each.
        if not free or not await self._take_from(list(free), min(free.values())):
            return False
        more = False
        for pool in POOLS:
            if slots := self._free().get(pool):
                more |= await self._take_from([pool], slots)
        self._more = more or len(self._free()) < len(POOLS)
        return more

    @property
    def settled(self) -> dict[UUID, int]:
        """See admission.Slots."""
        return dict(self._attempts.settled)

    @asynccontextmanager
    async def held(self, queued: int) -> AsyncIterator[Held]:
        """See admission.Slots."""
        async with self._handing_over:
            free = max(self._free().get(TASKS, 0) - queued, 0) if self._open else 0
            running = len(self._attempts.running) - self._delivering()
            with self._reserving(free):
                yield Held(self._worker, self._settings.slots, free, running)
        if self._more:  # perhaps only because of these
            self._wake.set()

    @contextmanager
    def _reserving(self, slots: int) -> Iterator[None]:
        self._reserved += slots
        try:
            yield
        finally:
            self._reserved -= slots

    def start(self, taken: Sequence[tuple[Job, Task]]) -> None:
        """See admission.Slots."""
        if self._closed:
            return  # too late: whoever says goodbye gives them back
        for job, task in taken:
            # As below: an attempt that claims it just now, should the queue have been emptied.
            if task.id not in self._attempts.running:
                self._start(task.id, job, task)

    async def close(self) -> None:
        """Takes no more; returns when all that was taken has started."""
        self._open = False
        with suppress(TimeoutError):
            # With the database away it could take a minute; leases end what nobody runs.
            async with asyncio.timeout(_CLOSE_S), self._handing_over:
                pass
        self._closed = True

    def _delivering(self) -> int:
        return sum(job.entrypoint == DELIVERIES for _, job in self._attempts.running.values())

    def _free(self) -> dict[str, int]:
        """The pools that have free slots, and how many. What is settled needs none, as long as it
        is not more than there are slots: the database may be away."""
        settings, attempts, delivering = self._settings, self._attempts, self._delivering()
        settled = sum(attempts.running[one][1].entrypoint != DELIVERIES for one in attempts.settled)
        under_way = len(attempts.running) - delivering - min(settled, settings.slots)
        left = settings.slots - under_way - self._reserved
        free = {
            TASKS: left,
            PROMPT: left + settings.prompt_slots,
            DELIVERIES: settings.delivery_slots - delivering,
        }
        return {pool: slots for pool, slots in free.items() if slots > 0}

    async def _take_from(self, pools: Sequence[str], slots: int) -> bool:
        """Starts up to so many tasks of these pools; whether there were as many as asked for."""
        limit = min(slots, _TAKE_AT_ONCE)
        with self._reserving(0 if list(pools) == [DELIVERIES] else limit):
            jobs = await self._leases.take(limit, pools)
            for job in jobs:
                task_id = UUID(bytes=job.payload)
                # Our own heartbeat was late and the row came back: it is ours all the same.
                if task_id not in self._attempts.running:
                    self._start(task_id, job)
        return len(jobs) == limit

    def _start(self, task_id: UUID, job: Job, task: Task | None = None) -> None:
        def ended(_: object) -> None:
            if self._more:
                self._wake.set()

        self._attempts.start(task_id, job, task).add_done_callback(ended)

    async def keep_leases(self) -> None:
        """Says that what was taken is still being worked on."""
        if self._attempts.running:
            await self._leases.keep([job for _, job in self._attempts.running.values()])

    def on_queue(self, payload: str) -> None:
        """Takes a notice of the queue."""
        if brings(payload):
            self._wake.set()

    def on_lost(self) -> None:
        """A crash of the database has emptied the queue, be it too short for a look to notice."""
        self._recover_first = True
        self._wake.set()
