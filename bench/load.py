"""Submitting many tasks over many connections and knowing when all have ended.

Used by the questions. The end is read from the database: asking the API for every task would be
a load of its own.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import asyncpg

from bench.lean import Connection
from tests.support.server import WindlassServer
from tests.support.waiting import eventually_async

CONNECTIONS = 32
# One condition per state, so that each finds its partial index.
_OPEN = " OR ".join(
    f"EXISTS (SELECT FROM task WHERE lane = $1 AND {condition})"
    for condition in ("state = 'waiting'", "state IN ('admitted', 'running')", "state = 'delayed'")
)
_POLL_S = 0.05


@dataclass(frozen=True)
class Accepted:
    """Seconds each submission took, and all of them together."""

    seconds: list[float]
    wall_s: float

    @property
    def per_second(self) -> float:
        """Accepted tasks per second."""
        return len(self.seconds) / self.wall_s

    def quantile(self, share: float) -> float:
        """Seconds below which that share of the submissions took."""
        ordered = sorted(self.seconds)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


async def submit(
    server: WindlassServer, bodies: Sequence[dict[str, Any]], connections: int = CONNECTIONS
) -> Accepted:
    """Every body once as an asynchronous extract. Raises RuntimeError at the first refusal."""
    waiting = iter(bodies)
    opened = [
        await Connection.open("127.0.0.1", server.port, server.api_key) for _ in range(connections)
    ]
    began = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        running = [group.create_task(_submit(one, waiting)) for one in opened]
    wall = time.perf_counter() - began
    for one in opened:
        one.close()
    return Accepted([seconds for task in running for seconds in task.result()], wall)


async def _submit(connection: Connection, waiting: Iterator[dict[str, Any]]) -> list[float]:
    seconds: list[float] = []
    for body in waiting:
        began = time.perf_counter()
        answer = await connection.post("/v1/extract/async", body)
        seconds.append(time.perf_counter() - began)
        if answer.status != 200:
            raise RuntimeError(f"{answer.status}: {answer.body.decode(errors='replace')[:500]}")
    return seconds


async def connect(server: WindlassServer) -> asyncpg.Connection[asyncpg.Record]:
    """A connection to the server's private PostgreSQL."""
    return await asyncpg.connect(
        host=str((server.data / "run").resolve()),
        user="windlass",
        database="windlass",
        timeout=10,
        server_settings={"search_path": "windlass"},
    )


async def lane_of(database: asyncpg.Connection[asyncpg.Record], port: int) -> str:
    """The lane of the site on that port."""
    found = await database.fetchval("SELECT key FROM lane WHERE key LIKE $1", f"%127.0.0.1:{port}")
    if not isinstance(found, str):
        raise RuntimeError(f"no task has met the site on port {port}")
    return found


async def until_ended(
    database: asyncpg.Connection[asyncpg.Record], lane: str, within_s: float = 300.0
) -> None:
    """Returns when no task of the lane is open any more."""

    async def ended() -> bool:
        return not await database.fetchval(f"SELECT {_OPEN}", lane)

    await eventually_async(ended, f"lane {lane} is done", within_s=within_s, every_s=_POLL_S)
