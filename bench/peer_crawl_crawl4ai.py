"""The peer: Crawl4AI's HTTP mode follows a site's links, Markdown and links written to disk.

Run by crawl_peers.py inside its own virtual environment: `peer_crawl_crawl4ai.py URL OUT
CONCURRENCY`. Prints one JSON line: pages, wall and CPU seconds without start-up.
"""

import asyncio
import json
import resource
import sys
import time
from pathlib import Path

import uvloop
from crawl4ai import AsyncWebCrawler, CacheMode, CrawlerRunConfig
from crawl4ai.async_crawler_strategy import AsyncHTTPCrawlerStrategy
from crawl4ai.async_dispatcher import MemoryAdaptiveDispatcher
from crawl4ai.deep_crawling import BFSDeepCrawlStrategy


def cpu_s() -> float:
    """CPU seconds of this process so far."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


class AtOnce(AsyncWebCrawler):
    """Its deep crawl names no dispatcher, and the default one is one of twenty."""

    concurrency = 32

    async def arun_many(self, urls, config=None, dispatcher=None, **rest):
        """As its own, so many at a time."""
        chosen = dispatcher or MemoryAdaptiveDispatcher(max_session_permit=self.concurrency)
        return await super().arun_many(urls, config, chosen, **rest)


async def crawl(url: str, out: Path, concurrency: int) -> dict[str, float]:
    """Breadth first over every link that stays on the host."""
    AtOnce.concurrency = concurrency
    config = CrawlerRunConfig(
        deep_crawl_strategy=BFSDeepCrawlStrategy(max_depth=100, include_external=False),
        cache_mode=CacheMode.BYPASS,
        stream=True,
        verbose=False,
        check_robots_txt=False,
    )
    strategy = AsyncHTTPCrawlerStrategy(max_connections=concurrency)
    done = 0
    async with AtOnce(crawler_strategy=strategy, verbose=False) as crawler:
        wall, cpu = time.perf_counter(), cpu_s()
        async for result in await crawler.arun(url, config=config):
            if not result.success:
                continue
            (out / f"{done}.md").write_text(str(result.markdown))
            (out / f"{done}.json").write_text(json.dumps(result.links))
            done += 1
        return {"pages": done, "wall_s": time.perf_counter() - wall, "cpu_s": cpu_s() - cpu}


def main() -> None:
    """On the faster loop."""
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    print(json.dumps(asyncio.run(crawl(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])))))


if __name__ == "__main__":
    main()
