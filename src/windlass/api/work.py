"""Calls that start work: extract and map, now or later (contract 7.3, 11)."""

from __future__ import annotations

import asyncio
import math
import time
from datetime import UTC, datetime
from functools import partial
from typing import TypeVar

import msgspec

from windlass.api.call import Call, CallerGone, Reply
from windlass.api.verbs import Verbs
from windlass.buckets.places import allowed
from windlass.errors import BrowserMissing, RequestTimeout
from windlass.model.map import MAP, MapWish
from windlass.model.page import Failure
from windlass.model.request import ExtractRequest, Submission
from windlass.model.task import State, Task
from windlass.settings import Settings
from windlass.wire.v1_errors import Envelope, failure_envelope
from windlass.wire.v1_extract import read_extract
from windlass.wire.v1_maps import read_map
from windlass.wire.v1_rendering import rendering_place
from windlass.wire.v1_results import empty_result, legacy_result
from windlass.wire.v1_tasks import creation_reply
from windlass.wire.v1_terms import reason

W = TypeVar("W", Submission, MapWish)

MARGIN_S = 5.0
"""Time a synchronous answer may take beyond the caller's own budget for the page."""


class Work:
    """Handlers that submit tasks."""

    def __init__(self, settings: Settings, service: Verbs) -> None:
        self._settings = settings
        self._service = service

    async def extract_async(self, call: Call) -> Reply:
        """Accepts a task and answers at once."""
        task, _ = await self._submit(call, asynchronous=True)
        return Reply(creation_reply(task, call.base(self._settings.public_url)))

    async def extract(self, call: Call) -> Reply:
        """Submits the same task and waits for it."""
        return await self.finish(call, *await self._submit(call, asynchronous=False))

    async def finish(self, call: Call, task: Task, timeout_ms: int | None) -> Reply:
        """The result of a task that was just submitted, once it has one; `timeout_ms` is the
        caller's own budget."""
        try:
            task = await self.ended(call, task, timeout_ms)
        except RequestTimeout as late:
            return _sent(failure_envelope(Failure.of(late), task.id))
        return await self._answer(call, task)

    async def ended(self, call: Call, task: Task, timeout_ms: int | None) -> Task:
        """The task when it has ended. Raises RequestTimeout when it takes too long."""
        budget_s = self._settings.sync_timeout
        if timeout_ms is not None:
            budget_s = min(budget_s, timeout_ms / 1000 + MARGIN_S)
        task = await self._wait(call, task, budget_s)
        if not task.state.terminal:
            task = await self._service.cancel(call.account, task.id)
            if task.state is State.CANCELLED or not task.state.terminal:
                raise RequestTimeout(f"No answer within {budget_s:g} s")
        return task

    async def extract_legacy(self, call: Call) -> Reply:
        """The same for readers of the legacy API."""
        reply = await self.extract(call)
        return Reply(legacy_result(reply.body)) if reply.status == 200 else reply

    async def map_async(self, call: Call) -> Reply:
        """Accepts a map and answers at once."""
        task, _ = await self._submit_map(call, asynchronous=True)
        return Reply(creation_reply(task, call.base(self._settings.public_url)))

    async def map(self, call: Call) -> Reply:
        """Submits the same map and waits for it."""
        return await self.finish(call, *await self._submit_map(call, asynchronous=False))

    async def _submit_map(self, call: Call, *, asynchronous: bool) -> tuple[Task, int | None]:
        wish = read_map(
            call.body,
            now=time.time(),
            asynchronous=asynchronous,
            may_store=partial(allowed, self._settings, call.account.name),
        )
        return await self.submit(call, wish, asynchronous=asynchronous)

    async def _submit(self, call: Call, *, asynchronous: bool) -> tuple[Task, int | None]:
        read = read_extract(
            call.body,
            now=time.time(),
            asynchronous=asynchronous,
            may_store=partial(allowed, self._settings, call.account.name),
        )
        return await self.submit(call, read, asynchronous=asynchronous)

    async def submit(
        self, call: Call, wanted: Submission | MapWish, *, asynchronous: bool
    ) -> tuple[Task, int | None]:
        """The stored task and the caller's own budget; what is large is in memory no longer, if
        the caller does not keep it."""
        account, interactive = call.account, not asynchronous
        key = call.idempotency() if asynchronous else None
        base = call.base(self._settings.public_url)
        own: int | None = None
        if isinstance(wanted, MapWish):
            task = await self._service.map(
                account, linked(wanted, base), interactive=interactive, idempotency=key
            )
        else:
            task = await self._service.extract(
                account, linked(wanted, base), interactive=interactive, idempotency=key
            )
            if isinstance(wanted.request, ExtractRequest):
                own = wanted.request.timeout_ms
        call.task_id = task.id
        call.forget_body()
        return task, own

    async def _answer(self, call: Call, task: Task) -> Reply:
        """The result, whatever the target's status; an error if the target gave no answer."""
        why = reason(task.state, task.failure)
        if why is not None and (task.status_code is None or task.kind == MAP):
            return _sent(failure_envelope(why, task.id, _left_s(task), _place(why, task)))
        task, result = await self._service.results(call.account, task.id)
        left_s = _left_s(task)
        headers = (("retry-after", str(math.ceil(left_s))),) if left_s else ()
        return Reply(result or empty_result(task), headers=headers)

    async def _wait(self, call: Call, task: Task, budget_s: float) -> Task:
        """The task when it ends or time is up. A caller who hangs up takes queued work along."""
        waiting = asyncio.ensure_future(self._service.wait(task, budget_s))
        leaving = asyncio.ensure_future(call.gone())
        try:
            await asyncio.wait((waiting, leaving), return_when=asyncio.FIRST_COMPLETED)
            if waiting.done():
                return waiting.result()
        finally:
            waiting.cancel()
            leaving.cancel()
            await asyncio.gather(waiting, leaving, return_exceptions=True)
        now = await self._service.get(call.account, task.id)
        if now.state is State.QUEUED or now.kind == MAP:  # which may go on for minutes
            await self._service.cancel(call.account, task.id)
        raise CallerGone


def linked(wanted: W, base: str) -> W:
    """The same with links in its webhook that start with `base`."""
    if wanted.delivery is None:
        return wanted
    delivery = msgspec.structs.replace(wanted.delivery, base=base)
    return msgspec.structs.replace(wanted, delivery=delivery)


def _left_s(task: Task) -> float:
    """For how long the task's host wants to be left alone; 0 if it does not."""
    if task.retry_at is None:
        return 0.0
    return max((task.retry_at - datetime.now(UTC)).total_seconds(), 0.0)


def _place(why: Failure, task: Task) -> str:
    """Where the caller asked for what is not there."""
    if why.code != BrowserMissing.code:
        return ""
    return rendering_place(msgspec.json.decode(task.input))


def _sent(envelope: Envelope) -> Reply:
    return Reply(envelope.body, envelope.status, headers=envelope.headers)
