"""Dialect v1's webhook: the news that a task has ended, never its result (contract 6.6).

Called by the kind that sends it, when the task is terminal and its upload is over.
"""

from __future__ import annotations

from typing import Any, Literal
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType

from windlass.model.task import State, Task
from windlass.wire.v1_results import batch_id, output_url
from windlass.wire.v1_terms import (
    STATES,
    ErrorType,
    Link,
    TaskState,
    Time,
    error_type,
    reason,
    timestamp,
)


class WebhookTask(msgspec.Struct, kw_only=True):
    """A task that has ended. `status_code` is the target's, 0 if it never answered: receivers rely
    on the key. There is an object at `output_url` only if `state` is success."""

    id: UUID
    state: TaskState
    status_code: int
    created_at: Time
    modified_at: Time
    input: Any
    api_type: str
    account_name: str
    batch_id: UUID | UnsetType = UNSET
    status_url: Link
    download_url: Link
    output_url: str | UnsetType = UNSET
    error: str | UnsetType = UNSET
    error_type: ErrorType | UnsetType = UNSET
    error_code: str | UnsetType = UNSET


class WebhookBody(msgspec.Struct, kw_only=True):
    """What a receiver is sent about a task."""

    status: Literal["success", "failed"]
    task_id: UUID
    task: WebhookTask


def webhook_body(task: Task) -> bytes:
    """The JSON about a terminal task. The same task gives the same bytes, whoever asks and when.

    Links start with the base that was kept with the task's delivery.
    """
    base = task.delivery.base if task.delivery else ""
    view = webhook_task(task, base)
    succeeded = task.state is State.SUCCEEDED
    status: Literal["success", "failed"] = "success" if succeeded else "failed"
    return msgspec.json.encode(WebhookBody(status=status, task_id=task.id, task=view))


def webhook_task(task: Task, base: str) -> WebhookTask:
    """A terminal task as webhooks show it, with links that start with `base`."""
    why = reason(task.state, task.failure)
    link = f"{base}/v1/tasks/{task.id}"
    return WebhookTask(
        id=task.id,
        state=STATES[task.state],
        status_code=task.status_code or 0,
        created_at=timestamp(task.created_at),
        modified_at=timestamp(task.modified_at),
        input=msgspec.Raw(task.input.encode()),
        api_type=task.api,
        account_name=task.account,
        batch_id=batch_id(task),
        status_url=link,
        download_url=link + "/results",
        output_url=output_url(task),
        error=(why.message or why.code) if why else UNSET,
        error_type=error_type(why.code) if why else UNSET,
        error_code=why.code if why else UNSET,
    )
