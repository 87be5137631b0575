"""Sitemaps of a crawl's site, one for each task: what they list goes to the crawl.

A sitemap is one fetch in its host's lane like any page; what is left goes with a follow-up task.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from uuid import UUID

import msgspec

from windlass.errors import TargetError, UnexpectedStatus
from windlass.frontier.links import Frontier
from windlass.kinds import Context
from windlass.kinds.courtesy import Answered, sign_of_failure, sign_of_page
from windlass.kinds.crawl import Plans, allowed
from windlass.kinds.extract import retry_delay
from windlass.kinds.robots import RobotsKeeper
from windlass.model.page import Failure, Page
from windlass.model.task import HostSign, NewTask, Outcome, State, Task
from windlass.model.visit import Candidate, Visit
from windlass.site.discovery import Source, allowed_guesses, listed
from windlass.site.listing import Listing
from windlass.site.robots import robots_url
from windlass.site.sitemaps import MAX_SITEMAPS
from windlass.storage.crawlrows import sitemaps_task

_FETCHED_WITHIN_S = 60.0
_TURN_S = 2.0


class Left(msgspec.Struct, frozen=True, omit_defaults=True):
    """Sitemaps that are still to be read. `guesses`: only until one is there. `read` counts."""

    sources: tuple[Source, ...] = ()
    guesses: bool = False
    read: int = 0


class ReadSitemaps:
    """Reads sitemaps of crawls."""

    def __init__(self, context: Context) -> None:
        self._settings = context.settings
        self._turns = context.turns
        self._extractor = context.extractor
        self._plans = Plans(context)
        self._robots = RobotsKeeper(context)
        self._decoder = msgspec.json.Decoder(Left)

    async def handle(self, task: Task) -> Outcome:
        """What one sitemap lists. One that cannot be had lists nothing."""
        assert task.group_id is not None
        rules = await self._plans.of(task.group_id)
        start = rules.plan.moved_to or rules.plan.url
        left = self._decoder.decode(task.request)
        if not left.sources and not left.read:
            left = await self._first(start)
        if not left.sources:
            return Outcome(state=State.SUCCEEDED)
        if not await self._turns.take(task.lane, _TURN_S):
            return Outcome(state=State.QUEUED, counts=False)
        try:
            page = await self._extractor.fetch(left.sources[0].url, _FETCHED_WITHIN_S)
        except TargetError as error:
            failure = Failure.of(error)
            sign = sign_of_failure(failure, _FETCHED_WITHIN_S, _FETCHED_WITHIN_S)
            after = _after(task, left)
            return Outcome(state=State.FAILED, failure=failure, follow_ups=after, host=sign)
        sign = sign_of_page(
            task, Answered(page.url, page.status, page.headers, page.failure, time.monotonic())
        )
        if sign.refused and self._may_wait(task, sign):
            delay_s = max(sign.quiet_s, retry_delay(task))
            refused = Failure.of(UnexpectedStatus(f"Unexpected status code {page.status}"))
            return Outcome(state=State.QUEUED, failure=refused, retry_in_s=delay_s, host=sign)
        found, more, is_one = await asyncio.to_thread(
            _read, page, left.sources[0], rules.frontier, rules.plan.limit
        )
        may, may_not = allowed(self._robots, found)
        return Outcome(
            state=State.SUCCEEDED,
            status_code=page.status,
            visit=Visit(found=may, excluded=may_not),
            follow_ups=_after(task, left, more, is_sitemap=is_one),
            host=sign,
        )

    def _may_wait(self, task: Task, sign: HostSign) -> bool:
        settings = self._settings
        tries_left = task.may_fail_again(settings.max_attempts)
        return tries_left and sign.quiet_s <= settings.retry_after_limit

    async def _first(self, start: str) -> Left:
        robots = (await self._robots.of(start)).robots
        sources = listed(robots_url(start), robots)
        if sources:
            return Left(sources)
        return Left(allowed_guesses(start, robots), guesses=True)

    def give_up(self, task: Task, outcome: Outcome) -> Outcome:
        """Sitemaps have no result of their own; the others are read all the same."""
        left = self._decoder.decode(task.request)
        return msgspec.structs.replace(outcome, follow_ups=_after(task, left))

    async def aclose(self) -> None:
        """Nothing is open: the extractor belongs to the worker."""


def _after(
    task: Task, left: Left, more: Sequence[Source] = (), *, is_sitemap: bool = False
) -> tuple[NewTask, ...]:
    """The task for what is left once the first source is read, and for what it named."""
    read = left.read + 1
    rest = () if is_sitemap and left.guesses else left.sources[1:]
    sources = tuple(dict.fromkeys((*rest, *more)))[: max(MAX_SITEMAPS - read, 0)]
    if not sources:
        return ()
    remaining = Left(sources, left.guesses and not more, read)
    request = msgspec.json.encode(remaining).decode()
    crawl_id: UUID = task.group_id  # type: ignore[assignment]  # every such task has one
    return (sitemaps_task(crawl_id, task.account_id, sources[0].url, request),)


def _read(
    page: Page, source: Source, frontier: Frontier, limit: int
) -> tuple[list[Candidate], list[Source], bool]:
    """Pages in scope, at most so many, sitemaps below it, and whether it is a sitemap at all."""
    if not 200 <= page.status < 300:
        return [], [], False
    listing = Listing(source, page.url, page.body)
    found = frontier.listed([entry.url for entry in listing]).candidates[:limit]
    return found, listing.below, listing.is_sitemap
