"""How many real pages per second end to end, and what does one cost?

PostgreSQL's documentation (1,169 pages) over nginx, as Markdown and links: submitted, fetched,
read, stored. Counted: every process of the server and its PostgreSQL.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import asyncpg
import msgspec

from bench import load
from bench.meter import Meter
from tests.support.server import WindlassServer, running
from tests.support.sites import Site

CONCURRENCY = 32
WORKERS = 2
_NOT_GOOD = "SELECT count(*) FROM task WHERE lane = $1 AND state <> 'succeeded'"


class Pages(msgspec.Struct, frozen=True):
    """Pages per second; CPU milliseconds per page in all and by role; the rest of the machine."""

    pages: int
    per_second: float
    cpu_ms: float
    cpu_ms_by_role: dict[str, float]
    nginx_cpu_ms: float
    client_cpu_ms: float
    others_cores: float
    peak_pss_mb: float
    accepted_per_second: float


def settings() -> dict[str, str]:
    """What differs from the defaults: no request limit, one site may fill the slots."""
    return {"rate_limit": "0", "host_concurrency": str(CONCURRENCY)}


async def measure(site: Site, passes: int) -> Pages:
    """The answer, after one pass that warms everything up."""
    with (
        TemporaryDirectory(prefix="windlass-bench-") as folder,
        running(Path(folder) / "data", WORKERS, **settings()) as server,
    ):
        database = await load.connect(server)
        try:
            await one_run(server, site, 1, database)
            return await one_run(server, site, passes, database)
        finally:
            await database.close()


async def one_run(
    server: WindlassServer,
    site: Site,
    passes: int,
    database: asyncpg.Connection[asyncpg.Record],
) -> Pages:
    """All pages `passes` times. Raises RuntimeError when one of them does not succeed."""
    urls = [site.url(page) for page in site.pages()] * passes
    bodies = [{"url": url, "formats": ["markdown", "links"]} for url in urls]
    with Meter(server, tuple(site.server.pids())) as meter:
        accepted = await load.submit(server, bodies)
        lane = await load.lane_of(database, site.server.ports[site.package])
        await load.until_ended(database, lane)
    if failed := await database.fetchval(_NOT_GOOD, lane):
        raise RuntimeError(f"{failed} pages did not succeed")
    cost, count = meter.cost, len(urls)
    assert cost is not None
    return Pages(
        pages=count,
        per_second=count / cost.wall_s,
        cpu_ms=cost.total_cpu_s / count * 1000,
        cpu_ms_by_role={role: s / count * 1000 for role, s in cost.cpu_s.items()},
        nginx_cpu_ms=cost.site_cpu_s / count * 1000,
        client_cpu_ms=cost.client_cpu_s / count * 1000,
        others_cores=cost.others_cores,
        peak_pss_mb=cost.peak_pss_mb,
        accepted_per_second=accepted.per_second,
    )
