"""The peer: Playwright as it comes, one browser for all pages, HTML written to disk.

Run by render.py inside its own virtual environment: `peer_render_playwright.py CHROMIUM URLS OUT
CONCURRENCY all|lean`. Says "ready", waits for a line, prints one JSON line when done.
"""

import asyncio
import json
import sys
import time
from pathlib import Path

import uvloop
from playwright.async_api import Browser, Route, async_playwright

UNSEEN = frozenset({"image", "media", "font"})


async def _leave_out(route: Route) -> None:
    if route.request.resource_type in UNSEEN:
        await route.abort()
    else:
        await route.fallback()


async def visit(browser: Browser, url: str, lean: bool) -> str:
    """The HTML of a page, loaded in a context of its own."""
    context = await browser.new_context()
    try:
        if lean:
            await context.route("**/*", _leave_out)
        page = await context.new_page()
        await page.goto(url, wait_until="load")
        return await page.content()
    finally:
        await context.close()


async def main(chromium: str, urls: list[str], out: str, concurrency: str, what: str) -> None:
    """So many pages at a time."""
    waiting = iter(enumerate(urls))
    done = 0

    async def work(browser: Browser) -> None:
        nonlocal done
        for number, url in waiting:
            html = await visit(browser, url, what == "lean")
            (Path(out) / f"{number}.html").write_text(html)
            done += 1

    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium)
        await visit(browser, urls[0], what == "lean")
        print("ready", flush=True)
        sys.stdin.readline()
        began = time.perf_counter()
        await asyncio.gather(*(work(browser) for _ in range(int(concurrency))))
        wall = time.perf_counter() - began
        print(json.dumps({"pages": done, "wall_s": wall}), flush=True)
        sys.stdin.readline()
        await browser.close()


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], Path(sys.argv[2]).read_text().split(), *sys.argv[3:]))
