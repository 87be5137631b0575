"""What hosts ask of robots, shared by all processes. kinds/robots.py asks the hosts."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from windlass.site.robots import Robots
from windlass.storage.database import Database

_decoder = msgspec.json.Decoder(Robots)


class KeptRobots(NamedTuple):
    """What a host said last. `fresh`: it may be used without asking again. `unreachable_s`: for
    how long its robots.txt could not be had."""

    robots: Robots
    fresh: bool = True
    unreachable_s: float = 0.0


class RobotsRules:
    """The robots table. One per process."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, lane: str) -> KeptRobots | None:
        """What the host of a lane said, None if it was never asked."""
        row = await self._database.fetch_row("read_robots", lane)
        if row is None:
            return None
        robots = _decoder.decode(row["rules"])
        return KeptRobots(robots, row["fresh"], row["unreachable_s"])

    async def keep(
        self, lane: str, robots: Robots, lifetime_s: float, *, unreachable: bool
    ) -> KeptRobots:
        """Keeps an answer; from now on the lane is as slow as the host asks."""
        rules, delay_s = msgspec.json.encode(robots).decode(), robots.crawl_delay_s or 0.0
        await self._database.execute("save_robots", lane, rules, delay_s, lifetime_s, unreachable)
        if delay_s:
            await self._database.execute("slow_lane", lane, delay_s)
        return KeptRobots(robots)

    async def may_ask(self, lane: str, within_s: float) -> bool:
        """Whether to ask the host of a lane; otherwise another process does, for so long at
        most."""
        return await self._database.fetch_row("begin_asking", lane, within_s) is not None

    async def stop_asking(self, lane: str) -> None:
        """Lets another process ask."""
        await self._database.execute("stop_asking", lane)
