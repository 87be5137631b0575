"""What do 100,000 webhooks cost that wait for an endpoint which is down?

Memory of the processes, and webhooks per second to other endpoints, before and behind them.
"""

from __future__ import annotations

import asyncio

import msgspec

from bench.deliver_scene import (
    Receiver,
    Rows,
    Run,
    delivering,
    live_run,
    tell,
    until_none,
)
from bench.meter import pss_by_role
from tests.support.server import WindlassServer

WAITING = 100_000
SLICE = 10_000
RUNS = 3
SETTLE_S = 6.0
"""More than the five seconds after which a worker looks for what was forgotten."""
_CLOSED = "SELECT count(*) FROM lane WHERE key LIKE '%/down' AND open_until IS NULL"


class Unheard(msgspec.Struct, frozen=True):
    """Webhooks to other endpoints by run, and megabytes by role, without and behind the backlog."""

    waiting: int
    without: list[Run]
    behind: list[Run]
    pss_mb_without: dict[str, float]
    pss_mb_behind: dict[str, float]


async def measure() -> Unheard:
    """The answer."""
    async with delivering() as (server, database, target):
        await _runs(server, database, target)  # warm
        without, memory = await _runs(server, database, target), await _memory(server)
        for _ in range(WAITING // SLICE):
            await tell(database, [target.refused("down")] * SLICE)
        await until_none(lambda: database.fetchval(_CLOSED))
        behind = await _runs(server, database, target)
        return Unheard(WAITING, without, behind, memory, await _memory(server))


async def _runs(server: WindlassServer, database: Rows, target: Receiver) -> list[Run]:
    return [await live_run(server, database, target) for _ in range(RUNS)]


async def _memory(server: WindlassServer) -> dict[str, float]:
    await asyncio.sleep(SETTLE_S)
    return pss_by_role(server)
