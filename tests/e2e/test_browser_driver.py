"""The browser driver with a real Chromium: what it brings, as whom it comes, what it leaves out."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from tests.support.rendering import rendering
from tests.support.rendersite import RenderSite, page
from windlass.drivers.browser.driver import BrowserDriver
from windlass.errors import (
    ConnectionRefused,
    DnsFailed,
    InvalidResponse,
    RequestTimeout,
    TargetError,
    TlsFailed,
    TooManyRedirects,
)
from windlass.model.page import Page, Redirect
from windlass.model.render import RenderOptions
from windlass.model.request import Cookie, Emulation, ExtractRequest, Place
from windlass.net.cookies import CookieJar

LOOPS = ("uvloop",)
# One browser for all of them: starting it takes longer than most tests.
pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module")
async def site() -> AsyncIterator[RenderSite]:
    async with RenderSite() as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def driver(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[BrowserDriver]:
    async with rendering(tmp_path_factory.mktemp("b")) as made:
        yield made


async def fetch(driver: BrowserDriver, url: str, jar: CookieJar | None = None, **wish: Any) -> Page:
    request = ExtractRequest(url=url, render=True, **wish)
    return await driver.fetch(request, jar or CookieJar())


async def who(driver: BrowserDriver, site: RenderSite, **wish: Any) -> dict[str, Any]:
    got = await fetch(driver, site.url("who"), render_options=IDLE, **wish)
    text = got.body.decode().partition('<div id="who">')[2].partition("</div>")[0]
    shown: dict[str, Any] = json.loads(text)
    return shown


IDLE = RenderOptions(wait_until="idle0")


async def test_a_page_comes_as_its_scripts_made_it(driver: BrowserDriver, site: RenderSite) -> None:
    jar = CookieJar()
    got = await fetch(driver, site.url("app"), jar, render_options=IDLE)
    assert '<div id="root">from the API</div>' in got.body.decode()
    assert got.body.startswith(b"<!DOCTYPE html>")
    assert (got.status, got.driver, got.url) == (200, "vx8", site.url("app"))
    assert got.header("content-type") == "text/html; charset=utf-8"
    assert {(one.name, one.http_only) for one in got.cookies} == {("js", False), ("server", True)}
    assert jar.cookies_for(site.url("app")) == "server=2; js=1"
    assert got.warnings == ()
    assert not (site.asked("pixel.png") or site.asked("font.woff2"))
    assert site.asked("s.css")


async def test_tasks_share_nothing(driver: BrowserDriver, site: RenderSite) -> None:
    await fetch(driver, site.url("app"), render_options=IDLE)
    got = await fetch(driver, site.url("echo"))
    assert "cookie" not in got.body.decode().lower()


async def test_images_come_when_wanted(driver: BrowserDriver, site: RenderSite) -> None:
    options = RenderOptions(wait_until="idle0", disabled_resources=())
    await fetch(driver, site.url("app"), render_options=options)
    assert site.asked("pixel.png")
    assert site.asked("font.woff2")
    site.seen.clear()
    await fetch(driver, site.url("app"), formats=("screenshot",), render_options=IDLE)
    assert site.asked("pixel.png")
    site.seen.clear()
    options = RenderOptions(wait_until="idle0", disabled_resources=("stylesheet", "fetch"))
    await fetch(driver, site.url("app"), render_options=options)
    assert site.asked("pixel.png")
    assert not (site.asked("s.css") or site.asked("api"))


async def test_blocked_domains_stand_for_their_subdomains(
    driver: BrowserDriver, site: RenderSite
) -> None:
    port = site.port

    async def mixed(_: object) -> Any:
        return page(
            f"<script src='http://a.localhost:{port}/one.js'></script>"
            f"<script src='http://127.0.0.1:{port}/two.js'></script>"
        )

    site.answers["mixed"] = mixed
    options = RenderOptions(blocked_domains=("127.0.0.1",))
    # The page itself is never blocked.
    await fetch(driver, site.url("mixed"), render_options=options)
    assert not site.asked("two.js")
    site.seen.clear()
    await fetch(
        driver, site.url("mixed"), render_options=RenderOptions(blocked_domains=("localhost",))
    )
    assert site.asked("two.js")
    assert not site.asked("one.js")


async def test_redirects_of_every_kind_are_followed(
    driver: BrowserDriver, site: RenderSite
) -> None:
    steps = (
        site.url("redirect?to=/refresh%3Fto%3D/script-move%253Fto%253D/app"),
        site.url("refresh?to=/script-move%3Fto%3D/app"),
        site.url("script-move?to=/app"),
    )
    got = await fetch(driver, steps[0])
    assert got.url == site.url("app")
    assert got.status == 200
    assert got.redirects == (
        Redirect(steps[0], 302),
        Redirect(steps[1], 200),
        Redirect(steps[2], 200),
    )


async def test_a_script_that_sends_visitors_to_a_slow_page_is_followed(
    driver: BrowserDriver, site: RenderSite
) -> None:
    async def slow(request: Any) -> Any:
        from aiohttp import web

        await asyncio.sleep(0.4)  # as long as it takes
        return web.Response(text="<p>there</p>", content_type="text/html")

    site.answers["slow"] = slow
    got = await fetch(driver, site.url("script-move?to=/slow"))
    assert (got.url, got.status) == (site.url("slow"), 200)
    assert b"there" in got.body


async def test_redirects_end(driver: BrowserDriver, site: RenderSite) -> None:
    async def around(request: Any) -> Any:
        from aiohttp import web

        return web.Response(status=302, headers={"Location": f"/around?{request.query_string}x"})

    site.answers["around"] = around
    with pytest.raises(TooManyRedirects):
        await fetch(driver, site.url("around"))


@pytest.mark.parametrize("status", [404, 500, 503])
async def test_an_error_page_comes_with_its_status(
    driver: BrowserDriver, site: RenderSite, status: int
) -> None:
    got = await fetch(driver, site.url(f"status?is={status}"))
    assert got.status == status
    assert b"so it is" in got.body


async def test_what_is_no_markup_comes_as_it_is(driver: BrowserDriver, site: RenderSite) -> None:
    got = await fetch(driver, site.url("echo"))
    assert json.loads(got.body)["method"] == "GET"
    assert got.body_type == ""
    with pytest.raises(InvalidResponse, match="is a download"):
        await fetch(driver, site.url("file"))


async def test_method_body_and_headers_are_sent_as_asked(
    driver: BrowserDriver, site: RenderSite
) -> None:
    got = await fetch(
        driver,
        site.url("echo"),
        method="POST",
        body='{"x": 1}',
        body_type="application/json",
        headers={
            "X-One": "1",
            "X-Two": ["a", "b"],
            "Upgrade-Insecure-Requests": None,
            "Accept-Language": "fr-FR",
            "Cookie": "c=1; d=2",
        },
        cookies=(Cookie(name="e", value="3"),),
        referrer="google",
    )
    told = json.loads(got.body)
    headers: dict[str, list[str]] = {}
    for name, value in told["headers"]:
        headers.setdefault(name.lower(), []).append(value)
    assert (told["method"], told["body"]) == ("POST", '{"x": 1}')
    assert headers["x-one"] == ["1"]
    assert ", ".join(headers["x-two"]) == "a, b"
    assert headers["content-type"] == ["application/json"]
    assert headers["accept-language"][0].startswith("fr-FR")
    assert headers["referer"] == ["https://www.google.com/"]
    assert sorted(headers["cookie"][0].split("; ")) == ["c=1", "d=2", "e=3"]
    assert "upgrade-insecure-requests" not in headers


async def test_credentials_stay_with_their_origin(driver: BrowserDriver, site: RenderSite) -> None:
    async def two(_: object) -> Any:
        return page(
            f"<script src='http://127.0.0.1:{other.port}/there.js'></script>"
            "<script src='/here.js'></script>"
        )

    site.answers["two"] = two
    async with RenderSite() as other:
        url = site.url("two").replace("http://", "http://user:pass@")
        await fetch(driver, url, headers={"X-Key": "k"})
        assert [one.headers.get("X-Key") for one in site.seen] == ["k", "k"]
        assert [one.headers.get("Authorization") for one in site.seen] == ["Basic dXNlcjpwYXNz"] * 2
        assert other.asked("there.js") == 1
        assert not {"X-Key", "Authorization"} & set(other.seen[0].headers)


async def test_a_browser_comes_as_chrome_on_windows_unless_told(
    driver: BrowserDriver, site: RenderSite
) -> None:
    seen = await who(driver, site)
    version = seen["agent"].partition("Chrome/")[2].partition(".")[0]
    assert "Windows NT 10.0" in seen["agent"]
    assert "Headless" not in json.dumps(seen)
    assert (seen["platform"], seen["languages"], seen["webdriver"]) == (
        "Win32",
        ["en-US", "en"],
        False,
    )
    assert seen["headers"]["User-Agent"] == seen["agent"]
    assert seen["headers"]["Accept-Language"] == "en-US,en;q=0.9"
    assert f'"Google Chrome";v="{version}"' in seen["headers"]["Sec-CH-UA"]
    assert seen["headers"]["Sec-CH-UA-Platform"] == '"Windows"'
    assert {one["brand"] for one in seen["hints"]["brands"]} >= {"Google Chrome", "Chromium"}
    assert (seen["width"], seen["touch"]) == (1920, 0)


async def test_a_phone_is_a_phone_all_over(driver: BrowserDriver, site: RenderSite) -> None:
    seen = await who(
        driver,
        site,
        emulation=Emulation(device="mobile", os="android"),
        locale="auto",
        place=Place(country="DE"),
    )
    assert "Android" in seen["agent"]
    assert "Mobile" in seen["agent"]
    assert (seen["platform"], seen["scale"]) == ("Linux armv81", 2.625)
    assert seen["touch"] > 0
    assert seen["hints"]["mobile"] is True
    assert seen["headers"]["Sec-CH-UA-Mobile"] == "?1"
    assert seen["languages"][0] == "de-DE"
    assert seen["locale"] == "de-DE"
    assert seen["headers"]["Accept-Language"].startswith("de-DE,de;q=0.9")


async def test_what_chromium_cannot_be_is_told(driver: BrowserDriver, site: RenderSite) -> None:
    got = await fetch(driver, site.url("plain"), emulation=Emulation(browser="firefox"))
    assert any("firefox" in warning for warning in got.warnings)
    got = await fetch(driver, site.url("plain"), headers={"Host": "x"}, is_xhr=True)
    assert len(got.warnings) == 2


async def test_a_session_goes_on_in_the_jar(driver: BrowserDriver, site: RenderSite) -> None:
    jar = CookieJar()
    await fetch(driver, site.url("app"), jar)

    async def forget(request: Any) -> Any:
        assert sorted(request.cookies) == ["js", "server"]
        return page("<script>document.cookie = 'js=; max-age=0'</script>")

    site.answers["forget"] = forget
    await fetch(driver, site.url("forget"), jar)
    assert [one.name for one in jar.export()] == ["server"]


@pytest.mark.parametrize(
    ("url", "error"),
    [
        ("http://nowhere.invalid/", DnsFailed),
        ("https://nowhere.invalid/", DnsFailed),
        ("http://127.0.0.1:{closed}/", ConnectionRefused),
        ("https://127.0.0.1:{closed}/", ConnectionRefused),
        ("https://127.0.0.1:{port}/", TlsFailed),
    ],
)
async def test_what_cannot_be_reached_says_why(
    driver: BrowserDriver, site: RenderSite, url: str, error: type[TargetError]
) -> None:
    from tests.support.loopback import free_port

    with pytest.raises(error):
        await fetch(driver, url.format(port=site.port, closed=free_port()))


async def test_a_page_that_never_answers_ends_with_the_budget(
    driver: BrowserDriver, site: RenderSite
) -> None:
    await fetch(driver, site.url("plain"))
    with pytest.raises(RequestTimeout):
        await fetch(driver, site.url("never"), timeout_ms=1000)


async def test_many_pages_at_once_do_not_mix(driver: BrowserDriver, site: RenderSite) -> None:
    async def numbered(request: Any) -> Any:
        number = request.query["n"]
        return page(
            f"<script>document.cookie='n={number}';document.write('page {number}')</script>"
        )

    site.answers["numbered"] = numbered
    urls = [site.url(f"numbered?n={number}") for number in range(12)]
    pages = await asyncio.gather(*(fetch(driver, url) for url in urls))
    for number, got in enumerate(pages):
        assert f"page {number}<" in got.body.decode()
        assert [one.value for one in got.cookies] == [str(number)]
    assert driver.pool.browsers[0].open == 0
