"""Dialect v1's batches as answers show them (contract 5.3, 9). wire/v1_inputs.py reads them.

The API answers with it. Of the tasks of a large batch it shows a slice at a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType

from windlass.model.group import Group, GroupPage
from windlass.model.task import Task
from windlass.wire.v1_tasks import (
    LISTED_BYTES,
    LegacyPagination,
    TaskItem,
    as_created,
    pagination_in_both,
    task_items,
)
from windlass.wire.v1_terms import Time, timestamp

_LEAST_SHARE = 1000
"""Bytes of an input that are shown however large the batch is."""


class BatchReply(msgspec.Struct, kw_only=True):
    """Answer to creating a batch: its tasks in the order of its inputs, all pending."""

    batch_id: UUID
    batch_size: int
    tasks: list[TaskItem]


class BatchProgress(msgspec.Struct, kw_only=True):
    """How far a batch is. Completed tasks are those that have ended, in success or error."""

    status: Literal["success"] = "success"
    id: UUID
    completed: bool
    completed_count: int
    progress: Annotated[float, Meta(ge=0, le=1)]
    completed_at: Annotated[Time | None, Meta(description="Null until all tasks have ended.")]
    total: int


class BatchDetail(msgspec.Struct, kw_only=True):
    """A batch with its tasks in the order of its inputs; null: no longer kept."""

    status: Literal["success"] = "success"
    id: UUID
    completed: bool
    completed_count: int
    progress: Annotated[float, Meta(ge=0, le=1)]
    created_at: Time
    completed_at: Time | UnsetType = UNSET
    tasks: list[TaskItem | None]


class BatchItem(msgspec.Struct, kw_only=True):
    """A batch in a list, with the ids of its tasks. `username` is the account's name, too."""

    id: UUID
    account_name: str
    username: str
    completed: bool
    created_at: Time
    tasks: list[UUID]


class BatchList(msgspec.Struct, kw_only=True):
    """One page of batches, newest first."""

    data: list[BatchItem]
    pagination: LegacyPagination


class Canceled(msgspec.Struct, kw_only=True):
    """Answer to cancelling, also when there was nothing left to cancel."""

    status: Literal["canceled"] = "canceled"


class _Rendered(BatchDetail, kw_only=True):
    """The same with tasks that were rendered before."""

    tasks: msgspec.Raw  # type: ignore[assignment]  # what it is made of


_encoder = msgspec.json.Encoder()


def batch_reply(group: Group, tasks: Sequence[Task], base: str) -> bytes:
    """Answer to creating a batch, also when it was created before (5.3)."""
    items = task_items([as_created(task) for task in tasks], base, _room(group, len(tasks)))
    return _encoder.encode(
        BatchReply(batch_id=group.id, batch_size=len(group.members), tasks=items)
    )


def batch_list(page: GroupPage) -> bytes:
    """One page of batches."""
    items = [
        BatchItem(
            id=group.id,
            account_name=group.account,
            username=group.account,
            completed=group.complete,
            created_at=timestamp(group.created_at),
            tasks=list(group.members),
        )
        for group in page.groups
    ]
    pagination = pagination_in_both(page.next_cursor, page.total)
    return _encoder.encode(BatchList(data=items, pagination=pagination))


def batch_progress(group: Group) -> bytes:
    """How far a batch is."""
    view = BatchProgress(
        id=group.id,
        completed=group.complete,
        completed_count=group.ended,
        progress=_progress(group),
        completed_at=timestamp(group.finished_at) if group.finished_at else None,
        total=len(group.members),
    )
    return _encoder.encode(view)


def batch_detail(group: Group, slices: Sequence[bytes]) -> bytes:
    """A batch with all slices of its tasks, which `batch_slice` made."""
    view = _Rendered(
        id=group.id,
        completed=group.complete,
        completed_count=group.ended,
        progress=_progress(group),
        created_at=timestamp(group.created_at),
        completed_at=timestamp(group.finished_at) if group.finished_at else UNSET,
        tasks=msgspec.Raw(b"[%s]" % b",".join(slices)),
    )
    return _encoder.encode(view)


def batch_slice(group: Group, tasks: Sequence[Task | None], base: str) -> bytes:
    """Some of a batch's tasks, with commas between them."""
    known = [task for task in tasks if task is not None]
    items = iter(task_items(known, base, _room(group, len(known))))
    shown = [None if task is None else next(items) for task in tasks]
    return _encoder.encode(shown)[1:-1]


def canceled() -> bytes:
    """Answer to cancelling a task or a batch."""
    return _encoder.encode(Canceled())


def _progress(group: Group) -> float:
    """Between 0 and 1, which means complete, with six decimals."""
    return group.ended * 1_000_000 // max(len(group.members), 1) / 1_000_000


def _room(group: Group, count: int) -> int:
    """Bytes of the inputs of so many of a batch's tasks that are shown."""
    return count * max(LISTED_BYTES // max(len(group.members), 1), _LEAST_SHARE)
