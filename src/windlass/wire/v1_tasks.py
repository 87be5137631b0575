"""Dialect v1's task objects: creation replies, task reads, lists (contract 2.6, 5.1, 5.2).

The API answers with it. `base` is the address that links start with, without a final slash.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType

from windlass.model.map import MAP
from windlass.model.task import ListPage, State, Task
from windlass.wire.v1_extract import query_of
from windlass.wire.v1_maps import MAP_DEFAULTS
from windlass.wire.v1_masking import shortened
from windlass.wire.v1_results import batch_id, output_url, readable
from windlass.wire.v1_terms import (
    STATES,
    STATUSES,
    ErrorType,
    Link,
    TaskState,
    TaskStatus,
    Time,
    error_type,
    reason,
    timestamp,
)


class TaskItem(msgspec.Struct, kw_only=True):
    """A task in a list. `input` is the request as received, `_query` the same with defaults."""

    id: UUID
    state: TaskState
    status_url: Link
    download_url: Link
    created_at: Time
    modified_at: Time
    account_name: str
    input: Any
    query: Any = msgspec.field(name="_query")
    api_type: str
    batch_id: UUID | UnsetType = UNSET
    output_url: (
        Annotated[str, Meta(description="Where the result is stored once state is success.")]
        | UnsetType
    ) = UNSET
    status_code: int | UnsetType = UNSET
    error: str | UnsetType = UNSET
    error_type: ErrorType | UnsetType = UNSET


class TaskDetail(TaskItem, kw_only=True):
    """A task by itself. `result` only if the caller asked to include it."""

    status: TaskStatus
    error_code: str | UnsetType = UNSET
    result: Any = UNSET


class TaskReply(msgspec.Struct, kw_only=True):
    """Answer to reading a task."""

    status: Literal["success"] = "success"
    task: TaskDetail


class CreationReply(msgspec.Struct, kw_only=True):
    """Answer to creating an asynchronous task."""

    status: Literal["success"] = "success"
    task_id: UUID
    task: TaskDetail


class Pagination(msgspec.Struct, kw_only=True):
    """Where the next page of a list starts; `next_cursor` null at the end."""

    has_next: bool
    next_cursor: str | None
    total: int


class TaskList(msgspec.Struct, kw_only=True):
    """One page of an account's tasks, newest first."""

    data: list[TaskItem]
    pagination: Pagination


class LegacyPagination(Pagination, kw_only=True):
    """The same in both spellings."""

    has_next_: bool = msgspec.field(name="hasNext")
    next_cursor_: str | None = msgspec.field(name="nextCursor")


class LegacyTaskList(msgspec.Struct, kw_only=True):
    """One page of tasks as the legacy API spells it (section 20)."""

    data: list[TaskItem]
    pagination: LegacyPagination


LISTED_BYTES = 2_000_000
"""Bytes of all inputs in a list, beyond which long ones are shortened; each is shown twice."""

_encoder = msgspec.json.Encoder()


def creation_reply(task: Task, base: str) -> bytes:
    """Answer to an asynchronous call: always pending, even if the work has begun (5.2)."""
    return _encoder.encode(CreationReply(task_id=task.id, task=_detail(as_created(task), base)))


def as_created(task: Task) -> Task:
    """The task as it was before anything happened to it."""
    return msgspec.structs.replace(
        task,
        state=State.QUEUED,
        modified_at=task.created_at,
        status_code=None,
        failure=None,
    )


def task_reply(task: Task, base: str, result: bytes | None = None) -> bytes:
    """Answer to reading a task, with its result inside if given."""
    view = _detail(task, base)
    if result is not None:
        view.result = msgspec.Raw(readable(result, task))
    return _encoder.encode(TaskReply(task=view))


def task_list(page: ListPage, base: str) -> bytes:
    """One page of tasks, in exactly the published properties (D22)."""
    has_next, cursor = page.next_cursor is not None, page.next_cursor
    pagination = Pagination(has_next=has_next, next_cursor=cursor, total=page.total)
    items = task_items(page.tasks, base, LISTED_BYTES)
    return _encoder.encode(TaskList(data=items, pagination=pagination))


def legacy_task_list(page: ListPage, base: str) -> bytes:
    """The same with the legacy spelling beside it."""
    items = task_items(page.tasks, base, LISTED_BYTES)
    pagination = pagination_in_both(page.next_cursor, page.total)
    return _encoder.encode(LegacyTaskList(data=items, pagination=pagination))


def pagination_in_both(cursor: str | None, total: int) -> LegacyPagination:
    """Where the next page starts, in both spellings (contract 2.6)."""
    has_next = cursor is not None
    return LegacyPagination(
        has_next=has_next,
        next_cursor=cursor,
        total=total,
        has_next_=has_next,
        next_cursor_=cursor,
    )


def task_items(tasks: Sequence[Task], base: str, most: int) -> list[TaskItem]:
    """Tasks as lists show them. Where their inputs have more than `most` bytes together, each gets
    its share."""
    share = most
    if sum(len(task.input) for task in tasks) > most:
        share //= len(tasks)
    return [TaskItem(**_common(_shortened(task, share), base)) for task in tasks]


def _shortened(task: Task, most: int) -> Task:
    if len(task.input) <= most:
        return task
    shown = shortened(msgspec.json.decode(task.input), most).decode()
    return msgspec.structs.replace(task, input=shown)


def _detail(task: Task, base: str) -> TaskDetail:
    view = TaskDetail(**_common(task, base), status=STATUSES[task.state])
    why = reason(task.state, task.failure)
    if why is not None:
        view.error_code = why.code
    return view


def _query(task: Task) -> Any:
    """The effective query: what was sent with defaults (contract 5.1)."""
    shown = msgspec.json.decode(task.input)
    if task.kind == MAP:
        return {**MAP_DEFAULTS, **shown}
    if task.api == "extract":
        return query_of(shown)
    return {"localization": False, **shown} if isinstance(shown, dict) else shown


def _common(task: Task, base: str) -> dict[str, Any]:
    why = reason(task.state, task.failure)
    link = f"{base}/v1/tasks/{task.id}"
    return {
        "id": task.id,
        "state": STATES[task.state],
        "status_url": link,
        "download_url": link + "/results",
        "created_at": timestamp(task.created_at),
        "modified_at": timestamp(task.modified_at),
        "account_name": task.account,
        "input": msgspec.Raw(task.input.encode()),
        "query": _query(task),
        "api_type": task.api,
        "batch_id": batch_id(task),
        "output_url": output_url(task),
        "status_code": UNSET if task.status_code is None else task.status_code,
        "error": (why.message or why.code) if why else UNSET,
        "error_type": error_type(why.code) if why else UNSET,
    }
