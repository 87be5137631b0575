"""Where sitemaps are looked for, and whom they may speak for."""

from __future__ import annotations

import pytest

from windlass.site.discovery import Source, below, guessed, listed, site_host
from windlass.site.entries import Entry
from windlass.site.robots import Robots
from windlass.site.sitemaps import MAX_INDEX_DEPTH

ROBOTS = "https://site.test/robots.txt"


def pages_of(source: Source, entries: list[Entry]) -> list[str]:
    """The last letters of the pages that the sitemap may name."""
    named = [entry.url for entry in entries if not entry.leads_on]
    return [url[-1] for url in named if source.speaks_for(url)]


def test_robots_lines_are_resolved_in_their_order_once_each() -> None:
    lines = (
        "/b.xml",
        "HTTPS://SITE.test/a.xml",
        "/b.xml",
        "ftp://x/y",
        "http://[",
        "",
        "//cdn.test/c",
    )
    sources = listed(ROBOTS, Robots("x", "rules", sitemaps=lines))
    assert [source.url for source in sources] == [
        "https://site.test/b.xml",
        "https://site.test/a.xml",
        "https://cdn.test/c",
    ]
    assert sources[2].hosts == ("site.test", "cdn.test")


def test_usual_places_are_the_root_first_then_the_folder() -> None:
    urls = [source.url for source in guessed("https://site.test/docs/v2/index.html?x=1")]
    assert urls[:2] == ["https://site.test/sitemap.xml", "https://site.test/sitemap_index.xml"]
    assert urls[-1] == "https://site.test/docs/v2/sitemap.xml"
    assert len(urls) == len(set(urls)) == 7
    assert len(guessed("https://site.test/page")) == 6
    assert guessed("mailto:x") == ()


def test_a_sitemap_speaks_for_its_own_host_only() -> None:
    (source, *_) = guessed("https://site.test/")
    entries = [
        Entry("https://site.test/a"),
        Entry("http://site.test:80/b"),
        Entry("https://SITE.test/c"),
        Entry("https://www.site.test/d"),
        Entry("https://site.test:8443/e"),
        Entry("https://evil.test/f"),
        Entry("https://site.test@evil.test/g"),
        Entry("https://evil.test\\@site.test/h"),
        Entry("https://site.test/i.xml", leads_on=True),
    ]
    assert pages_of(source, entries) == ["a", "b", "c"]


def test_a_site_may_keep_its_sitemaps_elsewhere_if_its_robots_file_says_so() -> None:
    (source,) = listed(ROBOTS, Robots("x", "rules", sitemaps=("https://cdn.test/s.xml",)))
    entries = [Entry("https://site.test/a"), Entry("https://cdn.test/b"), Entry("https://x.test/c")]
    assert pages_of(source, entries) == ["a", "b"]
    child = below(source, Entry("https://cdn.test/2.xml", leads_on=True))
    assert child == Source("https://cdn.test/2.xml", source.hosts, 1)


def test_an_index_leads_to_its_own_hosts_and_not_for_ever() -> None:
    source = Source("https://site.test/i.xml", ("site.test",))
    assert below(source, Entry("https://site.test/a")) is None
    assert below(source, Entry("https://site.test/i.xml", leads_on=True)) is None
    assert below(source, Entry("https://evil.test/i.xml", leads_on=True)) is None
    steps = 0
    deeper: Source | None = source
    while deeper := below(deeper, Entry(f"https://site.test/{steps % 2}.xml", leads_on=True)):
        steps += 1
    assert steps == MAX_INDEX_DEPTH


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://Site.test/x", "site.test"),
        ("http://site.test:80", "site.test"),
        ("https://site.test:443?x", "site.test"),
        ("http://site.test:443/", "site.test:443"),
        ("https://a:b@site.test#x", "site.test"),
        ("/relative", ""),
        ("ftp://site.test/", ""),
    ],
)
def test_hosts_are_compared_in_one_spelling(url: str, host: str) -> None:
    assert site_host(url) == host
