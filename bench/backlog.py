"""Does a backlog of 100,000 queued tasks slow the others down?

The backlog belongs to 1,000 hosts that may start one task an hour; the pages are those of pages.py
on the same server, before and after.
"""

from __future__ import annotations

import statistics
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

from bench import load
from bench.pages import WORKERS, Pages, one_run, settings
from tests.support.server import running
from tests.support.sites import Site

TASKS = 100_000
HOSTS = 1_000
RUNS = 3
_QUEUED = "SELECT count(*) FROM task WHERE state IN ('delayed', 'waiting')"


class Backlog(msgspec.Struct, frozen=True):
    """Pages per second without and with the backlog, each the median of its runs."""

    queued: int
    without: float
    with_backlog: float
    accepted_per_second: float
    runs_without: list[float]
    runs_with: list[float]

    @property
    def slowdown_percent(self) -> float:
        """How much slower; negative = faster."""
        return (1 - self.with_backlog / self.without) * 100


async def measure(site: Site) -> Backlog:
    """The answer."""
    delays = {"host_delay": "1h", "host_delay_for": "127.0.0.1=0"}
    with (
        TemporaryDirectory(prefix="windlass-bench-") as folder,
        running(Path(folder) / "data", WORKERS, **settings(), **delays) as server,
    ):
        database = await load.connect(server)
        await one_run(server, site, 1, database)
        without = [await one_run(server, site, 1, database) for _ in range(RUNS)]
        accepted = await load.submit(server, [_body(n) for n in range(TASKS)])
        await one_run(server, site, 1, database)
        behind = [await one_run(server, site, 1, database) for _ in range(RUNS)]
        queued = int(await database.fetchval(_QUEUED) or 0)
        await database.close()
    return Backlog(
        queued=queued,
        without=_median(without),
        with_backlog=_median(behind),
        accepted_per_second=accepted.per_second,
        runs_without=[run.per_second for run in without],
        runs_with=[run.per_second for run in behind],
    )


def _body(number: int) -> dict[str, object]:
    host = f"127.1.{number % HOSTS // 250}.{number % HOSTS % 250 + 1}"
    return {"url": f"http://{host}:9/{number}", "formats": ["markdown", "links"]}


def _median(runs: list[Pages]) -> float:
    return statistics.median(run.per_second for run in runs)
