"""Sessions in the browser: what a page of one stores is there for its next, and for nobody else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web

from tests.support.rendering import rendering
from tests.support.rendersite import RenderSite, page
from tests.support.waiting import eventually_async
from windlass.drivers.browser.contexts import MOST_KEPT
from windlass.drivers.browser.driver import BrowserDriver
from windlass.model.request import Cookie, Emulation, ExtractRequest, Session
from windlass.net.cookies import CookieJar

LOOPS = ("uvloop",)
pytestmark = pytest.mark.asyncio(loop_scope="module")

REMEMBERS = """<p>Seen: <script>
const seen = Number(localStorage.seen ?? 0); document.write(seen, ' with [', document.cookie, ']');
localStorage.seen = seen + 1; document.cookie = 'latest=' + (seen + 1);
</script>"""


async def _remembers(_: web.Request) -> web.Response:
    return page(REMEMBERS)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def site() -> AsyncIterator[RenderSite]:
    async with RenderSite({"remembers": _remembers}) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def driver(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[BrowserDriver]:
    async with rendering(tmp_path_factory.mktemp("b")) as made:
        yield made


async def seen(
    driver: BrowserDriver,
    site: RenderSite,
    name: str | None,
    jar: CookieJar | None = None,
    **wish: Any,
) -> str:
    """What the page remembers, as it says itself."""
    wish = {"session": None if name is None else Session(id=name), **wish}
    request = ExtractRequest(url=site.url("remembers"), render=True, **wish)
    got = await driver.fetch(request, jar or CookieJar(owner="1"))
    return got.body.decode().partition("</script>")[2].partition("<")[0]


async def test_pages_of_a_session_share_what_they_store(
    driver: BrowserDriver, site: RenderSite
) -> None:
    assert await seen(driver, site, "one") == "0 with []"
    assert (await seen(driver, site, "one")).startswith("1 with")
    assert (await seen(driver, site, "one")).startswith("2 with")
    assert (await seen(driver, site, "another")).startswith("0 with")
    assert (await seen(driver, site, "one", CookieJar(owner="2"))).startswith("0 with")
    assert (await seen(driver, site, "one", CookieJar())).startswith("0 with")
    assert (await seen(driver, site, None)).startswith("0 with")
    assert (await seen(driver, site, "one")).startswith("3 with")


async def test_cookies_are_those_of_the_session_store(
    driver: BrowserDriver, site: RenderSite
) -> None:
    jar = CookieJar(owner="1")
    await seen(driver, site, "cookies", jar)
    assert [(one.name, one.value) for one in jar.export()] == [("latest", "1")]
    elsewhere = CookieJar((Cookie(name="by", value="another", domain="127.0.0.1"),), owner="1")
    assert await seen(driver, site, "cookies", elsewhere) == "1 with [by=another]"


async def test_another_dress_is_another_context(driver: BrowserDriver, site: RenderSite) -> None:
    assert (await seen(driver, site, "dress")).startswith("0 with")
    mobile = Emulation(device="mobile", os="android")
    assert (await seen(driver, site, "dress", emulation=mobile)).startswith("0 with")
    assert (await seen(driver, site, "dress", emulation=mobile)).startswith("1 with")


async def test_pages_of_a_session_may_be_open_at_once(
    driver: BrowserDriver, site: RenderSite
) -> None:
    got = await asyncio.gather(*(seen(driver, site, "crowd") for _ in range(4)))
    assert all("with" in one for one in got)
    assert int((await seen(driver, site, "crowd")).split()[0]) >= 1


async def test_few_contexts_are_kept_and_none_for_long(
    driver: BrowserDriver, site: RenderSite
) -> None:
    for number in range(MOST_KEPT + 2):
        await seen(driver, site, f"many-{number}")
    (browser,) = driver.pool.browsers
    assert len(browser.contexts) == MOST_KEPT
    assert len(browser.browser.contexts) == MOST_KEPT
    assert (await seen(driver, site, f"many-{MOST_KEPT + 1}")).startswith("1 with")
    before = len(browser.contexts)
    await seen(driver, site, "short", session=Session(id="short", timeout_s=0.1))

    async def is_closed() -> bool:
        return len(browser.browser.contexts) == before - 1  # it had taken the place of another

    await eventually_async(is_closed, "the context is closed when its session is over")
