"""The cookie jar by cases: what a sequence of answers leaves to be sent where."""

from __future__ import annotations

import time

import pytest

from windlass.model.request import Cookie
from windlass.net.cookies import (
    MAX_COOKIES,
    MAX_HEADER_BYTES,
    MAX_PER_DOMAIN,
    CookieJar,
)
from windlass.net.setcookie import parse_cookie_date

SITE = "https://shop.example.com/cart/view?x=1"

# name: (Set-Cookie lines of SITE, URL asked next ("" = SITE), expected Cookie header)
CASES: dict[str, tuple[list[str], str, str]] = {
    "plain": (["a=b"], "", "a=b"),
    "two in order of creation": (["b=1", "a=2"], "", "b=1; a=2"),
    "value with equals signs": (["a=b=c=d"], "", "a=b=c=d"),
    "spaces around are trimmed": (["  a  =  b c  ; Path=/"], "", "a=b c"),
    "quotes are kept": (['a="b c"'], "", 'a="b c"'),
    "no name": (["lonely"], "", "lonely"),
    "empty name with equals": (["=value"], "", "value"),
    "empty value": (["a="], "", "a="),
    "nothing": ([""], "", ""),
    "only equals": (["="], "", ""),
    "only semicolons": ([";;; Path=/"], "", ""),
    "control character": (["a=b\x01c"], "", ""),
    "tab is allowed": (["a=b\tc"], "", "a=b\tc"),
    "unicode": (["a=žlutý"], "", "a=žlutý"),
    "replaced": (["a=1", "b=2", "a=3"], "", "a=3; b=2"),
    "names are case-sensitive": (["a=1", "A=2"], "", "a=1; A=2"),
    "deleted by max-age": (["a=1", "b=2", "a=; Max-Age=0"], "", "b=2"),
    "deleted by negative max-age": (["a=1", "a=; Max-Age=-5"], "", ""),
    "deleted by expires": (["a=1", "a=x; Expires=Thu, 01 Jan 1970 00:00:00 GMT"], "", ""),
    "max-age goes before expires": (
        ["a=1; Max-Age=100; Expires=Thu, 01 Jan 1970 00:00:00 GMT"],
        "",
        "a=1",
    ),
    "max-age of nonsense is ignored": (["a=1; Max-Age=soon"], "", "a=1"),
    "max-age of many digits": ([f"a=1; Max-Age={'9' * 500}"], "", "a=1"),
    "expires of nonsense is ignored": (["a=1; Expires=never"], "", "a=1"),
    "host only by default": (["a=1"], "https://www.shop.example.com/cart/", ""),
    "domain reaches below": (["a=1; Domain=example.com"], "https://example.com/cart/x", "a=1"),
    "leading dot is ignored": (["a=1; Domain=.example.com"], "https://b.example.com/cart/x", "a=1"),
    "domain in capitals": (["a=1; Domain=EXAMPLE.com"], "", "a=1"),
    "last domain counts": (["a=1; Domain=other.test; Domain=example.com"], "", "a=1"),
    "empty domain is none": (["a=1; Domain="], "", "a=1"),
    "domain elsewhere": (["a=1; Domain=other.test"], "", ""),
    "domain below the host": (["a=1; Domain=deep.shop.example.com"], "", ""),
    "domain that only ends alike": (["a=1; Domain=ample.com"], "", ""),
    "public suffix": (["a=1; Domain=com"], "", ""),
    "path": (["a=1; Path=/cart"], "", "a=1"),
    "path elsewhere": (["a=1; Path=/other"], "", ""),
    "path matches whole segments": (["a=1; Path=/car"], "", ""),
    "path with slash": (["a=1; Path=/cart/"], "https://shop.example.com/cart", ""),
    "path without slash is the default": (["a=1; Path=cart"], "", "a=1"),
    "default path is the folder": (["a=1"], "https://shop.example.com/other", ""),
    "default path does not reach up": (["a=1"], "https://shop.example.com/", ""),
    "paths are case-sensitive": (["a=1; Path=/Cart"], "", ""),
    "longer paths first": (["a=1; Path=/", "b=2; Path=/cart"], "", "b=2; a=1"),
    "same name, two paths": (["a=1; Path=/", "a=2; Path=/cart"], "", "a=2; a=1"),
    "secure over https": (["a=1; Secure"], "", "a=1"),
    "secure over http": (["a=1; Secure; Path=/"], "http://shop.example.com/", ""),
    "port does not matter": (["a=1"], "https://shop.example.com:8443/cart/x", "a=1"),
    "scheme does not matter": (["a=1"], "http://shop.example.com/cart/x", "a=1"),
    "unknown attributes": (["a=1; Priority=High; Partitioned; foo=bar"], "", "a=1"),
    "overlong attribute is ignored": ([f"a=1; Path=/{'x' * 1100}"], "", "a=1"),
    "overlong cookie": ([f"a={'x' * 4096}"], "", ""),
    "largest cookie": ([f"a={'x' * 4095}"], "", f"a={'x' * 4095}"),
    "prefix host kept": (["__Host-a=1; Secure; Path=/"], "", "__Host-a=1"),
    "prefix host with domain": (["__Host-a=1; Secure; Path=/; Domain=example.com"], "", ""),
    "prefix host without path": (["__Host-a=1; Secure"], "", ""),
    "prefix secure not secure": (["__Secure-a=1"], "", ""),
    "prefix in other case": (["__SeCuRe-a=1"], "", ""),
    "prefix hidden in the value": (["=__Secure-a=1; Secure"], "", ""),
    "other site": (["a=1; Path=/"], "https://evil.test/", ""),
    "name as suffix of another": (["a=1; Domain=example.com"], "https://notexample.com/cart/", ""),
}


@pytest.mark.parametrize("name", CASES)
def test_answers_leave_what_browsers_would_send(name: str) -> None:
    lines, asked, expected = CASES[name]
    jar = CookieJar()
    jar.store(SITE, lines)
    assert jar.cookies_for(asked or SITE) == expected


# host that sets, domain asked for, whether other hosts below it get the cookie
SUFFIXES = [
    ("a.example.co.uk", "example.co.uk", True),
    ("a.example.co.uk", "co.uk", False),
    ("me.github.io", "github.io", False),
    ("x.me.github.io", "me.github.io", True),
    ("a.bücher.example", "bücher.example", True),
    ("sub.192.0.2.1.example", "192.0.2.1.example", True),
]


@pytest.mark.parametrize(("host", "domain", "shared"), SUFFIXES)
def test_public_suffixes_share_no_cookies(host: str, domain: str, shared: bool) -> None:
    jar = CookieJar()
    jar.store(f"https://{host}/", [f"a=1; Domain={domain}"])
    assert bool(jar.cookies_for(f"https://other.{domain}/")) is shared


def test_host_that_is_a_public_suffix_keeps_its_own_cookie() -> None:
    jar = CookieJar()
    jar.store("https://github.io/", ["a=1; Domain=github.io"])
    assert jar.cookies_for("https://github.io/") == "a=1"
    assert jar.cookies_for("https://x.github.io/") == ""


@pytest.mark.parametrize("url", ["http://127.0.0.1:8080/", "http://[::1]/", "https://192.0.2.1/"])
def test_addresses_have_no_subdomains(url: str) -> None:
    jar = CookieJar()
    host = url.split("//")[1].rstrip("/")
    jar.store(url, ["a=1", f"b=2; Domain={host.removesuffix(':8080')}", "c=3; Domain=0.0.1"])
    assert jar.cookies_for(url) == "a=1; b=2"


def test_insecure_answer_cannot_overlay_a_secure_cookie() -> None:
    jar = CookieJar()
    jar.store("https://example.com/", ["id=real; Secure; Path=/"])
    jar.store("http://example.com/", ["id=forged; Path=/", "new=1; Secure", "other=2"])
    assert jar.cookies_for("https://example.com/") == "id=real; other=2"


def test_loopback_counts_as_secure_as_in_browsers() -> None:
    jar = CookieJar()
    jar.store("http://localhost:8000/", ["id=1; Secure"])
    assert jar.cookies_for("http://localhost:8000/") == "id=1"


# text, Unix seconds or None
DATES = [
    ("Wed, 09 Jun 2021 10:18:14 GMT", 1623233894),
    ("Wednesday, 09-Jun-21 10:18:14 GMT", 1623233894),
    ("Wed Jun  9 10:18:14 2021", 1623233894),
    ("10:18:14 9 june 2021", 1623233894),
    ("9 Jun 2021 10:18:14 +0200 (whatever)", 1623233894),
    ("Mon, 01 Jan 70 00:00:00 GMT", 0),
    ("Sun, 31-Dec-69 00:00:00", 3155673600),
    ("31 Feb 2021 00:00:00", None),
    ("1 Jan 1600 00:00:00", None),
    ("1 Jan 2021 25:00:00", None),
    ("1 Jan 2021", None),
    ("2021-06-09T10:18:14Z", None),
    ("", None),
]


@pytest.mark.parametrize(("text", "expected"), DATES)
def test_dates_are_read_leniently(text: str, expected: float | None) -> None:
    assert parse_cookie_date(text) == expected


def test_lives_are_at_most_400_days() -> None:
    jar = CookieJar()
    jar.store(SITE, ["a=1; Max-Age=99999999999", "b=2; Expires=Fri, 31 Dec 9999 23:59:59 GMT"])
    for cookie in jar.export():
        assert cookie.expires is not None
        assert 399 * 86400 < cookie.expires - time.time() <= 400 * 86400


def test_export_describes_each_cookie_and_can_be_fed_back() -> None:
    jar = CookieJar()
    jar.store(SITE, ["a=1; Domain=example.com; Path=/; Secure; HttpOnly; SameSite=Lax", "b=2"])
    exported = jar.export()
    assert exported == (
        Cookie(
            name="a",
            value="1",
            domain="example.com",
            secure=True,
            http_only=True,
            host_only=False,
            same_site="lax",
        ),
        Cookie(name="b", value="2", domain="shop.example.com", path="/cart"),
    )
    again = CookieJar(exported)
    assert again.cookies_for(SITE) == jar.cookies_for(SITE)
    assert again.cookies_for("https://www.example.com/") == "a=1"


def test_given_cookies_without_domain_stay_with_the_requests_host() -> None:
    jar = CookieJar((Cookie(name="a", value="1"),), "https://example.com/deep/page")
    assert jar.cookies_for("https://example.com/") == "a=1"
    assert jar.cookies_for("https://sub.example.com/") == ""
    assert jar.cookies_for("https://evil.test/") == ""
    assert CookieJar((Cookie(name="a", value="1"),)).export() == ()


UNSENDABLE = [("a", "b\r\nX: y"), ("a;b", "c"), ("a", "b; c"), ("a\0", "b"), ("", ""), ("a=b", "c")]


@pytest.mark.parametrize(("name", "value"), [*UNSENDABLE, ("a", "\ud800"), ("a", "x" * 5000)])
def test_given_cookies_that_no_header_can_carry_are_dropped(name: str, value: str) -> None:
    jar = CookieJar((Cookie(name=name, value=value),), SITE)
    assert jar.cookies_for(SITE) == ""


def test_jar_is_bounded() -> None:
    jar = CookieJar()
    jar.store(SITE, [f"c{n}={n}" for n in range(5 * MAX_PER_DOMAIN)])
    assert len(jar.export()) == MAX_PER_DOMAIN
    assert jar.export()[-1].name == f"c{5 * MAX_PER_DOMAIN - 1}"
    for n in range(3 * MAX_COOKIES):
        jar.store(f"https://h{n}.test/", ["a=1"])
    assert len(jar.export()) <= MAX_COOKIES
    assert jar.cookies_for(f"https://h{3 * MAX_COOKIES - 1}.test/") == "a=1"


def test_cookie_header_is_bounded() -> None:
    jar = CookieJar()
    jar.store(SITE, [f"c{n}={'x' * 4000}" for n in range(50)])
    assert 0 < len(jar.cookies_for(SITE)) <= MAX_HEADER_BYTES


@pytest.mark.parametrize("url", ["", "nonsense", "http://[", "mailto:a@b"])
def test_urls_without_a_host_have_no_cookies(url: str) -> None:
    jar = CookieJar()
    jar.store(url, ["a=1; Domain=example.com"])
    assert jar.cookies_for(url) == ""
