"""Request headers: what each browser sends, and how the caller's are merged in."""

from __future__ import annotations

from typing import Any

import pytest

from windlass.drivers.headers import compose, opening, referrer_of
from windlass.drivers.locales import accept_language, resolved_locale
from windlass.drivers.looks import brands
from windlass.drivers.redirects import first_hop, redirected, refreshed
from windlass.errors import InvalidRequest
from windlass.model.request import Emulation, ExtractRequest, Place

SECURE = "https://shop.example.com/cart?x#y"
PLAIN = "http://shop.example.com/cart?x#y"


def fields(url: str = SECURE, cookies: str = "", **options: Any) -> list[tuple[str, str]]:
    request = ExtractRequest(url=url, **options)
    return compose(request, opening(request), cookies)


def sent(url: str = SECURE, cookies: str = "", **options: Any) -> dict[str, str]:
    return {name.lower(): value for name, value in fields(url, cookies, **options)}


def test_chrome_on_windows_is_the_default() -> None:
    names = [name for name, _ in fields()]
    assert names == [
        "Connection",
        "sec-ch-ua",
        "sec-ch-ua-mobile",
        "sec-ch-ua-platform",
        "Upgrade-Insecure-Requests",
        "User-Agent",
        "Accept",
        "Sec-Fetch-Site",
        "Sec-Fetch-Mode",
        "Sec-Fetch-User",
        "Sec-Fetch-Dest",
        "Accept-Encoding",
        "Accept-Language",
    ]
    headers = sent()
    assert "Windows NT 10.0" in headers["user-agent"]
    assert "Chrome/" in headers["user-agent"]
    assert headers["sec-ch-ua-platform"] == '"Windows"'
    assert headers["accept-encoding"] == "gzip, deflate, br, zstd"
    assert headers["accept-language"] == "en-US,en;q=0.9"
    assert headers["sec-fetch-site"] == "none"


def test_plain_http_gets_no_hints_and_the_old_codings() -> None:
    headers = sent(PLAIN)
    assert not [name for name in headers if name.startswith("sec-")]
    assert headers["accept-encoding"] == "gzip, deflate"
    assert "br" in sent("http://127.0.0.1:8000/")["accept-encoding"]


LOOKS = [
    (Emulation(browser="firefox"), "Windows NT 10.0; Win64; x64; rv:", "Firefox/", None),
    (Emulation(browser="firefox", os="android"), "Android 15; Mobile; rv:", "Firefox/", None),
    (Emulation(browser="firefox", device="tablet"), "Android 15; Tablet; rv:", "Firefox/", None),
    (Emulation(os="mac os"), "Macintosh; Intel Mac OS X 10_15_7", "Chrome/", '"macOS"'),
    (Emulation(os="linux"), "X11; Linux x86_64", "Chrome/", '"Linux"'),
    (Emulation(device="mobile"), "Linux; Android 10; K", " Mobile Safari/", '"Android"'),
    (Emulation(os="android", device="tablet"), "Linux; Android 10; K", ".0 Safari/", '"Android"'),
    (Emulation(os="ios"), "iPhone; CPU iPhone OS", "CriOS/", None),
    (Emulation(os="ios", device="tablet", browser="firefox"), "iPad; CPU OS", "FxiOS/", None),
    (Emulation(browser_version="131.0.6778.86"), "Windows", "Chrome/131.0.0.0", '"Windows"'),
    (Emulation(browser="firefox", browser_version="128"), "rv:128.0", "Firefox/128.0", None),
]


@pytest.mark.parametrize(("emulation", "system", "product", "platform"), LOOKS)
def test_emulation_shows_in_the_headers(
    emulation: Emulation, system: str, product: str, platform: str | None
) -> None:
    headers = sent(emulation=emulation)
    assert system in headers["user-agent"]
    assert product in headers["user-agent"]
    assert headers.get("sec-ch-ua-platform") == platform


def test_brands_are_greased_as_chrome_greases_them() -> None:
    assert brands(120) == '"Not_A Brand";v="8", "Chromium";v="120", "Google Chrome";v="120"'
    assert brands(131) == '"Google Chrome";v="131", "Chromium";v="131", "Not_A Brand";v="24"'


LANGUAGES = [
    ("", "", "en-US,en;q=0.9"),
    ("de-DE", "", "de-DE,de;q=0.9,en-US;q=0.8,en;q=0.7"),
    ("fr", "", "fr,en-US;q=0.9,en;q=0.8"),
    ("en", "", "en"),
    ("en-GB", "DE", "en-GB,en;q=0.9"),
    ("auto", "DE", "de-DE,de;q=0.9,en-US;q=0.8,en;q=0.7"),
    ("auto", "GB", "en-GB,en;q=0.9"),
    ("auto", "TW", "zh-TW,zh;q=0.9,en-US;q=0.8,en;q=0.7"),
    ("auto", "ALL", "en-US,en;q=0.9"),
    ("auto", "", "en-US,en;q=0.9"),
]


@pytest.mark.parametrize(("locale", "country", "expected"), LANGUAGES)
def test_language_follows_locale_or_country(locale: str, country: str, expected: str) -> None:
    assert accept_language(resolved_locale(locale, country)) == expected
    headers = sent(locale=locale, place=Place(country=country))
    assert headers["accept-language"] == expected


def test_xhr_asks_like_a_script_of_the_page() -> None:
    headers = sent(is_xhr=True, method="POST", body="{}", body_type="application/json")
    assert headers["x-requested-with"] == "XMLHttpRequest"
    assert headers["accept"].startswith("application/json")
    assert headers["sec-fetch-mode"] == "cors"
    assert headers["sec-fetch-dest"] == "empty"
    assert headers["sec-fetch-site"] == "same-origin"
    assert headers["origin"] == "https://shop.example.com"
    assert headers["referer"] == "https://shop.example.com/"
    assert headers["content-type"] == "application/json"
    assert "upgrade-insecure-requests" not in headers


REFERRERS = [
    ("", None, "none"),
    ("no-referrer", None, "none"),
    ("same-origin", "https://shop.example.com/", "same-origin"),
    ("google", "https://www.google.com/", "cross-site"),
    ("bing", "https://www.bing.com/", "cross-site"),
    ("facebook", "https://www.facebook.com/", "cross-site"),
    ("twitter", "https://twitter.com/", "cross-site"),
    ("instagram", "https://www.instagram.com/", "cross-site"),
]


@pytest.mark.parametrize(("policy", "referer", "site"), REFERRERS)
def test_referrer_policy_decides_the_referer(policy: str, referer: str | None, site: str) -> None:
    headers = sent(referrer=policy)
    assert headers.get("referer") == referer
    assert headers["sec-fetch-site"] == site


def test_random_referrer_is_one_of_the_known() -> None:
    drawn = {referrer_of("random", SECURE, draw) for draw in range(100)}
    assert drawn == {referer for _, referer, site in REFERRERS if site == "cross-site"}


def test_referrer_that_the_caller_names_is_shown_to_plain_http_too() -> None:
    assert sent(PLAIN, referrer="google")["referer"] == "https://www.google.com/"


def test_secure_page_is_not_shown_to_plain_http() -> None:
    request = ExtractRequest(url=SECURE)
    plain = refreshed(first_hop(request), "http://shop.example.com/next")
    assert plain is not None
    assert "Referer" not in dict(compose(request, plain, ""))


def test_callers_headers_replace_suppress_and_repeat() -> None:
    given = {"user-AGENT": "me/1", "Accept": None, "X-Two": ["1", "2"], "accept-language": "xx"}
    result = fields(headers=given)
    names = [name for name, _ in result]
    assert ("user-AGENT", "me/1") in result
    assert names.index("user-AGENT") < names.index("Sec-Fetch-Site")
    assert "Accept" not in names
    assert [value for name, value in result if name == "X-Two"] == ["1", "2"]
    assert [value for name, value in result if name.lower() == "accept-language"] == ["xx"]


def test_configured_user_agent_goes_before_the_generated_one() -> None:
    request = ExtractRequest(url=SECURE)
    result = dict(compose(request, first_hop(request), "", "bot/1"))
    assert result["User-Agent"] == "bot/1"


COOKIES = [
    ({}, "a=1", "a=1"),
    ({"Cookie": "b=2"}, "a=1", "b=2; a=1"),
    ({"cookie": "b=2"}, "", "b=2"),
    ({"Cookie": ["b=2", "c=3"]}, "a=1", "b=2; c=3; a=1"),
    ({"Cookie": None}, "a=1", None),
]


@pytest.mark.parametrize(("headers", "jar", "expected"), COOKIES)
def test_cookies_are_merged_into_one_header(
    headers: dict[str, Any], jar: str, expected: str | None
) -> None:
    result = [
        value for name, value in fields(cookies=jar, headers=headers) if name.lower() == "cookie"
    ]
    assert result == ([] if expected is None else [expected])


@pytest.mark.parametrize(
    "name",
    [
        "Connection",
        "content-length",
        "Transfer-Encoding",
        "TE",
        "Upgrade",
        "Keep-Alive",
        "Expect",
        "Proxy-Authorization",
        "Trailer",
    ],
)
def test_headers_of_the_connection_are_not_the_callers(name: str) -> None:
    result = fields(headers={name: "evil"})
    assert "evil" not in [value for _, value in result]


INJECTIONS: list[dict[str, Any]] = [
    {"X-A": "b\r\nX-Evil: 1"},
    {"X-A": "b\nc"},
    {"X-A": "b\rc"},
    {"X-A": "b\0c"},
    {"X-A": ["fine", "b\nc"]},
    {"X-A\r\nX-Evil": "1"},
    {"X A": "1"},
    {"X-A:": "1"},
    {"": "1"},
    {"X-Ä": "1"},
    {"X-A": "\ud800"},
    {"Host": "a\r\nb"},
    {"Connection": "a\r\nb"},
]


@pytest.mark.parametrize("headers", INJECTIONS)
def test_header_that_would_break_out_is_refused(headers: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest):
        fields(headers=headers)


def test_redirect_elsewhere_drops_what_was_meant_for_home() -> None:
    headers = {"Authorization": "Bearer x", "Cookie": "s=1", "Host": "inner", "X-Mine": "1"}
    request = ExtractRequest(url=SECURE, headers=headers)
    home = first_hop(request)
    for location, kept in (("/x", True), ("https://other.test/", False)):
        hop = redirected(home, 302, location)
        assert hop is not None
        names = {name for name, _ in compose(request, hop, "")}
        assert "X-Mine" in names
        for name in ("Authorization", "Cookie", "Host"):
            assert (name in names) is kept


def test_headers_of_the_body_go_with_it() -> None:
    request = ExtractRequest(
        url=SECURE, method="POST", body="{}", headers={"Content-Type": "application/json"}
    )
    hop = redirected(first_hop(request), 302, "/x")
    kept = redirected(first_hop(request), 307, "/x")
    assert hop is not None
    assert kept is not None
    gone = {name for name, _ in compose(request, hop, "")}
    assert not gone & {"Content-Type", "Origin"}
    assert ("Content-Type", "application/json") in compose(request, kept, "")


def test_text_body_without_a_type_is_called_text() -> None:
    assert sent(method="POST", body="a")["content-type"] == "text/plain;charset=UTF-8"
    assert "content-type" not in sent(method="POST")


def test_refreshed_page_is_the_referrer() -> None:
    request = ExtractRequest(url=SECURE)
    near = refreshed(first_hop(request), "https://shop.example.com/next")
    far = refreshed(first_hop(request), "https://other.test/")
    assert near is not None
    assert far is not None
    assert dict(compose(request, near, ""))["Referer"] == "https://shop.example.com/cart?x"
    assert dict(compose(request, far, ""))["Referer"] == "https://shop.example.com/"
    assert dict(compose(request, far, ""))["Sec-Fetch-Site"] == "cross-site"


def test_user_info_of_the_url_logs_in_unless_the_caller_does() -> None:
    url = "https://me:secret@shop.example.com/"
    assert sent(url)["authorization"] == "Basic bWU6c2VjcmV0"
    assert sent(url, headers={"authorization": "mine"})["authorization"] == "mine"
