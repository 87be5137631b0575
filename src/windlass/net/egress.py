"""A loopback HTTP proxy of ours that dials only what the address guard accepts.

Drivers that open connections themselves (wreq, Chromium) are given it as their proxy, so that no
redirect, second DNS answer, WebSocket or subresource gets around the guard. It resolves, checks
and dials one and the same address, or asks an operator's proxy to. relay.py moves the bytes.
"""

from __future__ import annotations

import asyncio
import secrets
import socket
import ssl
import time
from base64 import b64encode
from collections.abc import Callable, Mapping
from errno import ECONNREFUSED
from urllib.parse import quote, unquote

import aiohappyeyeballs
import msgspec

from windlass.errors import (
    AddressRefused,
    ConnectionFailed,
    ConnectionRefused,
    ConnectTimeout,
    DnsFailed,
    ProxyFailed,
    TargetError,
    TlsFailed,
    WindlassError,
)
from windlass.net.guard import AddressGuard, AddrInfo, DialRefused
from windlass.net.relay import ClientSide, Limits
from windlass.net.resolving import Resolve, Resolver, literal
from windlass.net.targetside import TargetSide
from windlass.net.upstream import Upstream, bracketed, handshake

MARK = "x-windlass-egress"
"""Header of answers that are ours and not the target's: "<mark> <error code> <message>"."""

_REMEMBERED = 1024
_STAGGER_S = 0.25
_ERRORS: dict[str, type[TargetError]] = {
    kind.code: kind
    for kind in (
        AddressRefused,
        ConnectionFailed,
        ConnectionRefused,
        ConnectTimeout,
        DnsFailed,
        ProxyFailed,
        TlsFailed,
    )
}


class Login(msgspec.Struct, frozen=True):
    """How a client logs in to the egress proxy; the user name says which way out it takes."""

    username: str
    password: str

    def __repr__(self) -> str:
        return f"Login({self.username})"


class Egress:
    """The proxy. `start` before use, `aclose` at the end; one per process, on one event loop.

    Clients log in with a password made up for this process, so that other users of the machine
    cannot send requests through it. Each operator proxy has a user name of its own.
    """

    def __init__(
        self,
        guard: AddressGuard,
        limits: Limits | None = None,
        resolve: Resolve | None = None,
    ) -> None:
        self.limits = limits or Limits()
        self.clients: set[ClientSide] = set()
        self._mark = secrets.token_hex(16)
        self._guard = guard
        self._resolve = resolve or Resolver()
        self._empty = asyncio.Event()
        self._empty.set()
        self._server: asyncio.Server | None = None
        self._port = 0
        self._password = secrets.token_urlsafe(32)
        self._logins: dict[Upstream | None, Login] = {}
        self._routes: dict[bytes, Upstream | None] = {}
        self._failures: dict[tuple[Upstream | None, str, int], tuple[float, TargetError]] = {}
        self._tls: ssl.SSLContext | None = None

    async def start(self) -> None:
        """Listens on a free port of 127.0.0.1."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: ClientSide(self), "127.0.0.1", 0, backlog=4096
        )
        self._port = self._server.sockets[0].getsockname()[1]

    async def aclose(self) -> None:
        """Ends the server and every connection at once."""
        if self._server is not None:
            self._server.close()
            self._server = None
        dials = [client.dial for client in self.clients if client.dial is not None]
        for client in tuple(self.clients):
            client.drop()
        await self._empty.wait()
        await asyncio.gather(*dials, return_exceptions=True)

    @property
    def url(self) -> str:
        """http://127.0.0.1:port, without a login."""
        return f"http://127.0.0.1:{self._port}"

    def login(self, upstream: Upstream | None = None) -> Login:
        """The login whose requests leave through `upstream`, None = from this machine."""
        login = self._logins.get(upstream)
        if login is None:
            login = Login(f"way{len(self._logins)}", self._password)
            self._logins[upstream] = login
            pair = b64encode(f"{login.username}:{login.password}".encode())
            self._routes[pair] = upstream
        return login

    # ------------------------------------------------------------ what drivers ask afterwards

    def failure(
        self, host: str, port: int, upstream: Upstream | None, since: float
    ) -> TargetError | None:
        """Why host:port could last not be reached, if that was after `since` (monotonic seconds).

        For clients that do not show the answer to a CONNECT. Connections to one place fail alike,
        so the last reason is theirs, even if another request met it.
        """
        noted = self._failures.get((upstream, host.lower().rstrip("."), port))
        return _again(noted[1]) if noted is not None and noted[0] >= since else None

    def error_in(self, headers: Mapping[str, str]) -> TargetError | None:
        """The error that an answer carries if it is ours, None for a target's answer."""
        mark, _, rest = headers.get(MARK, "").partition(" ")
        if mark != self._mark:
            return None
        code, _, message = rest.partition(" ")
        return _ERRORS.get(code, ConnectionFailed)(unquote(message))

    # ------------------------------------------------------------ what the relay asks

    def join(self, client: ClientSide) -> bool:
        """Takes note of a new client; False: there are too many."""
        self.clients.add(client)
        self._empty.clear()
        return len(self.clients) <= self.limits.connections

    def leave(self, client: ClientSide) -> None:
        """Takes note that a client is gone."""
        self.clients.discard(client)
        if not self.clients:
            self._empty.set()

    def route(self, credential: bytes) -> tuple[bool, Upstream | None]:
        """Whether a Proxy-Authorization value is one of ours, and which way out it means."""
        scheme, _, pair = credential.partition(b" ")
        # A dict compares only after hashes agreed, and those are seeded: no timing to learn from.
        if scheme.lower() != b"basic" or pair not in self._routes:
            return False, None
        return True, self._routes[pair]

    def note(self, upstream: Upstream | None, host: str, port: int, error: TargetError) -> None:
        """Remembers why a connection failed; the oldest memories go first."""
        key = (upstream, host.lower().rstrip("."), port)
        self._failures.pop(key, None)
        while len(self._failures) >= _REMEMBERED:
            del self._failures[next(iter(self._failures))]
        self._failures[key] = (time.monotonic(), _again(error))

    def confession(self, error: WindlassError, head: bytes) -> bytes:
        """The header line by which `error_in` knows our answers; b"" for a stranger's head."""
        return self.confessed(error) if any(pair in head for pair in self._routes) else b""

    def confessed(self, error: WindlassError) -> bytes:
        """The same for a client that needs no login."""
        message = quote(error.public_message[:1000], safe=" ")
        return f"{MARK}: {self._mark} {error.code} {message}\r\n".encode()

    async def connect(self, upstream: Upstream | None, side: TargetSide) -> None:
        """Connects `side` to its target, or asks `upstream` to. Raises TargetError."""
        place = f"{bracketed(side.host)}:{side.port}"
        looked_up = upstream is not None
        try:
            async with asyncio.timeout(self.limits.connect_s):
                if upstream is None:
                    infos = await self._checked(side.host, side.port)
                    looked_up = True
                    sock = await _dial(infos, place, self._guard.socket_factory)
                    await _attach(sock, side, place)
                else:
                    await self._through(upstream, side)
        except TimeoutError:
            within = f"{self.limits.connect_s:g} s"
            if not looked_up:
                raise DnsFailed(f"No name server resolved {side.host} within {within}.") from None
            raise ConnectTimeout(f"Connecting to {place} took longer than {within}.") from None

    async def _checked(self, host: str, port: int) -> list[AddrInfo]:
        """Addresses of a host that may be dialled, at least one."""
        infos = await self._resolve(host, port)
        allowed: list[AddrInfo] = []
        refused: AddressRefused | None = None
        for info in infos:
            try:
                self._guard.check(str(info[4][0]))
                allowed.append(info)
            except AddressRefused as error:
                refused = error
        if not allowed:
            raise refused or DnsFailed(f"The host name {host} has no address.")
        return allowed

    async def _through(self, upstream: Upstream, side: TargetSide) -> None:
        """Leaves through an operator's proxy.

        Its own address is exempt from the guard, because the operator wrote it down. It resolves
        the target's name, so of targets only what needs no lookup can be judged here.
        """
        self._guard.check_host(side.host)
        try:
            infos = literal(upstream.host, upstream.port)
            infos = infos or await self._resolve(upstream.host, upstream.port)
            sock = await _dial(infos, upstream.address, None)
            tls = (self._tls_context(), upstream.host) if upstream.scheme == "https" else None
            await _attach(sock, side, upstream.address, tls)
        except TargetError as error:
            raise ProxyFailed(f"The proxy cannot be reached: {error}") from error
        if not side.absolute:
            await side.converse(handshake(upstream, side.host, side.port))

    def _tls_context(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = ssl.create_default_context()
        return self._tls


async def _dial(
    infos: list[AddrInfo],
    place: str,
    factory: Callable[[AddrInfo], socket.socket] | None,
) -> socket.socket:
    """A socket connected to the first address that answers (RFC 8305)."""
    try:
        # The factory checks what is dialled once more: the list must not be the only lock.
        return await aiohappyeyeballs.start_connection(
            infos,
            happy_eyeballs_delay=_STAGGER_S,
            loop=asyncio.get_running_loop(),
            socket_factory=factory,
        )
    except (OSError, RuntimeError) as error:
        raise _translated(error, place) from error


async def _attach(
    sock: socket.socket,
    side: TargetSide,
    place: str,
    tls: tuple[ssl.SSLContext, str] | None = None,
) -> None:
    """Gives a connected socket to `side`, behind TLS for a host name if `tls` says so."""
    context, name = tls or (None, None)
    loop = asyncio.get_running_loop()
    try:
        await loop.create_connection(lambda: side, sock=sock, ssl=context, server_hostname=name)
    except BaseException as error:
        sock.close()
        if isinstance(error, OSError | RuntimeError):
            raise _translated(error, place) from error
        raise


def _translated(error: OSError | RuntimeError, place: str) -> TargetError:
    if isinstance(error, DialRefused):
        return error.refused
    if isinstance(error, ConnectionRefusedError) or getattr(error, "errno", 0) == ECONNREFUSED:
        return ConnectionRefused(f"{place} refused the connection.")
    if isinstance(error, ssl.SSLError):
        return TlsFailed(f"The TLS handshake with {place} failed: {error.reason}.")
    if isinstance(error, TimeoutError):
        return ConnectTimeout(f"Connecting to {place} took too long.")
    why = getattr(error, "strerror", None) or "not reachable"
    return ConnectionFailed(f"No connection to {place} could be made: {why}.")


def _again(error: TargetError) -> TargetError:
    """A copy without a traceback, which would keep frames alive and grow when raised again."""
    return type(error)(error.message, **error.details)
