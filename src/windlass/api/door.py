"""The door every call passes: key, allowance, body, handler, answer. The one error handler.

The app makes one Resource per path. Whatever a handler raises becomes the dialect's envelope
here and nowhere else.
"""

from __future__ import annotations

import time
from collections.abc import Mapping

import msgspec
import structlog
from starlette.types import Receive, Scope, Send

from windlass.api.authentication import bearer_key
from windlass.api.bodies import BodyClaim, BodyRoom
from windlass.api.call import Call, CallerGone, Handler, Reply
from windlass.api.limits import Allowance, RateLimiter
from windlass.api.metrics import Metrics
from windlass.api.verbs import Verbs
from windlass.errors import (
    DatabaseUnavailable,
    EngineError,
    MethodNotAllowed,
    RateLimited,
    WindlassError,
)
from windlass.settings import Settings
from windlass.wire.v1_errors import envelope

log = structlog.get_logger("windlass.api")

_CALLER_GONE = 499


class Door:
    """What all resources share."""

    def __init__(self, settings: Settings, service: Verbs, metrics: Metrics) -> None:
        self.service = service
        self.metrics = metrics
        self.limiter = RateLimiter(settings.rate_limit)
        self.room = BodyRoom(settings.body_limit)


class Entry(msgspec.Struct, frozen=True):
    """One method of one path. `name` labels it in metrics; `guarded` asks for a key."""

    name: str
    handler: Handler
    guarded: bool


class Resource:
    """An ASGI app for one path: its methods."""

    def __init__(self, door: Door, entries: Mapping[str, Entry]) -> None:
        self._door = door
        self._entries = dict(entries)
        if "GET" in entries:
            self._entries["HEAD"] = entries["GET"]
        self._allow = ", ".join(sorted(self._entries))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        call = Call(scope, receive)
        entry = self._entries.get(scope["method"])
        passage = _Passage(self._door, call)
        reply = await passage.reply(entry, self._allow)
        name = entry.name if entry else "method_not_allowed"
        status = _CALLER_GONE if reply is None else reply.status
        if reply is not None:
            await _send(reply, call, passage.allowance, send)
        self._door.metrics.answered(name, status, time.perf_counter() - started)


class Absent:
    """The ASGI app for every path that does not exist."""

    def __init__(self, door: Door, error: WindlassError) -> None:
        self._door = door
        self._error = error

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1000})
            return
        call = Call(scope, receive)
        allowance = self._door.limiter.untouched()
        await _send(_refusal(self._error, call), call, allowance, send)
        self._door.metrics.answered("not_found", 404, 0.0)


class _Passage:
    """One call on its way through the door."""

    def __init__(self, door: Door, call: Call) -> None:
        self._door = door
        self._call = call
        self.allowance = door.limiter.untouched()

    async def reply(self, entry: Entry | None, allow: str) -> Reply | None:
        """The answer, an error's if need be; None if nobody waits for one any more."""
        call = self._call
        try:
            if entry is None:
                raise MethodNotAllowed(allow=allow)
            if entry.guarded:
                await self._admit()
            return await entry.handler(call)
        except CallerGone:
            return None
        except WindlassError as error:
            if isinstance(error, EngineError):
                _log_failure(call, error)
            return _refusal(error, call)
        except Exception as error:  # noqa: BLE001 - the last line: no traceback reaches a caller
            _log_failure(call, error)
            return _refusal(EngineError(), call)
        finally:
            call.forget_body()

    async def _admit(self) -> None:
        call, door = self._call, self._door
        call.account = await door.service.authenticate(bearer_key(call.header(b"authorization")))
        try:
            self.allowance = door.limiter.take(call.account.key_id)
        except RateLimited:
            self.allowance = door.limiter.spent(call.account.key_id)
            raise
        if call.scope["method"] in ("POST", "PUT"):
            claim = BodyClaim(door.room)
            call.release = claim.end
            call.body = await claim.read(call.receive, call.header(b"content-length"))


def _log_failure(call: Call, error: Exception) -> None:
    """Logs it, with where it came from unless that is known: a database that is away."""
    account = getattr(call, "account", None)
    away = isinstance(error, DatabaseUnavailable)
    log.error(
        "call_failed",
        call=str(call.id),
        task=str(call.task_id),
        account=account.name if account else None,
        path=call.scope["path"],
        reason=repr(error.__cause__ or error),
        exc_info=None if away else error,
    )


def _refusal(error: WindlassError, call: Call) -> Reply:
    made = envelope(error, call.task_id)
    return Reply(made.body, made.status, headers=made.headers)


async def _send(reply: Reply, call: Call, allowance: Allowance | None, send: Send) -> None:
    headers = [
        (b"x-task-id", str(call.task_id).encode()),
        (b"x-nimble-request-id", str(call.id).encode()),
        (b"x-content-type-options", b"nosniff"),
    ]
    if reply.status != 204:
        headers.append((b"content-type", reply.media_type.encode()))
        headers.append((b"content-length", b"%d" % len(reply.body)))
    if allowance is not None:
        headers += _allowance_headers(allowance)
    headers += [(name.encode(), value.encode()) for name, value in reply.headers]
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    body = b"" if call.scope["method"] == "HEAD" else reply.body
    await send({"type": "http.response.body", "body": body})


def _allowance_headers(allowance: Allowance) -> list[tuple[bytes, bytes]]:
    """Both families of contract 2.5; `reset` in seconds from now, `x-…-reset` as Unix seconds."""
    limit, remaining = b"%d" % allowance.limit, b"%d" % allowance.remaining
    return [
        (b"ratelimit-limit", limit),
        (b"ratelimit-remaining", remaining),
        (b"ratelimit-reset", b"%d" % -int(-allowance.reset_s // 1)),
        (b"x-ratelimit-limit", limit),
        (b"x-ratelimit-remaining", remaining),
        (b"x-ratelimit-reset", b"%d" % -int(-(time.time() + allowance.reset_s) // 1)),
    ]
