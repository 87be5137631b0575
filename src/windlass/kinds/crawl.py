"""The page of a crawl: an ordinary extraction that also says what it means for its crawl.

What it saw goes with the outcome; storage/crawling.py judges it in the transaction that ends it.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import NamedTuple
from uuid import UUID

import msgspec

from windlass.errors import RobotsDenied
from windlass.frontier.links import Frontier, frontier_of
from windlass.kinds import Context
from windlass.kinds.extract import Extract
from windlass.kinds.robots import RobotsKeeper
from windlass.model.crawl import CrawlPlan
from windlass.model.page import Extraction, Failure
from windlass.model.request import ExtractRequest
from windlass.model.task import Outcome, State, Task
from windlass.model.visit import Candidate, PageRequest, Sighting, Visit
from windlass.net.cookies import CookieJar
from windlass.net.endpoints import host_of
from windlass.site.canonical import canonical_url, directives_for
from windlass.storage.robots import KeptRobots

_PLANS_KEPT = 64
_MANY_LINKS = 200
"""Links from which they are sorted in a thread: microseconds each add up."""


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
        self._pages = msgspec.json.Decoder(PageRequest)

    def _read(self, task: Task) -> PageRequest:
        return self._pages.decode(task.request)

    async def handle(self, task: Task) -> Outcome:
        """The page, and what it says about its crawl."""
        page = self._read(task).page
        if page.depth == 0 and task.group_id is not None:
            await self._crawls.begin(task.group_id, task.id)
        kept = await self._robots.of(page.url)
        if not kept.robots.allows(page.url):
            failed = Outcome(state=State.FAILED, failure=Failure.of(_denial(kept)))
            return self.give_up(task, msgspec.structs.replace(failed, visit=Visit(refused=True)))
        if _too_early(task, kept):
            return Outcome(state=State.QUEUED, counts=False)
        return await super().handle(task)

    async def _handle(self, task: Task, request: ExtractRequest) -> Outcome:
        formats = (*request.formats, "sighting")
        return await super()._handle(task, msgspec.structs.replace(request, formats=formats))

    async def _conclude(
        self, task: Task, request: ExtractRequest, extraction: Extraction, jar: CookieJar
    ) -> Outcome:
        values = dict(extraction.values)
        seen = values.pop("sighting", None)
        shown = msgspec.structs.replace(extraction, values=values)
        outcome = await super()._conclude(task, request, shown, jar)
        if not outcome.state.terminal or seen is None or task.group_id is None:
            return outcome
        if extraction.failure is not None and not extraction.partial:
            return outcome  # an error page is no part of the site
        sighting = seen if isinstance(seen, Sighting) else msgspec.convert(seen, Sighting)
        visit = await self._visit(task.group_id, self._read(task).page, extraction, sighting)
        return msgspec.structs.replace(outcome, visit=visit)

    async def _visit(
        self, crawl_id: UUID, page: Candidate, extraction: Extraction, sighting: Sighting
    ) -> Visit:
        plan, frontier = await self._plans.of(crawl_id, final=page.depth > 0)
        moved_to = ""
        if page.depth == 0 and host_of(extraction.url) != host_of(page.url):
            moved_to = extraction.url
            frontier = Frontier(frontier.scope.moved(moved_to), frontier.rules)
        aliases = _aliases(frontier, page, extraction, sighting)
        found, excluded = await self._follow(plan, frontier, page, extraction, sighting)
        return Visit(
            aliases=aliases,
            fingerprint=None if extraction.partial else sighting.fingerprint,
            found=found,
            excluded=excluded,
            moved_to=moved_to,
        )

    async def _follow(
        self,
        plan: CrawlPlan,
        frontier: Frontier,
        page: Candidate,
        extraction: Extraction,
        sighting: Sighting,
    ) -> tuple[tuple[Candidate, ...], tuple[Candidate, ...]]:
        """The URLs that the page leads to, and those of them that robots.txt keeps from us."""
        if plan.sitemap == "only" or self._asks_not_to(sighting):
            return (), ()
        final = frontier.identify(extraction.url)
        if final is None or frontier.scope.refusal(final.url, 0) in ("other_host", "not_web"):
            return (), ()
        links = [link.url for link in sighting.outline.links]
        if len(links) < _MANY_LINKS:
            found = frontier.follow(links, page).candidates
        else:
            found = (await asyncio.to_thread(frontier.follow, links, page)).candidates
        return allowed(self._robots, found)

    def _asks_not_to(self, sighting: Sighting) -> bool:
        if not self._settings.obey_robots:
            return False
        return directives_for(self._settings.robots_agent, sighting.outline).nofollow


def _denial(kept: KeptRobots) -> RobotsDenied:
    if kept.robots.standing == "unreachable":
        return RobotsDenied("The site's robots.txt cannot be read: nothing may be fetched for now.")
    return RobotsDenied()


def _too_early(task: Task, kept: KeptRobots) -> bool:
    """Whether the task started before its lane kept the time that the host asks for."""
    delay = timedelta(seconds=kept.robots.crawl_delay_s or 0.0)
    return bool(delay) and task.started_at is not None and task.started_at < kept.asked_at + delay


def allowed(
    robots: RobotsKeeper, found: list[Candidate]
) -> tuple[tuple[Candidate, ...], tuple[Candidate, ...]]:
    """URLs that may be fetched, as far as the rules are at hand, and those that may not."""
    may: list[Candidate] = []
    may_not: list[Candidate] = []
    for one in found:
        rules = robots.known(one.url)
        (may if rules is None or rules.allows(one.url) else may_not).append(one)
    return tuple(may), tuple(may_not)


def _aliases(
    frontier: Frontier, page: Candidate, extraction: Extraction, sighting: Sighting
) -> tuple[tuple[bytes, str], ...]:
    """The other addresses of a page on its way, the one that counts last."""
    met = [hop.url for hop in extraction.redirects] + [extraction.url]
    canonical = canonical_url(extraction.url, sighting.outline)
    found: dict[bytes, str] = {}
    for url in met:
        identity = frontier.identify(url)
        if identity is not None and identity.key != page.key:
            found[identity.key] = identity.url
    named = frontier.identify(canonical) if canonical else None
    if named is not None and not frontier.scope.refusal(named.url, 0):
        if named.key == page.key:
            return ()
        found.pop(named.key, None)
        found[named.key] = named.url
    return tuple(found.items())
