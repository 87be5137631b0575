"""Sends one webhook to one receiver and says what was seen. Used by kinds/webhook.py.

The receiver is a stranger: every wait has an end, what is read of it a bound, its address passes
the guard when it is dialled. It schedules nothing, stores nothing and never follows a redirect.
"""

from __future__ import annotations

import asyncio
import io
import time
from base64 import b64encode
from datetime import UTC, datetime
from functools import lru_cache
from urllib.parse import unquote_to_bytes

import ada_url
import msgspec
from aiohttp import ClientResponse, ClientSession
from multidict import CIMultiDict
from yarl import URL

from windlass.errors import (
    AddressRefused,
    ConnectionLost,
    InvalidResponse,
    ReadTimeout,
    TargetError,
    WebhookGone,
    WebhookRejected,
    WebhookUnsendable,
    WindlassError,
)
from windlass.model.delivery import Sight
from windlass.model.page import Failure
from windlass.net.guard import AddressGuard
from windlass.net.http_failures import FOREIGN, translated
from windlass.net.resolving import Resolve
from windlass.net.retry_after import parse_retry_after
from windlass.net.tolerance import NO_HEAD
from windlass.settings import Settings
from windlass.webhooks import Answer, Post
from windlass.webhooks.connections import Connections, Trip
from windlass.webhooks.headers import compose
from windlass.webhooks.legible import legible

READ_BYTES = 65_536
"""How much of an answer is read: less than that, and its connection can be used again."""
SHOWN_BYTES = 1024
"""How much of an answer is kept to be shown."""
_BODY_S = 2.0
"""How long the rest of an answer may take. Its status has decided; the rest is for people."""
_LARGE_BYTES = 2**20
"""Above this, aiohttp wants a file: it would write the whole at once."""


class _Target(msgspec.Struct, frozen=True):
    url: URL
    origin: str
    authorization: str


class _Errand(msgspec.Struct, frozen=True):
    target: _Target
    headers: CIMultiDict[str]
    body: bytes
    deadline: float
    """By the event loop's clock."""


class _Seen(msgspec.Struct, frozen=True):
    status: int
    retry_after: str | None
    text: str


class Sender:
    """Sends webhooks, many at once. One per process; `resolve` stands in for DNS (tests)."""

    def __init__(self, settings: Settings, resolve: Resolve | None = None) -> None:
        self._timeout_s = settings.webhook_timeout
        guard = AddressGuard(settings.allow_addresses)
        self._connections = Connections(guard, settings.webhook_connect_timeout, resolve)

    async def send(self, post: Post) -> Answer:
        """What came of one try, within settings.webhook_timeout.

        Success is any 2xx, whatever becomes of the rest of the answer. All else is a Failure worth
        another try, but 410 (webhook_gone), an address that may not be dialled (address_refused)
        and what cannot be sent (webhook_unsendable). Failures of the connection have the codes of
        the TargetError tree. Raises nothing for what a receiver does.
        """
        began = time.perf_counter()
        try:
            seen = await self._exchange(self._errand(post))
        except (TargetError, WebhookUnsendable) as error:
            return Answer(sight=Sight(duration_ms=_ms_since(began)), failure=_failure(error))
        sight = Sight(status_code=seen.status, duration_ms=_ms_since(began), answer=seen.text)
        if 200 <= seen.status < 300:
            return Answer(sight=sight)
        wish_s = parse_retry_after(seen.retry_after, datetime.now(UTC))
        return Answer(sight=sight, failure=_failure(_judged(seen.status)), retry_after_s=wish_s)

    async def aclose(self) -> None:
        """Closes every connection."""
        await self._connections.aclose()

    def _errand(self, post: Post) -> _Errand:
        """What to send, to where. Raises WebhookUnsendable."""
        target = _target(post.url)
        headers = compose(post, target.authorization, datetime.now(UTC))
        deadline = asyncio.get_running_loop().time() + self._timeout_s
        return _Errand(target, headers, post.body, deadline)

    async def _exchange(self, errand: _Errand) -> _Seen:
        """The answer's status and the start of its body. Raises TargetError."""
        try:
            async with asyncio.timeout_at(errand.deadline) as scope:
                response = await self._ask(errand)
        except FOREIGN as error:
            origin = errand.target.origin
            if scope.expired():
                said = f"{origin} did not answer within {self._timeout_s:g} s."
                raise ReadTimeout(said) from error
            raise translated(error, origin) from error
        try:
            return await _read(response, errand.deadline)
        finally:
            # Does nothing to a connection whose answer is read to its end: that is in the pool.
            response.close()

    async def _ask(self, errand: _Errand) -> ClientResponse:
        """The answer's head. Raises FOREIGN.

        A kept connection may be closed by the receiver while we write. That says nothing about
        the receiver, and repeats are his to recognise: so once more, on a new connection.
        """
        trip = Trip()
        session = self._connections.session_for(errand.target.origin)
        try:
            return await _post(session, errand, trip)
        except FOREIGN as error:
            lost = isinstance(translated(error, errand.target.origin), ConnectionLost)
            if not (trip.reused and lost):
                raise
        return await _post(self._connections.fresh(), errand, trip)


async def _post(session: ClientSession, errand: _Errand, trip: Trip) -> ClientResponse:
    large = len(errand.body) > _LARGE_BYTES
    return await session.post(
        errand.target.url,
        data=io.BytesIO(errand.body) if large else errand.body,
        headers=errand.headers,
        allow_redirects=False,
        trace_request_ctx=trip,
    )


async def _read(response: ClientResponse, deadline: float) -> _Seen:
    """What an answer says, as far as it comes in time: its status counts however it goes on.

    Raises InvalidResponse for what has no status.
    """
    if NO_HEAD in getattr(response.content, "repairs", ()):
        raise InvalidResponse("The receiver's answer is not HTTP.")
    loop = asyncio.get_running_loop()
    start, count = b"", 0
    try:
        async with asyncio.timeout_at(min(deadline, loop.time() + _BODY_S)):
            while count < READ_BYTES and (piece := await response.content.readany()):
                start += piece[: SHOWN_BYTES - len(start)]
                count += len(piece)
    except FOREIGN:
        pass  # cut short by the receiver or by the clock: what came is shown
    coding = response.headers.get("Content-Encoding", "identity")
    text = legible(start) if coding == "identity" else f"({legible(coding.encode())} data)"
    return _Seen(response.status, response.headers.get("Retry-After"), text)


@lru_cache(maxsize=512)
def _target(url: str) -> _Target:
    """Where a URL leads. Raises WebhookUnsendable if that is nowhere."""
    try:
        parsed = ada_url.URL(url)
        if parsed.protocol not in ("http:", "https:"):
            raise ValueError(parsed.protocol)
        authorization = _basic(parsed.username, parsed.password)
        parsed.username = parsed.password = parsed.hash = ""
        return _Target(URL(parsed.href, encoded=True), parsed.origin, authorization)
    except ValueError as error:
        raise WebhookUnsendable("The webhook's address is not an http or https URL.") from error


def _basic(username: str, password: str) -> str:
    """The Authorization that a URL's user info asks for (RFC 7617), "" if it has none."""
    if not username and not password:
        return ""
    pair = unquote_to_bytes(username) + b":" + unquote_to_bytes(password)
    return f"Basic {b64encode(pair).decode()}"


def _judged(status: int) -> WindlassError:
    """What a status that is no success means."""
    if status == 410:
        return WebhookGone("The receiver answered 410: it is gone for good.")
    if 300 <= status < 400:
        return WebhookRejected(f"The receiver answered {status}; redirects are not followed.")
    return WebhookRejected(f"The receiver answered {status}.")


def _failure(error: WindlassError) -> Failure:
    """Receivers get well again: certificates are renewed, servers mended. All but these errors
    are worth another try, whatever their class says of pages."""
    final = isinstance(error, WebhookGone | WebhookUnsendable | AddressRefused)
    return Failure(error.code, error.public_message, retryable=not final)


def _ms_since(began: float) -> int:
    return round((time.perf_counter() - began) * 1000)
