"""Redirects by cases: what is asked next, with what, and when it ends."""

from __future__ import annotations

import pytest

from windlass.drivers.redirects import Hop, Trail, first_hop, followed, redirected, refreshed
from windlass.errors import BadRedirect, InvalidRequest, RedirectLoop, TooManyRedirects
from windlass.model.page import Redirect
from windlass.model.request import ExtractRequest

START = "https://example.com/a/b?q#frag"


def hop(url: str = START, method: str = "GET", body: str | None = None) -> Hop:
    return first_hop(ExtractRequest(url=url, method=method, body=body))  # type: ignore[arg-type]


METHODS = [
    (301, "POST", "GET", None),
    (302, "POST", "GET", None),
    (303, "POST", "GET", None),
    (307, "POST", "POST", b"x=1"),
    (308, "POST", "POST", b"x=1"),
    (301, "PUT", "PUT", b"x=1"),
    (302, "DELETE", "DELETE", b"x=1"),
    (303, "PUT", "GET", None),
    (303, "GET", "GET", None),
    (302, "GET", "GET", b"x=1"),
]


@pytest.mark.parametrize(("status", "method", "becomes", "body"), METHODS)
def test_status_decides_what_becomes_of_method_and_body(
    status: int, method: str, becomes: str, body: bytes | None
) -> None:
    target = redirected(hop(method=method, body="x=1"), status, "/next")
    assert target is not None
    assert (target.method, target.body) == (becomes, body)


LOCATIONS = {
    "/c": "https://example.com/c#frag",
    "c": "https://example.com/a/c#frag",
    "?x": "https://example.com/a/b?x#frag",
    "#other": "https://example.com/a/b?q#other",
    "../../../x": "https://example.com/x#frag",
    "//other.test/y": "https://other.test/y#frag",
    "HTTP://OTHER.test:80": "http://other.test/#frag",
    "  /spaces \t": "https://example.com/spaces#frag",
    "/a b/ü?ü": "https://example.com/a%20b/%C3%BC?%C3%BC#frag",
    "https://bücher.example/": "https://xn--bcher-kva.example/#frag",
    "\\\\other.test\\x": "https://other.test/x#frag",
    "http://0x7f.1/": "http://127.0.0.1/#frag",
    "/own#": "https://example.com/own#frag",
}


@pytest.mark.parametrize("location", LOCATIONS)
def test_location_is_resolved_as_browsers_resolve_it(location: str) -> None:
    target = redirected(hop(), 302, location)
    assert target is not None
    assert target.url == LOCATIONS[location]


@pytest.mark.parametrize(
    "location",
    [
        "ftp://example.com/",
        "javascript:alert(1)",
        "file:///etc/passwd",
        "gopher://x/",
        "dict://x/",
        "data:text/html,x",
        "mailto:a@b.test",
        "about:blank",
        "http://",
        "http://[::1",
        "https://exa mple.com/",
        "http://a:99999/",
        "/" + "x" * 70_000,
    ],
)
def test_location_that_is_not_fetched_is_an_error(location: str) -> None:
    with pytest.raises(BadRedirect):
        redirected(hop(), 302, location)


@pytest.mark.parametrize(
    ("status", "location"), [(200, "/x"), (300, "/x"), (304, "/x"), (302, None), (302, "")]
)
def test_answer_that_browsers_show_is_no_redirect(status: int, location: str | None) -> None:
    assert redirected(hop(), status, location) is None


ORIGINS = [
    ("/same", True),
    ("https://example.com:443/same", True),
    ("http://example.com/", False),
    ("https://example.com:8443/", False),
    ("https://www.example.com/", False),
    ("https://other.test/", False),
]


@pytest.mark.parametrize(("location", "stays"), ORIGINS)
def test_credentials_end_at_their_origin(location: str, stays: bool) -> None:
    target = redirected(hop(), 302, location)
    assert target is not None
    assert target.at_home is stays


def test_credentials_do_not_come_back_with_the_origin() -> None:
    away = redirected(hop(), 302, "https://other.test/")
    assert away is not None
    back = redirected(away, 302, START)
    assert back is not None
    assert back.origin == hop().origin
    assert not back.at_home


def test_user_info_becomes_a_header_and_stays_with_its_origin() -> None:
    start = hop("http://us%20er:pa%3Ass@example.com/")
    assert start.url == "http://example.com/"
    assert start.authorization == "Basic dXMgZXI6cGE6c3M="
    same = redirected(start, 302, "/x")
    other = redirected(start, 302, "http://other.test/")
    named = redirected(start, 302, "http://a@other.test/")
    assert same is not None
    assert other is not None
    assert named is not None
    assert same.authorization == start.authorization
    assert other.authorization == ""
    assert (named.url, named.authorization) == ("http://other.test/", "Basic YTo=")


@pytest.mark.parametrize(
    "url", ["ftp://x/", "javascript:1", "nonsense", "", "//x", "http://[", "gopher://x"]
)
def test_first_url_must_be_http(url: str) -> None:
    with pytest.raises(InvalidRequest):
        hop(url)


def walk(urls: list[str], limit: int = 20, cookies: str = "") -> Trail:
    trail = Trail()
    for url in urls:
        trail = followed(trail, hop(url), 302, cookies, limit)
    return trail


def test_trail_records_each_redirect() -> None:
    trail = walk(["https://a.test/1", "https://a.test/2#x"])
    assert trail.redirects == (
        Redirect("https://a.test/1", 302),
        Redirect("https://a.test/2#x", 302),
    )


def test_going_round_is_a_loop() -> None:
    with pytest.raises(RedirectLoop):
        walk(["https://a.test/"] * 3)
    with pytest.raises(RedirectLoop):
        walk(["https://a.test/1", "https://a.test/2"] * 3)


def test_coming_back_once_or_with_other_cookies_is_no_loop() -> None:
    walk(["https://a.test/"] * 2)
    trail = Trail()
    for number in range(15):
        trail = followed(trail, hop("https://a.test/"), 302, f"visit={number}", 20)
    assert len(trail.redirects) == 15


def test_more_redirects_than_allowed_are_too_many() -> None:
    walk([f"https://a.test/{n}" for n in range(20)])
    with pytest.raises(TooManyRedirects):
        walk([f"https://a.test/{n}" for n in range(21)])
    with pytest.raises(TooManyRedirects):
        walk(["https://a.test/"], limit=0)


def test_circle_longer_than_the_limit_is_called_a_loop() -> None:
    with pytest.raises(RedirectLoop):
        walk([f"https://a.test/{n % 12}" for n in range(25)])


def test_refresh_is_a_visit_of_its_own() -> None:
    target = refreshed(hop(method="POST", body="x"), "https://example.com/next")
    assert target is not None
    assert (target.method, target.body) == ("GET", None)
    assert target.referrer == "https://example.com/a/b?q"
    assert target.at_home


@pytest.mark.parametrize("url", [START, "https://example.com/a/b?q#other", "ftp://x/", "nonsense"])
def test_refresh_that_leads_nowhere_is_not_followed(url: str) -> None:
    assert refreshed(hop(), url) is None
