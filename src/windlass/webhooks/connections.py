"""The connections that webhooks leave by, each past the address guard. Used by sender.py.

A connection is kept only towards an origin that gets webhooks one after another, and for a moment
only: a receiver closes what is idle, often while we write, and an idle process holds nothing.
"""

from __future__ import annotations

import time
from types import SimpleNamespace

from aiohttp import (
    ClientSession,
    ClientTimeout,
    DummyCookieJar,
    TraceConfig,
    TraceConnectionReuseconnParams,
)

from windlass.net.dialling import Dial, connector_for
from windlass.net.guard import AddressGuard
from windlass.net.resolving import Resolve, Resolver

_IDLE_S = 2.0
"""How long an unused connection is kept; the servers in use close after 2 to 75 s."""
_ORIGINS = 256
"""Towards how many origins connections are kept at a time."""
_BUFFER_BYTES = 16_384


class Trip:
    """One request on its way: `reused` says that it took a connection that had been kept."""

    __slots__ = ("reused",)

    def __init__(self) -> None:
        self.reused = False


class Regulars:
    """The origins met within the last moments, at most so many; the latest is the last."""

    def __init__(self) -> None:
        self._met: dict[str, float] = {}

    def meet(self, origin: str, now_s: float) -> bool:
        """Whether the origin is one of them. From now on it is."""
        met_s = self._met.pop(origin, None)
        self._met[origin] = now_s
        if len(self._met) > _ORIGINS:
            del self._met[next(iter(self._met))]
        return met_s is not None and now_s - met_s <= _IDLE_S


class Connections:
    """Every connection of one Sender. Made on first use, for they belong to an event loop."""

    def __init__(self, guard: AddressGuard, connect_s: float, resolve: Resolve | None) -> None:
        self._dial = Dial(resolve or Resolver(), guard, connect_s)
        self._regulars = Regulars()
        self._kept: ClientSession | None = None
        self._fresh: ClientSession | None = None

    def session_for(self, origin: str) -> ClientSession:
        """The session to use; it keeps connections if the origin was met a moment ago."""
        if not self._regulars.meet(origin, time.monotonic()):
            return self.fresh()
        if self._kept is None:
            self._kept = self._session(_IDLE_S)
        return self._kept

    def fresh(self) -> ClientSession:
        """The session whose every request gets a connection of its own."""
        if self._fresh is None:
            self._fresh = self._session(None)
        return self._fresh

    async def aclose(self) -> None:
        """Closes every connection."""
        sessions, self._kept, self._fresh = (self._kept, self._fresh), None, None
        for session in sessions:
            if session is not None:
                await session.close()

    def _session(self, keep_s: float | None) -> ClientSession:
        connect_s = self._dial.connect_s
        return ClientSession(
            connector=connector_for(self._dial, keep_s),
            cookie_jar=DummyCookieJar(),
            timeout=ClientTimeout(total=None, connect=connect_s, sock_connect=connect_s),
            # A compressed answer is never inflated: nobody asked for one, and it may be a bomb.
            auto_decompress=False,
            trust_env=False,
            read_bufsize=_BUFFER_BYTES,
            trace_configs=[_noting_reuse()] if keep_s is not None else None,
        )


def _noting_reuse() -> TraceConfig:
    """Has the Trip of a request know whether its connection had been used before."""

    async def note(
        _: ClientSession, context: SimpleNamespace, __: TraceConnectionReuseconnParams
    ) -> None:
        context.trace_request_ctx.reused = True

    config = TraceConfig()
    config.on_connection_reuseconn.append(note)
    return config
