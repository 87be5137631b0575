"""Crawls by a real worker over a real PostgreSQL, on sites of our own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from ipaddress import ip_network
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests.support.engine import Engine
from tests.support.receiver import receiving
from tests.support.smallsite import Reply, moved, page, plain, small_site
from tests.support.trapsite import GENUINE, TrapSite
from tests.support.waiting import eventually_async
from windlass import worker
from windlass.frontier.links import frontier_of
from windlass.model.crawl import Crawl, CrawlNotes, CrawlPage, CrawlPlan, NewCrawl
from windlass.model.delivery import DeliveryOptions, Webhook
from windlass.model.request import ExtractRequest
from windlass.model.task import State
from windlass.model.visit import Bounds
from windlass.settings import Settings
from windlass.storage.crawls import Crawls
from windlass.storage.database import Database
from windlass.wire.v1_crawl_body import read_crawl

LOOPBACK = (ip_network("127.0.0.0/8"),)
DEEP = Bounds(max_discovery_depth=100)
_PAGES = "SELECT count(*) FROM page WHERE group_id = $1 AND state IN ('admitted', 'fetched')"


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
            input=read_crawl(b'{"url":"%s"}' % url.encode(), now=0).input.decode(),
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

        found = await eventually_async(over, "the crawl ends", within_s=within_s)
        counted = await self.engine.database.relaxed.fetchval(_PAGES, crawl.id)
        assert found.total == counted, "the count that a crawl keeps is the count of its pages"
        return found

    async def pages(self, crawl: Crawl) -> list[CrawlPage]:
        found, after = await self.crawls.pages(crawl.id)
        assert after is None
        return list(found)

    async def notes(self, crawl: Crawl) -> CrawlNotes:
        return await self.crawls.notes(crawl.id)


@asynccontextmanager
async def crawling(engine: Engine, folder: Path, **settings: Any) -> AsyncIterator[Crawler]:
    """A worker that works."""
    wanted = replace(Settings(), data=folder, allow_addresses=LOOPBACK, **settings)
    stop = asyncio.Event()
    working = asyncio.create_task(worker.run(wanted, engine.database.dsn, "worker-9", stop))
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
    engine: Engine, tmp_path: Path
) -> None:
    with trapsite() as site:
        async with crawling(engine, tmp_path) as crawler:
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


# ---------------------------------------------------------------- one page, one fetch


async def test_an_address_that_redirects_to_a_page_is_its_alias_and_no_page(
    engine: Engine, tmp_path: Path
) -> None:
    site_of = {
        "/": page("/a", "/old-a", "/copy-of-a"),
        "/a": page(text="The one and only"),
        "/old-a": moved("/a"),
        "/copy-of-a": page(head='<link rel="canonical" href="/a">', text="The one and only"),
    }
    with small_site(site_of) as site:
        async with crawling(engine, tmp_path) as crawler:
            crawl = await crawler.start(site.base + "/")
            done = await crawler.ended(crawl)
            assert (done.total, done.completed) == (2, 2)
            assert {one.url for one in await crawler.pages(crawl)} == {
                site.base + "/",
                site.base + "/a",
            }
            assert (await crawler.notes(crawl)).aliases == 2


async def test_a_page_that_only_a_redirect_leads_to_is_fetched_once(
    engine: Engine, tmp_path: Path
) -> None:
    site_of = {
        "/": page("/in"),
        "/in": moved("/target"),
        "/target": page("/target", "/after", text="Target"),
        "/after": page("/target"),
    }
    with small_site(site_of) as site:
        async with crawling(engine, tmp_path) as crawler:
            done = await crawler.ended(await crawler.start(site.base + "/"))
            assert done.total == 3
            assert site.count("/target") == 1


async def test_the_same_text_under_another_address_is_a_page_and_noted(
    engine: Engine, tmp_path: Path
) -> None:
    same = page(text="Word for word")
    with small_site({"/": page("/one", "/two"), "/one": same, "/two": same}) as site:
        async with crawling(engine, tmp_path) as crawler:
            crawl = await crawler.start(site.base + "/")
            assert (await crawler.ended(crawl)).total == 3
            pages = {one.url.removeprefix(site.base): one for one in await crawler.pages(crawl)}
            assert pages["/one"].copy_of is None
            assert pages["/two"].copy_of == pages["/one"].task_id
            assert pages["/one"].found_on == pages["/"].task_id
            assert (pages["/"].depth, pages["/one"].depth) == (0, 1)


# ---------------------------------------------------------------- limits and ends


async def test_a_crawl_stops_at_its_limit(engine: Engine, tmp_path: Path) -> None:
    names = [f"/{letter}" for letter in "abcdefghij"]
    with small_site({"/": page(*names), **{name: page(text=name) for name in names}}) as site:
        async with crawling(engine, tmp_path) as crawler:
            crawl = await crawler.start(site.base + "/", limit=4)
            done = await crawler.ended(crawl)
            assert (done.state, done.total, len(site.asked)) == (State.SUCCEEDED, 4, 5)
            notes = await crawler.notes(crawl)
            assert notes.beyond + notes.held == 7


async def test_a_page_that_fails_is_a_failed_page_of_a_crawl_that_succeeds(
    engine: Engine, tmp_path: Path
) -> None:
    with small_site({"/": page("/gone")}) as site:
        async with crawling(engine, tmp_path) as crawler:
            done = await crawler.ended(await crawler.start(site.base + "/"))
            assert (done.state, done.completed, done.failed) == (State.SUCCEEDED, 1, 1)


async def test_a_crawl_whose_start_page_cannot_be_fetched_fails(
    engine: Engine, tmp_path: Path
) -> None:
    with small_site({}) as site:
        async with crawling(engine, tmp_path) as crawler:
            done = await crawler.ended(await crawler.start(site.base + "/", sitemap="include"))
            assert (done.state, done.total, done.failed) == (State.FAILED, 1, 1)


async def test_a_cancelled_crawl_stops_at_once_and_leaves_nothing_pending(
    engine: Engine, tmp_path: Path
) -> None:
    names = [f"/{number}/x" for number in range(30)]
    with small_site({"/": page(*names)}) as site:
        site.slow.update(names)
        async with crawling(engine, tmp_path) as crawler:
            crawl = await crawler.start(site.base + "/")

            async def spread() -> bool:
                return len(site.asked) > 2

            await eventually_async(spread, "pages are under way")
            await crawler.crawls.cancel(engine.account, crawl.id)
            now = await crawler.now(crawl)
            assert (now.state, now.pending) == (State.CANCELLED, 0)

            async def free() -> bool:
                return await engine.database.relaxed.fetchval("SELECT count(*) FROM pgqueuer") == 0

            await eventually_async(free, "nothing runs any more", within_s=5)
            asked = len(site.asked)
            site.open.set()
            other = await crawler.ended(await crawler.start(site.base + "/missing"))
            assert (other.total, len(site.asked)) == (1, asked + 1)
            assert (await crawler.now(crawl)).state is State.CANCELLED


async def test_a_crawl_ends_when_its_last_page_is_cancelled_by_itself(
    engine: Engine, tmp_path: Path
) -> None:
    with small_site({"/": page("/slow")}) as site:
        site.slow.add("/slow")
        async with crawling(engine, tmp_path) as crawler:
            crawl = await crawler.start(site.base + "/")

            async def found() -> CrawlPage | None:
                pages = await crawler.pages(crawl)
                return pages[1] if site.count("/slow") else None

            slow = await eventually_async(found, "the slow page is under way")
            assert (await crawler.notes(crawl)).waiting_for == (site.base + "/slow",)
            await engine.tasks.cancel(engine.account, slow.task_id)
            done = await crawler.ended(crawl)
            assert (done.state, done.completed, done.failed) == (State.SUCCEEDED, 1, 1)


# ---------------------------------------------------------------- what a site asks for


async def test_what_robots_txt_forbids_is_neither_fetched_nor_a_page(
    engine: Engine, tmp_path: Path
) -> None:
    site_of = {
        "/robots.txt": plain("User-agent: *\nDisallow: /private\n"),
        "/": page("/private/a", "/public"),
        "/public": page("/private/b"),
    }
    with small_site(site_of) as site:
        async with crawling(engine, tmp_path) as crawler:
            crawl = await crawler.start(site.base + "/")
            assert (await crawler.ended(crawl)).total == 2
            assert site.paths() == ["/", "/public", "/robots.txt"]
            assert (await crawler.notes(crawl)).excluded == 2


async def test_an_operator_may_set_robots_txt_aside(engine: Engine, tmp_path: Path) -> None:
    site_of = {"/robots.txt": plain("User-agent: *\nDisallow: /\n"), "/": page()}
    with small_site(site_of) as site:
        async with crawling(engine, tmp_path, obey_robots=False) as crawler:
            done = await crawler.ended(await crawler.start(site.base + "/"))
            assert done.completed == 1


async def test_a_crawl_that_may_fetch_nothing_fails_and_says_why(
    engine: Engine, tmp_path: Path
) -> None:
    site_of = {"/robots.txt": plain("User-agent: *\nDisallow: /\n"), "/": page()}
    with small_site(site_of) as site:
        async with crawling(engine, tmp_path) as crawler:
            crawl = await crawler.start(site.base + "/")
            done = await crawler.ended(crawl)
            assert (done.state, done.failed) == (State.FAILED, 1)
            (only,) = await crawler.pages(crawl)
            assert only.failure is not None
            assert only.failure.code == "robots_denied"


@pytest.mark.alone
async def test_two_crawls_of_one_host_keep_its_crawl_delay_together(
    engine: Engine, tmp_path: Path
) -> None:
    site_of = {
        "/robots.txt": plain("User-agent: *\nCrawl-delay: 0.5\n"),
        "/": page("/a", "/b"),
        "/a": page(),
        "/b": page(),
        "/2/": page("/2/c", "/2/d"),
        "/2/c": page(),
        "/2/d": page(),
    }
    with small_site(site_of) as site:
        async with crawling(engine, tmp_path) as crawler:
            first = await crawler.start(site.base + "/")
            second = await crawler.start(site.base + "/2/")
            assert (await crawler.ended(first)).total == 3
            assert (await crawler.ended(second)).total == 3
            times = site.times()
            assert len(times) == 7
            assert min(b - a for a, b in pairwise(times)) > 0.48


async def test_pages_that_only_a_sitemap_names_are_found_through_nested_indexes(
    engine: Engine, tmp_path: Path
) -> None:
    def urls(*paths: str) -> Reply:
        inner = "".join(f"<url><loc>{{base}}{path}</loc></url>" for path in paths)
        return plain(f"<urlset>{inner}</urlset>", "application/xml")

    index = "".join(f"<sitemap><loc>{{base}}/{n}.xml</loc></sitemap>" for n in ("one", "two"))
    site_of = {
        "/robots.txt": plain("Sitemap: {base}/all.xml\n"),
        "/all.xml": plain(f"<sitemapindex>{index}</sitemapindex>", "application/xml"),
        "/one.xml": urls("/x", "/y"),
        "/two.xml": urls("/y", "/z", "http://elsewhere.test/"),
        "/": page("/linked"),
        **{f"/{name}": page("/from-listed") for name in ("x", "y", "z")},
        "/linked": page(),
        "/from-listed": page(),
    }
    with small_site(site_of) as site:
        async with crawling(engine, tmp_path) as crawler:
            everything = await crawler.ended(await crawler.start(site.base, sitemap="include"))
            assert (everything.total, everything.completed) == (6, 6)
            only = await crawler.ended(await crawler.start(site.base, sitemap="only"))
            assert only.total == 4
            skipped = await crawler.ended(await crawler.start(site.base, sitemap="skip"))
            assert skipped.total == 2


# ---------------------------------------------------------------- who hears of it


async def test_a_receiver_hears_of_the_start_each_page_and_the_end_in_this_order(
    engine: Engine, tmp_path: Path
) -> None:
    names = [f"/{number}/p" for number in range(12)]
    site_of = {"/": page("/old", *names), **{name: page(text=name) for name in names}}
    with receiving() as receiver, small_site({**site_of, "/old": moved("/0/p")}) as site:
        async with crawling(engine, tmp_path) as crawler:
            hook = Webhook(url=receiver.url("ok"), metadata={"team": "seo"})
            crawl = await crawler.start(site.base, delivery=DeliveryOptions(webhook=hook))
            await crawler.ended(crawl)

            async def told() -> bool:
                return any(one.document()["event"] == "completed" for one in tuple(receiver.seen))

            await eventually_async(told, "the end is told", within_s=30)
            news = [one.document() for one in receiver.seen]
            assert [one["event"] for one in news] == ["started", *["page"] * 13, "completed"]
            assert {one["metadata"]["team"] for one in news} == {"seo"}
            assert news[-1]["crawl"]["total"] == news[-1]["crawl"]["completed"] == 13


async def test_a_receiver_hears_only_of_what_it_asked_for(engine: Engine, tmp_path: Path) -> None:
    with receiving() as receiver, small_site({}) as site:
        async with crawling(engine, tmp_path) as crawler:
            hook = Webhook(url=receiver.url("ok"), events=("failed",))
            await crawler.start(site.base, delivery=DeliveryOptions(webhook=hook))

            async def told() -> bool:
                return bool(receiver.seen)

            await eventually_async(told, "the failure is told", within_s=30)
            assert [one.document()["event"] for one in receiver.seen] == ["failed"]
