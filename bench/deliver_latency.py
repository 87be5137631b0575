"""How long from the end of a task to the arrival of its webhook, on an idle server?

The end is the task's `finished_at`, which the database writes just before the commit; all clocks
are this machine's.
"""

from __future__ import annotations

import asyncio
from contextlib import closing
from uuid import UUID

import msgspec

from bench.deliver_scene import Receiver, Rows, delivering
from bench.latency import page_of_one_ms
from bench.lean import Connection

SAMPLES = 300
WARM_UP = 20
REST_S = 0.05
_ENDED = "SELECT extract(epoch FROM finished_at)::double precision FROM task WHERE id = $1"
_TIMES = """
SELECT extract(epoch FROM child.created_at - parent.finished_at)::double precision AS created,
    extract(epoch FROM child.started_at - parent.finished_at)::double precision AS started
FROM task AS child JOIN task AS parent ON parent.id = child.parent_id WHERE parent.id = $1
"""


class Arrival(msgspec.Struct, frozen=True):
    """Milliseconds from the task's end to the webhook's start in a worker, and to its arrival."""

    samples: int
    started_p50_ms: float
    p50_ms: float
    p99_ms: float


async def measure() -> Arrival:
    """The answer."""
    with page_of_one_ms() as page:
        async with delivering(rate_limit="0") as (server, database, target):
            connection = await Connection.open("127.0.0.1", server.port, server.api_key)
            with closing(connection):
                seen = [
                    await _sample(connection, database, target, f"{page}{number}")
                    for number in range(WARM_UP + SAMPLES)
                ][WARM_UP:]
    started = sorted(each[0] for each in seen)
    arrived = sorted(each[1] for each in seen)
    middle, late = SAMPLES // 2, int(SAMPLES * 0.99)
    return Arrival(SAMPLES, started[middle], arrived[middle], arrived[late])


async def _sample(
    connection: Connection, database: Rows, target: Receiver, page: str
) -> tuple[float, float]:
    asked = {"url": page, "formats": ["markdown"], "callback_url": target.url("news")}
    created = (await connection.post("/v1/extract/async", asked)).json()
    task_id = UUID(created["task_id"])
    await target.until(1)
    ((arrived, _, _),) = await target.arrivals()
    ended = await database.fetchval(_ENDED, task_id)
    times = await database.fetchrow(_TIMES, task_id)
    assert ended is not None
    assert times is not None
    await asyncio.sleep(REST_S)
    return times["started"] * 1000, (arrived - ended) * 1000
