"""The peer: Scrapy + html2text follows a site's links, Markdown and links written to disk.

Run by crawl_peers.py inside its own virtual environment: `peer_crawl_scrapy.py URL OUT
CONCURRENCY`. Prints one JSON line: pages, wall and CPU seconds without start-up.
"""

import json
import resource
import sys
import time
from pathlib import Path
from urllib.parse import urldefrag, urlsplit

import html2text
import scrapy
from scrapy.crawler import CrawlerProcess


def cpu_s() -> float:
    """CPU seconds of this process so far."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


class SiteSpider(scrapy.Spider):
    """Follows every link that stays on the host; its duplicate filter knows what it has seen."""

    name = "site"

    def __init__(self, url: str, out: Path) -> None:
        super().__init__()
        self.url, self.out = url, out
        self.host = urlsplit(url).netloc
        self.done = 0
        self.began = (0.0, 0.0)

    async def start(self):
        """The seed."""
        self.began = (time.perf_counter(), cpu_s())
        yield scrapy.Request(self.url)

    def parse(self, response):
        """Both results of one page, one file each, and the pages it leads to."""
        if not isinstance(response, scrapy.http.TextResponse):
            return
        converter = html2text.HTML2Text(baseurl=response.url, bodywidth=0)
        markdown = converter.handle(response.text)
        links = dict.fromkeys(response.urljoin(a) for a in response.css("a::attr(href)").getall())
        (self.out / f"{self.done}.md").write_text(markdown)
        (self.out / f"{self.done}.json").write_text(json.dumps(list(links)))
        self.done += 1
        for link in links:
            if urlsplit(link).netloc == self.host:
                yield scrapy.Request(urldefrag(link).url)

    def closed(self, reason: str) -> None:
        """The result line."""
        wall, cpu = self.began
        figures = {"wall_s": time.perf_counter() - wall, "cpu_s": cpu_s() - cpu}
        print(json.dumps({"pages": self.done, **figures}))


def main() -> None:
    """Tuned for speed: no delay, no cookies, no retries, no telnet, no stats log."""
    url, out, concurrency = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    process = CrawlerProcess(
        {
            "CONCURRENT_REQUESTS": concurrency,
            "CONCURRENT_REQUESTS_PER_DOMAIN": concurrency,
            "DOWNLOAD_DELAY": 0,
            "AUTOTHROTTLE_ENABLED": False,
            "ROBOTSTXT_OBEY": True,
            "COOKIES_ENABLED": False,
            "RETRY_ENABLED": False,
            "TELNETCONSOLE_ENABLED": False,
            "LOG_ENABLED": False,
            "TWISTED_REACTOR": "twisted.internet.asyncioreactor.AsyncioSelectorReactor",
            "ASYNCIO_EVENT_LOOP": "uvloop.Loop",
        }
    )
    process.crawl(SiteSpider, url=url, out=out)
    process.start()


if __name__ == "__main__":
    main()
