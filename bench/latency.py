"""How long from submitting to having the result, on an idle server, for a page of 1 ms?

Once as a poller sees it (submit, ask for the state, fetch the result), once as a synchronous call.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

from bench.lean import Connection
from tests.support.server import running
from tests.support.waiting import eventually_async

SAMPLES = 300
WARM_UP = 20
POLL_EVERY_S = 0.002
REST_S = 0.03


class Latency(msgspec.Struct, frozen=True):
    """Milliseconds."""

    async_p50_ms: float
    async_p99_ms: float
    sync_p50_ms: float
    sync_p99_ms: float


@contextmanager
def page_of_one_ms() -> Iterator[str]:
    """URL of a page that is answered one millisecond after it was asked for."""
    script = Path(__file__).with_name("one_ms_page.py")
    with subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True) as site:
        assert site.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(site.stdout.readline())}/"
        finally:
            site.terminate()


async def measure() -> Latency:
    """The answer."""
    with (
        page_of_one_ms() as url,
        TemporaryDirectory(prefix="windlass-bench-") as folder,
        running(Path(folder) / "data", 2, rate_limit="0", host_concurrency="32") as server,
    ):
        connection = await Connection.open("127.0.0.1", server.port, server.api_key)
        polled = await _samples(lambda n: _polled(connection, f"{url}a{n}"))
        waited = await _samples(lambda n: _waited(connection, f"{url}s{n}"))
        connection.close()
    return Latency(*quantiles(polled, 0.99), *quantiles(waited, 0.99))


async def _samples(call: Callable[[int], Awaitable[None]]) -> list[float]:
    seconds: list[float] = []
    for number in range(WARM_UP + SAMPLES):
        began = time.perf_counter()
        await call(number)
        seconds.append(time.perf_counter() - began)
        await asyncio.sleep(REST_S)
    return seconds[WARM_UP:]


async def _polled(connection: Connection, url: str) -> None:
    created = await connection.post("/v1/extract/async", {"url": url, "formats": ["markdown"]})
    task = f"/v1/tasks/{created.json()['task_id']}"

    async def ended() -> bool:
        return bool((await connection.get(task)).json()["task"]["state"] == "success")

    await eventually_async(ended, "the task ends", every_s=POLL_EVERY_S)
    assert (await connection.get(f"{task}/results")).json()["status"] == "success"


async def _waited(connection: Connection, url: str) -> None:
    answer = await connection.post("/v1/extract", {"url": url, "formats": ["markdown"]})
    assert answer.json()["status"] == "success"


def quantiles(seconds: list[float], high: float) -> tuple[float, float]:
    """The median and a higher quantile, in milliseconds."""
    ordered = sorted(seconds)
    return ordered[len(ordered) // 2] * 1000, ordered[int(len(ordered) * high)] * 1000
