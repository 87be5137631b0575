"""A few killable processes that read pages, one page costing at most itself.

Used by extraction. Knows nothing of what is read: a request is bytes, so is its answer, and the
entry is a function named by its dotted path that only the children import.
"""

from __future__ import annotations

import asyncio
from collections import deque

import structlog

from windlass.errors import EngineError
from windlass.html.process import Call, PoolLimits, ReaderProcess

log = structlog.get_logger(__name__)

_LAST_S = 10.0

__all__ = ["PoolLimits", "ReaderPool"]


class ReaderPool:
    """Child processes started on first use, stopped after idling, replaced when they die.

    `entry` is "module:function", called in the child with a request's bytes, returning the
    answer's. Belongs to one event loop.
    """

    def __init__(self, entry: str, limits: PoolLimits | None = None) -> None:
        self._entry = entry
        self._limits = limits or PoolLimits()
        self._places = asyncio.Semaphore(self._limits.waiting)
        self._waiting: deque[Call] = deque()
        self._children: list[ReaderProcess] = []
        self._starts: set[asyncio.Task[None]] = set()
        self._gone = asyncio.Event()
        self._gone.set()
        self._closed = False

    @property
    def processes(self) -> tuple[int, ...]:
        """Ids of the living children, for measurements."""
        return tuple(child.pid for child in self._children if not child.dead)

    async def call(self, request: bytes, deadline_s: float) -> bytes:
        """The entry's answer. `deadline_s` counts from the moment a child starts on it.

        Raises ParserCrashed when the entry failed or took its process down, ParseTimeout at the
        deadline (the process is killed), EngineError when no process can be had. Waiting for a
        free process is not bounded here: the caller's own timeout cancels it cleanly.
        """
        async with self._places:
            if self._closed:
                raise EngineError("the page readers are stopped")
            answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
            self._waiting.append(Call(request, deadline_s, answer))
            self._dispatch()
            return await answer

    async def aclose(self) -> None:
        """Kills the children and waits until they are gone; calls under way fail.

        Raises TimeoutError if the kernel does not end a killed process.
        """
        self._closed = True
        for child in self._children:
            child.kill()
        self._fail_waiting("the page readers are stopped")
        async with asyncio.timeout(_LAST_S):
            await self._gone.wait()

    # ------------------------------------------------------------ who reads what

    def _dispatch(self) -> None:
        while self._waiting:
            if self._waiting[0].answer.done():
                self._waiting.popleft()
                continue
            child = self._freest()
            if child is None or (child.calls and self._may_grow):
                self._grow()
            if child is None:
                return
            child.send(self._waiting.popleft())

    def _freest(self) -> ReaderProcess | None:
        with_room = [child for child in self._children if child.room]
        return min(with_room, key=lambda child: len(child.calls), default=None)

    @property
    def _may_grow(self) -> bool:
        useful = sum(1 for child in self._children if not child.retiring)
        return not self._closed and useful < self._limits.children

    def _grow(self) -> None:
        """Starts another child unless enough are there or on their way."""
        if not self._may_grow:
            return
        try:
            child = ReaderProcess(self._entry, self._limits, self._changed)
        except OSError as error:
            self._fail_waiting(f"no page-reading process can be started: {error}")
            return
        self._children.append(child)
        self._gone.clear()
        start = asyncio.ensure_future(child.connect())
        self._starts.add(start)
        start.add_done_callback(self._starts.discard)

    def _changed(self, child: ReaderProcess) -> None:
        if child.dead:
            self._bury(child)
        self._dispatch()

    def _bury(self, child: ReaderProcess) -> None:
        self._children.remove(child)
        if not self._children:
            self._gone.set()
        if child.calls:
            self._settle(child)
        elif not child.ready and not self._closed:
            log.error("page_reader_did_not_start", exit_code=child.exit_code)
            self._fail_waiting(f"the page-reading process did not start ({child.exit_code})")

    def _settle(self, child: ReaderProcess) -> None:
        """The page a child died of fails, those behind it go back to the front of the queue."""
        culprit = child.culprit()
        if self._closed:
            while child.calls:
                child.calls.popleft().fail(EngineError("the page readers are stopped"))
        elif culprit is not None:
            call, error = culprit
            child.calls.popleft()
            call.fail(error)
            log.warning("page_reader_died", code=error.code, reason=error.message)
        else:
            child.calls[0].lost += 1
            log.warning("page_reader_killed", exit_code=child.exit_code)
        self._waiting.extendleft(reversed(child.calls))

    def _fail_waiting(self, reason: str) -> None:
        while self._waiting:
            self._waiting.popleft().fail(EngineError(reason))
