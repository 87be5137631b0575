"""One page in a context of its own, dressed, watched and fed with cookies, ready to navigate.

Made by the driver for every fetch. Its context shares nothing with others, and leaves through the
door it is given.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import msgspec
import structlog
from playwright.async_api import BrowserContext, Error, Page

from windlass.drivers.browser import cookies
from windlass.drivers.browser.blocking import blocked
from windlass.drivers.browser.capture import Recorder
from windlass.drivers.browser.documents import Changes, Documents
from windlass.drivers.browser.dress import Dress, Screen, dressed
from windlass.drivers.browser.process import BrowserProcess
from windlass.drivers.browser.rendering import is_taken_at_once
from windlass.drivers.browser.simple import SimpleContext, SimplePage
from windlass.drivers.browser.stage import Stage
from windlass.drivers.headers import check_header
from windlass.drivers.redirects import Hop
from windlass.drivers.travel import Errand
from windlass.errors import BrowserCrashed
from windlass.model.request import ExtractRequest
from windlass.net.headers import FRAMING
from windlass.settings import Settings

log = structlog.get_logger(__name__)

_OPENS_S = 15.0
_CLOSES_S = 5.0
_METRICS = "Emulation.setDeviceMetricsOverride"
_DRAWN = 0.02
_UNCHANGEABLE = FRAMING | {"host", "cookie2"}
_DRESSED = frozenset({"user-agent", "accept-language", "cookie"})
"""The caller's headers that are the browser's own affair: everything it does shows them."""

_NEVER_LEFT_OUT = frozenset(
    {"user-agent", "accept-encoding", "accept-language", "connection", "host"}
)
"""Chromium adds these below the place where requests can be changed."""


class Tab:
    """A page that has not begun to load."""

    def __init__(
        self, stage: Stage, documents: Documents, dress: Dress, recorder: Recorder
    ) -> None:
        self.recorder = recorder
        self.stage = stage
        self.documents = documents
        self.dress = dress


@asynccontextmanager
async def opened(
    browser: BrowserProcess, errand: Errand, hop: Hop, door: str, settings: Settings
) -> AsyncIterator[Tab]:
    """A tab for the time of the block, at the end of which nothing of it is left.

    Raises BrowserCrashed when the browser cannot open one; it is done for, then.
    """
    dress = dressed(errand.request, browser.version, settings.user_agent)
    async with AsyncExitStack() as closing:
        try:
            async with asyncio.timeout(_OPENS_S):
                page = await _page(browser, errand, (dress, door), closing)
                tab = await _tab(page, errand, hop, dress, settings)
        except (TimeoutError, Error) as error:
            browser.kill()
            raise BrowserCrashed("The browser could not open a page.") from error
        yield tab


async def _page(
    browser: BrowserProcess, errand: Errand, looks: tuple[Dress, str], closing: AsyncExitStack
) -> Page | SimplePage:
    """An empty page, closed at the end: of its own, or in the context that its session keeps."""
    dress, door = looks
    key, idle_s = _keeping(errand)
    if not key and is_taken_at_once(errand.request):
        context = await SimpleContext.open(browser.targets, door)
        closing.push_async_callback(_close, context, browser)
        return await context.page(dress.screen)
    lending = browser.contexts.lend(key, idle_s, _options(dress, door))
    lent = await closing.enter_async_context(lending)
    if not lent.kept:
        closing.push_async_callback(_close, lent.context, browser)
    page = await lent.context.new_page()
    if lent.kept:
        closing.push_async_callback(_close, page, browser)
    if lent.alone and not lent.fresh:
        # What was set meanwhile is in the jar: it may have been used elsewhere.
        await lent.context.clear_cookies()
    return page


def _keeping(errand: Errand) -> tuple[str, float]:
    """The name that a session's context is kept under, "" if none is to be; and how long unused."""
    session = errand.request.session
    if session is None or not errand.jar.owner:
        return "", 0.0
    return f"{errand.jar.owner}/{session.id}", session.timeout_s


async def _tab(
    page: Page | SimplePage, errand: Errand, hop: Hop, dress: Dress, settings: Settings
) -> Tab:
    request = errand.request
    stage = await Stage.open(
        page, request, deadline=errand.deadline, limit_bytes=settings.fetch_limit
    )
    session = await stage.session()
    jar = cookies.to_chromium(errand.jar.export())
    recorder = await Recorder.start(stage, request)
    wishes = (changes(request, hop), blocked(request), settings.max_redirects)
    watching = Documents.watch(session, wishes, keeping=not recorder.active)
    documents, *_ = await asyncio.gather(
        watching,
        *([page.prepare(dress.screen)] if isinstance(page, SimplePage) else []),
        session.send("Emulation.setUserAgentOverride", _override(dress)),
        session.send("Emulation.setLocaleOverride", {"locale": dress.locale}),
        *([session.send("Network.setCookies", {"cookies": jar})] if jar else []),
        *([session.send(_METRICS, _unseen(dress.screen))] if is_taken_at_once(request) else []),
    )
    stage.frame = documents.frame
    return Tab(stage, documents, dress, recorder)


async def _close(opened: BrowserContext | Page | SimpleContext, browser: BrowserProcess) -> None:
    """Ends a context or page, or the browser if that does not work: nothing may stay open."""
    if browser.ended.is_set():
        return
    try:
        async with asyncio.timeout(_CLOSES_S):
            await opened.close()
    except (TimeoutError, Error) as error:
        log.warning("browser_context_stuck", reason=str(error)[:200])
        browser.kill()


def _options(dress: Dress, door: str) -> dict[str, Any]:
    screen = dress.screen
    size = {"width": screen.width, "height": screen.height}
    return {
        "proxy": {"server": door, "bypass": "<-loopback>"},
        "viewport": size,
        "screen": size,
        "device_scale_factor": screen.scale,
        "is_mobile": screen.touch,
        "has_touch": screen.touch,
        "user_agent": dress.agent,
        "accept_downloads": False,
        "service_workers": "block",
        "permissions": [],
    }


def _unseen(screen: Screen) -> dict[str, Any]:
    """The same screen, of which next to nothing is drawn: no script can tell, and drawing pages
    that nobody looks at is a tenth of their cost."""
    size = {"width": screen.width, "height": screen.height}
    upright = {"type": "portraitPrimary", "angle": 0}
    return {
        **size,
        "screenWidth": screen.width,
        "screenHeight": screen.height,
        "deviceScaleFactor": screen.scale,
        "mobile": screen.touch,
        "screenOrientation": upright if screen.touch else {"type": "landscapePrimary", "angle": 0},
        "scale": _DRAWN,
    }


def _override(dress: Dress) -> dict[str, Any]:
    return {
        "userAgent": dress.agent,
        "acceptLanguage": dress.languages,
        "platform": dress.platform,
        "userAgentMetadata": dress.hints,
    }


def changes(request: ExtractRequest, hop: Hop) -> Changes:
    """What the caller wants changed of requests to his URL's origin. Raises InvalidRequest."""
    headers: dict[str, list[str] | None] = {}
    if hop.authorization:
        headers["authorization"] = [hop.authorization]
    if request.render_options.no_accept_encoding:
        headers["accept-encoding"] = ["identity"]
    for name, value in request.headers.items():
        check_header(name, value)
        key = name.lower()
        if key in _UNCHANGEABLE or (key in _DRESSED and value is not None):
            continue
        headers[key] = [value] if isinstance(value, str) else value
    if hop.body is not None:
        headers.setdefault("content-type", [request.body_type or "text/plain;charset=UTF-8"])
    return Changes(origin=hop.origin, headers=headers, method=hop.method, body=hop.body)


def shortfalls(request: ExtractRequest) -> tuple[str, ...]:
    """What of the request a browser does not do."""
    found: list[str] = []
    names = sorted(name for name in request.headers if name.lower() == "host")
    if names:
        found.append("the header Host is ignored: a browser makes its own")
    kept = sorted(
        name
        for name, value in request.headers.items()
        if value is None and name.lower() in _NEVER_LEFT_OUT
    )
    if kept:
        found.append(f"not left out, as a browser always sends them: {', '.join(kept)}")
    if request.is_xhr:
        found.append("is_xhr is ignored: the page is rendered")
    return tuple(found)


def with_own_cookies(request: ExtractRequest) -> ExtractRequest:
    """The request with its Cookie header among its cookies, where a browser keeps them."""
    for name, value in request.headers.items():
        if name.lower() == "cookie" and value:
            lines = [value] if isinstance(value, str) else value
            own = tuple(cookie for line in lines for cookie in cookies.parsed(line))
            return msgspec.structs.replace(request, cookies=request.cookies + own)
    return request
