"""All spellings of a page are one page; what may be two pages stays two."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from windlass.frontier.identity import KEY_BYTES, identify, sameness
from windlass.html.urls import Resolver

RULES = sameness(["utm_*", "gclid", "fbclid"])
VECTORS = Path(__file__).parent / "vectors"


def vectors(name: str) -> list[dict[str, Any]]:
    """The standard's own cases, of one file."""
    cases: list[dict[str, Any]] = json.loads((VECTORS / name).read_text("utf-8"))
    return cases


def key(url: str) -> bytes:
    identity = identify(url, RULES)
    assert identity is not None
    assert len(identity.key) == KEY_BYTES
    return identity.key


@pytest.mark.parametrize(
    "spellings",
    [
        [
            "http://x.test/",
            "http://x.test",
            "HTTP://X.Test:80/",
            "http://x.test./",
            "http://x.test/#a",
        ],
        [
            "http://x.test/a/c",
            "http://x.test/a/./b/../c",
            "http://x.test/a/%2e/c",
            "http://x.test/a/c?",
        ],
        ["http://x.test/~u", "http://x.test/%7Eu", "http://x.test/%7eu"],
        ["http://x.test/a%2Fb", "http://x.test/a%2fb"],
        ["http://x.test/caf%C3%A9", "http://x.test/café", "http://x.test/caf%c3%a9"],
        ["http://x.test/f_(b)", "http://x.test/f_%28b%29"],
        ["http://x.test/?a=1&b=2", "http://x.test/?b=2&a=1", "http://x.test/?b=2&&a=1&"],
        ["http://x.test/?q=a+b", "http://x.test/?q=a%20b", "http://x.test/?q=a b"],
        ["http://x.test/?f[]=1", "http://x.test/?f%5B%5D=1", "http://x.test/?f%5b%5d=1"],
        ["http://x.test/p", "http://x.test/p?utm_source=a&UTM_Medium=b", "http://x.test/p?gclid=1"],
        [
            "http://x.test/p",
            "http://x.test/p;jsessionid=0A1B.node2",
            "http://x.test/p?PHPSESSID=1a",
        ],
        ["http://x.test/p", "http://x.test/p?sid=0cc175b9c0f1b6a831c399e269772661"],
        ["http://x.test/a.aspx", "http://x.test/(S(lit3py55t21z5v55vlm25s55))/a.aspx"],
        ["http://xn--mnchen-3ya.test/", "http://münchen.test/"],
        ["http://127.0.0.1/", "http://2130706433/", "http://0x7f.1/"],
    ],
)
def test_spellings_of_one_page_are_one(spellings: list[str]) -> None:
    assert len({key(url) for url in spellings}) == 1


@pytest.mark.parametrize(
    "urls",
    [
        ["http://x.test/a", "http://x.test/a/", "https://x.test/a", "http://www.x.test/a"],
        ["http://x.test/a", "http://x.test/A", "http://x.test:8080/a", "http://x.test//a"],
        ["http://x.test/", "http://x.test/index.html"],
        ["http://x.test/a/b", "http://x.test/a%2Fb", "http://x.test/a%252Fb"],
        ["http://x.test/?a=1&a=2", "http://x.test/?a=2&a=1", "http://x.test/?a=1"],
        ["http://x.test/?a", "http://x.test/?a=", "http://x.test/?b"],
        ["http://x.test/?a=1%262", "http://x.test/?a=1&2"],
        ["http://x.test/?a=b%2Bc", "http://x.test/?a=b+c"],
        ["http://x.test/?sid=5", "http://x.test/?sid=6", "http://x.test/?s=shoes"],
        ["http://x.test/?news/2&print", "http://x.test/?print&news/2"],
    ],
)
def test_what_may_be_two_pages_stays_two(urls: list[str]) -> None:
    assert len({key(url) for url in urls}) == len(urls)


@pytest.mark.parametrize(
    ("url", "asked"),
    [
        ("http://x.test/?b=1&utm_source=q&a=2#x", "http://x.test/?b=1&a=2"),
        ("http://x.test/p;jsessionid=1?x=%5b", "http://x.test/p?x=%5b"),
        ("http://x.test/%7eu?", "http://x.test/%7eu"),
        ("http://x.test/?utm_source=q", "http://x.test/"),
    ],
)
def test_a_page_is_asked_for_as_it_was_written_but_for_noise(url: str, asked: str) -> None:
    identity = identify(url, RULES)
    assert identity is not None
    assert identity.url == asked
    again = identify(asked, RULES)
    assert again == identity


def test_a_crawl_may_ignore_queries_and_asks_for_the_first_that_it_saw() -> None:
    rules = sameness([], ignore_query=True)
    first, second = identify("http://x.test/p?a=1", rules), identify("http://x.test/p", rules)
    assert first is not None
    assert second is not None
    assert first.key == second.key
    assert first.url == "http://x.test/p?a=1"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "/a",
        "mailto:a@b.c",
        "javascript:1",
        "http://",
        "http://[",
        "http://x.test/" + "a" * 9000,
    ],
)
def test_what_is_no_page_has_no_identity(url: str) -> None:
    assert identify(url, RULES) is None


def test_every_web_address_of_the_standards_vectors_is_read_as_a_browser_reads_it() -> None:
    count = 0
    for case in vectors("urltestdata.json"):
        identity = identify(str(case["input"]), sameness([]))
        if case.get("failure"):
            assert identity is None, case
            continue
        href = str(case["href"])
        assert (identity is None) == (not href.startswith(("http:", "https:"))), case
        if identity is None:
            continue
        count += 1
        again = identify(href, sameness([]))
        assert identity == again, case
        wanted = href.partition("#")[0]
        assert identity.url == (wanted[:-1] if wanted.endswith("?") else wanted), case
    assert count > 100


def test_every_reference_of_the_standards_vectors_is_resolved_as_a_browser_resolves_it() -> None:
    cases = vectors("urltestdata-based.json")
    assert len(cases) == 336
    wrong = {
        (case["base"], case["input"]): found
        for case in cases
        if (found := Resolver(case["base"])(case["input"]).url) != case.get("href", "")
    }
    assert wrong == {}


def test_every_host_of_the_standards_vectors_is_read_as_a_browser_reads_it() -> None:
    cases = vectors("toascii.json")
    assert len(cases) == 87
    for case in cases:
        identity = identify(f"https://{case['input']}/x", sameness([]))
        wanted = None if case["output"] is None else f"https://{case['output']}/x"
        assert (identity and identity.url) == wanted, case


@pytest.mark.parametrize("reference", ["a.html", "./a.html", "/a.html", "http:a.html"])
def test_a_page_without_a_path_has_a_folder(reference: str) -> None:
    assert Resolver("http://site.test")(reference).url == "http://site.test/a.html"


def test_a_hostile_url_costs_little() -> None:
    began = time.process_time()
    for url in (
        "http://" + "a" * 7900 + "_/",
        "http://" + "a." * 3900 + "_",
        "http://x.test/?" + "&" * 7900,
    ):
        identify(url, RULES)
    assert time.process_time() - began < 0.2
