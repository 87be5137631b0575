"""Do recipes that burn all the time they may have hold up plain pages of others?

Synchronous extracts of a page of 1 ms, one after the other: first alone, then beside a batch whose
recipe compares every paragraph of a page with all before it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

from bench.latency import page_of_one_ms, quantiles
from bench.lean import Connection
from tests.support.server import running
from tests.support.smallsite import Reply, small_site
from tests.support.waiting import eventually_async

SAMPLES = 300
WARM_UP = 20
FLOOD = 200
_PARAGRAPHS = 20_000
_RECIPE = {
    "type": "terminal_list",
    "selector": {"type": "xpath", "path": "//p[count(preceding::p) > 5]"},
}


class Hostile(msgspec.Struct, frozen=True):
    """Milliseconds of a plain extract, alone and beside the flood."""

    alone_p50_ms: float
    alone_p95_ms: float
    beside_p50_ms: float
    beside_p95_ms: float


@contextmanager
def _large_page() -> Iterator[str]:
    """URL of a page on which the recipe never comes to its end."""
    with small_site({"/large": Reply("<body>" + "<p>x</p>" * _PARAGRAPHS)}) as site:
        yield f"{site.base}/large"


async def measure() -> Hostile:
    """The answer."""
    with (
        page_of_one_ms() as plain,
        _large_page() as large,
        TemporaryDirectory(prefix="windlass-bench-") as folder,
        running(Path(folder) / "data", 2, rate_limit="0") as server,
    ):
        connection = await Connection.open("127.0.0.1", server.port, server.api_key)
        await _samples(connection, f"{plain}w", WARM_UP)
        alone = await _samples(connection, f"{plain}a", SAMPLES)
        await _flood(connection, large)
        beside = await _samples(connection, f"{plain}b", SAMPLES)
        connection.close()
    return Hostile(*quantiles(alone, 0.95), *quantiles(beside, 0.95))


async def _flood(connection: Connection, url: str) -> None:
    """Returns when recipes are being followed."""
    inputs = [{"url": f"{url}?{number}"} for number in range(FLOOD)]
    shared = {"parse": True, "parser": {"all": _RECIPE}}
    answer = await connection.post("/v1/extract/batch", {"inputs": inputs, "shared_inputs": shared})
    progress = f"/v1/batches/{answer.json()['batch_id']}/progress"

    async def ended() -> bool:
        return int((await connection.get(progress)).json()["completed_count"]) > 0

    await eventually_async(ended, "a recipe has used up its time", within_s=120)


async def _samples(connection: Connection, url: str, count: int) -> list[float]:
    seconds: list[float] = []
    for number in range(count):
        began = time.perf_counter()
        answer = await connection.post(
            "/v1/extract", {"url": f"{url}{number}", "formats": ["markdown"]}
        )
        assert answer.json()["status"] == "success"
        seconds.append(time.perf_counter() - began)
    return seconds
