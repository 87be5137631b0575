"""What does the server cost while it has nothing to do?

Memory is the proportional set size of all processes and PostgreSQL together; CPU is a share of
one core. Once fresh, once after it has worked and put away what work leaves: dead rows, spare
connections, page readers.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

from bench import load
from bench.meter import Meter, pss_by_role
from bench.pages import WORKERS, one_run, settings
from tests.support.server import WindlassServer, running
from tests.support.sites import Site

WINDOW_S = 20.0
FRESH_S = 5.0
# Vacuum looks every 30 s, connections are spare after 20, readers after 30.
PUT_AWAY_S = 65.0


class Rest(msgspec.Struct, frozen=True):
    """Megabytes in all and by role; per cent of one core in all and by role."""

    pss_mb: float
    pss_mb_by_role: dict[str, float]
    cpu_percent: float
    cpu_percent_by_role: dict[str, float]


class Resting(msgspec.Struct, frozen=True):
    """Before any work, and after a pass over the pages."""

    fresh: Rest
    after_work: Rest


async def measure(site: Site) -> Resting:
    """The answer."""
    with (
        TemporaryDirectory(prefix="windlass-bench-") as folder,
        running(Path(folder) / "data", WORKERS, **settings()) as server,
    ):
        fresh = await _rest(server, FRESH_S)
        database = await load.connect(server)
        await one_run(server, site, 1, database)
        await database.close()
        return Resting(fresh, await _rest(server, PUT_AWAY_S))


async def _rest(server: WindlassServer, settle_s: float) -> Rest:
    await asyncio.sleep(settle_s)
    with Meter(server) as meter:
        meter.stop_watching_memory()
        await asyncio.sleep(WINDOW_S)
    cost = meter.cost
    assert cost is not None
    memory = pss_by_role(server)
    cpu = {role: seconds / cost.wall_s * 100 for role, seconds in cost.cpu_s.items()}
    return Rest(sum(memory.values()), memory, sum(cpu.values()), cpu)
