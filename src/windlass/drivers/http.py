"""The plain HTTP driver, vx6: HTTP/1.1 over aiohttp, without rendering or impersonation.

Follows redirects itself, counts bytes after decompression, puts a deadline on every phase and
delivers what could be read with the reason why it is not all.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping

import msgspec
from aiohttp import ClientResponse, StreamReader
from multidict import CIMultiDict
from yarl import URL

from windlass.drivers.headers import compose, opening
from windlass.drivers.http_failures import FOREIGN, translated
from windlass.drivers.http_ways import Way, Ways
from windlass.drivers.names import PLAIN
from windlass.drivers.proxies import Proxies, Proxy
from windlass.drivers.redirects import Hop, Trail, followed, redirected, refreshed, without_fragment
from windlass.drivers.refresh import refresh_target
from windlass.drivers.tolerance import NO_HEAD, AnswerBody
from windlass.errors import InvalidResponse, RequestTimeout, TargetError
from windlass.model.page import Failure, Page
from windlass.model.request import Emulation, ExtractRequest
from windlass.net.cookies import CookieJar
from windlass.net.decoding import BodyDecoder
from windlass.net.guard import AddressGuard
from windlass.net.resolving import Resolve
from windlass.settings import Settings


class _Answer(msgspec.Struct, frozen=True):
    """One answer to one hop. A redirect's body is not read."""

    status: int
    headers: Mapping[str, str]
    fields: tuple[tuple[str, str], ...]
    body: bytes = b""
    failure: Failure | None = None
    warnings: tuple[str, ...] = ()


class _Errand(msgspec.Struct, frozen=True):
    """What stays the same on every hop of one fetch. `deadline` is in the loop's time."""

    request: ExtractRequest
    jar: CookieJar
    proxy: Proxy | None
    deadline: float
    budget_s: float


class HttpDriver:
    """Fetches pages without a browser. One instance serves many fetches at once."""

    capabilities: frozenset[str] = frozenset()

    def __init__(
        self,
        settings: Settings,
        guard: AddressGuard,
        proxies: Proxies | None = None,
        resolve: Resolve | None = None,
    ) -> None:
        self._settings = settings
        self._proxies = proxies or Proxies()
        self._ways = Ways(settings, guard, resolve)

    async def aclose(self) -> None:
        """Closes every connection."""
        await self._ways.aclose()

    async def fetch(self, request: ExtractRequest, session: CookieJar) -> Page:
        """See Driver. The whole fetch gets request.timeout_ms, at most settings.task_timeout."""
        budget_s = self._settings.task_timeout
        if request.timeout_ms is not None:
            budget_s = min(budget_s, request.timeout_ms / 1000)
        proxy, place_warning = self._proxies.choose(request.place, PLAIN)
        if request.cookies:
            session.add(request.cookies, request.url)
        deadline = asyncio.get_running_loop().time() + budget_s
        errand = _Errand(request, session, proxy, deadline, budget_s)
        page = await self._travel(errand)
        warnings = tuple(filter(None, (place_warning, *_shortfalls(request), *page.warnings)))
        return msgspec.structs.replace(page, warnings=warnings) if warnings else page

    async def _travel(self, errand: _Errand) -> Page:
        """Goes from hop to hop until an answer leads nowhere else."""
        draw = random.getrandbits(16)
        hop = opening(errand.request, draw)
        trail = Trail()
        while True:
            cookies = errand.jar.cookies_for(hop.url)
            answer, onward = await self._visit(errand, hop, cookies)
            set_cookie = [value for name, value in answer.fields if name.lower() == "set-cookie"]
            if set_cookie:
                errand.jar.store(hop.url, set_cookie)
            warnings = answer.warnings
            onward = onward or _refresh(hop, answer)
            if onward is not None and 200 <= answer.status < 300 and _was_at(trail, onward):
                warnings += (f"the page's refresh back to {onward.url} was not followed",)
                onward = None
            if onward is None:
                break
            limit = self._settings.max_redirects
            trail = followed(trail, hop, answer.status, cookies, limit)
            hop = onward
        return Page(
            url=hop.url,
            status=answer.status,
            headers=answer.fields,
            body=answer.body,
            redirects=trail.redirects,
            cookies=errand.jar.export(),
            driver=PLAIN,
            failure=answer.failure,
            egress=errand.proxy.label if errand.proxy else "",
            warnings=warnings,
        )

    async def _visit(self, errand: _Errand, hop: Hop, cookies: str) -> tuple[_Answer, Hop | None]:
        """The answer to one hop and where its redirect leads, if it is one. Raises TargetError."""
        way = await self._ways.out(hop.method, errand.proxy.upstream if errand.proxy else None)
        response = await self._ask(errand, hop, cookies, way)
        try:
            fields = tuple(response.headers.items())
            if way.egress is not None and (ours := way.egress.error_in(response.headers)):
                raise ours
            onward = redirected(hop, response.status, response.headers.get("Location"))
            if onward is not None:
                return _Answer(response.status, response.headers, fields), onward
            return await self._read(errand, hop, response, fields), None
        finally:
            # Returns to the pool what was read to its end, which small bodies are by now.
            response.close()

    async def _ask(self, errand: _Errand, hop: Hop, cookies: str, way: Way) -> ClientResponse:
        """Sends one request; returns when the head of the answer is here."""
        fields = compose(errand.request, hop, cookies, self._settings.user_agent)
        scope = asyncio.timeout_at(errand.deadline)
        try:
            async with scope:
                return await way.session.request(
                    hop.method,
                    URL(without_fragment(hop.url), encoded=True),
                    headers=CIMultiDict(fields),
                    data=hop.body,
                    allow_redirects=False,
                    **way.options,
                )
        except FOREIGN as error:
            if scope.expired():
                raise _out_of_time(errand) from error
            raise translated(error, hop.origin, way.egress) from error

    async def _read(
        self,
        errand: _Errand,
        hop: Hop,
        response: ClientResponse,
        fields: tuple[tuple[str, str], ...],
    ) -> _Answer:
        """The whole answer, or as much of it as could be read and why."""
        codings = ",".join(response.headers.getall("Content-Encoding", ()))
        decoder = BodyDecoder(codings, self._settings.fetch_limit)
        content = response.content
        cut: TargetError | None = None
        if content.is_eof():  # a small page that came with its head
            decoder.feed(content.read_nowait())
        else:
            cut = await self._receive(errand, hop, content, decoder)
        repairs: tuple[str, ...] = ()
        if isinstance(content, AnswerBody):
            cut = cut or content.cut
            repairs = content.repairs
        body = decoder.finish(cut)
        failure = body.failure
        if NO_HEAD in repairs and body.data.lstrip()[:1] != b"<":
            failure = Failure.of(InvalidResponse())
        unknown = tuple(f"unknown content coding {name!r} ignored" for name in decoder.unknown)
        return _Answer(
            response.status, response.headers, fields, body.data, failure, repairs + unknown
        )

    async def _receive(
        self, errand: _Errand, hop: Hop, content: StreamReader, decoder: BodyDecoder
    ) -> TargetError | None:
        """Feeds the decoder as data arrive; returns why that ended early, if it did."""
        scope = asyncio.timeout_at(errand.deadline)
        try:
            async with scope:
                while piece := await content.readany():
                    if not decoder.feed(piece):
                        break
        except FOREIGN as error:
            return _out_of_time(errand) if scope.expired() else translated(error, hop.origin)
        return None


def _refresh(hop: Hop, answer: _Answer) -> Hop | None:
    """Where a page sends its readers at once, None if it stays or is an error's page."""
    if answer.failure is not None or not 200 <= answer.status < 300:
        return None
    target = refresh_target(
        hop.url,
        answer.headers.get("Content-Type", ""),
        answer.headers.get("Refresh", ""),
        answer.body,
    )
    return None if target is None else refreshed(hop, target)


def _was_at(trail: Trail, hop: Hop) -> bool:
    """Whether a page was visited before: pages that refresh in turns have no last one."""
    return any(without_fragment(past.url) == without_fragment(hop.url) for past in trail.redirects)


def _shortfalls(request: ExtractRequest) -> list[str]:
    """What was asked for that this driver does not do."""
    warnings = []
    if request.http2:
        warnings.append("http2 ignored: driver vx6 speaks HTTP/1.1, vx6-stealth speaks HTTP/2")
    if request.emulation != Emulation():
        warnings.append("driver vx6 emulates a browser's headers only, vx6-stealth its TLS too")
    return warnings


def _out_of_time(errand: _Errand) -> RequestTimeout:
    return RequestTimeout(f"The request exceeded its time budget of {errand.budget_s:g} s.")
