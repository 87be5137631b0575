"""Calls about crawls (contract 10): start one, read it with its pages, list, end it."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from functools import partial
from uuid import UUID, uuid4

import msgspec

from windlass.api.call import Call, Reply
from windlass.api.verbs import Verbs
from windlass.buckets.places import allowed
from windlass.errors import GroupNotFound
from windlass.model.crawl import Crawl, CrawlList, NewCrawl
from windlass.model.task import State
from windlass.settings import Settings
from windlass.wire.document import read_values
from windlass.wire.v1_batches import canceled
from windlass.wire.v1_crawl_body import CrawlWish, read_crawl
from windlass.wire.v1_crawls import (
    CrawlQuery,
    crawl_detail,
    crawl_item,
    crawl_list,
    crawl_reply,
    page_slice,
)

LISTED_PAGES = 20_000
"""Pages that all crawls of one answer have together, unless the first has more."""
_FILTERS = CrawlQuery.__struct_fields__


class Crawls:
    """Handlers for crawls of the calling account."""

    def __init__(self, settings: Settings, service: Verbs) -> None:
        self._settings = settings
        self._service = service

    async def create(self, call: Call) -> Reply:
        """Accepts a crawl and answers at once."""
        settings, account = self._settings, call.account
        may_store = partial(allowed, settings, account.name)
        # Two hundred patterns take long enough to compile to leave the loop.
        wish = await asyncio.to_thread(read_crawl, call.body, now=time.time(), may_store=may_store)
        new = _new_crawl(wish, account.id, call.base(settings.public_url))
        crawl = await self._service.start_crawl(account, new, call.idempotency())
        call.task_id = crawl.id
        call.forget_body()
        return Reply(crawl_reply(crawl))

    async def list(self, call: Call) -> Reply:
        """One page of crawls, with their pages unless the caller wants none."""
        query = _read_query(call)
        limit, cursor = call.listing()
        page = await self._service.crawls(call.account, query.state, cursor, limit)
        if query.with_pages and _fitting(page) < len(page.crawls):
            limit = _fitting(page)
            page = await self._service.crawls(call.account, query.state, cursor, limit)
        items = []
        for crawl in page.crawls:
            if query.with_pages:
                counted, slices = await self._pages(crawl)
                items.append(crawl_item(counted, slices))
            else:
                items.append(crawl_item(crawl, None))
        return Reply(crawl_list(items, page.next_cursor, page.total))

    async def get(self, call: Call) -> Reply:
        """One crawl with its pages; its numbers are those of the pages shown."""
        crawl = await self._service.crawl(call.account, _crawl_id(call))
        notes = await self._service.crawl_notes(crawl)
        slices = None
        if _read_query(call).with_pages:
            crawl, slices = await self._pages(crawl)
        return Reply(await asyncio.to_thread(crawl_detail, crawl, slices, notes))

    async def _pages(self, crawl: Crawl) -> tuple[Crawl, Sequence[bytes]]:
        """A crawl's pages, a slice at a time, and the crawl with numbers that fit them."""
        slices: list[bytes] = []
        ended: Counter[State] = Counter()
        async for pages in self._service.crawl_pages(crawl):
            ended.update(page.state for page in pages)
            slices.append(await asyncio.to_thread(page_slice, pages))
        completed = ended[State.SUCCEEDED]
        failed = ended[State.FAILED] + ended[State.CANCELLED]
        total = ended.total()
        pending = total - completed - failed
        counted = msgspec.structs.replace(
            crawl, total=total, pending=pending, completed=completed, failed=failed
        )
        return counted, slices

    async def cancel(self, call: Call) -> Reply:
        """Ends a crawl and all its pages that have not ended; one that has ended stays as it is."""
        await self._service.cancel_crawl(call.account, _crawl_id(call))
        return Reply(canceled())


def _new_crawl(wish: CrawlWish, account_id: int, base: str) -> NewCrawl:
    delivery = wish.delivery
    if delivery is not None:
        delivery = msgspec.structs.replace(delivery, base=base)
    return NewCrawl(
        id=uuid4(),
        account_id=account_id,
        name=wish.name,
        input=wish.input.decode(),
        plan=wish.plan,
        delivery=delivery,
    )


def _fitting(page: CrawlList) -> int:
    """How many of the crawls have few enough pages to be shown at once; one at least."""
    count = pages = 0
    for crawl in page.crawls:
        pages += crawl.total
        if pages > LISTED_PAGES:
            break
        count += 1
    return max(count, 1)


def _read_query(call: Call) -> CrawlQuery:
    """Raises InvalidRequest."""
    query = call.query()
    return read_values({name: query[name] for name in _FILTERS if name in query}, CrawlQuery)


def _crawl_id(call: Call) -> UUID:
    call.task_id = crawl_id = call.path_id("crawl_id", GroupNotFound("Crawl not found"))
    return crawl_id
