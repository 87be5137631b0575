"""Picking and merging for a map: what is part of a site, under which name, and what is read."""

from __future__ import annotations

import gzip
from collections.abc import Iterable
from typing import Any

import pytest

from windlass.frontier.likeness import fingerprint
from windlass.kinds.survey import Survey, Visited
from windlass.model.map import MapPlan
from windlass.model.outline import Outline, PageLink
from windlass.model.page import Page
from windlass.model.request import ExtractRequest
from windlass.model.visit import Candidate, Sighting
from windlass.settings import Settings
from windlass.site.discovery import guessed

BASE = "https://www.site.test"
START = f"{BASE}/"


def survey(url: str = START, **options: Any) -> Survey:
    return Survey(MapPlan(request=ExtractRequest(url=url), **options), Settings())


def anything(url: str) -> bool:
    return True


def seen(path: str, *links: str, text: str = "", status: int = 200, **said: Any) -> Visited:
    """A page whose text is its path unless said otherwise."""
    headers = said.pop("headers", ())
    url = path if "://" in path else BASE + path
    absolute = [link if "://" in link else BASE + link for link in links]
    outline = Outline(links=tuple(PageLink(link, text=f"to {link}") for link in absolute), **said)
    print_ = fingerprint(text or f"what only {path} shows, nobody else", url)
    return Visited(url=url, status=status, sighting=Sighting(outline, print_), headers=headers)


def mapped(
    pages: Iterable[Visited], one: Survey, *, redirects: dict[str, str] | None = None
) -> None:
    """Does what the kind does, with these pages for a site; what is not there is gone."""
    by_url = {page.url: page for page in pages}
    start = by_url[START]
    one.look_at_start(start, anything)
    one.set_out(start, anything)
    while (page := one.next()) is not None:
        target = (redirects or {}).get(page.url, page.url)
        if target in by_url:
            one.absorb(page, by_url[target], anything)
        else:
            one.gone(page)


def paths(one: Survey) -> list[str]:
    return [link.url.removeprefix(BASE) for link in one.answer()[0]]


def titles(one: Survey) -> dict[str, tuple[str, str]]:
    return {link.url.removeprefix(BASE): (link.title, link.description) for link in one.answer()[0]}


# ---------------------------------------------------------------- pages


def test_links_are_followed_outward_and_dead_ones_left_out() -> None:
    one = survey()
    mapped([seen("/", "/a", "/gone"), seen("/a", "/b", "/"), seen("/b", "/a?utm_source=x")], one)
    assert paths(one) == ["/", "/a", "/b"]
    assert one.answer()[1] == ()


def test_titles_are_the_pages_own_or_else_what_links_say() -> None:
    one = survey()
    start = seen("/", "/a", "https://other.test/", title="Home", description="All of it")
    mapped([start, seen("/a", title="A page")], one)
    assert titles(one) == {
        "/": ("Home", "All of it"),
        "/a": ("A page", ""),
        "https://other.test/": ("to https://other.test/", ""),
    }


def test_a_redirect_leads_to_the_entry_of_its_target() -> None:
    one = survey()
    site = [seen("/", "/old", "/new"), seen("/new", "/c"), seen("/c")]
    mapped(site, one, redirects={f"{BASE}/old": f"{BASE}/new"})
    assert paths(one) == ["/", "/new", "/c"]


def test_a_redirect_that_leaves_the_site_is_no_page_of_it() -> None:
    one = survey()
    site = [seen("/", "/away", "/a"), seen("/a"), seen("https://other.test/x", "/secret")]
    mapped(site, one, redirects={f"{BASE}/away": "https://other.test/x"})
    assert paths(one) == ["/", "/a"]


def test_a_page_named_as_canonical_is_the_entry_if_it_shows_the_same() -> None:
    one = survey()
    same = "one text that both of them show, word by word"
    site = [
        seen("/", "/print/a"),
        seen("/print/a", text=same, canonicals=(f"{BASE}/a",)),
        seen("/a", text=same),
    ]
    mapped(site, one)
    assert paths(one) == ["/", "/a"]


def test_a_canonical_address_that_shows_something_else_costs_no_page() -> None:
    one = survey()
    site = [seen("/", "/a", "/b")]
    site += [seen(path, canonicals=(START,)) for path in ("/a", "/b")]
    mapped(site, one)
    assert paths(one) == ["/", "/a", "/b"]


def test_what_pages_ask_of_robots_is_done() -> None:
    one = survey()
    site = [
        seen("/", "/hidden", "/end", "/header"),
        seen("/hidden", "/b", robots=(("robots", "noindex"),)),
        seen("/end", "/secret", robots=(("robots", "nofollow"),)),
        seen("/header", "/secret", headers=(("X-Robots-Tag", "nofollow"),)),
        seen("/b"),
    ]
    settings = Settings(obey_directives=("nofollow", "noindex"))
    one = Survey(MapPlan(request=ExtractRequest(url=START)), settings)
    mapped(site, one)
    assert sorted(paths(one)) == ["/", "/b", "/end", "/header"]


def test_what_robots_txt_disallows_is_left_out_and_told() -> None:
    def allowed(url: str) -> bool:
        return "/private" not in url

    one = survey()
    start = seen("/", "/private/1", "/a", "/private/2")
    one.look_at_start(start, allowed)
    one.set_out(start, allowed)
    assert paths(one) == ["/", "/a"]
    assert one.answer()[1] == ("2 URLs that robots.txt disallows are left out",)


def test_a_trap_is_stopped_and_named() -> None:
    one = survey()

    def calendar(month: int) -> Visited:
        return seen(f"/calendar?month={month}", f"/calendar?month={month + 1}", text="no events")

    honest = [seen("/", "/a", "/calendar?month=1"), seen("/a", "/b"), seen("/b")]
    mapped([*honest, *(calendar(month) for month in range(1, 500))], one)
    found, notes = paths(one), one.answer()[1]
    assert {"/", "/a", "/b"} <= set(found)
    assert len(found) < 15
    assert any("/calendar" in note and "nothing new" in note for note in notes)


def test_a_chain_without_end_is_followed_a_hundred_clicks_deep() -> None:
    one = survey()
    chain = [seen("/", "/n")] + [seen("/n" + "x" * n, "/n" + "x" * (n + 1)) for n in range(150)]
    mapped(chain, one)
    assert len(paths(one)) == 101
    assert one.answer()[1] == ("pages more than 100 clicks from the start page are left out",)


def test_the_limit_ends_it() -> None:
    one = survey(limit=3)
    start = seen("/", *(f"/{name}" for name in "abcdef"))
    one.look_at_start(start, anything)
    assert one.full and paths(one) == ["/", "/a", "/b"]


# ---------------------------------------------------------------- hosts


@pytest.mark.parametrize(("wanted", "expected"), [
    ("domain", []),
    ("subdomain", ["blog.site.test", "site.test"]),
    ("all", ["blog.site.test", "other.test", "site.test", "notsite.test"]),
])  # fmt: skip
def test_the_domain_filter_says_which_hosts_are_in_the_answer(
    wanted: str, expected: list[str]
) -> None:
    one = survey(domain_filter=wanted)
    hosts = ["blog.site.test", "other.test", "site.test", "notsite.test"]
    mapped([seen("/", "/a", *(f"https://{host}/x" for host in hosts)), seen("/a")], one)
    assert paths(one)[:2] == ["/", "/a"]
    assert sorted(paths(one)[2:]) == sorted(f"https://{host}/x" for host in expected)


def test_a_start_page_that_moved_takes_the_site_along() -> None:
    one = survey("https://site.test/", domain_filter="domain")
    start = seen("/", "/a", "https://site.test/b")
    one.moved(start.url)
    one.look_at_start(start, anything)
    one.set_out(start, anything)
    assert paths(one) == ["/", "/a", "https://site.test/b"]
    assert one.hosts == {"site.test", "www.site.test"}


# ---------------------------------------------------------------- sitemaps


def sitemap(one: Survey, body: str | bytes, allowed: Any = anything) -> Any:
    raw = body.encode() if isinstance(body, str) else body
    page = Page(url=f"{BASE}/sitemap.xml", status=200, body=raw)
    return one.read_sitemap(guessed(START)[0], page, allowed)


def urlset(*entries: str) -> str:
    inside = "".join(f"<url>{entry}</url>" for entry in entries)
    return f"<?xml version='1.0'?><urlset xmlns:news='n'>{inside}</urlset>"


def loc(path: str, more: str = "") -> str:
    return f"<loc>{path if '://' in path else BASE + path}</loc>{more}"


def test_listed_pages_are_read_after_those_that_none_lists() -> None:
    one = survey()
    start = seen("/", "/a", "/unlisted")
    one.look_at_start(start, anything)
    news = "<news:news><news:title>What happened</news:title></news:news>"
    read = sitemap(one, urlset(loc("/a"), loc("/b", news), loc("/"), loc("/b#c")))
    one.set_out(start, anything)
    assert read.is_sitemap and paths(one) == ["/", "/a", "/unlisted", "/b"]
    assert titles(one)["/b"] == ("What happened", "")
    assert [page.url.removeprefix(BASE) for page in in_order(one)] == ["/unlisted", "/a", "/b"]


def in_order(one: Survey) -> list[Candidate]:
    """The pages that would be read, all of them lost."""
    found = []
    while (page := one.next()) is not None:
        found.append(page)
        one.lost(page)
    return found


def test_a_listed_page_that_is_gone_stays_and_leads_to_others() -> None:
    one = survey()
    start = seen("/", "/gone")
    one.look_at_start(start, anything)
    sitemap(one, urlset(loc("/a"), loc("/dead")))
    mapped([start, seen("/a", "/b"), seen("/b")], one)
    assert sorted(paths(one)) == ["/", "/a", "/b", "/dead"]


def test_only_sitemaps_name_nothing_else() -> None:
    one = survey(sitemap="only")
    one.look_at_start(seen("/", "/a"), anything)
    sitemap(one, gzip.compress(urlset(loc("/b"), loc("https://other.test/c")).encode()))
    assert paths(one) == ["/b"]


def test_an_index_leads_on_and_a_page_is_no_sitemap() -> None:
    one = survey()
    index = f"<sitemapindex><sitemap>{loc('/1.xml')}</sitemap></sitemapindex>"
    assert [source.url for source in sitemap(one, index).below] == [f"{BASE}/1.xml"]
    assert not sitemap(one, "<html><body><a href='/x'>x</a></body></html>").is_sitemap
    assert not one.found


def test_robots_txt_counts_for_listed_pages_too() -> None:
    one = survey()
    sitemap(one, urlset(loc("/a"), loc("/private")), lambda url: not url.endswith("/private"))
    assert paths(one) == ["/a"] and "1 URLs" in one.answer()[1][0]


def test_a_sitemap_fills_the_answer_no_further_than_its_limit() -> None:
    one = survey(limit=100)
    sitemap(one, urlset(*(loc(f"/{number}") for number in range(1000))))
    assert one.full and paths(one) == [f"/{number}" for number in range(100)]
