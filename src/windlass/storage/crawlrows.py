"""Rows of a crawl as structs, candidates as the columns of add_pages, pages as tasks.

Used by crawls.py and crawling.py. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypeGuard
from uuid import UUID, uuid4

import msgspec

from windlass.frontier.families import families_of
from windlass.frontier.traps import Standing
from windlass.model.crawl import CrawlEvent, CrawlPlan
from windlass.model.delivery import Delivery, DeliveryOptions, Webhook
from windlass.model.task import NewTask, Priority, Task
from windlass.model.visit import Candidate, PageRequest
from windlass.net.endpoints import web_lane
from windlass.storage import following

Placed = tuple[Candidate, str, str, UUID | None]
"""A URL, what it is, what holds it (where it is held) and its task."""


class _Asked(msgspec.Struct, frozen=True):
    """The part of a page's request that its crawl wants back."""

    page: Candidate


_asked = msgspec.json.Decoder(_Asked)
_plan = msgspec.json.Decoder(CrawlPlan)
_options = msgspec.json.Decoder(DeliveryOptions)
_standing = msgspec.msgpack.Decoder(Standing)
_packer = msgspec.msgpack.Encoder()


def encode(value: CrawlPlan | DeliveryOptions) -> str:
    """What a row keeps of it."""
    return msgspec.json.encode(value).decode()


def decode_plan(text: str) -> CrawlPlan:
    """The plan of a row."""
    return _plan.decode(text)


def decode_options(text: str | None) -> DeliveryOptions | None:
    """The delivery of a crawl's row."""
    return None if text is None else _options.decode(text)


def standing_of(packed: bytes) -> Standing:
    """A family's standing."""
    return _standing.decode(packed)


def family_columns(standings: dict[str, Standing]) -> list[list[Any]]:
    """The arguments of keep_crawl, in the order in which rows are locked."""
    names = sorted(standings)
    return [
        names,
        [_packer.encode(standings[name]) for name in names],
        [standings[name].refused for name in names],
    ]


def standings_of(rows: Iterable[Any]) -> dict[str, Standing]:
    """The families that look_around found."""
    return {row["family"]: standing_of(row["shown"]) for row in rows if row["family"] is not None}


def known_of(rows: Iterable[Any]) -> dict[bytes, tuple[str, bytes | None]]:
    """The URLs that look_around found."""
    return {row["key"]: (row["state"], row["alias_of"]) for row in rows if row["key"] is not None}


def texts_of(rows: Iterable[Any]) -> tuple[set[int], set[bytes]]:
    """The likenesses and digests that look_around found."""
    found = [(row["likeness"], row["digest"]) for row in rows if row["likeness"] is not None]
    return {likeness for likeness, _ in found}, {digest for _, digest in found if digest}


def page_of(task: Task) -> Candidate | None:
    """The page that a task of a crawl fetches; None if it is no page's."""
    return _asked.decode(task.request).page if task.kind == "crawl_page" else None


def candidate_of(row: Any) -> Candidate:
    """The candidate that a row of page was."""
    return Candidate(
        url=row["url"],
        key=row["key"],
        depth=row["depth"],
        families=families_of(row["url"]),
        turn=row["turn"],
        lineage=row["lineage"],
        listed=row["listed"],
    )


def release_columns(placed: Sequence[Placed]) -> list[list[Any]]:
    """The arguments of release_pages for URLs that are judged again."""
    return [
        [page.key for page, *_ in placed],
        [state for _, state, _, _ in placed],
        [held if state == "held" else None for _, state, held, _ in placed],
        [task_id for *_, task_id in placed],
    ]


def page_columns(placed: Sequence[Placed], found_on: Sequence[UUID | None] = ()) -> list[list[Any]]:
    """The arguments of add_pages for URLs that are no aliases."""
    pages = [page for page, *_ in placed]
    keys, states, held, tasks = release_columns(placed)
    return [
        keys,
        [page.url for page in pages],
        states,
        [page.depth for page in pages],
        [page.turn for page in pages],
        [page.lineage for page in pages],
        [page.listed for page in pages],
        held,
        tasks,
        list(found_on) or [None] * len(placed),
        [None] * len(placed),
    ]


def alias_columns(aliases: Sequence[tuple[bytes, str, bytes]]) -> list[list[Any]]:
    """The arguments of add_pages for other addresses: key, URL and the key of the page."""
    count = len(aliases)
    return [
        [key for key, _, _ in aliases],
        [url for _, url, _ in aliases],
        ["alias"] * count,
        [0] * count,
        [0] * count,
        [0] * count,
        [False] * count,
        [None] * count,
        [None] * count,
        [None] * count,
        [page for _, _, page in aliases],
    ]


def page_task(
    crawl_id: UUID,
    account_id: int,
    plan: CrawlPlan,
    delivery: DeliveryOptions | None,
    page: Candidate,
) -> NewTask:
    """The task that fetches a page."""
    options = msgspec.structs.asdict(plan.request)
    request = PageRequest(**{**options, "url": page.url}, page=page)
    task_id = uuid4()
    return NewTask(
        id=task_id,
        account_id=account_id,
        kind="crawl_page",
        api="extract",
        lane=web_lane(page.url),
        input=msgspec.json.encode({"url": page.url}).decode(),
        request=msgspec.json.encode(request).decode(),
        priority=Priority.BULK,
        deadline_s=plan.deadline_s,
        delivery=_page_delivery(task_id, delivery),
        group_id=crawl_id,
    )


def sitemaps_task(crawl_id: UUID, account_id: int, url: str, request: str = "{}") -> NewTask:
    """The task that reads one sitemap: the one at `url`, or the first of that page's site if the
    request does not say what is left."""
    return NewTask(
        id=uuid4(),
        account_id=account_id,
        kind="crawl_sitemaps",
        api="extract",
        lane=web_lane(url),
        input="{}",
        request=request,
        priority=Priority.BULK,
        listed=False,
        group_id=crawl_id,
    )


def _page_delivery(task_id: UUID, options: DeliveryOptions | None) -> Delivery | None:
    if options is None:
        return None
    heard = options.webhook if hears(options.webhook, "page") else None
    return msgspec.structs.replace(options, webhook=heard).for_task(task_id)


def hears(webhook: Webhook | None, event: CrawlEvent) -> TypeGuard[Webhook]:
    """Whether somebody wants to hear of this."""
    return webhook is not None and (not webhook.events or event in webhook.events)


def news_of(
    event: CrawlEvent, first_task: UUID, account_id: int, options: DeliveryOptions | None
) -> list[NewTask]:
    """The webhook that tells of a crawl's start or end, if anybody wants to hear it."""
    hook = options.webhook if options else None
    if not hears(hook, event):
        return []
    news = following.webhook_for(first_task, account_id, "extract", hook)
    body = msgspec.json.encode({"event": event}).decode()
    return [msgspec.structs.replace(news, input=body)]
