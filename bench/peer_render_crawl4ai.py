"""The peer: Crawl4AI's browser mode, one browser for all pages, HTML and Markdown written to disk.

Run by render.py inside its own virtual environment: `peer_render_crawl4ai.py CHROMIUM URLS OUT
CONCURRENCY all|lean`. Says "ready", waits for a line, prints one JSON line when done.
"""

import json
import sys
import time
from pathlib import Path

import uvloop
from crawl4ai import AsyncWebCrawler, BrowserConfig, CacheMode, CrawlerRunConfig
from crawl4ai.async_dispatcher import MemoryAdaptiveDispatcher
from playwright.async_api import BrowserType

_launch = BrowserType.launch


async def _launch_ours(self: BrowserType, **options: object) -> object:
    """The same Chromium as the others: its own setting for it does not exist."""
    return await _launch(self, **{"executable_path": sys.argv[1], **options})


async def main(urls: list[str], out: str, concurrency: str, what: str) -> None:
    """All pages, so many at a time."""
    run = CrawlerRunConfig(
        cache_mode=CacheMode.BYPASS, wait_until="load", stream=True, verbose=False
    )
    # It knows one size of leaner pages, which loads no images.
    browser = BrowserConfig(headless=True, verbose=False, text_mode=what == "lean")
    async with AsyncWebCrawler(config=browser) as crawler:
        await crawler.arun(urls[0], config=run)
        print("ready", flush=True)
        sys.stdin.readline()
        began, done = time.perf_counter(), 0
        dispatcher = MemoryAdaptiveDispatcher(max_session_permit=int(concurrency))
        async for result in await crawler.arun_many(urls, config=run, dispatcher=dispatcher):
            if result.success:
                (Path(out) / f"{done}.html").write_text(result.html)
                (Path(out) / f"{done}.md").write_text(str(result.markdown))
                done += 1
        wall = time.perf_counter() - began
        print(json.dumps({"pages": done, "wall_s": wall}), flush=True)
        sys.stdin.readline()


if __name__ == "__main__":
    BrowserType.launch = _launch_ours
    uvloop.run(main(Path(sys.argv[2]).read_text().split(), *sys.argv[3:]))
