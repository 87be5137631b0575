"""How many pages are rendered per second, at what cost, beside bare Playwright and Crawl4AI?

`make bench-render`. The same pages from the same nginx, the same Chromium, the same number at a
time, one after the other; once with everything that the pages name, once without images, media
and fonts. Counted are all processes, browsers included, without their start.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import uvloop

from bench import load
from bench.environments import environment
from bench.meter import Meter
from bench.report import machine
from tests.support import sites
from tests.support.processes import tree
from tests.support.server import WindlassServer, running
from tests.support.sites import Site
from tests.support.waiting import eventually_async
from windlass.drivers.browser.chromium import find_chromium
from windlass.settings import Settings

PACKAGE = "python3.11-doc"
PAGES = 200
AT_ONCE = 4
WAYS = ("all", "lean")
_LIMIT_S = 900
_ENDED = "SELECT bool_and(state IN ('succeeded', 'failed')) FROM task"
_NOT_GOOD = "SELECT count(*) FROM task WHERE state <> 'succeeded'"
PEERS = (
    ("playwright", (f"playwright=={version('playwright')}", "uvloop==0.23.0")),
    ("crawl4ai", ("crawl4ai==0.9.5", "uvloop==0.23.0")),
)


class RenderRun(msgspec.Struct, frozen=True):
    """What rendering came to: CPU milliseconds per page of all processes, and by role if ours."""

    name: str
    way: str
    pages: int
    wall_s: float
    cpu_ms: float
    by_role: dict[str, float] = {}

    @property
    def per_second(self) -> float:
        """Pages per second."""
        return self.pages / self.wall_s


async def measure(pages: int = PAGES) -> list[RenderRun]:
    """The answer, ours first."""
    with sites.serving(PACKAGE) as served:
        site = served[PACKAGE]
        urls = [site.url(page) for page in site.pages()[:pages]]
        runs = [await _ours(site, urls)]
        for name, pins in PEERS:
            python = environment(name, pins)
            runs.append([_peer(python, name, urls, way) for way in WAYS])
        return [run for both in zip(*runs, strict=True) for run in both]


async def _ours(site: Site, urls: Sequence[str]) -> list[RenderRun]:
    settings = {"rate_limit": "0", "browser_pages": str(AT_ONCE), "host_concurrency": "8"}
    with (
        TemporaryDirectory(prefix="windlass-bench-") as folder,
        running(Path(folder) / "data", 1, **settings) as server,
    ):
        await _rendered(server, site, urls[: AT_ONCE * 2], "all")
        return [await _rendered(server, site, urls, way) for way in WAYS]


async def _rendered(server: WindlassServer, site: Site, urls: Sequence[str], way: str) -> RenderRun:
    wish: dict[str, Any] = {"render": True, "formats": ["html", "markdown"]}
    if way == "all":
        wish["render_options"] = {"disabled_resources": []}
    database = await load.connect(server)
    try:
        with Meter(server, tuple(site.server.pids())) as meter:
            await load.submit(server, [{"url": url, **wish} for url in urls])
            await eventually_async(
                lambda: database.fetchval(_ENDED), "all pages are rendered", within_s=_LIMIT_S
            )
        if failed := await database.fetchval(_NOT_GOOD):
            raise RuntimeError(f"{failed} pages did not succeed")
    finally:
        await database.close()
    cost, count = meter.cost, len(urls)
    assert cost is not None
    by_role = {role: seconds / count * 1000 for role, seconds in cost.cpu_s.items()}
    return RenderRun("Windlass", way, count, cost.wall_s, cost.total_cpu_s / count * 1000, by_role)


def _peer(python: Path, name: str, urls: Sequence[str], way: str) -> RenderRun:
    """One run of a peer. Raises RuntimeError when a page is missing."""
    script = Path(__file__).with_name(f"peer_render_{name}.py")
    with TemporaryDirectory(prefix="windlass-bench-") as folder:
        listing = Path(folder) / "urls.txt"
        listing.write_text("\n".join(urls))
        out = Path(folder) / "out"
        out.mkdir()
        chromium = str(find_chromium(Settings(data=Path(folder))))
        command = [str(python), str(script), chromium, str(listing), str(out), str(AT_ONCE), way]
        with subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            cwd=folder,
        ) as process:
            try:
                figures, cpu_s = _conversed(process)
            except BaseException:
                process.kill()
                raise
    if figures["pages"] != len(urls):
        raise RuntimeError(f"{name} rendered {figures['pages']} of {len(urls)} pages")
    pages = int(figures["pages"])
    return RenderRun(name, way, pages, figures["wall_s"], cpu_s / pages * 1000)


def _conversed(process: subprocess.Popen[str]) -> tuple[dict[str, float], float]:
    """Its figures, and the CPU seconds of its processes between "ready" and the end."""
    assert process.stdin is not None
    assert process.stdout is not None
    if not any(line == "ready\n" for line in process.stdout):
        raise RuntimeError("a peer did not start")
    before = _cpu_s(process.pid)
    process.stdin.write("go\n")
    process.stdin.flush()
    figures = next((json.loads(line) for line in process.stdout if line.startswith("{")), None)
    if figures is None:
        raise RuntimeError("a peer ended early")
    cpu_s = _cpu_s(process.pid) - before
    process.communicate("end\n", timeout=_LIMIT_S)
    return figures, cpu_s


def _cpu_s(root: int) -> float:
    return sum(process.cpu_s for process in tree(root))


def markdown(runs: Sequence[RenderRun]) -> str:
    """A table."""
    lines = [
        f"Rendered: {runs[0].pages} pages of {PACKAGE}, {AT_ONCE} at a time. {machine()}.",
        "",
        "| | pages/s | CPU ms per page |",
        "| --- | ---: | ---: |",
    ]
    for run in runs:
        what = "everything loaded" if run.way == "all" else "no images, media, fonts"
        lines.append(f"| {run.name}, {what} | {run.per_second:.1f} | {run.cpu_ms:.0f} |")
    ours = next(run for run in runs if run.by_role)
    shares = ", ".join(f"{role} {ms:.0f}" for role, ms in sorted(ours.by_role.items()))
    return "\n".join([*lines, "", f"Ours by process, CPU ms per page: {shares}."])


def main() -> None:
    """See the module. An argument is the number of pages."""
    runs = uvloop.run(measure(int(sys.argv[1]) if len(sys.argv) > 1 else PAGES))
    print(markdown(runs))


if __name__ == "__main__":
    main()
