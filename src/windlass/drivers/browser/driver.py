"""The browser driver, vx8: pages as Chromium renders them, one context to a fetch.

Everything that the browser sends goes through our egress proxy, which holds the address guard.
It knows nothing of tasks; processes are the pool's, one page is the tab's.
"""

from __future__ import annotations

import asyncio
import random
import time
from base64 import b64decode
from typing import Any

import structlog
from playwright.async_api import Error

from windlass.drivers.browser import blocking, cookies
from windlass.drivers.browser.dom import Serialised, serialised
from windlass.drivers.browser.failures import translated
from windlass.drivers.browser.iframes import inlined
from windlass.drivers.browser.navigation import Navigation
from windlass.drivers.browser.pool import Pool
from windlass.drivers.browser.process import BrowserProcess
from windlass.drivers.browser.rendering import Rendered, take
from windlass.drivers.browser.stage import Stage
from windlass.drivers.browser.tab import Tab, opened, shortfalls, with_own_cookies
from windlass.drivers.headers import opening
from windlass.drivers.names import BROWSER
from windlass.drivers.proxies import Proxies
from windlass.drivers.redirects import Hop
from windlass.drivers.travel import Errand, errand_for
from windlass.errors import BodyTooLarge, BodyTruncated, BrowserCrashed, EngineError
from windlass.model.page import Failure, Page
from windlass.model.request import ExtractRequest
from windlass.net.cookies import CookieJar
from windlass.net.doors import Door
from windlass.net.egress import Egress
from windlass.net.guard import AddressGuard
from windlass.net.relay import Limits
from windlass.net.resolving import Resolve
from windlass.net.upstream import Upstream
from windlass.settings import Settings

log = structlog.get_logger(__name__)

_SPARE_S = 1.5
"""Beyond the budget, to take what came. The extractor allows a little more."""
_COOKIES_S = 3.0
_BODY_S = 10.0


class BrowserDriver:
    """Renders pages. One instance serves many fetches at once.

    `resolve` stands in for the machine's name servers (tests).
    """

    def __init__(
        self,
        settings: Settings,
        guard: AddressGuard,
        proxies: Proxies | None = None,
        resolve: Resolve | None = None,
    ) -> None:
        self.pool = Pool(settings)
        self._settings = settings
        self._proxies = proxies or Proxies()
        self._egress = Egress(guard, Limits(connect_s=settings.connect_timeout), resolve)
        self._doors: dict[Upstream | None, Door] = {}
        self._opening = asyncio.Lock()

    async def fetch(self, request: ExtractRequest, session: CookieJar) -> Page:
        """See Driver. The whole fetch gets request.timeout_ms, at most settings.task_timeout."""
        request = with_own_cookies(request)
        errand = errand_for(request, session, self._settings, (self._proxies, BROWSER))
        errand = errand.warned(*shortfalls(request), *blocking.warnings(request.render_options))
        hop = opening(request, random.getrandbits(16))
        door = await self._door(errand.proxy.upstream if errand.proxy else None)
        try:
            async with asyncio.timeout_at(errand.deadline + _SPARE_S), self.pool.page() as browser:
                return await self._rendered(browser, errand, hop, door)
        except TimeoutError as error:
            raise errand.out_of_time() from error

    async def aclose(self) -> None:
        """Ends the browsers and closes every connection."""
        await self.pool.aclose()
        for door in self._doors.values():
            door.close()
        await self._egress.aclose()

    async def _door(self, upstream: Upstream | None) -> str:
        """The address of the proxy whose connections leave through `upstream`."""
        async with self._opening:
            door = self._doors.get(upstream)
            if door is None:
                door = Door(self._egress, upstream)
                try:
                    await door.open()
                except OSError as error:
                    raise EngineError(f"no proxy for the browser: {error}") from error
                self._doors[upstream] = door
            return door.url

    async def _rendered(self, browser: BrowserProcess, errand: Errand, hop: Hop, door: str) -> Page:
        since = time.monotonic()
        try:
            async with opened(browser, errand, hop, door, self._settings) as tab:
                navigation = Navigation(tab, errand, self._egress, since)
                await navigation.go(hop)
                return await self._page(tab, errand, navigation)
        except Error as error:
            # The page or the browser is gone.
            raise translated(error, hop.origin) from error
        except TimeoutError as error:
            if browser.ended.is_set():
                raise BrowserCrashed() from error
            raise

    async def _page(self, tab: Tab, errand: Errand, navigation: Navigation) -> Page:
        documents, stage = tab.documents, tab.stage
        redirects = documents.redirects
        stage.deadline += _SPARE_S
        rendered = await take(stage, errand.request, tab.recorder)
        warnings = [*errand.warnings, *tab.dress.warnings, *navigation.warnings]
        warnings += rendered.warnings
        document = navigation.document or await self._document(stage, rendered)
        if document.stopped:
            warnings.append("the page was still busy: its scripts were stopped")
        body, body_type, failure = await self._body(tab, document)
        if documents.cut and failure is None:
            failure = Failure.of(BodyTruncated("The target's answer ended before it was complete."))
        await self._keep_cookies(tab, errand, warnings)
        last = documents.last
        if last is None:
            raise EngineError("a page without an answer")
        return Page(
            url=last.url if stage.visited.url == "about:blank" else stage.visited.url,
            status=last.status,
            headers=last.headers,
            body=body,
            body_type=body_type,
            redirects=redirects,
            cookies=errand.jar.export(),
            driver=BROWSER,
            failure=failure,
            rendering=rendered.rendering,
            again=rendered.again,
            egress=errand.proxy.label if errand.proxy else "",
            warnings=tuple(warnings),
        )

    async def _document(self, stage: Stage, rendered: Rendered) -> Serialised:
        """The page's HTML, that of its frames in their places if asked for."""
        limit = self._settings.fetch_limit
        document = await serialised(stage, limit)
        if not rendered.frames.inner:
            return document
        text = inlined(document.body.decode(errors="replace"), rendered.frames.inner)
        body = text.encode()
        whole = document.whole and len(body) <= limit
        return Serialised(body[:limit], whole, document.stopped)

    async def _body(self, tab: Tab, document: Serialised) -> tuple[bytes, str, Failure | None]:
        """The document, its type if that is not the answer's, and why it is not whole."""
        raw = await self._raw(tab)
        if raw is not None:
            return raw, "", None
        failure = None
        if not document.whole:
            limit = self._settings.fetch_limit
            failure = Failure.of(BodyTooLarge(f"The document is larger than {limit:,} bytes."))
        return document.body, "text/html; charset=utf-8", failure

    async def _raw(self, tab: Tab) -> bytes | None:
        """The body as it came, None if it was markup or cannot be had."""
        last = tab.documents.last
        if last is None or not last.raw:
            return None
        try:
            tree: Any = await tab.stage.send("Page.getFrameTree", _BODY_S)
            # A document's request and its loader have one name.
            name = tree["frameTree"]["frame"]["loaderId"]
            got = await tab.stage.send("Network.getResponseBody", _BODY_S, requestId=name)
        except (Error, TimeoutError):
            return None
        text = str(got.get("body", ""))
        body = b64decode(text) if got.get("base64Encoded") else text.encode(errors="replace")
        return body if len(body) <= self._settings.fetch_limit else None

    async def _keep_cookies(self, tab: Tab, errand: Errand, warnings: list[str]) -> None:
        """Gives the browser's cookies to the jar."""
        try:
            answer = await tab.stage.send("Network.getAllCookies", _COOKIES_S)
        except TimeoutError:
            warnings.append("the cookies that the page set are not known")
            return
        listed = answer.get("cookies")
        if isinstance(listed, list):
            cookies.keep(errand.jar, cookies.from_chromium(listed))
