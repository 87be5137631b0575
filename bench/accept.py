"""How many asynchronous tasks per second are accepted? Single requests, 32 connections.

The tasks belong to a host that is held back, so that accepting is all that happens.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

from bench.load import submit
from bench.meter import Meter
from tests.support.server import running

TASKS = 10_000
WARM_UP = 500
HELD_BACK = "127.0.0.9"


class Acceptance(msgspec.Struct, frozen=True):
    """Tasks per second, milliseconds per submission, CPU milliseconds per task by role."""

    tasks: int
    per_second: float
    p50_ms: float
    p99_ms: float
    cpu_ms: dict[str, float]
    client_cpu_ms: float


async def measure() -> Acceptance:
    """The answer."""
    bodies = [{"url": f"http://{HELD_BACK}/{n}", "formats": ["markdown"]} for n in range(TASKS)]
    held = f"{HELD_BACK}=3600"
    with (
        TemporaryDirectory(prefix="windlass-bench-") as folder,
        running(Path(folder) / "data", 2, rate_limit="0", host_delay_for=held) as server,
    ):
        await submit(server, bodies[:WARM_UP])
        with Meter(server) as meter:
            accepted = await submit(server, bodies)
    cost = meter.cost
    assert cost is not None
    return Acceptance(
        tasks=TASKS,
        per_second=accepted.per_second,
        p50_ms=accepted.quantile(0.5) * 1000,
        p99_ms=accepted.quantile(0.99) * 1000,
        cpu_ms={role: seconds / TASKS * 1000 for role, seconds in cost.cpu_s.items()},
        client_cpu_ms=cost.client_cpu_s / TASKS * 1000,
    )
