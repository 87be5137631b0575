"""The peer: Scrapy + html2text over a list of pages, Markdown and links written to disk.

Run by peers.py inside its own virtual environment: `peer_scrapy.py URLS OUT CONCURRENCY`.
Prints one JSON line: pages, wall and CPU seconds without start-up, CPU seconds in all.
"""

import json
import resource
import sys
import time
from pathlib import Path

import html2text
import scrapy
from scrapy.crawler import CrawlerProcess


def cpu_s() -> float:
    """CPU seconds of this process so far."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


class PagesSpider(scrapy.Spider):
    """Fetches every listed page once; turns each into Markdown and a list of links."""

    name = "pages"

    def __init__(self, urls: list[str], out: Path) -> None:
        super().__init__()
        self.urls = urls
        self.out = out
        self.done = 0
        self.began = (0.0, 0.0)

    async def start(self):
        """All requests; the duplicate filter has nothing to do here, so it is left out."""
        self.began = (time.perf_counter(), cpu_s())
        for number, url in enumerate(self.urls):
            yield scrapy.Request(url, dont_filter=True, cb_kwargs={"number": number})

    def parse(self, response, number: int) -> None:
        """Both results of one page, one file each."""
        converter = html2text.HTML2Text(baseurl=response.url, bodywidth=0)
        markdown = converter.handle(response.text)
        links = dict.fromkeys(response.urljoin(a) for a in response.css("a::attr(href)").getall())
        (self.out / f"{number}.md").write_text(markdown)
        (self.out / f"{number}.json").write_text(json.dumps(list(links)))
        self.done += 1

    def closed(self, reason: str) -> None:
        """The result line."""
        wall, cpu = self.began
        figures = {"wall_s": time.perf_counter() - wall, "cpu_s": cpu_s() - cpu}
        figures["total_cpu_s"] = cpu_s()
        print(json.dumps({"pages": self.done, "reason": reason, **figures}))


def main() -> None:
    """Tuned for speed: no delay, no robots.txt, no cookies, no retries, no telnet, no stats log."""
    urls, out, concurrency = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    process = CrawlerProcess(
        {
            "CONCURRENT_REQUESTS": concurrency,
            "CONCURRENT_REQUESTS_PER_DOMAIN": concurrency,
            "DOWNLOAD_DELAY": 0,
            "AUTOTHROTTLE_ENABLED": False,
            "ROBOTSTXT_OBEY": False,
            "COOKIES_ENABLED": False,
            "RETRY_ENABLED": False,
            "REDIRECT_ENABLED": False,
            "TELNETCONSOLE_ENABLED": False,
            "LOG_ENABLED": False,
            "TWISTED_REACTOR": "twisted.internet.asyncioreactor.AsyncioSelectorReactor",
            "ASYNCIO_EVENT_LOOP": "uvloop.Loop",
        }
    )
    process.crawl(PagesSpider, urls=urls.read_text().split(), out=out)
    process.start()


if __name__ == "__main__":
    main()
