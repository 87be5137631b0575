"""The map kind: names the URLs of a site within the time of one call (contract section 11).

The start page, the sitemaps and then, one after the other, the pages that no sitemap lists. All in
one task that has one place in its host's lane, so it never has more than one request under way.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime

import msgspec

from windlass.errors import NotAPage, TargetError
from windlass.formats.outline import unpack
from windlass.kinds import Context
from windlass.kinds.courtesy import REFUSALS, Answered, sign_of_page
from windlass.kinds.extract import retry_delay
from windlass.kinds.robots import RobotsKeeper
from windlass.kinds.survey import Survey, Visited
from windlass.model.map import MapPlan
from windlass.model.page import Extraction, Failure, Page
from windlass.model.request import ExtractRequest
from windlass.model.task import HostSign, Outcome, State, Task
from windlass.model.visit import Candidate
from windlass.net.cookies import CookieJar
from windlass.site.discovery import Source, allowed_guesses, listed, site_host
from windlass.site.robots import Robots, denial, robots_url
from windlass.site.sitemaps import MAX_SITEMAPS
from windlass.wire.v1_maps import map_body

_ROUNDING_OFF_S = 5.0
"""Kept of a call's time to store and send the answer; of short calls a fifth of it."""
_START_SHARE = 0.6
"""Of the time, what the start page may take: its sitemaps may answer when it does not."""
_PAGE_S = 30.0
_PATIENCE_S = 3.0
"""A sitemap is taken to be complete when the pages that it lists name no others for so long."""
_REFUSED_IN_A_ROW = 3
"""Answers 429 or 503, or none at all, after which a site is left alone."""
_GONE = frozenset({404, 410})


class _TimeIsUp(Exception):  # noqa: N818 - an ending, no error
    """What is found until now is the answer."""


class _News:
    """Whether pages that a sitemap lists still lead to any that none does."""

    def __init__(self, survey: Survey, clock: Callable[[], float]) -> None:
        self._survey = survey
        self._clock = clock
        self._named = -1
        self._since = 0.0

    @property
    def are_old(self) -> bool:
        """Whether there were none for a while. Asked for the first time, there just were some."""
        if self._survey.named > self._named:
            self._named, self._since = self._survey.named, self._clock()
        return self._clock() - self._since > _PATIENCE_S


class Map:
    """Maps sites."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._robots = RobotsKeeper(context)
        self._decoder = msgspec.json.Decoder(MapPlan)

    async def handle(self, task: Task) -> Outcome:
        """The URLs of a site, or why there are none."""
        plan = self._decoder.decode(task.request)
        trip = _Trip(self._context, self._robots, plan, task)
        outcome = await self._outcome(task, plan, trip)
        return msgspec.structs.replace(outcome, host=trip.sign)

    async def _outcome(self, task: Task, plan: MapPlan, trip: _Trip) -> Outcome:
        try:
            await trip.go()
        except _TimeIsUp:
            trip.survey.warn("the time was up before all pages were read: there may be more URLs")
        if trip.failure is not None and not trip.survey.found:
            return self._failed(task, plan, trip.failure, trip.status)
        if trip.failure is not None:
            trip.survey.warn(f"the start page could not be had: {trip.failure.message}")
        body = await asyncio.to_thread(map_body, task.id, *trip.survey.answer())
        return Outcome(state=State.SUCCEEDED, result=body, status_code=trip.status)

    def _failed(self, task: Task, plan: MapPlan, why: Failure, status: int | None) -> Outcome:
        again = task.may_fail_again(self._context.settings.max_attempts)
        if why.retryable and again and _seconds_for(task, plan) > 2 * retry_delay(task):
            return Outcome(state=State.QUEUED, failure=why, retry_in_s=retry_delay(task))
        body = map_body(task.id, (), plan.warnings, why)
        return Outcome(state=State.FAILED, result=body, failure=why, status_code=status)

    def give_up(self, task: Task, outcome: Outcome) -> Outcome:
        """An outcome made by the worker, with an answer that says what happened."""
        warnings = self._decoder.decode(task.request).warnings
        body = map_body(task.id, (), warnings, outcome.failure)
        return msgspec.structs.replace(outcome, result=body)

    async def aclose(self) -> None:
        """Nothing is open: the extractor belongs to the worker."""


class _Trip:
    """One map under way."""

    def __init__(self, context: Context, robots: RobotsKeeper, plan: MapPlan, task: Task) -> None:
        self.survey = Survey(plan, context.settings)
        self.failure: Failure | None = None
        """Why there is no start page."""
        self.status: int | None = None
        self.sign: HostSign | None = None
        """What its host showed: that it was asked too much, if ever, else the latest."""
        self._task = task
        self._context = context
        self._robots = robots
        self._plan = plan
        self._clock = asyncio.get_running_loop().time
        self._until = self._clock() + _seconds_for(task, plan)
        self._lane = task.lane
        self._known: dict[str, Robots] = {}
        self._next_at = 0.0
        self._crawl_delay_s = 0.0

    async def go(self) -> None:
        """Finds what there is to find. Raises _TimeIsUp."""
        start = await self._look_at_start()
        if self._plan.sitemap != "skip" and not self.survey.full:
            await self._read_sitemaps()
        if start is not None and self._plan.sitemap != "only":
            await asyncio.to_thread(self.survey.set_out, start, self._allowed)
            await self._read_pages()

    # ------------------------------------------------------------ the start page

    async def _look_at_start(self) -> Visited | None:
        page = self.survey.start
        robots = await self._rules(page.url)
        if not robots.allows(page.url):
            self.failure = denial(robots)
            return None
        try:
            seen = await self._extract(page, self._left() * _START_SHARE)
        except TargetError as error:
            self.failure = Failure.of(error)
            return None
        self.status = seen.status
        if seen.failure is not None and not seen.status_is_fine:
            self.failure = seen.failure
            return None
        if seen.failure is not None and seen.failure.code != NotAPage.code:
            self.survey.warn(f"the start page did not come whole: {seen.failure.message}")
        if site_host(seen.url) != site_host(page.url):
            self.survey.moved(seen.url)
            await self._rules(seen.url)
        await asyncio.to_thread(self.survey.look_at_start, seen, self._allowed)
        return seen

    # ------------------------------------------------------------ sitemaps

    async def _read_sitemaps(self) -> None:
        start = self.survey.start_url
        robots = await self._rules(start)
        found = await self._read_all(listed(robots_url(start), robots), guesses=False)
        if not found:
            found = await self._read_all(allowed_guesses(start, robots), guesses=True)
        if not found and self._plan.sitemap == "only":
            self.survey.warn("the site has no sitemap that can be read")

    async def _read_all(self, sources: tuple[Source, ...], *, guesses: bool) -> bool:
        """Whether one of these was a sitemap. What they lead on to is read as well."""
        waiting, asked, found = list(sources), set[str](), False
        while waiting and len(asked) < MAX_SITEMAPS and not self.survey.full:
            source = waiting.pop(0)
            if source.url in asked:
                continue
            asked.add(source.url)
            page = await self._sitemap(source)
            if page is None or not 200 <= page.status < 300:
                continue
            read = await asyncio.to_thread(self.survey.read_sitemap, source, page, self._allowed)
            if read.is_sitemap:
                found = True
                waiting = list(read.below) if guesses else [*waiting, *read.below]
                guesses = False
        return found

    async def _sitemap(self, source: Source) -> Page | None:
        try:
            return await self._fetch(source.url)
        except TargetError:
            return None

    # ------------------------------------------------------------ other pages

    async def _read_pages(self) -> None:
        """Reads pages until none is left or the map is full: breadth first what no sitemap lists,
        and the others as long as that brings something."""
        refused, news = 0, _News(self.survey, self._clock)
        while not self.survey.full:
            page = await asyncio.to_thread(self.survey.next)
            if page is None or (page.listed and news.are_old):
                return
            robots = await self._rules(page.url)
            if not robots.allows(page.url):
                self.survey.forbid(page)
                continue
            try:
                seen = await self._extract(page, _PAGE_S)
            except TargetError as error:
                refused += 1
                self.survey.lost(page)
                if refused >= _REFUSED_IN_A_ROW:
                    self._leave_alone(error.public_message)
                    return
                continue
            if seen.status in REFUSALS:
                refused += 1
                if refused >= _REFUSED_IN_A_ROW:
                    self._leave_alone(f"it answers {seen.status}")
                    return
                await self._pause(seen.retry_after_s or 2.0**refused)
                self.survey.again(page)
                continue
            refused = 0
            if seen.status in _GONE:
                self.survey.gone(page)
            else:
                await asyncio.to_thread(self.survey.absorb, page, seen, self._allowed)

    def _leave_alone(self, why: str) -> None:
        self.survey.warn(f"the site was left alone before all pages were read: {why}")

    async def _pause(self, seconds: float) -> None:
        if seconds >= self._left():
            raise _TimeIsUp
        await asyncio.sleep(seconds)

    # ------------------------------------------------------------ asking

    def _left(self) -> float:
        """Seconds that are left. Raises _TimeIsUp."""
        left = self._until - self._clock()
        if left <= 0.05:
            raise _TimeIsUp
        return left

    async def _rules(self, url: str) -> Robots:
        with suppress(TimeoutError):
            async with asyncio.timeout(self._left()):
                robots = (await self._robots.of(url)).robots
                self._crawl_delay_s = max(self._crawl_delay_s, robots.crawl_delay_s or 0.0)
                return robots
        raise _TimeIsUp

    def _allowed(self, url: str) -> bool:
        """Whether robots.txt lets a URL be fetched, as far as it is known."""
        origin = url[: url.find("/", len("https://"))]
        rules = self._known.get(origin)
        if rules is None:
            rules = self._robots.known(url)
            if rules is None:
                return True
            self._known[origin] = rules
        return rules.allows(url)

    async def _wait_turn(self) -> None:
        """Waits until the lane lets one more request through."""
        left = self._left()
        wait_s = self._next_at - self._clock()
        if wait_s > left:
            raise _TimeIsUp
        if wait_s > 0:
            await asyncio.sleep(wait_s)
        if not await self._context.turns.take(self._lane, self._left()):
            raise _TimeIsUp
        # On the host that a start page moved to there may be no lane.
        self._next_at = self._clock() + self._crawl_delay_s

    async def _extract(self, page: Candidate, most_s: float) -> Visited:
        """Raises TargetError if there is no answer, _TimeIsUp if there is none in time."""
        await self._wait_turn()
        budget_s = min(most_s, self._left())
        request = msgspec.structs.replace(
            self._plan.request,
            url=page.url,
            timeout_ms=max(round(budget_s * 1000), 1),
            formats=("survey",),
            pages_only=True,
        )
        try:
            extraction = await self._context.extractor.extract(request, CookieJar())
        except TargetError:
            self._left()
            raise
        self._note(extraction.url, extraction.status, extraction.headers, extraction.failure)
        return _visited(extraction)

    async def _fetch(self, url: str) -> Page:
        """A file as it is. Raises TargetError, _TimeIsUp."""
        await self._wait_turn()
        like: ExtractRequest | None = self._plan.request
        if site_host(url) not in self.survey.hosts:
            like = None  # what identifies the caller is not for others
        page = await self._context.extractor.fetch(url, min(_PAGE_S, self._left()), like)
        self._note(page.url, page.status, page.headers, page.failure)
        return page

    def _note(
        self, url: str, status: int, headers: tuple[tuple[str, str], ...], failure: Failure | None
    ) -> None:
        """Keeps what others who fetch from the host should know."""
        sign = sign_of_page(self._task, Answered(url, status, headers, failure, time.monotonic()))
        if sign.refused or self.sign is None or not self.sign.refused:
            self.sign = sign


def _visited(extraction: Extraction) -> Visited:
    seen = extraction.values.get("survey")
    sighting = unpack(seen) if isinstance(seen, bytes) else None
    return Visited(
        url=extraction.url,
        status=extraction.status,
        sighting=sighting,
        failure=extraction.failure,
        headers=extraction.headers,
    )


def _seconds_for(task: Task, plan: MapPlan) -> float:
    """How long the task may look for pages."""
    whole_s = task.deadline_s
    if plan.answered_in_s is not None:
        spent = (datetime.now(UTC) - task.created_at).total_seconds()
        whole_s = min(whole_s, plan.answered_in_s - spent)
    return max(whole_s - min(_ROUNDING_OFF_S, whole_s / 5), 0.0)
