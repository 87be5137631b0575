"""The impersonating driver, vx6-stealth: a real browser's TLS and HTTP/2 handshake, by wreq.

wreq dials nothing itself: every connection goes through our egress proxy, which holds the address
guard. Decompression, redirects and cookies are ours too, so that both plain drivers act alike.
"""

from __future__ import annotations

import asyncio
import time
from urllib.parse import urlsplit

import msgspec
import wreq
from wreq import (
    Emulation,
    HeaderMap,
    Method,
    Platform,
    Profile,
)

from windlass.drivers.fingerprints import Fingerprint, Profiles
from windlass.drivers.headers import Fields as HeaderFields
from windlass.drivers.headers import compose
from windlass.drivers.looks import look_of
from windlass.drivers.names import STEALTH
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
from windlass.drivers.wreq_failures import cut_short, unanswered
from windlass.drivers.wreq_ways import FOREIGN, WreqWays
from windlass.errors import BodyTruncated, ConnectionLost, InvalidResponse, ReadTimeout, TargetError
from windlass.model.page import Failure, Page
from windlass.model.request import ExtractRequest
from windlass.net.cookies import CookieJar
from windlass.net.decoding import BodyDecoder
from windlass.net.guard import AddressGuard
from windlass.net.resolving import Resolve
from windlass.net.tolerance import NO_HEAD
from windlass.settings import Settings

_CRUMBS = 20_000
_CRUMB_BYTES = 64
"""Beyond so many pieces, bodies of smaller ones than this cost more than they can be worth."""
_WITH_LENGTH = frozenset({"POST", "PUT", "PATCH"})
_CODES = range(400, 600)
_BEFORE_LENGTH = 2
"""Names before Content-Length, which browsers send right after Host and Connection."""


class ImpersonatingDriver:
    """Fetches pages with a browser's fingerprint. One instance serves many fetches at once."""

    def __init__(
        self,
        settings: Settings,
        guard: AddressGuard,
        proxies: Proxies | None = None,
        resolve: Resolve | None = None,
    ) -> None:
        self._settings = settings
        self._proxies = proxies or Proxies()
        self._profiles = Profiles(name for name in dir(Profile) if not name.startswith("_"))
        self._ways = WreqWays(settings, guard, resolve)

    async def fetch(self, request: ExtractRequest, session: CookieJar) -> Page:
        """See Driver. The whole fetch gets request.timeout_ms, at most settings.task_timeout."""
        await self._ways.start()
        found = self._profiles.closest(request.emulation)
        request = msgspec.structs.replace(request, emulation=found.emulation)
        errand = errand_for(request, session, self._settings, (self._proxies, STEALTH))
        if found.warning:
            errand = errand.warned(found.warning)

        async def visit(errand: Errand, hop: Hop, cookies: str) -> tuple[Answer, Hop | None]:
            return await self._visit(errand, hop, cookies, found)

        return await travel(errand, visit, STEALTH, self._settings.max_redirects)

    async def aclose(self) -> None:
        """Closes every connection."""
        await self._ways.aclose()

    # ------------------------------------------------------------ one hop

    async def _visit(
        self, errand: Errand, hop: Hop, cookies: str, look: Fingerprint
    ) -> tuple[Answer, Hop | None]:
        response = await self._ask(errand, hop, cookies, look)
        async with response:
            fields = _fields(response.headers)
            status = response.status.as_int()
            if status in _CODES and (ours := self._ways.egress.error_in(dict(fields))):
                raise ours
            following = onward(hop, status, fields)
            if following is not None:
                return Answer(status, fields), following
            answer = unwanted(errand, status, fields)
            return answer or await self._read(errand, hop, response, fields), None

    async def _ask(
        self, errand: Errand, hop: Hop, cookies: str, look: Fingerprint
    ) -> wreq.Response:
        """Sends one request; returns when the head of the answer is here."""
        fields = compose(errand.request, hop, cookies, self._settings.user_agent)
        headers, order = _arranged(_completed(fields, hop, errand.request))
        options: wreq.Request = {
            "emulation": Emulation(
                getattr(Profile, look.profile), getattr(Platform, look.platform), headers=False
            ),
            "headers": headers,
            "orig_headers": order,
        }
        if hop.body is not None:
            options["body"] = hop.body
        upstream = errand.proxy.upstream if errand.proxy else None
        for client in self._ways.clients(hop.method, hop.origin, upstream):
            try:
                response = await self._send(errand, hop, client, options)
            except ConnectionLost as error:
                lost = error  # perhaps only because a kept connection had ended meanwhile
            else:
                self._ways.note_answer(hop.origin, upstream)
                return response
        raise lost

    async def _send(
        self, errand: Errand, hop: Hop, client: wreq.Client, options: wreq.Request
    ) -> wreq.Response:
        method = getattr(Method, hop.method)
        upstream = errand.proxy.upstream if errand.proxy else None
        options["proxy"] = self._ways.proxy(upstream)
        asked_at = time.monotonic()
        try:
            async with asyncio.timeout_at(errand.deadline):
                return await client.request(method, without_fragment(hop.url), **options)
        except TimeoutError as error:
            raise errand.out_of_time() from error
        except FOREIGN as error:
            known = self._ways.egress.failure(*_place(hop), upstream, asked_at)
            raise known or unanswered(error, hop.origin) from error

    async def _read(
        self, errand: Errand, hop: Hop, response: wreq.Response, fields: Fields
    ) -> Answer:
        """The whole answer, or as much of it as could be read and why."""
        decoder = BodyDecoder(codings_of(fields), self._settings.fetch_limit)
        loop = asyncio.get_running_loop()
        silence_s = self._settings.read_timeout
        cut: TargetError | None = None
        received = count = 0
        try:
            async with (
                asyncio.timeout_at(min(errand.deadline, loop.time() + silence_s)) as scope,
                response.stream() as pieces,
            ):
                async for piece in pieces:
                    scope.reschedule(min(errand.deadline, loop.time() + silence_s))
                    if isinstance(piece, HeaderMap):
                        continue
                    received += len(piece)
                    count += 1
                    if count > _CRUMBS + received // _CRUMB_BYTES:
                        cut = BodyTruncated(f"The target's answer came in {count:,} crumbs.")
                    if not decoder.feed(bytes(piece)) or cut:
                        await response.close()
                        break
        except TimeoutError:
            # Timers may fire a little early: what was armed tells, the clock does not.
            late = scope.when() == errand.deadline
            cut = errand.out_of_time() if late else ReadTimeout(f"{hop.origin} stopped sending.")
        except FOREIGN as error:
            cut = cut_short(error, hop.origin, received)
        body = decoder.finish(cut)
        failure = body.failure
        warnings = [f"unknown content coding {name!r} ignored" for name in decoder.unknown]
        if response.version == wreq.Version.HTTP_09:
            warnings.append(NO_HEAD)
            if body.data.lstrip()[:1] != b"<":
                failure = Failure.of(InvalidResponse())
        if errand.request.http2 and response.version != wreq.Version.HTTP_2:
            warnings.append("http2 requested, the target answered with HTTP/1.1")
        return Answer(response.status.as_int(), fields, body.data, failure, tuple(warnings))


def _place(hop: Hop) -> tuple[str, int]:
    """Host and port that a hop connects to."""
    parts = urlsplit(hop.url)
    return parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)


def _completed(fields: HeaderFields, hop: Hop, request: ExtractRequest) -> HeaderFields:
    """The fields with those that browsers send over HTTP/2 only, which https nearly always is."""
    given = {name.lower() for name in request.headers}
    more: HeaderFields = []
    if hop.url.startswith("https:"):
        look = look_of(request.emulation)
        gecko = look.browser == "firefox" and not look.webkit
        urgency = "u=1, i" if request.is_xhr else "u=0, i"
        more = [("TE", "trailers")] if gecko else [("Priority", urgency)]
    if hop.body is None and hop.method in _WITH_LENGTH:
        more.append(("Content-Length", "0"))  # Fetch has it for them; wreq leaves it out
    return fields + [field for field in more if field[0].lower() not in given]


def _arranged(fields: HeaderFields) -> tuple[HeaderMap, list[str]]:
    """The fields as wreq takes them: values by name, and the names in order and spelling."""
    headers = HeaderMap()
    spelled = {"host": "Host"}
    for name, value in fields:
        headers.append(name, value)
        spelled.setdefault(name.lower(), name)
        if len(spelled) == _BEFORE_LENGTH:
            spelled.setdefault("content-length", "Content-Length")
    return headers, list(spelled.values())


def _fields(headers: HeaderMap) -> Fields:
    return tuple((bytes(name).decode("latin-1"), _text(bytes(value))) for name, value in headers)


def _text(value: bytes) -> str:
    """UTF-8 if it is, else Latin-1."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")
