"""An operator's proxy as somebody who dials through it sees it: its address, how to ask it.

The handshakes are generators without input or output of their own: they yield bytes to send, are
sent what arrived, and return what came after the handshake. Used by egress.py. Nothing here may
show a credential: the repr and every message leave it out.
"""

from __future__ import annotations

import ipaddress
from base64 import b64encode
from collections.abc import Generator
from typing import Literal
from urllib.parse import unquote, urlsplit

import msgspec

from windlass.errors import ConnectionFailed, ConnectionRefused, ProxyFailed, TargetError

Handshake = Generator[bytes, bytes, bytes]
"""Yields what to send (maybe nothing), takes what arrived, returns what belongs to the tunnel."""

Scheme = Literal["http", "https", "socks5"]

ACCEPTED = "http://, https://, socks5:// or socks5h://[user:password@]host:port"
"""How a proxy may be written, for messages."""

_SCHEMES: dict[str, tuple[Scheme, int]] = {
    "http": ("http", 80),
    "https": ("https", 443),
    "socks5": ("socks5", 1080),
    "socks5h": ("socks5", 1080),
}
_REPLY_LIMIT = 16_384
_SOCKS_REPLIES = {
    1: "general failure",
    2: "connection not allowed by its rules",
    3: "network unreachable",
    4: "host unreachable",
    5: "connection refused",
    6: "TTL expired",
    7: "command not supported",
    8: "address type not supported",
}


class Upstream(msgspec.Struct, frozen=True, kw_only=True):
    """Where a proxy listens and how it wants to be asked. Names are always resolved by it."""

    scheme: Scheme
    host: str
    port: int
    username: str = ""
    password: str = ""

    @property
    def address(self) -> str:
        """host:port, fit to be shown."""
        return f"{bracketed(self.host)}:{self.port}"

    @property
    def authorization(self) -> bytes:
        """The Proxy-Authorization value (RFC 7617), b"" without credentials."""
        if not (self.username or self.password):
            return b""
        return b"Basic " + b64encode(f"{self.username}:{self.password}".encode())

    def __repr__(self) -> str:
        hidden = "***@" if self.username or self.password else ""
        return f"Upstream({self.scheme}://{hidden}{self.address})"


def parse_upstream(url: str) -> Upstream:
    """The proxy that a URL names. Raises ValueError with a reason that shows no credential."""
    try:
        parts = urlsplit(url.strip())
        port, host = parts.port, parts.hostname
    except ValueError:
        raise ValueError(f"it must look like {ACCEPTED}") from None
    known = _SCHEMES.get(parts.scheme.lower())
    if known is None or not host:
        raise ValueError(f"it must look like {ACCEPTED}")
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        raise ValueError(f"a proxy has no path or query; it must look like {ACCEPTED}")
    username, password = unquote(parts.username or ""), unquote(parts.password or "")
    if known[0] == "socks5" and max(len(username.encode()), len(password.encode())) > 255:
        raise ValueError("SOCKS5 allows 255 bytes of user name and of password")  # RFC 1929
    if port == 0:
        raise ValueError("its port must be 1 to 65535")
    return Upstream(
        scheme=known[0],
        host=host,
        port=port or known[1],
        username=username,
        password=password,
    )


def bracketed(host: str) -> str:
    """A host as it stands in an authority: IPv6 literals in brackets (RFC 3986, 3.2.2)."""
    return f"[{host}]" if ":" in host and not host.startswith("[") else host


def handshake(upstream: Upstream, host: str, port: int) -> Handshake:
    """The conversation that makes `upstream` connect us to host:port.

    `host` is at most 255 bytes. Raises ProxyFailed when the proxy will not, ConnectionRefused or
    ConnectionFailed when it says (SOCKS5 only) that the target's end is to blame.
    """
    if upstream.scheme == "socks5":
        return _socks5(upstream, host, port)
    return _connect(upstream, host, port)


def _connect(upstream: Upstream, host: str, port: int) -> Handshake:
    authority = f"{bracketed(host)}:{port}"
    ask = f"CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n".encode()
    if upstream.authorization:
        ask += b"Proxy-Authorization: " + upstream.authorization + b"\r\n"
    seen = yield ask + b"\r\n"
    while b"\r\n\r\n" not in seen:
        if len(seen) > _REPLY_LIMIT:
            raise ProxyFailed(f"The proxy {upstream.address} answers without end.")
        seen += yield b""
    head, _, rest = seen.partition(b"\r\n\r\n")
    words = head.split(b"\r\n", 1)[0].split(b" ", 2)
    if len(words) < 2 or not words[0].startswith(b"HTTP/1.") or not words[1].isdigit():
        raise ProxyFailed(f"The proxy {upstream.address} does not answer with HTTP.")
    status = int(words[1])
    if not 200 <= status < 300:
        raise refused_by(upstream, status)
    return rest


def refused_by(upstream: Upstream, status: int) -> ProxyFailed:
    """The error for a status with which an HTTP proxy declines."""
    why = " (its credentials are not accepted)" if status == 407 else ""
    return ProxyFailed(f"The proxy {upstream.address} answered {status}{why}.", status=status)


def _socks5(upstream: Upstream, host: str, port: int) -> Handshake:
    """RFC 1928, with user name and password of RFC 1929."""
    wanted = 2 if upstream.authorization else 0
    seen = yield from _until(2, (yield bytes((5, 1, wanted))))
    if seen[0] != 5:
        raise ProxyFailed(f"The proxy {upstream.address} does not speak SOCKS5.")
    if seen[1] != wanted:
        raise ProxyFailed(f"The proxy {upstream.address} wants another way to log in.")
    seen = seen[2:]
    if wanted == 2:
        user, password = upstream.username.encode(), upstream.password.encode()
        ask = bytes((1, len(user))) + user + bytes((len(password),)) + password
        seen = yield from _until(2, seen + (yield ask))
        if seen[1] != 0:
            raise ProxyFailed(f"The proxy {upstream.address} does not accept its credentials.")
        seen = seen[2:]
    ask = b"\x05\x01\x00" + _socks_address(host) + port.to_bytes(2, "big")
    seen = yield from _until(5, seen + (yield ask))
    if seen[1] != 0:
        raise _socks_failure(upstream, seen[1], host)
    length = {1: 10, 3: 7 + seen[4], 4: 22}.get(seen[3], 10)
    seen = yield from _until(length, seen)
    return seen[length:]


def _until(length: int, seen: bytes) -> Handshake:
    while len(seen) < length:
        seen += yield b""
    return seen


def _socks_address(host: str) -> bytes:
    try:
        packed = ipaddress.ip_address(host).packed
    except ValueError:
        name = host.encode()
        return bytes((3, len(name))) + name
    return bytes((1 if len(packed) == 4 else 4,)) + packed


def _socks_failure(upstream: Upstream, code: int, host: str) -> TargetError:
    why = _SOCKS_REPLIES.get(code, f"code {code}")
    said = f"The proxy {upstream.address} could not connect to {host}: {why}."
    if code == 5:
        return ConnectionRefused(said)
    if code in (3, 4, 6):
        return ConnectionFailed(said)
    return ProxyFailed(said)
