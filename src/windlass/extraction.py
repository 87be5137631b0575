"""The pipeline without storage: driver(s) → page → formats → Extraction.

Used by kinds and, without a server, by the command line. Knows nothing of tasks and accounts; an
Extractor belongs to one event loop and serves many extractions at once.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from typing import Protocol

import msgspec

from windlass.drivers import DRIVERS, Driver
from windlass.drivers.browser.chromium import lacking
from windlass.drivers.choose import DriverPlan, choose_drivers, installed_drivers, renders
from windlass.drivers.names import PLAIN
from windlass.drivers.needs import needs_browser
from windlass.drivers.proxies import Proxies
from windlass.errors import (
    AddressRefused,
    BadRedirect,
    DnsFailed,
    EngineError,
    NotAPage,
    RequestTimeout,
    TargetError,
    UnexpectedStatus,
    WindlassError,
)
from windlass.formats.reader import Reader
from windlass.metrics import CHROMIUM_FOUND, fetch_seconds
from windlass.model.page import Extraction, Failure, Page
from windlass.model.request import ExtractRequest
from windlass.net.cookies import CookieJar
from windlass.net.endpoints import host_of
from windlass.net.guard import AddressGuard
from windlass.settings import Settings

_READING_S = 2.0
"""Time beyond the budget to make something of a page that came, whole or in part."""
_SAME_FOR_ALL = (AddressRefused, BadRedirect, DnsFailed)
"""What another driver cannot change."""
_LOOKS_BLOCKED = frozenset({401, 403, 405, 406, 407, 408, 409, 418, 421, 425, 429})
"""Statuses by which sites turn visitors away; another driver may fare better, as after any 5xx."""


class SiteMemory(Protocol):
    """Which sites' pages are nothing without a browser, as far as it was seen."""

    async def needs_browser(self, site: str) -> bool:
        """Whether a page of the site (host and port) proved to need one not long ago."""
        ...

    async def remember(self, site: str) -> None:
        """Takes note that one did."""
        ...


class Extractor:
    """Fetches pages and makes their formats. Drivers and readers start when first used."""

    def __init__(self, settings: Settings, sites: SiteMemory | None = None) -> None:
        self._settings = settings
        self._guard = AddressGuard(settings.allow_addresses)
        self._proxies = Proxies.load(settings)
        self._installed = installed_drivers(settings)
        self._lack = lacking(settings)
        CHROMIUM_FOUND.set(not self._lack)
        self._sites = sites
        self._drivers: dict[str, Driver] = {}
        self._reader = Reader(settings)

    async def extract(self, request: ExtractRequest, jar: CookieJar) -> Extraction:
        """The page and its formats; `jar` gives cookies and takes in those that are set.

        An unexpected status, a body that is not whole or a page that cannot be read is an
        Extraction with a `failure` and everything that could be made all the same. Raises
        TargetError if there is no answer (RequestTimeout when the request's whole budget is
        spent), RequestError if the request cannot be served, EngineError if we are to blame.
        """
        budget_s = self._budget_s(request)
        try:
            # A driver keeps to the budget itself and hands over what came until then.
            async with asyncio.timeout(budget_s + _READING_S) as timeout:
                return await self._extract(request, jar)
        except TimeoutError as error:
            if timeout.expired():
                raise RequestTimeout(f"The request exceeded its {budget_s:g} s") from error
            raise EngineError(f"unexpected {error!r}") from error
        except WindlassError:
            raise
        except Exception as error:
            raise EngineError(f"unexpected {error!r}") from error

    async def fetch(self, url: str, timeout_s: float, like: ExtractRequest | None = None) -> Page:
        """One file as it is, by the plain driver: robots.txt, sitemaps. `like` says in which way
        else to ask. Raises TargetError."""
        request = msgspec.structs.replace(
            like or ExtractRequest(url=url),
            url=url,
            timeout_ms=max(round(timeout_s * 1000), 1),
            formats=(),
        )
        return await self._visit(PLAIN, request, CookieJar())

    async def aclose(self) -> None:
        """Closes connections and ends child processes."""
        async with AsyncExitStack() as closing:
            closing.push_async_callback(self._reader.aclose)
            for driver in self._drivers.values():
                closing.push_async_callback(driver.aclose)

    def _budget_s(self, request: ExtractRequest) -> float:
        if request.timeout_ms is None:
            return self._settings.task_timeout
        return min(request.timeout_ms / 1000, self._settings.task_timeout)

    async def _extract(self, request: ExtractRequest, jar: CookieJar) -> Extraction:
        plan = choose_drivers(request, self._installed, self._lack)
        if plan.escalates and await self._needs_browser(request):
            plan = plan.rendered_only()
        page = await self._fetch(request, jar, plan)
        answered_at = time.monotonic()
        read = await self._reader.read(page, request)
        return Extraction(
            url=page.url,
            status=page.status,
            values=read.values,
            redirects=page.redirects,
            driver=page.driver,
            warnings=(*plan.warnings, *page.warnings, *read.warnings),
            failure=page.failure or _failure(page, request) or read.failure,
            partial=page.failure is not None and not _is_no_page(page),
            egress=page.egress,
            headers=page.headers,
            rendering=page.rendering,
            again=page.again,
            answered_at=answered_at,
        )

    async def _fetch(self, request: ExtractRequest, jar: CookieJar, plan: DriverPlan) -> Page:
        """The first page that will do, else the best that was had: an answer beats none."""
        steps = [step.driver for step in plan.attempts for _ in range(step.count)]
        best: Page | None = None
        refusal: TargetError | None = None
        for number, name in enumerate(steps):
            try:
                page = await self._visit(name, request, jar)
            except TargetError as error:
                refusal = error
                if isinstance(error, _SAME_FOR_ALL):
                    break
                continue
            if _will_do(page, request):
                reason = "" if renders(name) else _unrendered(page, request, steps[number:])
                if not reason:
                    return page
                await self._remember(request)
                best = _with_warning(page, f"the page is as plain HTTP brings it, but {reason}")
            elif best is None or best.failure is not None:
                best = page
        if best is not None:
            return best
        raise refusal or EngineError("the plan has no drivers")

    async def _needs_browser(self, request: ExtractRequest) -> bool:
        """Whether an earlier page of the site proved to need a browser."""
        if self._sites is None:
            return False
        return await self._sites.needs_browser(host_of(request.url))

    async def _remember(self, request: ExtractRequest) -> None:
        if self._sites is not None:
            await self._sites.remember(host_of(request.url))

    async def _visit(self, name: str, request: ExtractRequest, jar: CookieJar) -> Page:
        driver = self._drivers.get(name)
        if driver is None:
            made = DRIVERS.get(name)(self._settings, self._guard, self._proxies)
            driver = self._drivers.setdefault(name, made)
        with fetch_seconds(name).time():
            return await driver.fetch(request, jar)


def _expected(status: int, request: ExtractRequest) -> bool:
    """Whether the caller counts this status as success (contract 7.3): any 2xx if not said."""
    if request.expected_statuses:
        return status in request.expected_statuses
    return 200 <= status < 300


def _failure(page: Page, request: ExtractRequest) -> Failure | None:
    if _expected(page.status, request):
        return None
    return Failure.of(UnexpectedStatus(f"Unexpected status code {page.status}"))


def _is_no_page(page: Page) -> bool:
    return page.failure is not None and page.failure.code == NotAPage.code


def _unrendered(page: Page, request: ExtractRequest, later: list[str]) -> str:
    """Why a page is to be had again from a browser that comes later in the plan; "" = no need."""
    if request.method != "GET" or not any(map(renders, later)):
        return ""
    return needs_browser(page)


def _with_warning(page: Page, warning: str) -> Page:
    return msgspec.structs.replace(page, warnings=(*page.warnings, warning))


def _will_do(page: Page, request: ExtractRequest) -> bool:
    """Whether no other attempt is worth making."""
    if page.failure is not None:
        return _is_no_page(page)
    if _expected(page.status, request):
        return True
    if page.header("retry-after") is not None:
        return True  # it asks for no other attempt now
    return page.status not in _LOOKS_BLOCKED and page.status < 500
