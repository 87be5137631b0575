"""The page of a crawl: an ordinary extraction that also says what it means for its crawl.

What it saw goes with the outcome; storage/crawling.py judges it in the transaction that ends it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Container
from typing import NamedTuple
from uuid import UUID

import msgspec

from windlass.errors import NotAPage
from windlass.formats.outline import unpack
from windlass.frontier.identity import Identity
from windlass.frontier.links import Frontier, frontier_of
from windlass.kinds import Context
from windlass.kinds.courtesy import Obedience
from windlass.kinds.extract import Extract
from windlass.kinds.robots import RobotsKeeper
from windlass.model.crawl import CrawlPlan
from windlass.model.page import Extraction, Failure
from windlass.model.request import ExtractRequest
from windlass.model.task import Outcome, State, Task
from windlass.model.visit import Candidate, PageRequest, Sighting, Visit
from windlass.net.cookies import CookieJar
from windlass.net.endpoints import host_of
from windlass.site.canonical import canonical_url
from windlass.site.robots import denial

_PLANS_KEPT = 64
_MANY_LINKS = 200
"""Links from which they are sorted in a thread: microseconds each add up."""


Found = tuple[tuple[Candidate, ...], tuple[Candidate, ...]]
"""URLs that may be fetched, and those that robots.txt keeps from us."""


class Rules(NamedTuple):
    """A crawl's plan and its frontier."""

    plan: CrawlPlan
    frontier: Frontier


class Plans:
    """The rules of the crawls that this process works for, the latest of them."""

    def __init__(self, context: Context) -> None:
        self._crawls = context.crawls
        self._tracking = context.settings.tracking_parameters
        self._kept: dict[UUID, Rules] = {}

    async def of(self, crawl_id: UUID, *, final: bool = True) -> Rules:
        """The rules of a crawl; not `final` as long as its start page may move it."""
        if crawl_id in self._kept:
            return self._kept[crawl_id]
        plan = await self._crawls.plan(crawl_id)
        rules = Rules(plan, frontier_of(plan, self._tracking))
        if final:
            if len(self._kept) >= _PLANS_KEPT:
                self._kept.pop(next(iter(self._kept)))
            self._kept[crawl_id] = rules
        return rules


class FetchPage(Extract):
    """Fetches pages of crawls."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._crawls = context.crawls
        self._plans = Plans(context)
        self._robots = RobotsKeeper(context)
        self._obedience = Obedience(context.settings)
        self._pages = msgspec.json.Decoder(PageRequest)

    def _read(self, task: Task) -> PageRequest:
        return self._pages.decode(task.request)

    async def handle(self, task: Task) -> Outcome:
        """The page, and what it says about its crawl."""
        request = self._read(task)
        page = request.page
        if page.depth == 0 and task.group_id is not None:
            await self._crawls.begin(task.group_id, task.id)
        kept = await self._robots.of(page.url)
        if not kept.robots.allows(page.url):
            failed = Outcome(state=State.FAILED, failure=denial(kept.robots))
            return self.give_up(task, msgspec.structs.replace(failed, visit=Visit(refused=True)))
        asked_s = kept.robots.crawl_delay_s or 0.0  # may have come to light just now
        if asked_s > task.gap_s:
            task = msgspec.structs.replace(task, gap_s=asked_s)
        return await self._in_turn(task, request)

    async def _handle(self, task: Task, request: ExtractRequest) -> Outcome:
        formats = (*request.formats, "sighting")
        asked = msgspec.structs.replace(request, formats=formats, pages_only=True)
        return await super()._handle(task, asked)

    async def _conclude(
        self, task: Task, request: ExtractRequest, extraction: Extraction, jar: CookieJar
    ) -> Outcome:
        values = dict(extraction.values)
        seen = values.pop("sighting", None)
        shown = msgspec.structs.replace(extraction, values=values)
        outcome = await super()._conclude(task, request, shown, jar)
        if not outcome.state.terminal or seen is None or task.group_id is None:
            return outcome
        if extraction.failure is not None and not _is_of_site(extraction, extraction.failure):
            return outcome
        assert isinstance(request, PageRequest)
        assert isinstance(seen, bytes)
        visit = await self._visit(task.group_id, request.page, extraction, unpack(seen))
        return msgspec.structs.replace(outcome, visit=visit)

    async def _visit(
        self, crawl_id: UUID, page: Candidate, extraction: Extraction, sighting: Sighting
    ) -> Visit:
        plan, frontier = await self._plans.of(crawl_id, final=page.depth > 0)
        moved_to = ""
        if page.depth == 0 and host_of(extraction.url) != host_of(page.url):
            moved_to = extraction.url
            frontier = Frontier(frontier.scope.moved(moved_to), frontier.rules)
        aliases, canonical = _other_names(frontier, page, extraction, sighting)
        headers = extraction.all_of("x-robots-tag")
        granted = self._obedience.grants(sighting.outline, headers)
        found: Found = ((), ())
        if plan.sitemap != "only" and not granted.nofollow:
            links = [*([canonical.url] if canonical else ()), *(one.url for one in granted.links)]
            heard = self._crawls.heard.of(crawl_id)
            found = await self._follow(frontier, page, extraction.url, links, heard)
        return Visit(
            aliases=aliases,
            canonical=canonical.key if canonical else b"",
            fingerprint=sighting.fingerprint if extraction.failure is None else None,
            found=found[0],
            excluded=found[1],
            refused=granted.noindex,
            moved_to=moved_to,
        )

    async def _follow(
        self,
        frontier: Frontier,
        page: Candidate,
        final_url: str,
        links: list[str],
        heard: Container[bytes],
    ) -> Found:
        """The URLs that the page leads to, and those of them that robots.txt keeps from us; without
        those that the crawl has heard of."""
        final = frontier.identify(final_url)
        if final is None or frontier.scope.refusal(final.url, 0) in ("other_host", "not_web"):
            return (), ()
        if len(links) < _MANY_LINKS:
            found = frontier.follow(links, page, heard).candidates
        else:
            found = (await asyncio.to_thread(frontier.follow, links, page, heard)).candidates
        return allowed(self._robots, found)


def _is_of_site(extraction: Extraction, failure: Failure) -> bool:
    """Whether what came in spite of a failure says something about the site; an error page does
    not."""
    return extraction.partial or failure.code == NotAPage.code


def allowed(robots: RobotsKeeper, found: list[Candidate]) -> Found:
    """URLs that may be fetched, as far as the rules are at hand, and those that may not."""
    may: list[Candidate] = []
    may_not: list[Candidate] = []
    for one in found:
        rules = robots.known(one.url)
        (may if rules is None or rules.allows(one.url) else may_not).append(one)
    return tuple(may), tuple(may_not)


def _other_names(
    frontier: Frontier, page: Candidate, extraction: Extraction, sighting: Sighting
) -> tuple[tuple[tuple[bytes, str], ...], Identity | None]:
    """The addresses that a page was met under on its way, and the one that it names itself."""
    found: dict[bytes, str] = {}
    for url in [*(hop.url for hop in extraction.redirects), extraction.url]:
        identity = frontier.identify(url)
        if identity is not None and identity.key != page.key:
            found[identity.key] = identity.url
    canonical = canonical_url(extraction.url, sighting.outline, extraction.all_of("link"))
    named = frontier.identify(canonical) if canonical else None
    if named is None or frontier.scope.refusal(named.url, 0):
        return tuple(found.items()), None
    if named.key == page.key:
        return (), None
    return tuple(found.items()), named
