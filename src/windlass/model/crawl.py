"""Crawl: one call that brings the pages of a site, each an ordinary task. Its numbers are counted.

Made and read by storage, started by the service, shown by dialects. visit.py: its pages on the way.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import UUID

import msgspec

from windlass.model.delivery import DeliveryOptions
from windlass.model.page import Failure
from windlass.model.request import ExtractRequest
from windlass.model.task import State
from windlass.model.visit import Bounds

CRAWL_TASKS = frozenset({"crawl_page", "crawl_sitemaps"})
"""Kinds of task that a crawl is made of. Only pages are listed and counted."""

Sitemaps = Literal["include", "only", "skip"]
CrawlEvent = Literal["started", "page", "completed", "failed"]


class CrawlPlan(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What a crawl is to do, stored with it as JSON.

    `url` is where it starts, as the caller wrote it. `request` is what every page is asked with,
    but for its URL. `moved_to` is where the start page redirected to, "" if it did not.
    """

    url: str
    request: ExtractRequest
    bounds: Bounds = Bounds()
    sitemap: Sitemaps = "include"
    limit: int = 5000
    ignore_query: bool = False
    deadline_s: float = 120.0
    moved_to: str = ""


class NewCrawl(msgspec.Struct, frozen=True, kw_only=True):
    """A crawl to be created. `input` is the caller's JSON as answers show it; the webhook of
    `delivery` hears of the crawl, its folder gets the results of the pages."""

    id: UUID
    account_id: int
    name: str | None
    input: str
    plan: CrawlPlan
    delivery: DeliveryOptions | None = None


class Crawl(msgspec.Struct, frozen=True, kw_only=True):
    """A crawl as stored, with its numbers from one statement.

    `total` = `pending` + `completed` + `failed`: pages that were admitted, without those that
    turned out to be another page's address.
    """

    id: UUID
    account_id: int
    account: str
    name: str | None
    input: str
    plan: CrawlPlan
    state: State
    created_at: datetime
    updated_at: datetime
    finished_at: datetime | None = None
    delivery: DeliveryOptions | None = None
    total: int = 0
    pending: int = 0
    completed: int = 0
    failed: int = 0


class CrawlPage(msgspec.Struct, frozen=True, kw_only=True):
    """One page of a crawl. `state` is its task's. `found_on` is the task of the page that named it
    first, `copy_of` the task of the first page with the very same text. `unlike` is the URL that it
    names as canonical although that shows something else."""

    task_id: UUID
    url: str
    state: State
    depth: int
    created_at: datetime
    modified_at: datetime
    finished_at: datetime | None = None
    status_code: int | None = None
    failure: Failure | None = None
    found_on: UUID | None = None
    copy_of: UUID | None = None
    unlike: str | None = None


class CrawlList(msgspec.Struct, frozen=True):
    """One page of a keyset-ordered list of crawls, newest first."""

    crawls: tuple[Crawl, ...]
    next_cursor: str | None
    total: int


class StoppedFamily(msgspec.Struct, frozen=True):
    """URLs that look as if one program made them, and were given up because they showed nothing
    new. `refused`: how many were left out because of it."""

    family: str
    reason: str
    fetched: int
    refused: int


HoldupReason = Literal["fetching", "storing", "queued", "trying_again", "host_busy", "host_down"]


class Holdup(msgspec.Struct, frozen=True):
    """A URL that a crawl waits for: why, and until when at least if that is known.

    `reason`: fetching, storing, queued, trying_again, host_busy (the host asks to be left alone) or
    host_down (it does not answer).
    """

    url: str
    reason: HoldupReason
    until: datetime | None = None


class CrawlNotes(msgspec.Struct, frozen=True, kw_only=True):
    """What a crawl left out, and what holds it up.

    `aliases` were other addresses of its pages, `excluded` what robots.txt, pages themselves or
    the patterns keep from it, `beyond` what was found when the limit was reached. `holdups`: a few
    of the URLs under way, those first that have been for longest.
    """

    aliases: int = 0
    excluded: int = 0
    held: int = 0
    beyond: int = 0
    stopped: tuple[StoppedFamily, ...] = ()
    holdups: tuple[Holdup, ...] = ()

    @property
    def waiting_for(self) -> tuple[str, ...]:
        """The URLs alone."""
        return tuple(one.url for one in self.holdups)
