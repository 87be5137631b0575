"""A crawl keeps its pages in the database: processes do not grow with them.

CRAWL_PAGES says how many (1,200; up to 10,000).
"""

from __future__ import annotations

import os
import random
from pathlib import Path
from typing import Any

from nimble_python import Nimble

from tests.support.processes import pss_bytes
from tests.support.server import WindlassServer, running
from tests.support.smallsite import Reply, page, small_site
from tests.support.waiting import eventually

PAGES = int(os.environ.get("CRAWL_PAGES", "1200"))
WARM = PAGES // 3
"""Pages after which caches, pools and page readers have the size that they keep."""
GROWTH = {"api": 6_000_000, "worker": 8_000_000, "reader": 12_000_000}
"""Bytes that processes of a role may have more in the end, together."""
WORDS = [
    "".join(random.Random(number).choices("abcdefghiklmnoprstu", k=7)) for number in range(3000)
]
SECTIONS, CHILDREN, OTHERS = 20, 8, 12


def path_of(number: int) -> str:
    """A path in words: numbers would look like one program's pages."""
    if number == 0:
        return "/"
    return f"/{WORDS[number % SECTIONS]}/" + "-".join(random.Random(number).sample(WORDS, 3))


class Large(dict[str, Reply]):
    """PAGES pages, made when they are asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.numbers = {path_of(number): number for number in range(PAGES)}
        assert len(self.numbers) == PAGES

    def get(self, path: str, default: Any = None) -> Any:
        """One reply."""
        number = self.numbers.get(path)
        return default if number is None else made(number)


def made(number: int) -> Reply:
    """A page that leads to others, with a text of its own."""
    draw = random.Random(-number)
    children = range(number * CHILDREN + 1, (number + 1) * CHILDREN + 1)
    others = (draw.randrange(PAGES) for _ in range(OTHERS))
    links = [path_of(one) for one in (*children, *others) if one < PAGES]
    return page(*links, text=". ".join(" ".join(draw.choices(WORDS, k=12)) for _ in range(30)))


def memory(server: WindlassServer) -> dict[str, int]:
    """Bytes of all processes of each role."""
    return {
        role: sum(pss_bytes(process.pid) for process in server.processes(role)) for role in GROWTH
    }


def test_no_process_grows_with_the_pages_of_a_crawl(tmp_path: Path) -> None:
    with (
        small_site(Large()) as site,
        running(tmp_path / "data", rate_limit="0", host_concurrency="32") as server,
        Nimble(base_url=server.url, api_key=server.api_key) as client,
    ):
        crawl_id = client.crawl.run(
            url=f"{site.base}/",
            limit=PAGES,
            max_discovery_depth=20,
            sitemap="skip",
            extract_options={"formats": ["markdown", "links"]},
        ).crawl_id

        def reached(count: int) -> bool:
            crawl = client.crawl.status(crawl_id, extra_query={"include_tasks": "false"})
            return (crawl.completed or 0) + (crawl.failed or 0) >= count

        eventually(lambda: reached(WARM), "a third is done", within_s=300, every_s=0.2)
        before = memory(server)
        eventually(lambda: reached(PAGES), "all is done", within_s=900, every_s=0.2)
        after = memory(server)
        print({role: (before[role] // 1000, after[role] // 1000) for role in GROWTH})
        assert {role for role in GROWTH if after[role] - before[role] > GROWTH[role]} == set()
        crawl = client.crawl.status(crawl_id, extra_query={"include_tasks": "false"})
        assert (crawl.total, crawl.completed) == (PAGES, PAGES)
