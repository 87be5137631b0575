"""What questions about deliveries share: receivers and buckets as processes, finished work to tell.

Finished work is written straight into the database, so that fetching pages is no part of what is
measured. Used by deliver_*.py.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeAlias
from uuid import uuid4

import asyncpg
import msgspec

from bench import load
from bench.lean import Connection
from bench.meter import Meter
from tests.support.server import WindlassServer, running
from tests.support.waiting import eventually_async

WORKERS = 2
LIVE_ENDPOINTS = 50
LIVE = 6_000
SECRET = "whsec_dGhlIGZpcnN0IHNlY3JldCBvZiBhY2NvdW50IG1haW4="
Rows: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

_PARENTS = """
INSERT INTO task (
    id, account_id, kind, api, state, priority, attempt, listed, lane, input, request, deadline_s,
    run_at, created_at, modified_at, started_at, finished_at, status_code, result_address, delivery
)
SELECT new.id, account.id, 'extract', 'extract', $4::task_state, 1, 1, true, 'web:bench:80',
    '{"url": "http://bench/", "formats": ["markdown"]}', '{}', 120, now(), now(), now(), now(),
    CASE WHEN $4::task_state = 'succeeded' THEN now() END, 200, address, delivery
FROM unnest($1::uuid[], $2::text[], $3::json[]) AS new (id, address, delivery), account
WHERE account.name = 'main'
"""
_CHILDREN = """
INSERT INTO task (
    id, account_id, kind, api, state, priority, listed, lane, input, request, deadline_s,
    run_at, created_at, modified_at, parent_id, tried_since
)
SELECT gen_random_uuid(), account.id, $2, 'extract', 'waiting', 1, false,
    replace(lane, '{account}', account.id::text), '{}', request, 3600, now(), now(), now(), parent,
    now()
FROM unnest($1::uuid[], $3::text[], $4::json[]) AS new (parent, lane, request), account
WHERE account.name = 'main'
"""
# In the order of admission's own statement, with what a lane of that kind begins with.
_LANES = """
INSERT INTO lane (key, next_at, concurrency, delay_s, pool, proven)
SELECT DISTINCT ON (key) replace(key, '{account}', account.id::text), now(), $2::int, 0, 'delivery',
    $3::boolean
FROM unnest($1::text[]) AS new (key), account WHERE account.name = 'main'
ORDER BY key
ON CONFLICT (key) DO UPDATE SET next_at = greatest(now(), lane.open_until)
"""
# One condition per state, so that each finds its partial index behind a large backlog.
_OPEN = " OR ".join(
    f"EXISTS (SELECT FROM task WHERE lane = ANY($1::text[]) AND {condition})"
    for condition in ("state = 'waiting'", "state IN ('admitted', 'running')", "state = 'delayed'")
)


class Run(msgspec.Struct, frozen=True):
    """Webhooks per second; CPU milliseconds of the server for each, all else that it did meanwhile
    included: that tells something on a busy machine, too."""

    per_second: float
    cpu_ms: float


class Stored(msgspec.Struct, frozen=True):
    """A result that is to be uploaded: where its bytes are, and where they go."""

    address: str
    url: str


async def tell(database: Rows, urls: Sequence[str], concurrency: int = 16) -> None:
    """A finished task for each URL, whose webhook to it waits."""
    requests = [json.dumps({"url": url}) for url in urls]
    deliveries = [f'{{"webhook": {request}, "base": "http://bench"}}' for request in requests]
    lanes = [f"hook:{{account}}:{url}" for url in urls]
    ids = [uuid4() for _ in urls]
    async with database.transaction():
        await database.execute(_PARENTS, ids, [None] * len(ids), deliveries, "succeeded")
        await database.execute(_CHILDREN, ids, "webhook", lanes, requests)
        await database.execute(_LANES, lanes, concurrency, False)


async def store(
    database: Rows, results: Sequence[Stored], *, compress: bool, concurrency: int = 16
) -> None:
    """A parked task for each result, whose upload waits."""
    requests = [json.dumps({"url": each.url, "compress": compress}) for each in results]
    lanes = ["put:" + "/".join(each.url.split("/")[:3]) for each in results]
    deliveries = [f'{{"upload": {request}}}' for request in requests]
    ids = [uuid4() for _ in results]
    addresses = [each.address for each in results]
    async with database.transaction():
        await database.execute(_PARENTS, ids, addresses, deliveries, "delivering")
        await database.execute(_CHILDREN, ids, "upload", lanes, requests)
        await database.execute(_LANES, lanes, concurrency, True)


@dataclass(frozen=True)
class Receiver:
    """bench/lean_receiver.py as a process."""

    pid: int
    port: int
    refusing: int
    talk: Connection

    def url(self, path: str) -> str:
        """An endpoint."""
        return f"http://127.0.0.1:{self.port}/{path}"

    def refused(self, path: str) -> str:
        """An endpoint that refuses connections."""
        return f"http://127.0.0.1:{self.refusing}/{path}"

    async def arrivals(self) -> list[tuple[float, str, str]]:
        """What came since this was asked last: seconds since 1970, path, delivery id."""
        return [(at, path, name) for at, path, name in (await self.talk.get("/arrivals")).json()]

    async def until(self, count: int, within_s: float = 120.0) -> None:
        """Returns when so many came."""

        async def enough() -> bool:
            return int((await self.talk.get("/count")).json()) >= count

        await eventually_async(enough, f"{count} webhooks", within_s=within_s, every_s=0.02)


@contextmanager
def script(name: str, *arguments: str) -> Iterator[tuple[int, list[int]]]:
    """A script of this folder as a process, and the numbers of the first line it prints."""
    command = [sys.executable, str(Path(__file__).with_name(name)), *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.pid, [int(word) for word in process.stdout.readline().split()]
        finally:
            process.terminate()


async def receiver(pid: int, ports: Sequence[int]) -> Receiver:
    """The receiver of such a process."""
    talk = await Connection.open("127.0.0.1", ports[0], "")
    return Receiver(pid, ports[0], ports[1], talk)


Scene: TypeAlias = tuple[WindlassServer, Rows, Receiver]


@asynccontextmanager
async def delivering(**settings: str) -> AsyncIterator[Scene]:
    """A server with a secret, its database, and a receiver."""
    with (
        script("lean_receiver.py") as (pid, ports),
        TemporaryDirectory(prefix="windlass-bench-") as folder,
        running(Path(folder) / "data", WORKERS, webhook_secret=SECRET, **settings) as server,
    ):
        target = await receiver(pid, ports)
        database = await load.connect(server)
        try:
            yield server, database, target
        finally:
            await database.close()


async def ceiling(target: Receiver, count: int = 10_000, connections: int = 32) -> float:
    """Requests per second that the receiver takes from this process."""
    opened = [await Connection.open("127.0.0.1", target.port, "") for _ in range(connections)]

    async def post(connection: Connection) -> None:
        for _ in range(count // connections):
            await connection.post("/ceiling", {"task": {"state": "success"}})

    began = time.perf_counter()
    await asyncio.gather(*map(post, opened))
    took = time.perf_counter() - began
    for connection in opened:
        connection.close()
    await target.arrivals()
    return count / took


async def told(database: Rows, target: Receiver, urls: Sequence[str]) -> list[float]:
    """When each of these webhooks arrived, once all are recorded."""
    await tell(database, urls)
    await target.until(len(urls))
    account = await database.fetchval("SELECT id FROM account WHERE name = 'main'")
    lanes = [f"hook:{account}:{url}" for url in set(urls)]
    await until_none(lambda: database.fetchval(f"SELECT {_OPEN}", lanes))
    arrived = await target.arrivals()
    if len({delivery for _, _, delivery in arrived}) != len(urls):
        raise RuntimeError(f"{len(arrived)} webhooks came instead of {len(urls)}")
    return [at for at, _, _ in arrived]


def spread(urls: Sequence[str], count: int) -> list[str]:
    """So many webhooks, to these endpoints in turn."""
    return [urls[number % len(urls)] for number in range(count)]


def rate(times: Sequence[float]) -> float:
    """Arrivals per second, without what the first and the last twentieth of them took."""
    ordered = sorted(times)
    skip = len(ordered) // 20
    kept = ordered[skip : len(ordered) - skip]
    return (len(kept) - 1) / (kept[-1] - kept[0])


async def live_run(server: WindlassServer, database: Rows, target: Receiver) -> Run:
    """LIVE webhooks to LIVE_ENDPOINTS endpoints that are well."""
    urls = [target.url(f"live/{number}") for number in range(LIVE_ENDPOINTS)]
    with Meter(server) as meter:
        meter.stop_watching_memory()
        times = await told(database, target, spread(urls, LIVE))
    assert meter.cost is not None
    return Run(rate(times), meter.cost.total_cpu_s / LIVE * 1000)


def slower_percent(runs: Sequence[Run], than: Sequence[Run]) -> float:
    """How much slower, by the medians; negative = faster."""
    now, before = (statistics.median(run.per_second for run in each) for each in (runs, than))
    return (1 - now / before) * 100


async def until_none(count: Callable[[], Awaitable[object]], within_s: float = 120.0) -> None:
    """Returns when what is counted is none."""

    async def none() -> bool:
        return not await count()

    await eventually_async(none, "everything is delivered", within_s=within_s, every_s=0.1)
