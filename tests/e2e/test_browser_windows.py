"""What would open windows, and answers that end early: a person still gets what they came for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from aiohttp import web

from tests.support.rendering import rendering
from tests.support.rendersite import RenderSite, page
from windlass.drivers.browser.driver import BrowserDriver
from windlass.errors import BodyTruncated
from windlass.model.page import Page
from windlass.model.render import Action, Click
from windlass.model.request import ExtractRequest
from windlass.net.cookies import CookieJar

LOOPS = ("uvloop",)
pytestmark = pytest.mark.asyncio(loop_scope="module")

WAYS = {
    "link": "<a id=it href=/plain target=_blank>there</a>",
    "named": "<a id=it href=/plain target=other rel=noopener>there</a>",
    "form": "<form action=/plain target=_blank><button id=it>there</button></form>",
    "script": "<button id=it onclick=\"window.open('/plain')\">there</button>",
    "storm": "<button id=it onclick='storm()'>there</button>"
    "<script>function storm() { for (let i = 0; i < 300; i++) window.open('/plain') }</script>",
}


def _serving(text: str) -> object:
    async def answer(_: web.Request) -> web.Response:
        return page(text)

    return answer


async def _cut(request: web.Request) -> web.StreamResponse:
    answer = web.StreamResponse(headers={"Content-Type": "text/html"})
    if "length" in request.query:
        answer.content_length = 1_000_000
    else:
        answer.enable_chunked_encoding()
    await answer.prepare(request)
    await answer.write(b"<p>The beginning of it." + b" " * 2000)
    assert request.transport is not None
    await asyncio.sleep(0)
    request.transport.close()
    return answer


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def site() -> AsyncIterator[RenderSite]:
    answers = {name: _serving(text) for name, text in WAYS.items()}
    async with RenderSite({**answers, "cut": _cut}) as running:  # type: ignore[arg-type]
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def driver(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[BrowserDriver]:
    async with rendering(tmp_path_factory.mktemp("b")) as made:
        yield made


async def fetch(driver: BrowserDriver, url: str, *actions: Action, **wish: object) -> Page:
    request = ExtractRequest(url=url, render=True, actions=actions, **wish)  # type: ignore[arg-type]
    return await driver.fetch(request, CookieJar())


@pytest.mark.parametrize("way", WAYS)
async def test_a_click_that_would_open_a_window_leads_there_in_the_same_tab(
    driver: BrowserDriver, site: RenderSite, way: str
) -> None:
    before = site.asked("plain")
    got = await fetch(driver, site.url(way), Click(selectors=("#it",)))
    assert got.url.partition("?")[0] == site.url("plain")
    assert b"Plain words" in got.body
    assert site.asked("plain") == before + 1
    assert [len(one.pages) for one in driver.pool.browsers[0].browser.contexts] == []


@pytest.mark.parametrize("how", ["length", "chunks"])
async def test_a_document_cut_short_on_the_wire_is_told(
    driver: BrowserDriver, site: RenderSite, how: str
) -> None:
    async with asyncio.timeout(15):  # such a document never counts as loaded
        got = await fetch(driver, site.url(f"cut?{how}"))
    assert b"The beginning of it." in got.body
    assert got.failure is not None
    assert got.failure.code == BodyTruncated.code


async def test_headers_that_a_browser_always_sends_are_named(
    driver: BrowserDriver, site: RenderSite
) -> None:
    headers = {"User-Agent": None, "Accept-Encoding": None, "Accept": None}
    got = await fetch(driver, site.url("echo"), headers=headers)
    assert b'"Accept"' not in got.body
    assert any("Accept-Encoding, User-Agent" in one for one in got.warnings)
