"""The plain HTTP driver, vx6: HTTP/1.1 over aiohttp, without rendering or impersonation.

Counts bytes after decompression, puts a deadline on every phase and delivers what could be read
with the reason why it is not all. Where to go next is travel.py's to decide.
"""

from __future__ import annotations

import asyncio

from aiohttp import ClientResponse, StreamReader
from multidict import CIMultiDict
from yarl import URL

from windlass.drivers.headers import compose
from windlass.drivers.http_ways import Way, Ways
from windlass.drivers.names import PLAIN
from windlass.drivers.proxies import Proxies
from windlass.drivers.redirects import Hop, without_fragment
from windlass.drivers.travel import (
    Answer,
    Errand,
    Fields,
    codings_of,
    errand_for,
    onward,
    travel,
    unwanted,
)
from windlass.errors import InvalidResponse, TargetError
from windlass.model.page import Failure, Page
from windlass.model.request import Emulation, ExtractRequest
from windlass.net.cookies import CookieJar
from windlass.net.decoding import BodyDecoder
from windlass.net.guard import AddressGuard
from windlass.net.http_failures import FOREIGN, translated
from windlass.net.resolving import Resolve
from windlass.net.tolerance import NO_HEAD, AnswerBody
from windlass.settings import Settings


class HttpDriver:
    """Fetches pages without a browser. One instance serves many fetches at once.

    `resolve` stands in for the machine's name servers (tests).
    """

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

    async def fetch(self, request: ExtractRequest, session: CookieJar) -> Page:
        """See Driver. The whole fetch gets request.timeout_ms, at most settings.task_timeout."""
        errand = errand_for(request, session, self._settings, (self._proxies, PLAIN))
        errand = errand.warned(*_shortfalls(request))
        return await travel(errand, self._visit, PLAIN, self._settings.max_redirects)

    async def aclose(self) -> None:
        """Closes every connection."""
        await self._ways.aclose()

    async def _visit(self, errand: Errand, hop: Hop, cookies: str) -> tuple[Answer, Hop | None]:
        """The answer to one hop and where its redirect leads, if it is one. Raises TargetError."""
        way = await self._ways.out(hop.method, errand.proxy.upstream if errand.proxy else None)
        response = await self._ask(errand, hop, cookies, way)
        try:
            if way.egress is not None and (ours := way.egress.error_in(response.headers)):
                raise ours
            fields = tuple(response.headers.items())
            following = onward(hop, response.status, fields)
            if following is not None:
                return Answer(response.status, fields), following
            answer = unwanted(errand, response.status, fields)
            return answer or await self._read(errand, hop, response, fields), None
        finally:
            # Does nothing to a connection whose answer is read to its end: that is in the pool.
            response.close()

    async def _ask(self, errand: Errand, hop: Hop, cookies: str, way: Way) -> ClientResponse:
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
                raise errand.out_of_time() from error
            raise translated(error, hop.origin, way.egress) from error

    async def _read(
        self, errand: Errand, hop: Hop, response: ClientResponse, fields: Fields
    ) -> Answer:
        """The whole answer, or as much of it as could be read and why."""
        decoder = BodyDecoder(codings_of(fields), self._settings.fetch_limit)
        content = response.content
        cut: TargetError | None = None
        if content.is_eof():  # a small page that came with its head
            await _feed(decoder, content.read_nowait())
        else:
            cut = await _receive(errand, hop, content, decoder)
        repairs: tuple[str, ...] = ()
        if isinstance(content, AnswerBody):
            cut = cut or content.cut
            repairs = content.repairs
        body = decoder.finish(cut)
        failure = body.failure
        if NO_HEAD in repairs and body.data.lstrip()[:1] != b"<":
            failure = Failure.of(InvalidResponse())
        unknown = tuple(f"unknown content coding {name!r} ignored" for name in decoder.unknown)
        return Answer(response.status, fields, body.data, failure, repairs + unknown)


async def _receive(
    errand: Errand, hop: Hop, content: StreamReader, decoder: BodyDecoder
) -> TargetError | None:
    """Feeds the decoder as data arrive; returns why that ended early, if it did."""
    scope = asyncio.timeout_at(errand.deadline)
    try:
        async with scope:
            while piece := await content.readany():
                await _feed(decoder, piece)
                if not decoder.wants_more:
                    break
    except FOREIGN as error:
        return errand.out_of_time() if scope.expired() else translated(error, hop.origin)
    return None


async def _feed(decoder: BodyDecoder, piece: bytes) -> None:
    """Decodes a piece and lets others run in between: a little may inflate to a lot."""
    for _ in decoder.steps(piece):
        await asyncio.sleep(0)


def _shortfalls(request: ExtractRequest) -> tuple[str, ...]:
    """What was asked for that this driver does not do."""
    warnings: tuple[str, ...] = ()
    if request.http2:
        warnings += ("http2 ignored: driver vx6 speaks HTTP/1.1, vx6-stealth speaks HTTP/2",)
    if request.emulation != Emulation():
        warnings += ("driver vx6 emulates a browser's headers only, vx6-stealth its TLS too",)
    return warnings
