"""Calls about batches: many extracts in one call (contract 7.3, 9), and the end of them all."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from functools import partial
from uuid import UUID

import msgspec

from windlass.api.bodies import LARGEST_AT_ONCE, SMALL_BODY_BYTES, BodyRoom
from windlass.api.call import Call, Reply
from windlass.api.verbs import Verbs
from windlass.api.work import linked
from windlass.buckets.places import allowed
from windlass.errors import BodyTooLargeRequest, GroupNotFound
from windlass.model.request import Submission
from windlass.settings import Settings
from windlass.wire.v1_batches import (
    batch_detail,
    batch_list,
    batch_progress,
    batch_reply,
    batch_slice,
    canceled,
)
from windlass.wire.v1_inputs import Inputs
from windlass.wire.v1_reading import Reading

_READ_FOR_S = 0.005
"""How long one batch is read before other calls have their turn."""


class Batches:
    """Handlers for batches of the calling account."""

    def __init__(self, settings: Settings, service: Verbs) -> None:
        self._settings = settings
        self._service = service
        self._room = BodyRoom(settings.body_limit)

    async def create(self, call: Call) -> Reply:
        """Accepts all inputs, or none, and answers at once."""
        return await self._create(call, legacy=False)

    async def create_legacy(self, call: Call) -> Reply:
        """The same for callers of the legacy API."""
        return await self._create(call, legacy=True)

    async def _create(self, call: Call, *, legacy: bool) -> Reply:
        settings = self._settings
        reading = Reading(time.time(), partial(allowed, settings, call.account.name))
        inputs = Inputs(call.body, reading, limit=settings.batch_limit, legacy=legacy)
        return await self.accept(call, inputs.size, inputs)

    async def accept(self, call: Call, size: int, inputs: Iterable[Submission | None]) -> Reply:
        """Accepts all inputs, or none if iterating them raises InvalidRequest. `size` is that of
        them all in bytes."""
        base, idempotency = call.base(self._settings.public_url), call.idempotency()
        async with self._room_for(size):
            wanted = await _read_all(inputs, base)
            account = call.account
            group, tasks = await self._service.extract_batch(account, wanted, idempotency)
            call.task_id = group.id
            call.forget_body()
            # A thousand tasks take long enough to leave the loop.
            return Reply(await asyncio.to_thread(batch_reply, group, tasks, base))

    @asynccontextmanager
    async def _room_for(self, size: int) -> AsyncIterator[None]:
        """Room for a batch: with a long shared part it is many times larger than its body. Raises
        BodyTooLargeRequest or Overloaded."""
        most = LARGEST_AT_ONCE * self._room.limit
        if size > most:
            message = f"With shared_inputs in every input the batch is larger than {most} bytes"
            raise BodyTooLargeRequest(message)
        if size <= SMALL_BODY_BYTES:
            yield
            return
        await self._room.take(size)
        try:
            yield
        finally:
            self._room.give_back(size)

    async def list(self, call: Call) -> Reply:
        """One page of batches."""
        limit, cursor = call.listing()
        page = await self._service.batches(call.account, cursor, limit)
        return Reply(await asyncio.to_thread(batch_list, page))

    async def get(self, call: Call) -> Reply:
        """One batch with its tasks; its numbers are those of the tasks shown."""
        batch_id, base = _batch_id(call), call.base(self._settings.public_url)
        batch = await self._service.batch(call.account, batch_id)
        slices: list[bytes] = []
        ended = 0
        async for tasks in self._service.batch_tasks(batch):
            ended += sum(task is None or task.state.terminal for task in tasks)
            slices.append(await asyncio.to_thread(batch_slice, batch, tasks, base))
        if ended == len(batch.members) and not batch.complete:
            batch = await self._service.batch(call.account, batch_id)
        batch = msgspec.structs.replace(batch, ended=ended)
        return Reply(batch_detail(batch, slices))

    async def progress(self, call: Call) -> Reply:
        """How far a batch is, without its tasks."""
        return Reply(batch_progress(await self._service.batch(call.account, _batch_id(call))))

    async def cancel(self, call: Call) -> Reply:
        """Ends all tasks of a batch that have not ended. Ours, not the vendor's."""
        await self._service.cancel_batch(call.account, _batch_id(call))
        return Reply(canceled())


async def _read_all(inputs: Iterable[Submission | None], base: str) -> list[Submission]:
    """All inputs. Raises InvalidRequest."""
    wanted: list[Submission] = []
    pause_at = time.perf_counter() + _READ_FOR_S
    for one in inputs:
        if one is not None:
            wanted.append(linked(one, base))
        if time.perf_counter() > pause_at:
            await asyncio.sleep(0)
            pause_at = time.perf_counter() + _READ_FOR_S
    return wanted


def _batch_id(call: Call) -> UUID:
    call.task_id = batch_id = call.path_id("batch_id", GroupNotFound())
    return batch_id
