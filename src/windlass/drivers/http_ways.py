"""The ways out that plain HTTP requests take: straight, or through an operator's proxy.

Used by drivers/http.py. Straight, each socket passes the address guard; to a proxy it is our
egress proxy that dials, since aiohttp knows no SOCKS and no guard for what a proxy is asked.
"""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
from aiohttp import (
    ClientSession,
    ClientTimeout,
    DummyCookieJar,
    encode_basic_auth,
)
from yarl import URL

from windlass.net.dialling import Dial, connector_for
from windlass.net.egress import Egress
from windlass.net.guard import AddressGuard
from windlass.net.relay import Limits
from windlass.net.resolving import Resolve, Resolver
from windlass.net.upstream import Upstream
from windlass.settings import Settings

_IDLE_S = 8.0
"""How long an unused connection is kept: long enough for the next page of a site, short enough
that a crawl of many sites does not run out of file descriptors."""
_REPEATABLE = frozenset({"GET", "PUT", "DELETE"})


class Way(msgspec.Struct, frozen=True):
    """How a request leaves: the session to use and, for a proxy, what it must be told."""

    session: ClientSession
    options: dict[str, Any]
    egress: Egress | None


class Ways:
    """Every connection of one driver. Made on first use, for they belong to an event loop."""

    def __init__(
        self, settings: Settings, guard: AddressGuard, resolve: Resolve | None = None
    ) -> None:
        self._settings = settings
        self._guard = guard
        self._resolve = resolve or Resolver()
        self._sessions: dict[tuple[bool, bool], ClientSession] = {}
        self._egress: Egress | None = None
        self._starting = asyncio.Lock()

    async def out(self, method: str, upstream: Upstream | None) -> Way:
        """The way for a request of this method, through `upstream` or straight.

        Requests that may not be repeated get a connection of their own: on a kept one, which
        the site may be closing right now, nobody could tell whether they arrived.
        """
        kept = method in _REPEATABLE
        if upstream is None:
            return Way(self._session(kept, proxied=False), {}, None)
        egress = await self._started_egress()
        login = egress.login(upstream)
        options = {
            "proxy": URL(egress.url),
            # aiohttp sends this on as Proxy-Authorization, to a tunnel and with plain requests.
            "proxy_headers": {"Authorization": encode_basic_auth(login.username, login.password)},
        }
        return Way(self._session(kept, proxied=True), options, egress)

    async def aclose(self) -> None:
        """Closes every connection."""
        sessions, self._sessions = tuple(self._sessions.values()), {}
        for session in sessions:
            await session.close()
        if self._egress is not None:
            await self._egress.aclose()
            self._egress = None

    async def _started_egress(self) -> Egress:
        async with self._starting:
            if self._egress is None:
                limits = Limits(connect_s=self._settings.connect_timeout)
                egress = Egress(self._guard, limits, self._resolve)
                await egress.start()
                self._egress = egress
            return self._egress

    def _session(self, kept: bool, proxied: bool) -> ClientSession:
        session = self._sessions.get((kept, proxied))
        if session is None:
            session = self._make_session(kept, proxied)
            self._sessions[kept, proxied] = session
        return session

    def _make_session(self, kept: bool, proxied: bool) -> ClientSession:
        connect_s, read_s = self._settings.connect_timeout, self._settings.read_timeout
        # The egress proxy listens on loopback and checks what it dials itself.
        dial = Dial(self._resolve, None if proxied else self._guard, connect_s)
        return ClientSession(
            connector=connector_for(dial, _IDLE_S if kept else None),
            cookie_jar=DummyCookieJar(),
            timeout=ClientTimeout(
                total=None, connect=connect_s, sock_connect=connect_s, sock_read=read_s
            ),
            auto_decompress=False,
            trust_env=False,
            skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
        )
