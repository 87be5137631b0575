"""Maps of real and of misbehaving sites, through a server.

What a map must find on a documentation package is computed from its files alone (test_crawl_sites).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from nimble_python import Nimble

from tests.conftest import StartServer
from tests.e2e.test_crawl_sites import file_of, links_of, reachable, same_page
from tests.support.busysite import keep_apart
from tests.support.server import WindlassServer
from tests.support.sites import Site
from tests.support.smallsite import Reply, SmallSite, moved, page, plain, small_site
from tests.support.trapsite import GENUINE, TrapSite
from tests.support.waiting import eventually

PAGES = (".html", ".htm")
MANY = 50_000


@pytest.fixture
def site() -> Iterator[SmallSite]:
    with small_site({"/": page("/a"), "/a": page("/b"), "/b": page()}) as served:
        yield served


def urls(answer: Any) -> set[str]:
    found = [link.url for link in answer.links]
    assert len(set(found)) == len(found)
    return set(found)


def paths(answer: Any, site: SmallSite) -> set[str]:
    return {url.removeprefix(site.base) for url in urls(answer)}


def urlset(base: str, *paths: str) -> str:
    inside = "".join(f"<url><loc>{base}{path}</loc></url>" for path in paths)
    return f"<?xml version='1.0' encoding='UTF-8'?><urlset>{inside}</urlset>"


# ---------------------------------------------------------------- real sites


@pytest.mark.parametrize("package", ["zsh-doc", "debian-faq-zh-cn", "debian-reference-ja",
                                     "postgresql-doc-15"])  # fmt: skip
def test_every_page_of_a_package_is_named_once(
    client: Nimble, sites: dict[str, Site], package: str
) -> None:
    site = sites[package]
    start = site.base
    if file_of(site, start) is None:
        start = site.url(next(page for page in site.pages() if "index" in page))
    answer = client.map(url=start, limit=100_000, domain_filter="domain")
    files = {url: file_of(site, url) for url in urls(answer)}
    found = {same_page(url) for url, file in files.items() if file and file.suffix in PAGES}
    assert found == {same_page(url) for url in reachable(site, start)}
    assert answer.links[0].url == start and answer.model_extra == {}
    assert all(link.title for link in answer.links)


def test_links_to_other_hosts_are_those_of_the_files(
    client: Nimble, sites: dict[str, Site]
) -> None:
    site = sites["zsh-doc"]
    start = site.base
    found = urls(client.map(url=start, limit=100_000))
    linked: set[str] = set()
    for url in reachable(site, start):
        file = file_of(site, url)
        assert file is not None
        linked |= {link for link in links_of(file, url) if link.startswith(("http:", "https:"))}

    def hosts(all_of: set[str]) -> set[str]:
        return {url.split("/")[2].lower() for url in all_of if not url.startswith(site.base)}

    assert hosts(found) == hosts(linked) != set()


def test_a_trap_site_is_mapped_without_its_traps(client: Nimble) -> None:
    site = TrapSite()
    try:
        answer = client.map(url=f"{site.base}/", limit=100_000)
        found = {url.removeprefix(site.base) for url in urls(answer)}
        assert set(GENUINE) <= found
        by_trap = site.by_trap()
        assert {trap: number for trap, number in by_trap.items() if trap and number > 8} == {}
        notes = (answer.model_extra or {})["warnings"]
        assert any("showed nothing new" in note for note in notes)
    finally:
        site.close()


# ---------------------------------------------------------------- sitemaps


@pytest.mark.parametrize("limit", [100_000, 30_000])
def test_a_sitemap_of_fifty_thousand_is_read_whole_or_to_the_limit(
    client: Nimble, site: SmallSite, limit: int
) -> None:
    listed = [f"/products/a-product-with-a-name-{number}.html" for number in range(MANY)]
    site.replies["/sitemap.xml"] = plain(urlset(site.base, *listed), "text/xml")
    answer = client.map(url=f"{site.base}/", limit=limit, domain_filter="domain")
    found = paths(answer, site)
    assert len(found) == min(limit, MANY + 3)
    assert found <= {*listed, "/", "/a", "/b"}


def test_indexes_lists_feeds_and_what_is_left_of_damaged_ones_are_read(client: Nimble) -> None:
    gone = Reply("no", 404)
    with small_site({"/": page()}) as site:
        index = "".join(
            f"<sitemap><loc>{site.base}{name}</loc></sitemap>"
            for name in ("/1.xml", "/gone.xml", "/list.txt", "/feed.xml", "/index.xml", "/cut.xml")
        )
        site.replies |= {
            "/robots.txt": plain(f"Sitemap: {site.base}/index.xml"),
            "/index.xml": plain(f"<sitemapindex>{index}</sitemapindex>", "text/xml"),
            "/1.xml": plain(urlset(site.base, "/one", "/one#again"), "text/xml"),
            "/gone.xml": gone,
            "/list.txt": plain(f"{site.base}/two\nhttps://elsewhere.test/x\n"),
            "/feed.xml": plain(
                f"<rss><channel><item><title>Three</title><link>{site.base}/three</link>"
                "<description>3 &amp; more</description></item></channel></rss>",
                "application/rss+xml",
            ),
            "/cut.xml": plain(urlset(site.base, "/four")[:-12], "text/xml"),
        }
        answer = client.map(url=f"{site.base}/", sitemap="only")
        assert paths(answer, site) == {"/one", "/two", "/three", "/four"}
        (three,) = (link for link in answer.links if link.url.endswith("/three"))
        assert (three.title, three.description) == ("Three", "3 & more")


def test_a_site_without_sitemap_is_told_where_only_sitemaps_are_wanted(
    client: Nimble, site: SmallSite
) -> None:
    answer = client.map(url=f"{site.base}/", sitemap="only")
    assert answer.links == []
    assert answer.model_extra == {"warnings": ["the site has no sitemap that can be read"]}
    assert paths(client.map(url=f"{site.base}/"), site) == {"/", "/a", "/b"}


def test_a_sitemap_speaks_for_its_own_host_only(client: Nimble, site: SmallSite) -> None:
    with small_site({"/x": page()}) as other:
        listed = f"<urlset><url><loc>{other.base}/x</loc></url></urlset>"
        site.replies["/sitemap.xml"] = plain(listed, "text/xml")
        answer = client.map(url=f"{site.base}/")
        assert paths(answer, site) == {"/", "/a", "/b"}
        assert other.paths() == []


# ---------------------------------------------------------------- robots, politeness


def test_robots_txt_is_obeyed_on_the_way(client: Nimble) -> None:
    replies = {
        "/robots.txt": plain("User-agent: *\nDisallow: /private\n"),
        "/": page("/private/a", "/b"),
        "/b": page("/private/c", "/d"),
        "/d": page(),
        "/private/a": page("/e"),
    }
    with small_site(replies) as site:
        answer = client.map(url=f"{site.base}/")
        assert paths(answer, site) == {"/", "/b", "/d"}
        note = "2 URLs that robots.txt disallows are left out"
        assert answer.model_extra == {"warnings": [note]}
        assert not [path for path in site.paths() if path.startswith("/private")]


def test_two_maps_of_a_host_with_a_crawl_delay_keep_it_together(
    server: WindlassServer,
) -> None:
    replies = {"/robots.txt": plain("User-agent: *\nCrawl-delay: 1\n"), "/": page("/a")}
    with small_site({**replies, "/a": page("/b"), "/b": page()}) as site:
        with (
            Nimble(base_url=server.url, api_key=server.api_key) as client,
            ThreadPoolExecutor(2) as pool,
        ):
            wanted = {"url": f"{site.base}/", "sitemap": "skip"}
            both = [pool.submit(client.map, **wanted) for _ in range(2)]  # type: ignore[arg-type]
            for one in both:
                assert paths(one.result(60), site) == {"/", "/a", "/b"}
        times = site.times()
        assert len(times) >= 7 and keep_apart(times, 1.0)


def test_a_site_that_answers_429_is_left_alone_and_that_is_told(client: Nimble) -> None:
    busy = Reply("later", 429, (("Retry-After", "0"),))
    with small_site({"/": page("/a", "/b", "/c", "/d"), **dict.fromkeys(["/a"], busy)}) as site:
        answer = client.map(url=f"{site.base}/")
        assert paths(answer, site) == {"/", "/a", "/b", "/c", "/d"}
        note = "the site was left alone before all pages were read: it answers 429"
        assert answer.model_extra == {"warnings": [note]}
        assert site.count("/a") == 3 and site.count("/b") == 0


# ---------------------------------------------------------------- the start page


def test_a_start_page_that_moves_to_another_host_takes_the_map_along(client: Nimble) -> None:
    with small_site({"/home": page("/x", text="x"), "/x": page()}) as new:
        new.replies["/sitemap.xml"] = plain(urlset(new.base, "/listed"), "text/xml")
        with small_site({"/": moved(f"{new.base}/home")}) as old:
            answer = client.map(url=f"{old.base}/", domain_filter="domain")
            assert urls(answer) == {f"{new.base}{path}" for path in ("/home", "/x", "/listed")}


# ---------------------------------------------------------------- time


def test_when_the_time_is_up_the_answer_is_what_was_found(start_server: StartServer) -> None:
    server = start_server(sync_timeout="6")
    with (
        small_site({"/": page("/a", "/b"), "/a": page("/c")}) as site,
        Nimble(base_url=server.url, api_key=server.api_key, max_retries=0) as client,
    ):
        site.slow.add("/b")
        began = time.monotonic()
        answer = client.map(url=f"{site.base}/")
        assert time.monotonic() - began < 10
        assert {"/", "/a", "/b"} <= paths(answer, site)
        note = "the time was up before all pages were read: there may be more URLs"
        assert answer.model_extra == {"warnings": [note]}


def test_a_start_page_that_hangs_costs_its_site_no_sitemap(start_server: StartServer) -> None:
    server = start_server(sync_timeout="8")
    with (
        small_site({"/": page("/a")}) as site,
        Nimble(base_url=server.url, api_key=server.api_key, max_retries=0) as client,
    ):
        site.slow.add("/")
        site.replies["/sitemap.xml"] = plain(urlset(site.base, "/listed"), "text/xml")
        answer = client.map(url=f"{site.base}/")
        assert paths(answer, site) == {"/listed"}
        assert answer.model_extra is not None
        assert "the start page could not be had" in answer.model_extra["warnings"][0]


def test_who_hangs_up_ends_the_map(server: WindlassServer) -> None:
    with small_site({"/": page("/slow", "/b"), "/slow": page("/c"), "/b": page("/d")}) as site:
        site.slow.add("/slow")
        headers = {"Authorization": f"Bearer {server.api_key}"}

        def call() -> None:
            with pytest.raises(httpx.ReadTimeout):
                body = {"url": f"{site.base}/", "sitemap": "skip"}
                httpx.post(f"{server.url}/v1/map", json=body, headers=headers, timeout=4)

        caller = threading.Thread(target=call)
        caller.start()
        eventually(lambda: site.count("/slow"), "the slow page is asked for")
        caller.join()

        def ended() -> bool:
            metrics = httpx.get(f"{server.url}/metrics").text
            return 'windlass_queue_depth{kind="map",state="running"} 1' not in metrics

        eventually(ended, "the map has ended", within_s=10)
        site.open.set()
        assert site.count("/b") == 0
