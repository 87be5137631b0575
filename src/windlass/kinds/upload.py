"""The upload kind: takes a task's result to the bucket its owner named (contract 6.3 to 6.5).

The task waits for it, parked; storage ends the two together.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator

import msgspec

from windlass.blobs import Source
from windlass.buckets import Buckets
from windlass.errors import (
    BlobMissing,
    DeliveryError,
    MissingExtra,
    ObjectExists,
    ResultsUnavailable,
)
from windlass.kinds import Context
from windlass.model.delivery import Sight, Upload
from windlass.model.page import Failure
from windlass.model.task import Outcome, State, Task
from windlass.webhooks.schedule import first_try, rescheduled
from windlass.wire.v1_results import task_tail

_FAILS = (DeliveryError, BlobMissing, ResultsUnavailable, MissingExtra)


class UploadResult:
    """Uploads; repeats what may pass on the operator's schedule."""

    def __init__(self, context: Context) -> None:
        self._schedule = context.settings.upload_schedule
        self._first = first_try(self._schedule)
        self._tasks = context.tasks
        self._blobs = context.blobs
        self._buckets = Buckets(context.settings)
        self._decoder = msgspec.json.Decoder(Upload)

    async def handle(self, task: Task) -> Outcome:
        """The object, or why it is not there."""
        if task.attempt < self._first:
            return Outcome(state=State.QUEUED, retry_in_s=self._schedule[0], counts=False)
        upload = self._decoder.decode(task.request)
        started = time.perf_counter()
        try:
            parent = await self._tasks.parent(task)
            again = upload.url.startswith("gs://") and await self._may_be_there(task)
            await self._store(upload, parent, again=again)
        except _FAILS as error:
            failed = Outcome(state=State.FAILED, failure=Failure.of(error), sight=_sight(started))
            return rescheduled(failed, task, self._schedule)
        return Outcome(state=State.SUCCEEDED, sight=_sight(started))

    async def _may_be_there(self, task: Task) -> bool:
        """Whether an earlier attempt may have made the object: one before that found another's, or
        none, cannot have. Where it has not, the next attempt is sure to know of this one."""
        refused = 0
        if task.attempt > self._first:
            refused = await self._tasks.latest_attempt(task, ObjectExists.code)
        if task.attempt > max(self._first, refused + 1):
            return True
        await self._tasks.settle_start(task)
        return False

    async def _store(self, upload: Upload, parent: Task, *, again: bool) -> None:
        if parent.result_address is None:
            raise BlobMissing("the task has no result")
        stored = await self._blobs.source(parent.result_address)
        # As the owner will read it: the end of this upload is the task's success.
        ended = msgspec.structs.replace(parent, state=State.SUCCEEDED)
        await self._buckets.upload(
            upload.url, _Result(stored, task_tail(ended)), compress=upload.compress, again=again
        )

    def give_up(self, task: Task, outcome: Outcome) -> Outcome:
        """An upload has no result of its own; one that broke or hung is worth as many tries as one
        that the bucket refused."""
        return rescheduled(outcome, task, self._schedule)

    async def aclose(self) -> None:
        """Closes connections to buckets."""
        await self._buckets.aclose()


class _Result:
    """A stored result with its task object in place of its last brace."""

    def __init__(self, stored: Source, tail: bytes) -> None:
        self._stored = stored
        self._tail = tail
        self.size = stored.size - 1 + len(tail)

    async def chunks(self) -> AsyncIterator[bytes]:
        left = self._stored.size - 1
        async for chunk in self._stored.chunks():
            yield chunk[:left]
            left -= len(chunk)
        yield self._tail


def _sight(started: float) -> Sight:
    return Sight(duration_ms=round((time.perf_counter() - started) * 1000))
