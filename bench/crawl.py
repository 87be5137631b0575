"""How fast is a whole site crawled, at what cost, beside four others? `make bench-crawl`.

From the start page by links alone, on the same nginx, one after the other: PostgreSQL's
documentation (XHTML with an XML prologue) and Python's (HTML 5). Ours stores Markdown and links
durably; counted are all its processes and PostgreSQL.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

from bench.crawl_peers import PEERS, CrawlRun, crawled_by, crawled_by_wget
from bench.lean import Connection
from bench.meter import Meter
from bench.pages import CONCURRENCY, WORKERS, settings
from tests.support import sites
from tests.support.server import WindlassServer, running
from tests.support.sites import Site
from tests.support.waiting import eventually_async

PACKAGES = ("postgresql-doc-15", "python3.11-doc")
_SUFFIXES = (".html", ".htm")
_POLL_S = 0.1
_LIMIT_S = 300.0


class SiteCrawl(msgspec.Struct, frozen=True):
    """The runs over one site, ours first, how many pages its files hold, and the CPU milliseconds
    per page of our processes by role."""

    package: str
    pages: int
    runs: list[CrawlRun]
    ours_by_role: dict[str, float]


async def measure() -> list[SiteCrawl]:
    """The answer, site by site."""
    with sites.serving(*PACKAGES) as served:
        return [await _site(served[package]) for package in PACKAGES]


async def _site(site: Site) -> SiteCrawl:
    ours, by_role = await _ours(site)
    runs = [ours, *_others(site.url("index.html"))]
    return SiteCrawl(site.package, len(site.pages()), runs, by_role)


def _others(url: str) -> Iterator[CrawlRun]:
    for peer in PEERS:
        yield crawled_by(peer, url, CONCURRENCY)
    if shutil.which("wget"):
        yield crawled_by_wget(url, _SUFFIXES)


async def _ours(site: Site) -> tuple[CrawlRun, dict[str, float]]:
    """The second of two crawls: the first one starts what a page needs."""
    with (
        TemporaryDirectory(prefix="windlass-bench-") as folder,
        running(Path(folder) / "data", WORKERS, **settings()) as server,
    ):
        api = await Connection.open("127.0.0.1", server.port, server.api_key)
        try:
            await _crawl(api, site)
            return await _metered(server, api, site)
        finally:
            api.close()


async def _metered(
    server: WindlassServer, api: Connection, site: Site
) -> tuple[CrawlRun, dict[str, float]]:
    with Meter(server, tuple(site.server.pids())) as meter:
        pages = await _crawl(api, site)
    cost = meter.cost
    assert cost is not None
    run = CrawlRun("Windlass", pages, cost.wall_s, cost.total_cpu_s, cost.peak_pss_mb)
    return run, {role: seconds / pages * 1000 for role, seconds in cost.cpu_s.items()}


async def _crawl(api: Connection, site: Site) -> int:
    """A crawl to its end; the pages that succeeded."""
    body = {
        "url": site.url("index.html"),
        "limit": 10_000,
        "sitemap": "skip",
        "crawl_entire_domain": True,
        "extract_options": {"formats": ["markdown", "links"]},
    }
    answer = await api.post("/v1/crawl", body)
    if answer.status != 200:
        raise RuntimeError(f"{answer.status}: {answer.body[:500]!r}")
    path = f"/v1/crawl/{answer.json()['crawl_id']}?include_tasks=false"

    async def ended() -> int:
        found = (await api.get(path)).json()
        return int(found["completed"]) if found["status"] == "succeeded" else 0

    return await eventually_async(ended, "the crawl ends", within_s=_LIMIT_S, every_s=_POLL_S)
