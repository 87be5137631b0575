"""Sites that do not work: a crawl ends all the same, in bounded time, and says what was wrong."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from nimble_python import Nimble

from tests.support.loopback import free_port
from tests.support.processes import pss_bytes
from tests.support.server import WindlassServer, running
from tests.support.smallsite import Reply, moved, page, plain, small_site
from tests.support.waiting import eventually

ENDED = ("succeeded", "failed", "canceled")
ATTEMPTS = 3


@pytest.fixture(scope="module")
def fast_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WindlassServer]:
    folder = tmp_path_factory.mktemp("faults") / "data"
    with running(folder, rate_limit="0", max_attempts=str(ATTEMPTS)) as started:
        yield started


def crawled(server: WindlassServer, url: str, within_s: float = 60, **options: Any) -> Any:
    """A crawl that has ended; its numbers add up at every look."""
    with Nimble(base_url=server.url, api_key=server.api_key) as client:
        crawl_id = client.crawl.run(url=url, **options).crawl_id

        def probe() -> Any:
            crawl = client.crawl.status(crawl_id)
            assert crawl.total == crawl.completed + crawl.failed + crawl.pending
            return crawl if crawl.status in ENDED else None

        return eventually(probe, f"the crawl of {url} ends", within_s=within_s)


def test_a_start_that_cannot_be_reached_fails_the_crawl(fast_server: WindlassServer) -> None:
    crawl = crawled(fast_server, f"http://127.0.0.1:{free_port()}/")
    assert (crawl.status, crawl.total, crawl.failed) == ("failed", 1, 1)
    (only,) = crawl.tasks
    # Nobody can ask what the site wants of robots, and this is why.
    assert only.model_extra["error_code"] == "connection_refused"


def test_a_start_that_leads_to_another_site_brings_that_site(fast_server: WindlassServer) -> None:
    there = {"/home/": page("/home/a", "/elsewhere"), "/home/a": page(text="a")}
    with small_site(there) as new, small_site({"/": moved(f"{new.base}/home/", 301)}) as old:
        crawl = crawled(fast_server, f"{old.base}/")
        found = {task.url for task in crawl.tasks if task.status == "completed"}
        assert found == {f"{old.base}/", f"{new.base}/home/a"}
        assert crawl.status == "succeeded"


def test_pages_that_hang_fail_at_their_deadline(fast_server: WindlassServer) -> None:
    slow = [f"/{name}" for name in ("river", "stone", "cloud")]
    with small_site({"/": page("/quick", *slow), "/quick": page(text="quick")}) as site:
        site.slow.update(slow)
        began = time.monotonic()
        options = {"request_timeout": 1000, "formats": ["links"]}
        crawl = crawled(fast_server, f"{site.base}/", extract_options=options, sitemap="skip")
        assert time.monotonic() - began < 30
        assert (crawl.status, crawl.completed, crawl.failed) == ("succeeded", 2, 3)
        failed = [task for task in crawl.tasks if task.status == "failed"]
        assert {task.model_extra["error_type"] for task in failed} == {"timeout_error"}


@pytest.mark.parametrize("robots", ["", "Sitemap: {base}/missing.xml\n"])
def test_a_sitemap_that_is_missing_costs_nothing_but_its_request(
    fast_server: WindlassServer, robots: str
) -> None:
    site_of = {"/": page("/a"), "/a": page(text="a"), "/robots.txt": plain(robots)}
    with small_site(site_of) as site:
        crawl = crawled(fast_server, f"{site.base}/")
        assert (crawl.status, crawl.completed, crawl.failed) == ("succeeded", 2, 0)
        only = crawled(fast_server, f"{site.base}/", sitemap="only")
        assert (only.status, only.total) == ("succeeded", 1)


SITEMAP_URLS = 50_000
LIMIT = 30


def test_a_sitemap_of_fifty_thousand_urls_costs_little(fast_server: WindlassServer) -> None:
    entries = "".join(
        f"<url><loc>{{base}}/catalogue/item-{number}.html</loc></url>"
        for number in range(SITEMAP_URLS)
    )
    site_of = Everything(
        page(text="the same for all"),
        {
            "/": page(text="front"),
            "/robots.txt": plain("User-agent: *\nAllow: /\n"),
            "/sitemap.xml": plain(f"<urlset>{entries}</urlset>", "application/xml"),
        },
    )
    (worker,) = fast_server.processes("worker")
    with small_site(site_of) as site:
        crawled(fast_server, f"{site.base}/warm-up", sitemap="skip")
        before, cpu_s = pss_bytes(worker.pid), worker.cpu_s
        began = time.monotonic()
        crawl = crawled(fast_server, f"{site.base}/", limit=LIMIT)
        took_s = time.monotonic() - began
        (worker,) = fast_server.processes("worker")
        grown, spent_s = pss_bytes(worker.pid) - before, worker.cpu_s - cpu_s
        print(f"{took_s:.2f} s, {spent_s:.2f} s of CPU, {grown / 1e6:.1f} MB more")
        assert (crawl.status, crawl.total, crawl.completed) == ("succeeded", LIMIT, LIMIT)
        assert grown < 80_000_000
        assert spent_s < 15


class Everything(dict[str, Reply]):
    """The same for all paths but some."""

    def __init__(self, usual: Reply, others: Mapping[str, Reply]) -> None:
        super().__init__(others)
        self.usual = usual

    def get(self, path: str, default: Any = None) -> Any:
        """One reply."""
        return super().get(path, self.usual)


BUSY = Reply("later", 429)


def test_a_site_that_is_too_busy_for_its_robots_txt_is_left_alone(
    fast_server: WindlassServer,
) -> None:
    with small_site(Everything(BUSY, {})) as site:
        crawl = crawled(fast_server, f"{site.base}/")
        assert (crawl.status, crawl.total, crawl.failed) == ("failed", 1, 1)
        (only,) = crawl.tasks
        assert only.model_extra["error_code"] == "robots_denied"
        assert set(site.paths()) == {"/robots.txt"}


def test_pages_of_a_site_that_is_too_busy_fail_and_the_crawl_ends(
    fast_server: WindlassServer,
) -> None:
    names = [f"/{name}" for name in ("river", "stone", "cloud")]
    known = {"/": page(*names), "/robots.txt": Reply("", 404)}
    with small_site(Everything(BUSY, known)) as site:
        crawl = crawled(fast_server, f"{site.base}/", sitemap="skip", within_s=120)
        assert (crawl.status, crawl.completed, crawl.failed) == ("succeeded", 1, 3)
        failed = [task for task in crawl.tasks if task.status == "failed"]
        assert {task.model_extra["status_code"] for task in failed} == {429}
        # Each driver of the plan may try, in each attempt.
        assert max(site.count(name) for name in names) <= 4 * ATTEMPTS
