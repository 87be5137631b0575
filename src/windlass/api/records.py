"""Calls about what was started: tasks and their results (contract 8), and their end."""

from __future__ import annotations

import asyncio
from uuid import UUID

from windlass.api.call import Call, Reply
from windlass.api.verbs import Verbs
from windlass.errors import ResultsExpired, ResultsNotReady, TaskNotFound
from windlass.settings import Settings
from windlass.wire.v1_batches import canceled
from windlass.wire.v1_results import empty_result, with_task
from windlass.wire.v1_tasks import legacy_task_list, task_list, task_reply


class Records:
    """Handlers for tasks of the calling account."""

    def __init__(self, settings: Settings, service: Verbs) -> None:
        self._settings = settings
        self._service = service

    async def list(self, call: Call) -> Reply:
        """One page of tasks."""
        return await self._list(call, legacy=False)

    async def list_legacy(self, call: Call) -> Reply:
        """One page of tasks with the pagination keys of the legacy API beside ours."""
        return await self._list(call, legacy=True)

    async def _list(self, call: Call, *, legacy: bool) -> Reply:
        limit, cursor = call.listing()
        page = await self._service.list(call.account, cursor, limit)
        render = legacy_task_list if legacy else task_list
        base = call.base(self._settings.public_url)
        # A thousand long inputs take long enough to leave the loop.
        return Reply(await asyncio.to_thread(render, page, base))

    async def get(self, call: Call) -> Reply:
        """One task; with ?include=result its result too, once there is one."""
        task_id = _task_id(call)
        result = None
        task = await self._service.get(call.account, task_id)
        if call.query().get("include") == "result" and task.state.terminal:
            try:
                task, stored = await self._service.results(call.account, task_id)
                result = stored or empty_result(task)
            except (ResultsExpired, ResultsNotReady):
                result = None
        return Reply(task_reply(task, call.base(self._settings.public_url), result))

    async def results(self, call: Call) -> Reply:
        """A finished task's result with the task itself."""
        task, result = await self._service.results(call.account, _task_id(call))
        return Reply(with_task(result or empty_result(task), task))

    async def cancel(self, call: Call) -> Reply:
        """Ends a task, unless it has ended. Ours, not the vendor's."""
        await self._service.cancel(call.account, _task_id(call))
        return Reply(canceled())


def _task_id(call: Call) -> UUID:
    call.task_id = task_id = call.path_id("task_id", TaskNotFound())
    return task_id
