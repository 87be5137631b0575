"""robots.txt by cases: the standard's, those of the matcher that most sites are written for, and
what is found on real sites.

RULES holds what Google's published matcher is tested with, as facts, and the standard's own table.
Where those two differ (an escape that need not be one) the standard decides.
"""

from __future__ import annotations

import time

import msgspec
import pytest

from windlass.site import robots as module
from windlass.site.robots import Robots, Rule, in_force, lifetime_s, path_of, rules_of

GROUPS = (
    "allow: /foo/bar/||user-agent: FooBot|disallow: /|allow: /x/|user-agent: BarBot|disallow: /"
    "|allow: /y/|||allow: /w/|user-agent: BazBot||user-agent: FooBot|allow: /z/|disallow: /"
)
FISH = "/fish /fish.html /fish/salmon.html /fishheads /fishheads/yummy.html /fish.html?id=any"
NOT_FISH = "/bar /Fish.asp /catfish /?id=fish"

# lines, "|" between them; the agent; what it may fetch; what it may not
RULES: list[tuple[str, str, str, str]] = [
    ("", "FooBot", "/ /x/y", ""),
    ("user-agent: FooBot|disallow: /", "FooBot", "", "/ /x/y"),
    ("foo: FooBot|bar: /", "FooBot", "/x/y", ""),
    ("user-agent FooBot|disallow /", "FooBot", "", "/x/y"),
    (GROUPS, "FooBot", "/x/b /z/d", "/y/c /foo/bar/"),
    (GROUPS, "BarBot", "/y/c /w/a", "/z/d /foo/bar/"),
    (GROUPS, "BazBot", "/z/d", "/foo/bar/"),
    # other lines end no group
    ("user-agent: BarBot|sitemap: https://foo.bar/s|user-agent: *|disallow: /", "BarBot", "", "/"),
    ("user-agent: BarBot|sitemap: https://foo.bar/s|user-agent: *|disallow: /", "FooBot", "", "/"),
    ("user-agent: FooBot|unknown-line: x|user-agent: *|disallow: /", "FooBot", "", "/"),
    ("user-agent: FooBot|crawl-delay: 3|user-agent: *|disallow: /", "FooBot", "", "/"),
    ("USER-AGENT: FooBot|ALLOW: /x/|DISALLOW: /", "FooBot", "/x/y", "/a/b"),
    ("uSeR-aGeNt: FooBot|AlLoW: /x/|dIsAlLoW: /", "FooBot", "/x/y", "/a/b"),
    ("User-Agent: FOO BAR|Allow: /x/|Disallow: /", "Foo", "/x/y", "/a/b"),
    ("User-Agent: FoO bAr|Allow: /x/|Disallow: /", "foo", "/x/y", "/a/b"),
    ("User-Agent: *|Disallow: /|User-Agent: Foo Bar|Allow: /x/|Disallow: /", "Foo", "/x/y", "/y"),
    ("User-Agent: *|Disallow: /|User-Agent: Foo Bar|Allow: /x/", "Foo Bar", "", "/x/y"),
    ("user-agent: *|allow: /|user-agent: FooBot|disallow: /", "FooBot", "", "/x/y"),
    ("user-agent: *|allow: /|user-agent: FooBot|disallow: /", "BarBot", "/x/y", ""),
    ("user-agent: FooBot|allow: /|user-agent: BarBot|disallow: /", "QuxBot", "/x/y", ""),
    ("user-agent: FooBot|disallow: /x/", "FooBot", "/X/y", "/x/y"),
    # the longest match decides, and between equals the kinder
    ("user-agent: FooBot|disallow: /x/page.html|allow: /x/", "FooBot", "/x/", "/x/page.html"),
    ("user-agent: FooBot|allow: /x/page.html|disallow: /x/", "FooBot", "/x/page.html", "/x/"),
    ("user-agent: FooBot|disallow: |allow: ", "FooBot", "/x/page.html", ""),
    ("user-agent: FooBot|disallow: /|allow: /", "FooBot", "/x/page.html", ""),
    ("user-agent: FooBot|disallow: /x|allow: /x/", "FooBot", "/x/", "/x"),
    ("user-agent: FooBot|disallow: /x/page.html|allow: /x/page.html", "FooBot", "/x/page.html", ""),
    ("user-agent: FooBot|allow: /page|disallow: /*.html", "FooBot", "/page", "/page.html"),
    ("user-agent: FooBot|allow: /x/page.|disallow: /*.html", "FooBot", "/x/page.html", "/x/y.html"),
    ("User-agent: *|Disallow: /x/|User-agent: FooBot|Disallow: /y/", "FooBot", "/x/p", "/y/p"),
    ("user-agent: FooBot|allow: /p|disallow: /", "FooBot", "/page", "/"),
    ("user-agent: FooBot|allow: /folder|disallow: /folder", "FooBot", "/folder/page", ""),
    ("user-agent: FooBot|allow: /page|disallow: /*.htm", "FooBot", "", "/page.htm"),
    ("user-agent: FooBot|allow: /$|disallow: /", "FooBot", "/", "/page.html"),
    # spellings
    (
        "user-agent: FooBot|disallow: /|allow: /foo/bar?qux=taz&baz=http://foo.bar?tar&par",
        "FooBot",
        "/foo/bar?qux=taz&baz=http://foo.bar?tar&par",
        "/foo/bar?qux=taz",
    ),
    ("user-agent: x|disallow: /|allow: /foo/bar/ツ", "x", "/foo/bar/%E3%83%84 /foo/bar/ツ", "/ツ"),
    ("user-agent: x|disallow: /|allow: /foo/%E3%83%84", "x", "/foo/%E3%83%84 /foo/%e3%83%84", "/"),
    ("user-agent: x|disallow: /|allow: /foo/%62%61%7A", "x", "/foo/%62%61%7A /foo/baz", "/foo/ba"),
    ("user-agent: x|disallow: /foo/bar?baz=quz", "x", "/foo/bar", "/foo/bar?baz=quz"),
    ("user-agent: x|disallow: /a?b=http://c", "x", "/a", "/a?b=http%3A%2F%2Fc /a?b=http://c"),
    ("user-agent: x|disallow: /*=http%3A%2F%2Fc", "x", "/a", "/a?b=http%3A%2F%2Fc /a?b=http://c"),
    ("user-agent: x|disallow: /a%3cd.html", "x", "/a", "/a<d.html /a%3Cd.html"),
    ("user-agent: x|disallow: /a%2fb.html", "x", "/a/b.html", "/a%2fb.html /a%2Fb.html"),
    ("user-agent: x|disallow: /a/b.html", "x", "/a%2fb.html", "/a/b.html"),
    ("user-agent: x|disallow: /%7ejoe/", "x", "/joe/", "/~joe/ /%7Ejoe/"),
    ("user-agent: x|disallow: /a b", "x", "/a", "/a%20b"),
    ("user-agent: x|disallow: /a%zz", "x", "/a", "/a%zz"),
    # special characters
    ("user-agent: x|disallow: /foo/bar/quz|allow: /foo/*/qux", "x", "/foo/quz", "/foo/bar/quz"),
    ("user-agent: x|disallow: /foo/bar$|allow: /qux", "x", "/foo/bar/ /foo/bar/b", "/foo/bar"),
    ("user-agent: x|# disallow: /|disallow: /foo/quz#qux|allow: /", "x", "/foo/bar", "/foo/quz"),
    ("user-agent: x|disallow: /x$/abc", "x", "/x", "/x$/abcdef /x%24/abc"),
    ("user-agent: x|disallow: /x*x$/abc", "x", "/x/x", "/xabcx$/abcdef /xabcx%24/abc"),
    ("user-agent: x|disallow: /y*y/abc$", "x", "/yabcy/abcdef", "/yabcy/abc"),
    ("user-agent: x|disallow: /x/abc%24", "x", "/x/abc", "/x/abc$ /x/abc$abc"),
    ("user-agent: x|disallow: /x%2Ax/abc", "x", "/xabcx/abc", "/x*x/abc /x*x/abcdef"),
    ("user-agent: x|disallow: /x/abc$", "x", "/x/abcd", "/x/abc /x/abc$ /x/abc%24"),
    ("user-agent: x|disallow: *m", "x", "/foo /foo/bar.txt", "/foom /moo /foo.htm"),
    ("user-agent: x|disallow: *", "x", "", "/ /x"),
    ("user-agent: x|disallow: /a/*/end$", "x", "/a /a/b/endless", "/a/b/end /a//end"),
    ("user-agent: x|disallow: //folder/*", "x", "/folder/p //folder", "//folder/p"),
    ("user-agent: x|disallow: /*?s=", "x", "/s=", "/?s=1 /a?s="),
    ("user-agent: x|disallow: /?", "x", "/", "/?query /?"),
    ("user-agent: x|disallow: /;", "x", "/", "/;p"),
    ("user-agent: x|disallow: ****/***.js", "x", "/a", "/a/b.js"),
    ("user-agent: x|disallow: /ab*ba", "x", "/aba", "/abba /ab-ba"),
    ("user-agent: x|disallow: /ab*ba$", "x", "/aba", "/abba /ab-ba"),
    ("user-agent: x|disallow: private|disallow: http://x.y/z", "x", "/private", "/http://x.y/z"),
    # a folder's page is the folder
    ("user-agent: *|allow: /a/index.html|disallow: /", "x", "/a/ /a/index.html", "/a/index.htm /b"),
    # how patterns match
    ("user-agent: x|disallow: /|allow: /fish", "x", FISH, NOT_FISH),
    ("user-agent: x|disallow: /|allow: /fish*", "x", FISH, NOT_FISH),
    (
        "user-agent: x|disallow: /|allow: /fish/",
        "x",
        "/fish/ /fish/salmon /fish/?salmon /fish/salmon.html /fish/?id=any",
        "/bar /fish /fish.html /Fish/Salmon.html",
    ),
    (
        "user-agent: x|disallow: /|allow: /*.php",
        "x",
        "/a.php /f/a.php /f/a.php?p //f/any.php.file.html /a.php/ /index?f=a.php/",
        "/bar /php/ /index?php /windows.PHP",
    ),
    (
        "user-agent: x|disallow: /|allow: /*.php$",
        "x",
        "/a.php /f/a.php",
        "/bar /a.php?p /a.php/ /a.php5 /php/ /a?php /aaaphpaaa //windows.PHP",
    ),
    ("user-agent: x|disallow: /|allow: /fish*.php", "x", "/fish.php /fishhe/c.php?p", "/Fish.PHP"),
    # names
    ("user-agent: foobot|disallow: /", "FOOBOT", "", "/"),
    ("user-agent: FooBot/2.1|disallow: /", "foobot", "", "/"),
    ("user-agent: foo*bot|user-agent: bar*|disallow: /", "foobot", "", "/"),
    ("user-agent: foo*bot|user-agent: bar*|disallow: /", "bar", "", "/"),
    ("user-agent: bot|disallow: /", "mybot", "/", ""),
    ("user-agent: wind|disallow: /", "windlass", "/", ""),
    ("user-agent: windlassing|disallow: /", "windlass", "/", ""),
    ("user-agent: shop|disallow: /s|user-agent: *|disallow: /e", "shop-images", "/e", "/s"),
    ("user-agent: shop|disallow: /s|user-agent: shop-i|disallow: /i", "shop-i", "/s", "/i"),
    ("user-agent: * bots|disallow: /", "x", "", "/"),
    ("user-agent: a|disallow: /x|user-agent:|disallow: /y", "a", "/y", "/x"),
    ("user-agent: a|user-agent:|user-agent: b|disallow: /x", "a", "/y", "/x"),
    ("user agent a|disallow\t/x|allow /x/y", "a", "/x/y", "/x"),
    ("user-agent: a|dissallow: /1|disalow: /2|disallaw: /3", "a", "/", "/1 /2 /3"),
    ("user-agent: a|disallow: /x|user-agent must match: so|allow: /x/y", "a", "/x/y", "/x"),
    # always
    ("user-agent: *|disallow: /", "x", "/robots.txt", "/a/robots.txt"),
]  # fmt: skip


def text(lines: str) -> bytes:
    return lines.replace("|", "\n").encode() + b"\n"


@pytest.mark.parametrize(("lines", "agent", "allowed", "disallowed"), RULES)
def test_rules_mean_what_they_mean_to_everybody(
    lines: str, agent: str, allowed: str, disallowed: str
) -> None:
    robots = rules_of(200, text(lines), agent)
    for path in allowed.split():
        assert robots.allows(f"https://site.test{path}"), path
    for path in disallowed.split():
        assert not robots.allows(f"https://site.test{path}"), path


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r", "\n\n", "\r\n\n"])
def test_lines_end_in_any_way(ending: str) -> None:
    lines = ["User-Agent: foo", "Allow: /some", "User-Agent: bar", "", "Disallow: /"]
    body = ending.join(lines).encode()
    assert rules_of(200, body, "foo").allows("/some/path")
    assert not rules_of(200, body, "bar").allows("/some/path")


@pytest.mark.parametrize(
    "body",
    [
        b"\xef\xbb\xbfUser-agent: *\nDisallow: /x",
        b"\xef\xbbUser-agent: *\nDisallow: /x",
        b"\xefUser-agent: *\nDisallow: /x",
        b"\xff\xfeUser-agent: *\nDisallow: /x",
        "User-agent: *\nDisallow: /x".encode("utf-16"),
        b"\xfe\xff" + "User-agent: *\nDisallow: /x".encode("utf-16-be"),
        "User-agent: *\nDisallow:\u00a0/x".encode(),
        "User-agent: *\n\u00a0Disallow: /x\u00a0".encode(),
        b"User-agent: *\nDisallow: /caf\xe9\nDisallow: /x",
        b"User-agent: *\0\nDisallow: /x\0",
        b"<html>\nUser-agent: *\nDisallow: /x",
    ],
)
def test_odd_bytes_cost_no_rule(body: bytes) -> None:
    robots = rules_of(200, body, "windlass")
    assert robots.allows("/y")
    assert not robots.allows("/x")


def test_a_mark_counts_at_the_start_only() -> None:
    broken = b"\xef\x11\xbfUser-Agent: foo\nDisallow: /"
    assert rules_of(200, broken, "foo").allows("/")
    within = b"User-agent: foo\n\xef\xbb\xbfDisallow: /"
    assert rules_of(200, within, "foo").allows("/")


def test_bytes_that_are_no_utf_8_are_matched_as_they_are() -> None:
    robots = rules_of(200, b"User-agent: *\nDisallow: /caf\xe9", "x")
    assert not robots.allows("/caf%E9/menu")
    assert robots.allows("/caf%C3%A9")


def test_what_lies_beyond_the_limit_is_ignored_whole_lines_at_a_time() -> None:
    head = b"User-agent: *\nDisallow: /first\n"
    filler = (
        b"#" * (module.MAX_BYTES - len(head) - len(b"\nDisallow: /\n")) + b"\nDisallow: /late\n"
    )
    robots = rules_of(200, head + filler, "x")
    assert not robots.allows("/first")
    assert robots.allows("/late")
    assert robots.allows("/")


def test_a_line_is_read_up_to_its_limit() -> None:
    long = "/x/" + "a" * 16_649
    robots = rules_of(200, f"User-agent: *\ndisallow: {long}/qux\n".encode(), "x")
    assert robots.allows("/fux")
    assert not robots.allows(f"{long}/fux")


# ---------------------------------------------------------------- beside the rules


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("2", 2.0),
        ("0.5", 0.5),
        ("1,5", 1.5),
        ("0", 0.0),
        ("3600", module.MAX_CRAWL_DELAY_S),
        ("-1", None),
        ("nan", None),
        ("inf", None),
        ("soon", None),
        ("", None),
    ],
)
def test_crawl_delay_is_read_and_bounded(value: str, seconds: float | None) -> None:
    robots = rules_of(200, text(f"User-agent: *|Crawl-delay: {value}|Disallow:"), "x")
    assert robots.crawl_delay_s == seconds


def test_crawl_delay_is_for_the_names_above_it() -> None:
    lines = "User-agent: slow|Crawl-delay: 9|User-agent: *|Disallow: /x"
    assert rules_of(200, text(lines), "slow").crawl_delay_s == 9
    assert rules_of(200, text(lines), "windlass").crawl_delay_s is None
    again = "User-agent: *|Crawl-delay: 2|Disallow: /|User-agent: *|Crawl-delay: 1"
    assert rules_of(200, text(again), "windlass").crawl_delay_s == 2


@pytest.mark.parametrize(
    ("rate", "seconds"),
    [
        ("1/10s", 10),
        ("30/1m", 2),
        ("1/5", 5),
        ("0/5", None),
        ("1/0", None),
        ("1/5 0600-0845", None),
    ],
)
def test_a_request_rate_is_a_delay(rate: str, seconds: float | None) -> None:
    robots = rules_of(200, text(f"User-agent: *|Request-rate: {rate}"), "x")
    assert robots.crawl_delay_s == seconds


def test_sitemaps_are_found_anywhere_once_each() -> None:
    lines = (
        "Sitemap: https://site.test/1.xml|User-agent: a|Disallow: /|sitemap:/2.xml|SITE-MAP: HTTP://x/3"
        "|User-agent: b|Sitemap https://site.test/4.xml # four|Sitemap:|Sitemap: /2.xml"
    )
    robots = rules_of(200, text(lines), "windlass")
    assert robots.sitemaps == (
        "https://site.test/1.xml",
        "/2.xml",
        "HTTP://x/3",
        "https://site.test/4.xml",
    )
    assert (
        len(
            rules_of(
                200,
                b"Sitemap: /a\n" * 9 + b"".join(b"Sitemap: /%d\n" % n for n in range(5000)),
                "x",
            ).sitemaps
        )
        == 1000
    )


# ---------------------------------------------------------------- answers


@pytest.mark.parametrize(
    ("status", "standing"),
    [
        (200, "rules"),
        (204, "rules"),
        (301, "absent"),
        (400, "absent"),
        (401, "absent"),
        (403, "absent"),
        (404, "absent"),
        (410, "absent"),
        (429, "unreachable"),
        (500, "unreachable"),
        (503, "unreachable"),
        (0, "unreachable"),
    ],
)
def test_the_status_decides_whether_there_are_rules(status: int, standing: str) -> None:
    robots = rules_of(status, b"User-agent: *\nDisallow: /x", "windlass")
    assert robots.standing == standing
    assert robots.allows("https://site.test/x") is (standing == "absent")
    assert robots.allows("https://site.test/y") is (standing != "unreachable")
    assert robots.allows("https://site.test/robots.txt")


def test_an_unreachable_file_leaves_the_last_one_in_force_for_a_month() -> None:
    last = rules_of(200, b"User-agent: *\nDisallow: /x", "windlass")
    down = rules_of(503, b"", "windlass")
    assert in_force(last, None, 0) is last
    assert in_force(down, last, 3600) is last
    assert in_force(down, None, 3600) is down
    assert in_force(down, rules_of(200, b"", "other"), 3600) is down
    assert in_force(down, last, module.GIVEN_UP_AFTER_S).standing == "absent"


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("", 86_400),
        ("max-age=3600", 3600),
        ("public, MAX-AGE = 3600", 3600),
        ("max-age=1, s-maxage=7200", 7200),
        ("max-age=99999999", 86_400),
        ("max-age=0", 300),
        ("no-cache, max-age=3600", 300),
        ("no-store", 300),
        ("private", 86_400),
    ],
)
def test_an_answer_is_kept_as_its_header_says_within_bounds(header: str, seconds: float) -> None:
    assert lifetime_s(rules_of(200, b"", "x"), header) == seconds
    assert lifetime_s(rules_of(404, b"", "x"), header) == seconds
    assert lifetime_s(rules_of(503, b"", "x"), header) == module.UNREACHABLE_LIFETIME_S


def test_what_was_read_survives_being_stored() -> None:
    lines = "User-agent: *|Disallow: /*.pdf$|Allow: /a|Crawl-delay: 1|Sitemap: /s"
    robots = rules_of(200, text(lines), "windlass")
    assert robots.rules[0] == Rule("/*.pdf$", False, 7)
    stored = msgspec.json.encode(robots)
    again = msgspec.json.decode(stored, type=Robots)
    assert again == robots
    assert not again.allows("/x.pdf")
    assert msgspec.json.encode(again) == stored  # what it worked out to match is not stored


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("", "/"),
        ("http://www.site.test", "/"),
        ("http://www.site.test/a/b?c=http://d.e/#f", "/a/b?c=http://d.e/"),
        ("http://user:pass@www.site.test:81?a", "/?a"),
        ("site.test/a;b#c", "/a;b"),
        ("//a/b/c", "/b/c"),
        ("/a", "/a"),
        ("a/b", "/b"),
    ],
)
def test_path_and_query_are_what_counts_of_a_url(url: str, path: str) -> None:
    assert path_of(url) == path


# ---------------------------------------------------------------- hostile


def test_stars_take_no_time() -> None:
    robots = rules_of(200, b"User-agent: *\nDisallow: /" + b"*a" * 8000 + b"b", "x")
    began = time.process_time()
    assert robots.allows("/" + "a" * 8000)
    assert time.process_time() - began < 0.2


def test_a_file_full_of_rules_is_looked_up_fast() -> None:
    lines = b"".join(b"Disallow: /%d/%d\n" % (n % 97, n) for n in range(25_000))
    began = time.process_time()
    robots = rules_of(200, b"User-agent: *\n" + lines, "x")
    assert time.process_time() - began < 2
    assert not robots.allows("/45/19930")
    began = time.process_time()
    for number in range(1000):
        robots.allows(f"https://site.test/45/x{number}")
    assert time.process_time() - began < 0.2
