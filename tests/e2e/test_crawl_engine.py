"""Crawls by a real worker over a real PostgreSQL, on sites of our own."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests.support.engine import Engine
from tests.support.postgres import emptied_database, running_postgres
from tests.support.receiver import receiving
from tests.support.trapsite import GENUINE, TrapSite
from tests.support.waiting import eventually_async
from windlass import worker
from windlass.frontier.links import frontier_of
from windlass.model.crawl import Crawl, CrawlNotes, CrawlPage, CrawlPlan, NewCrawl
from windlass.model.delivery import DeliveryOptions
from windlass.model.request import ExtractRequest
from windlass.model.task import State
from windlass.model.visit import Bounds
from windlass.settings import Settings
from windlass.storage.crawls import Crawls
from windlass.storage.database import Database


LOOPBACK = (ip_network("127.0.0.0/8"),)
DEEP = Bounds(max_discovery_depth=100)


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with running_postgres() as dsn:
        yield dsn


@pytest.fixture
async def dsn(server: str) -> str:
    return await emptied_database(server)


@pytest.fixture
async def database(dsn: str) -> AsyncIterator[Database]:
    opened = await Database.open(dsn)
    yield opened
    await opened.aclose()


@pytest.fixture
async def engine(database: Database) -> Engine:
    return await Engine(database).open(slots=0)


class Crawler:
    """Starts crawls and follows them to their end."""

    def __init__(self, engine: Engine, settings: Settings) -> None:
        self.engine = engine
        self.settings = settings
        self.crawls = Crawls(engine.database, settings)

    async def start(
        self, url: str, *, delivery: DeliveryOptions | None = None, **options: Any
    ) -> Crawl:
        request = ExtractRequest(url=url, formats=("links",))
        plan = CrawlPlan(url=url, request=request, **{"sitemap": "skip", **options})
        first = frontier_of(plan, self.settings.tracking_parameters).start(url)
        assert first is not None
        new = NewCrawl(
            id=uuid4(),
            account_id=self.engine.account.id,
            name=None,
            input='{"url":"%s","crawl_options":{}}' % url,
            plan=plan,
            delivery=delivery,
        )
        crawl, lanes = await self.crawls.accept(new, first)
        await self.engine.admission.arm(lanes)
        return crawl

    async def now(self, crawl: Crawl) -> Crawl:
        found = await self.crawls.get(self.engine.account, crawl.id)
        assert found.total == found.pending + found.completed + found.failed
        return found

    async def ended(self, crawl: Crawl, within_s: float = 60.0) -> Crawl:
        async def over() -> Crawl | None:
            now = await self.now(crawl)
            return now if now.state.terminal else None

        return await eventually_async(over, "the crawl ends", within_s=within_s)

    async def pages(self, crawl: Crawl) -> list[CrawlPage]:
        found, after = await self.crawls.pages(crawl.id)
        assert after is None
        return list(found)

    async def notes(self, crawl: Crawl) -> CrawlNotes:
        return await self.crawls.notes(crawl.id)


@asynccontextmanager
async def crawling(
    engine: Engine, dsn: str, folder: Path, **settings: Any
) -> AsyncIterator[Crawler]:
    """A worker that works."""
    wanted = replace(Settings(), data=folder, allow_addresses=LOOPBACK, **settings)
    stop = asyncio.Event()
    working = asyncio.create_task(worker.run(wanted, dsn, "worker-9", stop))
    try:
        yield Crawler(engine, wanted)
    finally:
        stop.set()
        await asyncio.wait_for(working, 30)


@contextmanager
def trapsite() -> Iterator[TrapSite]:
    site = TrapSite()
    try:
        yield site
    finally:
        site.close()


async def test_every_genuine_page_of_a_trap_site_is_brought_and_no_trap_costs_more_than_a_handful(
    engine: Engine, dsn: str, tmp_path: Path
) -> None:
    with trapsite() as site:
        async with crawling(engine, dsn, tmp_path) as crawler:
            crawl = await crawler.start(site.base + "/", bounds=DEEP)
            done = await crawler.ended(crawl, within_s=120)
            assert done.state is State.SUCCEEDED
            missing = set(GENUINE) - set(site.fetched)
            assert not missing
            by_trap = site.by_trap()
            assert {trap: n for trap, n in by_trap.items() if trap and n > 8} == {}
            assert [url for url, n in site.fetched.items() if n > 1] == []
            notes = await crawler.notes(crawl)
            assert notes.stopped
            assert notes.held == 0
