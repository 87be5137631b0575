"""Batcher: calls that wait at the same time travel in one statement.

While a flush is under way newcomers gather, so the batch grows with the load and a lone call
waits for nobody. On disks where one commit takes milliseconds this decides the rate.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

Item = TypeVar("Item")
Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Weight(Generic[Item]):
    """What an item weighs, and what those that travel together may weigh; a heavier one travels
    alone."""

    of: Callable[[Item], int]
    most: int


@dataclass(frozen=True)
class Linger(Generic[Item]):
    """How long a batch waits for company under load; `callers` counts those who may still call.
    A batch that has them all waits for nobody, nor does one with an item that is `urgent`."""

    seconds: float
    callers: Callable[[], int]
    urgent: Callable[[Item], bool] = lambda _: False


class Batcher(Generic[Item, Answer]):
    """Turns single calls into calls of `flush`, which answers every item in order.

    At most `limit` items, or as many as weigh no more, travel together, and at most `lanes` flushes
    run at once. If a flush raises, each of its items gets that error; but after an error in
    `alone_on` each item travels alone, so that one that cannot be flushed does not take the others
    along. Under load (the last batch had company) a batch lingers for more; a lone call never
    does.
    """

    def __init__(
        self,
        flush: Callable[[Sequence[Item]], Awaitable[Sequence[Answer]]],
        *,
        limit: int | Weight[Item] = 256,
        lanes: int = 1,
        linger: Linger[Item] | None = None,
        alone_on: tuple[type[Exception], ...] = (),
    ) -> None:
        self._flush = flush
        self._limit = Weight(_one, limit) if isinstance(limit, int) else limit
        self._free = lanes
        self._linger = linger
        self._alone_on = alone_on
        self._company = False
        self._gathered = asyncio.Event()
        self._waiting: deque[tuple[Item, asyncio.Future[Answer]]] = deque()
        self._running: set[asyncio.Task[None]] = set()

    async def call(self, item: Item) -> Answer:
        """The answer for one item. Being cancelled does not undo what already travels."""
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        linger = self._linger
        if linger and (linger.urgent(item) or len(self._waiting) >= linger.callers()):
            self._gathered.set()
        self._start()
        return await future

    async def drain(self) -> None:
        """Waits until everything handed in has been flushed."""
        while self._running:
            await asyncio.wait(self._running)

    def _start(self) -> None:
        if self._free and self._waiting:
            self._free -= 1
            task = asyncio.ensure_future(self._run())
            self._running.add(task)
            task.add_done_callback(self._running.discard)

    async def _run(self) -> None:
        try:
            while self._waiting:
                await self._gather()
                count = self._together()
                self._company = count > 1
                await self._send([self._waiting.popleft() for _ in range(count)])
        finally:
            self._free += 1

    async def _gather(self) -> None:
        """Waits for company as long as that is worth it."""
        if self._linger is None or not self._company:
            await asyncio.sleep(0)  # one turn of the loop: callers that are ready now join
        elif len(self._waiting) < self._linger.callers() and not any(
            self._linger.urgent(item) for item, _ in self._waiting
        ):
            self._gathered.clear()
            loop = asyncio.get_running_loop()
            enough = loop.call_later(self._linger.seconds, self._gathered.set)
            await self._gathered.wait()
            enough.cancel()

    def _together(self) -> int:
        """How many of those that wait may travel together."""
        total = 0
        for taken, (item, _) in enumerate(self._waiting):
            total += self._limit.of(item)
            if taken and total > self._limit.most:
                return taken
        return len(self._waiting)

    async def _send(self, batch: list[tuple[Item, asyncio.Future[Answer]]]) -> None:
        if not batch:  # another lane was faster
            return
        try:
            answers = await self._flush([item for item, _ in batch])
        except Exception as error:  # noqa: BLE001 - handed to every caller of the batch
            await self._fail(batch, error)
            return
        except BaseException:
            for _, future in batch:
                future.cancel()
            raise
        for (_, future), answer in zip(batch, answers, strict=True):
            if not future.done():
                future.set_result(answer)

    async def _fail(
        self, batch: list[tuple[Item, asyncio.Future[Answer]]], error: Exception
    ) -> None:
        if len(batch) > 1 and isinstance(error, self._alone_on):
            for one in batch:
                await self._send([one])
            return
        for _, future in batch:
            if not future.done():
                future.set_exception(error)


def _one(_: object) -> int:
    return 1
