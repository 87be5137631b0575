"""Asks hosts what they want of robots, and remembers it. Used by the kinds that crawl.

One answer serves all processes (storage/robots.py); each remembers it for a moment of its own.
"""

from __future__ import annotations

import asyncio

import msgspec

from windlass.errors import TargetError
from windlass.kinds import Context
from windlass.lately import Lately
from windlass.model.page import Failure
from windlass.net.endpoints import web_lane
from windlass.site.robots import Robots, in_force, lifetime_s, robots_url, rules_of
from windlass.storage.robots import KeptRobots

_REMEMBERED_S = 30.0
_REMEMBERED = 1000
_ASKED_FOR_S = 20.0
_TURN_S = 20.0
_ROUNDING_UP_S = 5.0
_ASKED_BY_OTHERS_S = 0.1
"""How often to look whether another process has got its answer."""


class RobotsKeeper:
    """What hosts let us fetch. One per kind and process."""

    def __init__(self, context: Context) -> None:
        self._agent = context.settings.robots_agent
        self._obeys = context.settings.obey_robots
        self._kept = context.robots
        self._turns = context.turns
        self._extractor = context.extractor
        self._remembered: Lately[str, KeptRobots] = Lately(_REMEMBERED, _REMEMBERED_S)
        self._anything = KeptRobots(Robots(self._agent, "absent"))
        self._asking: dict[str, asyncio.Lock] = {}

    async def of(self, url: str) -> KeptRobots:
        """What the host of a URL said; that allows all if the operator does not obey any.

        Raises EngineError if they cannot be read or kept.
        """
        if not self._obeys:
            return self._anything
        lane = web_lane(url)
        # Of many pages at once, the first asks for all.
        async with self._asking.setdefault(lane, asyncio.Lock()):
            kept = self._remembered.get(lane) or await self._look_up(lane, url)
        self._asking.pop(lane, None)
        return kept

    def known(self, url: str) -> Robots | None:
        """The rules if they are at hand."""
        kept = self._remembered.get(web_lane(url)) if self._obeys else self._anything
        return kept.robots if kept else None

    async def _look_up(self, lane: str, url: str) -> KeptRobots:
        while True:
            kept = await self._kept.get(lane)
            if kept is not None and kept.fresh and kept.robots.agent == self._agent:
                return self._remember(lane, kept)
            if await self._kept.may_ask(lane, _ASKED_FOR_S + _TURN_S + _ROUNDING_UP_S):
                break
            await asyncio.sleep(_ASKED_BY_OTHERS_S)
        try:
            # Whether it comes or not: to ask for robots.txt is a fetch like the others.
            await self._turns.take(lane, _TURN_S)
            fresh, cache_control = await self._ask(url)
        except BaseException:
            await self._kept.stop_asking(lane)
            raise
        last = kept.robots if kept and kept.robots.standing != "unreachable" else None
        robots = in_force(fresh, last, kept.unreachable_s if kept else 0.0)
        unreachable = fresh.standing == "unreachable"
        lifetime = lifetime_s(fresh, cache_control)
        now = await self._kept.keep(lane, robots, lifetime, unreachable=unreachable)
        return self._remember(lane, now)

    def _remember(self, lane: str, kept: KeptRobots) -> KeptRobots:
        self._remembered.keep(lane, kept)
        return kept

    async def _ask(self, url: str) -> tuple[Robots, str]:
        """What the host's robots.txt says, and its Cache-Control."""
        try:
            page = await self._extractor.fetch(robots_url(url), _ASKED_FOR_S)
        except TargetError as error:
            silent = rules_of(0, b"", self._agent)
            return msgspec.structs.replace(silent, cause=Failure.of(error)), ""
        rules = rules_of(page.status, page.body, self._agent)
        return rules, page.header("cache-control") or ""
