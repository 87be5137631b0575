"""The browser of one worker process: started on first use, shared, replaced, closed when idle.

One browser at a time serves up to a bounded number of pages; one that is old, large or hung takes
no new pages and ends with its last. A crash costs the pages that were open, no others.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import structlog

from windlass import metrics
from windlass.drivers.browser import folders, process
from windlass.drivers.browser.chromium import find_chromium, lacking
from windlass.drivers.browser.process import BrowserProcess, Way
from windlass.errors import BrowserCrashed, BrowserMissing, EngineError
from windlass.settings import Settings

log = structlog.get_logger(__name__)

_PAGES = 400
"""Pages after which a browser is replaced: its node process keeps 0.2 MB of each."""
_AGE_S = 3600.0
_WEIGH_S = 2.0
_TOO_HEAVY = 1.5
"""Times the memory it may have: then its pages have to go at once."""
_RETRY_S = 5.0
"""After a start that failed, others fail at once for so long."""


class Pool:
    """See above. Belongs to one event loop."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._home = settings.data / "browsers"
        self._places = asyncio.Semaphore(settings.browser_pages)
        self._starting = asyncio.Lock()
        self._current: BrowserProcess | None = None
        self._all: set[BrowserProcess] = set()
        self._watch: asyncio.Task[None] | None = None
        self._ends: set[asyncio.Task[None]] = set()
        self._way: Way | None = None
        self._failed: tuple[float, BrowserCrashed] | None = None
        self._used_at = 0.0
        self._swept = False
        self._closed = False

    @property
    def browsers(self) -> tuple[BrowserProcess, ...]:
        """Those that run, for measurements."""
        return tuple(self._all)

    @property
    def sandboxed(self) -> bool | None:
        """Whether Chromium runs with its sandbox; None: it was not started yet."""
        return None if self._way is None else self._way.sandbox

    @asynccontextmanager
    async def page(self) -> AsyncIterator[BrowserProcess]:
        """A browser with room for one more page, for the time of the block.

        Waits for a place as long as the caller lets it. Raises BrowserMissing, MissingExtra,
        BrowserCrashed if it does not start, EngineError when closed.
        """
        async with self._places:
            browser = await self._browser()
            browser.pages += 1
            browser.open += 1
            try:
                yield browser
            finally:
                browser.open -= 1
                self._used_at = time.monotonic()
                self._retire_if_due(browser)

    async def aclose(self) -> None:
        """Ends every browser."""
        self._closed = True
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.gather(self._watch, return_exceptions=True)
        async with self._starting:
            for browser in tuple(self._all):
                self._end(browser)
        await asyncio.gather(*self._ends)

    # ------------------------------------------------------------ starting

    async def _browser(self) -> BrowserProcess:
        async with self._starting:
            if self._closed:
                raise EngineError("the browsers are stopped")
            current = self._current
            if current is not None and not current.retired and not current.ended.is_set():
                return current
            if current is not None:
                self._retire(current)
            if self._failed is not None and time.monotonic() - self._failed[0] < _RETRY_S:
                raise BrowserCrashed(self._failed[1].message)
            self._current = await self._started()
            return self._current

    async def _started(self) -> BrowserProcess:
        program = find_chromium(self._settings)
        if program is None:
            raise BrowserMissing(f"This server cannot render pages: {lacking(self._settings)}.")
        if not self._swept:
            left = await asyncio.to_thread(folders.sweep, self._home)
            self._swept = True
            if left:
                log.info("browser_folders_swept", count=left)
        try:
            browser = await self._start(program)
        except BrowserCrashed as error:
            self._failed = (time.monotonic(), error)
            raise
        self._failed = None
        self._all.add(browser)
        metrics.BROWSER_STARTS.inc()
        if self._watch is None or self._watch.done():
            self._used_at = time.monotonic()
            self._watch = asyncio.create_task(self._keep_watch(), name="browser watch")
        return browser

    async def _start(self, program: Path) -> BrowserProcess:
        """The first way that works here, which is remembered."""
        ways = [self._way] if self._way is not None else process.ways()
        for way in ways:
            try:
                browser = await process.start(program, self._home, way)
            except BrowserCrashed as error:
                log.warning("browser_start_failed", way=way.identity, reason=error.message)
                failure = error
                continue
            if self._way is None and not way.sandbox:
                log.warning("browser_without_sandbox", reason="this machine does not allow it")
            self._way = way
            metrics.BROWSER_SANDBOXED.set(way.sandbox)
            return browser
        raise failure

    # ------------------------------------------------------------ ending

    def _retire_if_due(self, browser: BrowserProcess) -> None:
        old = time.monotonic() - browser.started_at > _AGE_S
        if old or browser.pages >= _PAGES or browser.ended.is_set() or browser.retired:
            self._retire(browser)

    def _retire(self, browser: BrowserProcess) -> None:
        """No new pages for it; with no page open it ends."""
        browser.retired = True
        if self._current is browser:
            self._current = None
        if not browser.open or browser.ended.is_set():
            self._end(browser)

    def _end(self, browser: BrowserProcess) -> None:
        if browser not in self._all:
            return
        self._all.discard(browser)
        if self._current is browser:
            self._current = None
        ending = asyncio.create_task(browser.aclose(), name="browser end")
        self._ends.add(ending)
        ending.add_done_callback(self._ended)

    def _ended(self, ending: asyncio.Task[None]) -> None:
        self._ends.discard(ending)
        if not ending.cancelled() and (error := ending.exception()) is not None:
            log.error("browser_end_failed", exc_info=error)

    async def _keep_watch(self) -> None:
        """While browsers run: weighs them, and ends them when nobody wants a page any more."""
        while self._all:
            await asyncio.sleep(_WEIGH_S)
            idle_s = time.monotonic() - self._used_at
            for browser in tuple(self._all):
                if browser.ended.is_set():
                    self._retire(browser)
                    continue
                await browser.contexts.sweep()
                if browser.open:
                    await self._weigh(browser)
                elif idle_s >= self._settings.browser_idle:
                    self._retire(browser)

    async def _weigh(self, browser: BrowserProcess) -> None:
        weight = await asyncio.to_thread(browser.weight, self._settings.browser_memory)
        if weight > self._settings.browser_memory * _TOO_HEAVY:
            log.warning("browser_too_large", bytes=weight, open=browser.open)
            browser.kill()
            self._retire(browser)
        elif weight > self._settings.browser_memory:
            log.info("browser_retired", bytes=weight)
            self._retire(browser)
