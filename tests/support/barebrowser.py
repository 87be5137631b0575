"""Chromium driven by nothing but the library: what works on one of its pages is ours."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from playwright.async_api import Browser, Page, async_playwright

from windlass.drivers.browser.capture import Recorder
from windlass.drivers.browser.rendering import Rendered, take
from windlass.drivers.browser.stage import Stage
from windlass.model.render import Action
from windlass.model.request import ExtractRequest

CHROMIUM = "/usr/bin/chromium-headless-shell"


@asynccontextmanager
async def bare_browser() -> AsyncIterator[Browser]:
    """A running Chromium without sandbox, for pages of our own."""
    async with async_playwright() as library:
        browser = await library.chromium.launch(executable_path=CHROMIUM, chromium_sandbox=False)
        try:
            yield browser
        finally:
            await browser.close()


@dataclass
class Bare:
    """Renders requests on a browser, a context each, and leaves the page open for a look."""

    browser: Browser
    page: Page

    async def take(
        self,
        url: str,
        *actions: Action,
        deadline_s: float = 60,
        limit: int = 20_000_000,
        **fields: Any,
    ) -> Rendered:
        """What the driver would get of that page."""
        request = ExtractRequest(url=url, actions=actions, **fields)
        ends = asyncio.get_running_loop().time() + deadline_s
        stage = await Stage.open(self.page, request, deadline=ends, limit_bytes=limit)
        recorder = await Recorder.start(stage, request)
        await self.page.goto(url, wait_until="commit")
        await stage.loaded(request.render_options.wait_until, 30)
        return await take(stage, request, recorder)

    async def act(self, url: str, *actions: Action, **fields: Any) -> Any:
        """The result of the last action, which like all others must have been done."""
        rendered = await self.take(url, *actions, **fields)
        report = rendered.rendering.actions
        assert report is not None
        assert report.success, report
        return report.results[-1].result

    async def look(self, script: str) -> Any:
        """What a script says of the page now."""
        return await self.page.evaluate(script)


@asynccontextmanager
async def bare_page(browser: Browser) -> AsyncIterator[Bare]:
    """A page in a context of its own."""
    context = await browser.new_context(viewport={"width": 1280, "height": 720})
    try:
        yield Bare(browser, await context.new_page())
    finally:
        await context.close()
