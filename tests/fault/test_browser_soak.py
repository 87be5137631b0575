"""Many rendered pages, and `kill -9` of whatever renders them: nothing grows, nothing is left.

FAULT_ROUNDS says how much (3: 150 pages, 3 kills; 20 in `make soak`: 1,000 and 20), FAULT_SEED
repeats the kills of a run.
"""

from __future__ import annotations

import asyncio
import os
import random
import re
import signal
import statistics
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from tests.support.blows import strike
from tests.support.inside import rows
from tests.support.processes import Process, everything, pss_bytes, read
from tests.support.rendersite import RenderSite
from tests.support.server import WindlassServer, running, send
from tests.support.waiting import eventually

ROUNDS = int(os.environ.get("FAULT_ROUNDS", "3"))
SEED = int(os.environ.get("FAULT_SEED") or random.SystemRandom().randrange(10**6))
PAGES = max(ROUNDS * 50, 150)
SETTLED = 100
"""The page from which on memory is not to grow, and how many pages it is measured over."""
WINDOW = 40
GROWTH = 1.15
AT_ONCE = 4
LOOK_S = 1.0
PAGE_WITHIN_S = 90.0
VICTIMS = ("browser", "renderer", "helper", "node")
GONE_WITHIN_S = 20.0


@pytest.fixture
def server(tmp_path: Path) -> Iterator[WindlassServer]:
    settings = {"rate_limit": "0", "browser_idle": "3", "task_timeout": "40"}
    with running(tmp_path / "data", workers=1, **settings) as started:
        yield started


def part(process: Process) -> str:
    """Which part of a browser a process is, "" if of none."""
    line = " ".join(process.command)  # Chromium's children write theirs over, without zeros
    if "run-driver" in line:
        return "node"
    if not re.search(r"^[^ ]*(headless|chrom)", line):
        return ""
    kind = re.search(r"--type=([a-z-]+)", line)
    if kind is None:
        return "browser"
    return {"renderer": "renderer", "zygote": ""}.get(kind[1], "helper")


def parts(server: WindlassServer) -> list[Process]:
    """Everything of the server's browsers."""
    return [process for process in server.processes() if part(process)]


def folders(server: WindlassServer) -> list[Path]:
    """The folders of its browsers."""
    return list((server.data / "browsers").glob("*"))


def zombies(server: WindlassServer) -> list[Process]:
    """Dead processes that a process of the server has not buried."""
    mine = {process.pid for process in server.processes()}
    return [one for one in everything().values() if not one.alive and one.parent in mine]


def memory_mb(server: WindlassServer) -> float:
    """What all its processes hold."""
    return sum(pss_bytes(process.pid) for process in server.processes()) / 1e6


class Visitors:
    """AT_ONCE clients that ask for pages one after the other, `count` in all."""

    def __init__(self, server: WindlassServer, site: RenderSite, count: int) -> None:
        bearer = {"Authorization": f"Bearer {server.api_key}"}
        self._http = httpx.AsyncClient(
            base_url=server.url, headers=bearer, timeout=PAGE_WITHIN_S, trust_env=False
        )
        self._site = site
        self._left = count
        self.done = 0
        self.failed: list[str] = []

    async def run(self) -> None:
        """Returns when every page has been answered."""
        async with self._http:
            await asyncio.gather(*(self._visit() for _ in range(AT_ONCE)))

    async def _visit(self) -> None:
        while self._left > 0:
            self._left -= 1
            wish = {"url": self._site.url("app"), "render": True, "formats": ["html", "markdown"]}
            answer = (await self._http.post("/v1/extract", json=wish)).json()
            # Its script may still wait for the site's answer: only that it ran is sure.
            if answer.get("status") != "success" or 'id="root"' not in str(answer):
                self.failed.append(str(answer)[:500])
            self.done += 1


@asynccontextmanager
async def visited(server: WindlassServer, count: int) -> AsyncIterator[Visitors]:
    """Visitors at work; at the end of the block they are waited for."""
    async with RenderSite() as site:
        visitors = Visitors(server, site, count)
        visiting = asyncio.create_task(visitors.run())
        try:
            yield visitors
            await visiting
        finally:
            visiting.cancel()
            await asyncio.gather(visiting, return_exceptions=True)


async def _until(claim: Callable[[], object], what: str) -> None:
    await asyncio.to_thread(eventually, claim, what, within_s=60.0, every_s=0.05)


@pytest.mark.timeout(1800)
def test_memory_processes_and_folders_do_not_grow(server: WindlassServer) -> None:
    seen: list[tuple[int, float]] = []
    dead: list[Process] = []
    most_folders = 0

    async def scene() -> Visitors:
        nonlocal most_folders
        async with visited(server, PAGES) as visitors:
            while visitors.done < PAGES:
                held = await asyncio.to_thread(memory_mb, server)
                seen.append((visitors.done, held))
                dead[:] = await asyncio.to_thread(zombies, server)
                most_folders = max(most_folders, len(folders(server)))
                await asyncio.sleep(LOOK_S)
        return visitors

    visitors = asyncio.run(scene())
    assert visitors.failed == []
    early = [held for done, held in seen if abs(done - SETTLED) <= WINDOW / 2]
    late = [held for done, held in seen if done >= PAGES - WINDOW]
    print(f"memory at page {SETTLED}: {statistics.median(early):.0f} MB, at page {PAGES}: ", end="")
    print(f"{statistics.median(late):.0f} MB; folders: at most {most_folders}")
    assert statistics.median(late) <= statistics.median(early) * GROWTH, seen
    assert most_folders <= 2  # the one in use, and that of the browser it has replaced
    eventually(lambda: not zombies(server), "no zombie is left", within_s=5)
    eventually(lambda: not parts(server), "the idle browser is closed", within_s=30)
    eventually(lambda: not folders(server), "its folder is gone")


@pytest.mark.timeout(1800)
def test_a_killed_part_costs_at_most_the_attempts_it_had(server: WindlassServer) -> None:
    chance = random.Random(SEED)
    print(f"FAULT_SEED={SEED}")
    struck: list[str] = []

    async def scene() -> Visitors:
        async with visited(server, ROUNDS * 3 * AT_ONCE) as visitors:
            for number in range(ROUNDS):
                kind = VICTIMS[number % len(VICTIMS)]
                wanted = min(visitors.done + AT_ONCE, ROUNDS * 3 * AT_ONCE - AT_ONCE)

                def victims(kind: str = kind, wanted: int = wanted) -> list[Process]:
                    if visitors.done < wanted:
                        return []
                    return [one for one in parts(server) if part(one) == kind]

                await _until(victims, f"a {kind} runs")
                await asyncio.sleep(chance.uniform(0.0, 0.3))
                if found := victims():
                    send(chance.choice(found).pid, signal.SIGKILL)
                    struck.append(kind)
        return visitors

    visitors = asyncio.run(scene())
    assert visitors.failed == []
    (lost,) = rows(server, "SELECT count(*), max(number) AS most FROM attempt")
    codes = rows(server, "SELECT code, count(*) FROM attempt GROUP BY 1")
    print(f"{struck}; {visitors.done} pages, attempts lost: {[tuple(c.values()) for c in codes]}")
    assert len(struck) >= ROUNDS - 1
    assert lost["count"] <= len(struck) * AT_ONCE
    eventually(lambda: not zombies(server), "no zombie is left", within_s=5)
    eventually(lambda: not parts(server), "the idle browser is closed", within_s=30)
    eventually(lambda: not folders(server), "no folder is left")


@pytest.mark.timeout(180)
@pytest.mark.parametrize("victim", ["worker", "all but the browser"])
def test_kill_9_leaves_no_browser_and_no_folder(server: WindlassServer, victim: str) -> None:
    async def scene() -> list[Process]:
        async with RenderSite() as site:
            visitors = Visitors(server, site, 10_000)
            visiting = asyncio.create_task(visitors.run())
            await _until(lambda: visitors.done >= AT_ONCE, "pages come")
            found = await asyncio.to_thread(parts, server)
            await asyncio.to_thread(hurt, server, victim)
            visiting.cancel()
            await asyncio.gather(visiting, return_exceptions=True)
        return found

    left = asyncio.run(scene())
    assert len(left) >= 3
    if victim != "worker":  # here, as it ends with the thread that has started it
        server.start()

    def gone() -> bool:
        return not any(one and one.alive and one.command for one in (read(p.pid) for p in left))

    eventually(gone, "nothing of its browser runs", within_s=GONE_WITHIN_S)
    old = folders(server)

    async def again() -> Visitors:
        async with visited(server, 1) as visitors:
            pass
        return visitors

    assert asyncio.run(again()).failed == []
    eventually(lambda: not parts(server), "the idle browser is closed", within_s=30)
    eventually(lambda: not folders(server), f"{len(old)} old folders are gone", within_s=5)


def hurt(server: WindlassServer, victim: str) -> None:
    """`kill -9`; a worker is replaced by its supervisor."""
    if victim == "worker":
        strike(server, "worker")
        return
    ours = [process for process in server.processes() if not part(process)]
    for process in ours:
        send(process.pid, signal.SIGKILL)
    server._process.wait(timeout=10)  # type: ignore[union-attr]
    eventually(lambda: not any(_lives(one) for one in ours), "all are dead")


def _lives(process: Process) -> bool:
    now = read(process.pid)
    return now is not None and now.alive
