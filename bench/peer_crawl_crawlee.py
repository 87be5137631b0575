"""The peer: Crawlee + markdownify follows a site's links, Markdown and links written to disk.

Run by crawl_peers.py inside its own virtual environment: `peer_crawl_crawlee.py URL OUT
CONCURRENCY`. Prints one JSON line: pages, wall and CPU seconds without start-up.
"""

import asyncio
import json
import logging
import resource
import sys
import time
from pathlib import Path
from urllib.parse import urljoin

import uvloop
from crawlee import ConcurrencySettings
from crawlee.crawlers import BeautifulSoupCrawler, BeautifulSoupCrawlingContext
from crawlee.storage_clients import MemoryStorageClient
from markdownify import MarkdownConverter


def cpu_s() -> float:
    """CPU seconds of this process so far."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


async def crawl(url: str, out: Path, concurrency: int) -> dict[str, float]:
    """Follows every link that stays on the host, its queue in memory, which is its fastest."""
    crawler = BeautifulSoupCrawler(
        storage_client=MemoryStorageClient(),
        concurrency_settings=ConcurrencySettings(
            min_concurrency=concurrency,
            desired_concurrency=concurrency,
            max_concurrency=concurrency,
        ),
        respect_robots_txt_file=True,
        max_request_retries=0,
        configure_logging=False,
    )
    converter = MarkdownConverter()
    done = 0

    @crawler.router.default_handler
    async def handle(context: BeautifulSoupCrawlingContext) -> None:
        nonlocal done
        number, done = done, done + 1
        soup = context.soup
        links = dict.fromkeys(
            urljoin(context.request.url, a["href"]) for a in soup.find_all("a", href=True)
        )
        (out / f"{number}.md").write_text(converter.convert_soup(soup))
        (out / f"{number}.json").write_text(json.dumps(list(links)))
        await context.enqueue_links(strategy="same-hostname")

    wall, cpu = time.perf_counter(), cpu_s()
    await crawler.run([url])
    return {"pages": done, "wall_s": time.perf_counter() - wall, "cpu_s": cpu_s() - cpu}


def main() -> None:
    """Quiet, on the faster loop."""
    logging.disable(logging.CRITICAL)
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    print(json.dumps(asyncio.run(crawl(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])))))


if __name__ == "__main__":
    main()
