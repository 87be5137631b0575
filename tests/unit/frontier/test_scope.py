"""A crawl keeps to what its caller asked for (contract section 10.1)."""

from __future__ import annotations

import time

import msgspec
import pytest

from windlass.frontier.identity import sameness
from windlass.frontier.links import Frontier
from windlass.frontier.patterns import fault, matches
from windlass.frontier.scope import Scope, scope_of
from windlass.model.visit import Bounds


@pytest.mark.parametrize(
    ("start", "url", "refusal"),
    [
        ("/docs", "https://www.x.test/docs", ""),
        ("/docs", "http://www.x.test/docs/a?b=1", ""),
        ("/docs", "https://www.x.test/docs-old", "outside_path"),
        ("/docs", "https://www.x.test/", "outside_path"),
        ("/docs/", "https://www.x.test/docs", ""),
        ("/docs/index.html", "https://www.x.test/docs/b.html", ""),
        ("/docs/index.html", "https://www.x.test/other.html", "outside_path"),
        ("/", "https://www.x.test/anything", ""),
        ("/%7Euser/", "https://www.x.test/~user/a", ""),
        ("/", "https://blog.x.test/", "other_host"),
        ("/", "https://www.x.test:8443/", "other_host"),
        ("/", "https://www.x.test./a", ""),
        ("/", "ftp://www.x.test/", "not_web"),
        ("/", "https://www.x.test/" + "a" * 8000, "too_long"),
    ],
)
def test_the_start_path_and_host_bound_a_crawl(start: str, url: str, refusal: str) -> None:
    assert scope_of(f"https://www.x.test{start}", Bounds()).refusal(url, 1) == refusal


def test_the_entire_domain_is_siblings_and_parents_too() -> None:
    scope = scope_of("https://x.test/docs/a", Bounds(crawl_entire_domain=True))
    assert scope.refusal("https://x.test/", 1) == ""
    assert scope.refusal("https://y.test/docs/a", 1) == "other_host"


@pytest.mark.parametrize(
    ("url", "refusal"),
    [
        ("https://blog.shop.co.uk/post", ""),
        ("https://shop.co.uk/", ""),
        ("https://other.co.uk/", "other_host"),
        ("https://notshop.co.uk/", "other_host"),
        ("https://www.shop.co.uk/docs/a", ""),
        ("https://www.shop.co.uk/about", "outside_path"),
    ],
)
def test_subdomains_are_those_of_what_was_registered(url: str, refusal: str) -> None:
    scope = scope_of("https://www.shop.co.uk/docs", Bounds(allow_subdomains=True))
    assert scope.refusal(url, 1) == refusal


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]:8080", "localhost", "user.github.io"])
def test_an_address_or_a_public_suffix_has_no_subdomains_to_let_in(host: str) -> None:
    scope = scope_of(f"http://{host}/", Bounds(allow_subdomains=True))
    assert scope.refusal(f"http://{host}/a", 1) == ""
    assert scope.refusal("http://1.0.0.1/", 1) == "other_host"
    assert scope.refusal("http://other.github.io/", 1) == "other_host"


def test_external_links_may_lead_anywhere_but_home_keeps_its_path() -> None:
    scope = scope_of("https://x.test/docs", Bounds(allow_external_links=True))
    assert scope.refusal("https://y.test/z", 1) == ""
    assert scope.refusal("https://x.test/z", 1) == "outside_path"


def test_depth_is_counted_in_clicks() -> None:
    scope = scope_of("https://x.test/", Bounds(max_discovery_depth=2))
    assert scope.refusal("https://x.test/a", 2) == ""
    assert scope.refusal("https://x.test/a", 3) == "too_deep"


def test_exclusion_wins_and_the_start_page_counts_only_if_it_matches() -> None:
    bounds = Bounds(include_paths=("^/blog/", r"\?id=\d"), exclude_paths=("draft",))
    scope = scope_of("https://x.test/", bounds)
    assert scope.refusal("https://x.test/blog/a", 1) == ""
    assert scope.refusal("https://x.test/show?id=7", 1) == ""
    assert scope.refusal("https://x.test/about", 1) == "not_included"
    assert scope.refusal("https://x.test/blog/draft-1", 1) == "excluded"
    assert not scope.counts("https://x.test/")
    assert scope.counts("https://x.test/blog/")


def test_patterns_see_the_path_first_then_the_url() -> None:
    assert matches(("^/a$",), "/a", "https://x.test/a?b")
    assert matches((r"^https://x\.test/",), "/a", "https://x.test/a")
    assert matches(("/日本/",), "/%E6%97%A5%E6%9C%AC/", "https://x.test/%E6%97%A5%E6%9C%AC/")
    assert not matches(("^a",), "/a", "https://x.test/a")


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("/blog/(draft", "missing ), at position 6"),
        ("a**", "position 1"),
        ("/(?!draft)", "look-around ((?!) is not supported, at position 1"),
        (r"/(a)\1", r"back-references (\1) are not supported, at position 4"),
        ("[z-a]", "invalid character class range"),
        ("x" * 1001, "at most 1000"),
    ],
)
def test_a_pattern_at_fault_is_named_with_the_place(pattern: str, words: str) -> None:
    said = fault(pattern)
    assert words in said
    assert len(pattern) > 1000 or repr(pattern) in said
    with pytest.raises(ValueError, match=r"pattern|compile"):
        matches((pattern,), "/", "https://x.test/")


@pytest.mark.parametrize(
    "pattern", ["/blog/.*", r"\/blog\/\d+", r"\Qa+b", "(?i)A", r"\p{L}+", "a|b"]
)
def test_the_usual_patterns_are_fine(pattern: str) -> None:
    assert fault(pattern) == ""


def test_no_pattern_keeps_the_engine_busy() -> None:
    began = time.process_time()
    assert not matches(("(a+)+$", "(x|x|x)*y"), "/" + "a" * 7000 + "!", "https://x.test/")
    assert time.process_time() - began < 0.5


def test_a_redirect_of_the_start_page_takes_the_scope_along() -> None:
    scope = scope_of("http://old.test/", Bounds()).moved("https://www.new.test/en/home")
    assert scope.refusal("https://www.new.test/fr/", 1) == ""
    assert scope.refusal("http://old.test/a", 1) == ""
    assert scope.refusal("https://third.test/", 1) == "other_host"
    deeper = scope_of("http://old.test/docs", Bounds()).moved("http://old.test/manual/")
    assert deeper.refusal("http://old.test/manual/a", 1) == ""
    assert deeper.refusal("http://old.test/docs/a", 1) == ""
    assert deeper.refusal("http://old.test/a", 1) == "outside_path"


def test_a_scope_survives_json() -> None:
    bounds = Bounds(allow_subdomains=True, include_paths=("a",), max_discovery_depth=3)
    scope = scope_of("https://www.x.co.uk/docs", bounds).moved("https://y.test/")
    assert msgspec.json.decode(msgspec.json.encode(scope), type=Scope) == scope


def test_links_become_candidates_once_each_and_refusals_are_counted() -> None:
    frontier = Frontier(scope_of("http://x.test/", Bounds()), sameness(["utm_*"]))
    start = frontier.start("http://x.test/")
    assert start is not None
    found = frontier.follow(
        [
            "http://x.test/a",
            "http://x.test/a?utm_source=q",
            "http://y.test/",
            "mailto:a@b",
            "http://[",
        ],
        start,
    )
    assert [one.url for one in found.candidates] == ["http://x.test/a"]
    assert found.candidates[0].depth == 1
    assert dict(found.refused) == {"other_host": 1, "not_web": 2}
    assert frontier.listed(["http://x.test/s"]).candidates[0].listed
