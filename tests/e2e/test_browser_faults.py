"""Pages and accidents that would stop a browser: each costs its own page, and nothing is left."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.processes import read
from tests.support.rendering import rendering
from tests.support.rendersite import STUBBORN, RenderSite
from tests.support.waiting import until
from windlass.drivers.browser.driver import BrowserDriver
from windlass.errors import BodyTooLarge, BrowserCrashed, BrowserMissing, RequestTimeout
from windlass.model.page import Page
from windlass.model.render import RenderOptions
from windlass.model.request import ExtractRequest
from windlass.net.cookies import CookieJar

LOOPS = ("uvloop",)
SHORT = RenderOptions(timeout_ms=2000)


@pytest.fixture
async def site() -> AsyncIterator[RenderSite]:
    async with RenderSite() as running:
        yield running


@pytest.fixture
async def driver(tmp_path: Path) -> AsyncIterator[BrowserDriver]:
    async with rendering(tmp_path) as made:
        yield made


async def fetch(driver: BrowserDriver, url: str, **wish: Any) -> Page:
    return await driver.fetch(ExtractRequest(url=url, render=True, **wish), CookieJar())


async def test_no_page_keeps_a_browser_busy(driver: BrowserDriver, site: RenderSite) -> None:
    await fetch(driver, site.url("plain"))
    for name in STUBBORN:
        started = time.monotonic()
        got = await fetch(driver, site.url(name), render_options=SHORT, timeout_ms=20_000)
        assert b"here I am" in got.body, (name, got)
        assert time.monotonic() - started < 15, name  # 3.2 s on a machine that has time
        assert len(driver.pool.browsers) == 1, name
    assert site.asked("app") == 0  # the windows that were not opened
    assert driver.pool.browsers[0].pages == len(STUBBORN) + 1


async def test_a_greedy_page_costs_only_itself(driver: BrowserDriver, site: RenderSite) -> None:
    greedy = asyncio.create_task(fetch(driver, site.url("greedy"), timeout_ms=60_000))
    others = [await fetch(driver, site.url("plain")) for _ in range(3)]
    with pytest.raises(BrowserCrashed):
        await greedy
    assert all(b"Plain words" in got.body for got in others)
    assert len(driver.pool.browsers) == 1


async def test_a_huge_document_is_cut(tmp_path: Path, site: RenderSite) -> None:
    async with rendering(tmp_path, fetch_limit=5_000_000) as driver:
        got = await fetch(driver, site.url("huge"))
        assert got.failure is not None
        assert got.failure.code == BodyTooLarge.code
        assert len(got.body) == 5_000_000


@pytest.mark.parametrize("which", [0, 1], ids=["node", "chromium"])
async def test_a_killed_process_fails_its_pages_and_is_replaced(
    driver: BrowserDriver, site: RenderSite, which: int
) -> None:
    await fetch(driver, site.url("plain"))
    (first,) = driver.pool.browsers
    waiting = asyncio.create_task(fetch(driver, site.url("never")))
    await until(lambda: site.asked("never"), "the page is asked for")
    processes = first.processes()
    os.kill(processes[which], signal.SIGKILL)
    with pytest.raises(BrowserCrashed):
        await waiting
    assert b"Plain" in (await fetch(driver, site.url("plain"))).body
    assert first not in driver.pool.browsers
    await until(lambda: not any(read(pid) for pid in processes), "all processes are gone")


async def test_a_stopped_chromium_is_given_up(driver: BrowserDriver, site: RenderSite) -> None:
    await fetch(driver, site.url("plain"))
    (first,) = driver.pool.browsers
    os.kill(first.processes()[1], signal.SIGSTOP)
    with pytest.raises((BrowserCrashed, RequestTimeout)):
        await fetch(driver, site.url("plain"), timeout_ms=30_000)
    assert b"Plain" in (await fetch(driver, site.url("plain"))).body
    assert first not in driver.pool.browsers


async def test_an_idle_browser_is_closed(tmp_path: Path, site: RenderSite) -> None:
    async with rendering(tmp_path, browser_idle=1.0) as driver:
        await fetch(driver, site.url("plain"))
        processes = driver.pool.browsers[0].processes()
        await until(lambda: not any(read(pid) for pid in processes), "all processes are gone")
        assert driver.pool.browsers == ()
        assert list((tmp_path / "browsers").glob("*")) == []
        assert b"Plain" in (await fetch(driver, site.url("plain"))).body


async def test_a_heavy_browser_is_replaced(
    tmp_path: Path, site: RenderSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with rendering(tmp_path, browser_pages=1) as driver:
        await fetch(driver, site.url("plain"))
        (first,) = driver.pool.browsers
        monkeypatch.setattr(first, "weight", lambda light: 10**12)
        with pytest.raises(BrowserCrashed):
            await fetch(driver, site.url("never"))
        assert b"Plain" in (await fetch(driver, site.url("plain"))).body
        assert first not in driver.pool.browsers


async def test_pages_wait_for_a_place(tmp_path: Path, site: RenderSite) -> None:
    async with rendering(tmp_path, browser_pages=2) as driver:
        await fetch(driver, site.url("plain"))
        (browser,) = driver.pool.browsers
        most = 0
        fetches = [asyncio.create_task(fetch(driver, site.url("plain"))) for _ in range(6)]
        while not all(one.done() for one in fetches):
            most = max(most, browser.open)
            await asyncio.wait(fetches, timeout=0.01)
        assert most == 2


async def test_a_cancelled_fetch_leaves_no_page_open(
    driver: BrowserDriver, site: RenderSite
) -> None:
    waiting = asyncio.create_task(fetch(driver, site.url("never")))
    await until(lambda: site.asked("never"), "the page is asked for")
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    (browser,) = driver.pool.browsers
    assert browser.open == 0
    assert browser.browser.contexts == []


async def test_without_a_chromium_the_answer_says_how_to_get_one(tmp_path: Path) -> None:
    async with rendering(tmp_path, chromium=str(tmp_path / "none")) as driver:
        with pytest.raises(BrowserMissing, match="WINDLASS_CHROMIUM"):
            await fetch(driver, "http://127.0.0.1:1/")


async def test_what_is_no_browser_is_told(tmp_path: Path, site: RenderSite) -> None:
    async with rendering(tmp_path, chromium="/bin/false") as driver:
        with pytest.raises(BrowserCrashed, match="did not start"):
            await fetch(driver, site.url("plain"))
        assert list((tmp_path / "browsers").glob("*")) == []


def _proc(pid: int, name: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except (FileNotFoundError, ProcessLookupError):  # ended since it was listed
        return b""


_WORKER = """
import asyncio, ipaddress, sys
from pathlib import Path
from windlass.drivers.browser.driver import BrowserDriver
from windlass.model.request import ExtractRequest
from windlass.net.cookies import CookieJar
from windlass.net.guard import AddressGuard
from windlass.settings import Settings

async def main():
    guard = AddressGuard((ipaddress.ip_network("127.0.0.1/32"),))
    driver = BrowserDriver(Settings(data=Path(sys.argv[1])), guard)
    await driver.fetch(ExtractRequest(url=sys.argv[2], render=True), CookieJar())
    print(*driver.pool.browsers[0].processes(), flush=True)
    await driver.fetch(ExtractRequest(url=sys.argv[3], render=True), CookieJar())

asyncio.run(main())
"""


async def test_a_killed_worker_leaves_no_process_and_a_folder_for_the_next_to_sweep(
    tmp_path: Path, site: RenderSite
) -> None:
    command = [sys.executable, "-c", _WORKER, str(tmp_path), site.url("plain"), site.url("never")]
    worker = await asyncio.create_subprocess_exec(
        *command, stdout=subprocess.PIPE, env={**os.environ, "WINDLASS_API_KEY": "secret-of-ours"}
    )
    assert worker.stdout is not None
    processes = [int(pid) for pid in (await worker.stdout.readline()).split()]
    assert len(processes) > 3
    for pid in processes:
        assert b"secret-of-ours" not in _proc(pid, "environ")
    await until(lambda: site.asked("never"), "the page is asked for")
    worker.kill()
    await worker.wait()
    await until(
        lambda: not any(one and one.alive for one in map(read, processes)), "all have ended"
    )
    async with rendering(tmp_path) as driver:
        await fetch(driver, site.url("plain"))
        assert len(list((tmp_path / "browsers").glob("*"))) == 1


async def test_chromium_runs_in_its_sandbox(driver: BrowserDriver, site: RenderSite) -> None:
    await fetch(driver, site.url("plain"))
    assert driver.pool.sandboxed is True
    (browser,) = driver.pool.browsers
    lines = [_proc(pid, "cmdline") for pid in browser.processes()[1:]]
    assert lines
    assert not any(b"--no-sandbox" in line for line in lines)
