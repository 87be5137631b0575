"""Dialect v1's crawls as answers and webhooks show them (contract 6.8, 10). v1_crawl_body.py reads.

The API answers with it, the kind that sends webhooks asks for bodies. Of the pages of a large
crawl it shows a slice at a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType

from windlass.model.crawl import Crawl, CrawlEvent, CrawlNotes, CrawlPage, HoldupReason
from windlass.model.task import State, Task
from windlass.wire.v1_crawl_body import CrawlEcho, CrawlOptions
from windlass.wire.v1_tasks import LegacyPagination, pagination_in_both
from windlass.wire.v1_terms import STATES, ErrorType, TaskState, Time, error_type, reason, timestamp
from windlass.wire.v1_webhook import WebhookTask, webhook_task

CrawlStatus = Literal["queued", "running", "succeeded", "failed", "canceled"]
PageStatus = Literal["pending", "completed", "failed"]

_STATUSES: dict[State, CrawlStatus] = {
    State.QUEUED: "queued",
    State.RUNNING: "running",
    State.SUCCEEDED: "succeeded",
    State.FAILED: "failed",
    State.CANCELLED: "canceled",
}
_PAGES: dict[State, PageStatus] = {
    State.QUEUED: "pending",
    State.RUNNING: "pending",
    State.SUCCEEDED: "completed",
    State.FAILED: "failed",
    State.CANCELLED: "failed",
}
_FILTERS: dict[str, State | None] = {
    **{status: state for state, status in _STATUSES.items()},
    "pending": State.QUEUED,
    "in_progress": State.RUNNING,
    "processing": State.RUNNING,
    "completed": State.SUCCEEDED,
    "success": State.SUCCEEDED,
    "cancelled": State.CANCELLED,
    "all": None,
}
"""What a list may be filtered by, with the words of all sources (contract D6)."""

StatusFilter = Literal[
    "all",
    "queued",
    "running",
    "succeeded",
    "failed",
    "canceled",
    "pending",
    "in_progress",
    "processing",
    "completed",
    "success",
    "cancelled",
]


_NO_PAGE = (
    "no page was let in: the start page, or all that it leads to, is left out by the patterns of "
    "paths or kept from us by robots.txt (see excluded)"
)
_UNLIKE = "names {} as its canonical URL, which shows something else: ignored"


class CrawlQuery(msgspec.Struct, kw_only=True):
    """How callers choose crawls of a list."""

    status: Annotated[
        StatusFilter, Meta(description="Only crawls in this status; all unless given.")
    ] = "all"
    include_tasks: Annotated[
        Literal["true", "false"], Meta(description="false: without the pages of each crawl.")
    ] = "true"

    @property
    def state(self) -> State | None:
        """The state to look for, None for any."""
        return _FILTERS[self.status]

    @property
    def with_pages(self) -> bool:
        """Whether pages are wanted."""
        return self.include_tasks == "true"


class CrawlTask(msgspec.Struct, kw_only=True):
    """A page of a crawl; `id` is `task_id`. `parent_task_id` is the page that named it first,
    `copy_of` the first page with the very same text; `warnings` say what of it was not believed."""

    task_id: UUID
    id: UUID
    url: str
    status: PageStatus
    state: TaskState
    created_at: Time
    updated_at: Time
    completed_at: Time | UnsetType = UNSET
    status_code: int | UnsetType = UNSET
    error: str | UnsetType = UNSET
    error_type: ErrorType | UnsetType = UNSET
    error_code: str | UnsetType = UNSET
    depth: int
    parent_task_id: UUID | UnsetType = UNSET
    copy_of: UUID | UnsetType = UNSET
    warnings: list[str] | UnsetType = UNSET


class StoppedView(msgspec.Struct, kw_only=True):
    """URLs of one pattern that were given up because they showed nothing new."""

    family: str
    reason: str
    fetched: int
    refused: int


class HoldupView(msgspec.Struct, kw_only=True):
    """A URL that the crawl waits for, why, and until when at least if that is known.

    `host_busy`: its host asks to be left alone; `host_down`: it does not answer.
    """

    url: str
    reason: HoldupReason
    until: Time | UnsetType = UNSET


class CrawlNumbers(msgspec.Struct, kw_only=True):
    """A crawl without its pages. `total` = `pending` + `completed` + `failed`."""

    crawl_id: UUID
    name: str | None
    url: str
    status: CrawlStatus
    account_name: str
    created_at: Time
    updated_at: Time
    completed_at: Annotated[Time | None, Meta(description="Null until the crawl has ended.")]
    crawl_options: CrawlOptions
    extract_options: dict[str, Any] | None
    total: int
    pending: int
    completed: int
    failed: int
    warnings: list[str]


class CrawlView(CrawlNumbers, kw_only=True):
    """A crawl with its pages."""

    tasks: list[CrawlTask] | UnsetType = UNSET


class CrawlNotesView(CrawlView, kw_only=True):
    """A crawl with what it left out and what holds it up.

    `aliases` were other addresses of its pages, `excluded` are kept from it, `held` wait for
    their kind to prove itself, `beyond` were found when the limit was reached.
    `waiting_for` are a few of the URLs under way, those first that have been for longest;
    `holdups` say why.
    """

    aliases: int
    excluded: int
    held: int
    beyond: int
    stopped: list[StoppedView]
    waiting_for: list[str]
    holdups: list[HoldupView]


class CrawlDetail(CrawlNotesView, kw_only=True):
    """The same, and once more as `crawl`, for readers of the documentation."""

    crawl: CrawlNotesView


class CrawlCollection(msgspec.Struct, kw_only=True):
    """One page of crawls, newest first."""

    data: list[CrawlView]
    pagination: LegacyPagination


_encoder = msgspec.json.Encoder()

# ---------------------------------------------------------------- answers


def crawl_reply(crawl: Crawl) -> bytes:
    """Answer to creating a crawl, also when it was created before: nothing has happened yet."""
    fresh: dict[str, Any] = {
        "status": "queued",
        "updated_at": timestamp(crawl.created_at),
        "completed_at": None,
        **dict.fromkeys(("total", "pending", "completed", "failed"), 0),
        "tasks": [],
    }
    return _encoder.encode(_fields(crawl) | fresh)


def crawl_detail(crawl: Crawl, slices: Sequence[bytes] | None, notes: CrawlNotes) -> bytes:
    """A crawl by itself, with pages as in `crawl_item`."""
    inner = _encoder.encode(_with_pages(crawl, slices) | _notes(notes))
    return b'%s,"crawl":%s}' % (inner[:-1], inner)


def _notes(notes: CrawlNotes) -> dict[str, Any]:
    holdups = [
        HoldupView(
            url=one.url,
            reason=one.reason,
            until=UNSET if one.until is None else timestamp(one.until),
        )
        for one in notes.holdups
    ]
    shown = {"waiting_for": notes.waiting_for, "holdups": holdups}
    return msgspec.structs.asdict(notes) | shown


def crawl_item(crawl: Crawl, slices: Sequence[bytes] | None) -> bytes:
    """A crawl of a list, with all slices of its pages, which `page_slice` made; None: without."""
    return _encoder.encode(_with_pages(crawl, slices))


def _with_pages(crawl: Crawl, slices: Sequence[bytes] | None) -> dict[str, Any]:
    return _fields(crawl) | ({} if slices is None else {"tasks": _joined(slices)})


def crawl_list(items: Sequence[bytes], cursor: str | None, total: int) -> bytes:
    """One page of crawls, which `crawl_item` made."""
    pagination = pagination_in_both(cursor, total)
    return _encoder.encode({"data": _joined(items), "pagination": pagination})


def page_slice(pages: Sequence[CrawlPage]) -> bytes:
    """Some of a crawl's pages, with commas between them."""
    return _encoder.encode([_page(page) for page in pages])[1:-1]


def _joined(parts: Sequence[bytes]) -> msgspec.Raw:
    return msgspec.Raw(b"[%s]" % b",".join(part for part in parts if part))


def _fields(crawl: Crawl) -> dict[str, Any]:
    """A crawl's own fields, as CrawlNumbers has them."""
    echo = msgspec.json.decode(crawl.input, type=dict[str, msgspec.Raw])
    return {
        "crawl_id": crawl.id,
        "name": crawl.name,
        "url": echo["url"],
        "status": _STATUSES[crawl.state],
        "account_name": crawl.account,
        "created_at": timestamp(crawl.created_at),
        "updated_at": timestamp(crawl.updated_at),
        "completed_at": timestamp(crawl.finished_at) if crawl.finished_at else None,
        "crawl_options": echo["crawl_options"],
        "extract_options": echo["extract_options"],
        **_counts(crawl),
        "warnings": _warnings(crawl, echo["warnings"]),
    }


def _warnings(crawl: Crawl, kept: msgspec.Raw) -> list[str]:
    warnings = msgspec.json.decode(kept, type=list[str])
    if crawl.state is State.FAILED and not crawl.total:
        warnings.append(_NO_PAGE)
    return warnings


def _counts(crawl: Crawl) -> dict[str, int]:
    return {
        "total": crawl.total,
        "pending": crawl.pending,
        "completed": crawl.completed,
        "failed": crawl.failed,
    }


def _page(page: CrawlPage) -> CrawlTask:
    why = reason(page.state, page.failure)
    return CrawlTask(
        task_id=page.task_id,
        id=page.task_id,
        url=page.url,
        status=_PAGES[page.state],
        state=STATES[page.state],
        created_at=timestamp(page.created_at),
        updated_at=timestamp(page.modified_at),
        completed_at=timestamp(page.finished_at) if page.finished_at else UNSET,
        status_code=UNSET if page.status_code is None else page.status_code,
        error=(why.message or why.code) if why else UNSET,
        error_type=error_type(why.code) if why else UNSET,
        error_code=why.code if why else UNSET,
        depth=page.depth,
        parent_task_id=page.found_on or UNSET,
        copy_of=page.copy_of or UNSET,
        warnings=[_UNLIKE.format(page.unlike)] if page.unlike else UNSET,
    )


# ---------------------------------------------------------------- webhooks


class CrawlNews(msgspec.Struct, kw_only=True):
    """A crawl in a webhook."""

    crawl_id: UUID
    name: str | None
    url: str
    status: CrawlStatus
    total: int
    pending: int
    completed: int
    failed: int


class CrawlWebhookTask(WebhookTask, kw_only=True):
    """A page that has ended, as webhooks of tasks show one."""

    task_id: UUID
    url: str
    status: PageStatus


class CrawlWebhookBody(msgspec.Struct, kw_only=True):
    """What a crawl's receiver is sent (contract 6.8). `task` with the event `page` only."""

    event: CrawlEvent
    type: CrawlEvent
    status: CrawlStatus
    crawl_id: UUID
    metadata: dict[str, Any]
    timestamp: Time
    crawl: CrawlNews
    task: CrawlWebhookTask | UnsetType = UNSET


def crawl_webhook_body(
    event: CrawlEvent, crawl: Crawl, at: datetime, task: Task | None = None
) -> bytes:
    """The JSON about an event at a time; `task` is the page that a `page` event is about.

    The crawl's numbers are those of the moment it is sent.
    """
    webhook = crawl.delivery.webhook if crawl.delivery else None
    status = _STATUSES[crawl.state]
    view = CrawlWebhookBody(
        event=event,
        type=event,
        status=status,
        crawl_id=crawl.id,
        metadata=webhook.metadata if webhook else {},
        timestamp=timestamp(at),
        crawl=CrawlNews(
            crawl_id=crawl.id,
            name=crawl.name,
            url=msgspec.json.decode(crawl.input, type=CrawlEcho).url,
            status=status,
            **_counts(crawl),
        ),
        task=UNSET if task is None else _news(task, crawl),
    )
    return _encoder.encode(view)


def _news(task: Task, crawl: Crawl) -> CrawlWebhookTask:
    base = crawl.delivery.base if crawl.delivery else ""
    asked = msgspec.json.decode(task.input)
    return CrawlWebhookTask(
        **msgspec.structs.asdict(webhook_task(task, base)),
        task_id=task.id,
        url=str(asked.get("url", "")),
        status=_PAGES[task.state],
    )
