"""wreq's clients and the ways out they take: always through our egress proxy.

Used by drivers/impersonate.py. Everything is made on first use, for the process may fork before
its first fetch and wreq runs on a thread of its own.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Iterator
from datetime import timedelta

import wreq
from wreq import CertStore, Http1Options, Policy, Proxy, Runtime, exceptions

from windlass.net.answers import MAX_HEAD_BYTES
from windlass.net.egress import Egress
from windlass.net.guard import AddressGuard
from windlass.net.relay import Limits
from windlass.net.resolving import Resolve
from windlass.net.upstream import Upstream
from windlass.settings import Settings

FOREIGN = (
    exceptions.BodyError,
    exceptions.BuilderError,
    exceptions.ConnectionError,
    exceptions.ConnectionResetError,
    exceptions.DecodingError,
    exceptions.ProxyConnectionError,
    exceptions.RequestError,
    exceptions.TimeoutError,
    exceptions.TlsError,
    exceptions.UpgradeError,
)
"""What wreq raises."""

_IDLE_S = 8.0
_IDLE_PER_HOST = 64
_IDLE_CONNECTIONS = 256
_HEADER_LINES = 2_048
_GRACE_S = 1.0
"""What wreq gets beyond the egress proxy's own deadline, which knows the reason better."""
_REPEATABLE = frozenset({"GET", "PUT", "DELETE"})
_REMEMBERED = 4_096


class WreqWays:
    """Every connection of one driver."""

    def __init__(
        self, settings: Settings, guard: AddressGuard, resolve: Resolve | None = None
    ) -> None:
        self.egress = Egress(guard, Limits(connect_s=settings.connect_timeout), resolve)
        self._settings = settings
        self._started = False
        self._starting = asyncio.Lock()
        self._runtime: Runtime | None = None
        self._clients: dict[bool, wreq.Client] = {}
        self._proxies: dict[Upstream | None, Proxy] = {}
        self._answered: dict[tuple[str, Upstream | None], float] = {}

    async def start(self) -> None:
        """Starts the egress proxy, if it is not running yet."""
        async with self._starting:
            if not self._started:
                await self.egress.start()
                self._started = True

    async def aclose(self) -> None:
        """Closes every connection."""
        clients, self._clients = self._clients, {}
        for client in clients.values():
            client.close()
        self._proxies.clear()
        self._answered.clear()
        self._started = False
        await self.egress.aclose()

    def clients(self, method: str, origin: str, upstream: Upstream | None) -> Iterator[wreq.Client]:
        """The clients to send a request by, each only if the one before lost its connection.

        Kept connections may be closed by the site at the moment they are used. What may be
        repeated is then sent once more on a fresh one, as browsers do; what may not always gets
        a fresh one, for otherwise nobody could tell whether it arrived.
        """
        if method in _REPEATABLE:
            yield self._client(kept=True)
            if time.monotonic() - self._answered.get((origin, upstream), -_IDLE_S) > _IDLE_S:
                return  # there was no kept connection: it was a fresh one that was lost
        yield self._client(kept=False)

    def note_answer(self, origin: str, upstream: Upstream | None) -> None:
        """Remembers that there may be a kept connection to `origin` now."""
        if len(self._answered) >= _REMEMBERED:
            self._answered.clear()
        self._answered[origin, upstream] = time.monotonic()

    def proxy(self, upstream: Upstream | None) -> Proxy:
        """Our egress proxy as wreq is told of it, with the login for a way out."""
        way = self._proxies.get(upstream)
        if way is None:
            login = self.egress.login(upstream)
            way = Proxy.all(self.egress.url, username=login.username, password=login.password)
            self._proxies[upstream] = way
        return way

    def _client(self, kept: bool) -> wreq.Client:
        client = self._clients.get(kept)
        if client is None:
            client = self._clients[kept] = self._make_client(kept)
        return client

    def _make_client(self, kept: bool) -> wreq.Client:
        if self._runtime is None:
            self._runtime = Runtime(workers=1, thread_name="wreq")
        connect_s = self._settings.connect_timeout + _GRACE_S
        return wreq.Client(
            runtime=self._runtime,
            no_proxy=True,
            redirect=Policy.none(),
            referer=False,
            gzip=False,
            brotli=False,
            deflate=False,
            zstd=False,
            connect_timeout=timedelta(seconds=connect_s),
            # wreq counts it from the request's start: connecting must be over by then.
            read_timeout=timedelta(seconds=max(self._settings.read_timeout, connect_s + _GRACE_S)),
            pool_idle_timeout=timedelta(seconds=_IDLE_S),
            pool_max_idle_per_host=_IDLE_PER_HOST if kept else 0,
            pool_max_size=_IDLE_CONNECTIONS,
            tls_verify=_trusted(),
            http1_options=Http1Options(
                http09_responses=True,
                ignore_invalid_headers_in_responses=True,
                allow_spaces_after_header_name_in_responses=True,
                allow_obsolete_multiline_headers_in_responses=True,
                max_headers=_HEADER_LINES,
                max_buf_size=MAX_HEAD_BYTES,
            ),
        )


def _trusted() -> CertStore:
    """The certificates that Python trusts here (SSL_CERT_FILE included), as aiohttp does."""
    known = ssl.create_default_context().get_ca_certs(binary_form=True)
    return CertStore(der_certs=known) if known else CertStore(default_paths=True)
