"""Reads the head of a request made to our egress proxy and writes the one that goes on.

Pure. RFC 9112 as far as a proxy for known clients needs it: what is odd is refused, never guessed,
because two readings of one message are how requests get smuggled.
"""

from __future__ import annotations

import re
from functools import lru_cache

import msgspec

from windlass.errors import InvalidRequest

_PROXY_FIELDS = (b"proxy-authorization", b"proxy-connection")
_SIGNIFICANT = frozenset((*_PROXY_FIELDS, b"content-length", b"transfer-encoding", b"host"))
_REQUEST_LINE = re.compile(rb"[!-~]+ [!-~]+ HTTP/1\.[01]")
_CACHED_BYTES = 4096


class RequestHead(msgspec.Struct, frozen=True, gc=False):
    """What a client asks of a proxy: a tunnel to host:port, or one plain request there.

    `host` is without brackets. `origin` is the head for the target itself, `absolute` the one for
    another proxy, without its last empty line; both b"" for a tunnel. `body_bytes` follow it.
    """

    host: str
    port: int
    tunnel: bool
    credential: bytes = b""
    origin: bytes = b""
    absolute: bytes = b""
    body_bytes: int = 0


def read_head(head: bytes) -> RequestHead:
    """The request whose head (without its last empty line) is given. Raises InvalidRequest."""
    line, _, rest = head.partition(b"\r\n")
    if not _REQUEST_LINE.fullmatch(line):
        raise InvalidRequest("The request line is not HTTP/1.")
    kept, fields = (_known_fields if len(rest) <= _CACHED_BYTES else _fields)(rest)
    credential = fields.get(b"proxy-authorization", b"")
    method, target, version = line.split(b" ")
    if method == b"CONNECT":
        host, port = _authority(target, None)
        return RequestHead(host, port, True, credential)
    if target[:7].lower() != b"http://":
        raise InvalidRequest("The request target is neither CONNECT nor absolute http.")
    if b"transfer-encoding" in fields:
        raise InvalidRequest("Request bodies must come with a Content-Length.")
    authority, path = _split_target(target)
    host, port = _authority(authority, 80)
    if b"host" not in fields:
        kept = b"\r\nHost: " + authority + kept
    return RequestHead(
        host,
        port,
        False,
        credential,
        b"%b %b %b%b" % (method, path, version, kept),
        b"%b %b %b%b" % (method, target, version, kept),
        _length(fields.get(b"content-length", b"0")),
    )


def _fields(text: bytes) -> tuple[bytes, dict[bytes, bytes]]:
    """Lines to pass on, as they are, each after its CRLF, and the fields that matter here."""
    lines = text.split(b"\r\n") if text else []
    ends = max(0, len(lines) - 1)
    if text.count(b"\n") != ends or text.count(b"\r") != ends or b"\0" in text:
        raise InvalidRequest("The head holds a control character.")
    kept: list[bytes] = [b""]
    found: dict[bytes, bytes] = {}
    for line in lines:
        name, colon, value = line.partition(b":")
        if not colon or not name or name[-1:] in b" \t" or name[0] in b" \t":
            raise InvalidRequest("A header line is not a header line.")
        lowered = name.lower()
        if lowered in _SIGNIFICANT:
            if lowered in found:
                raise InvalidRequest(f"The header {lowered.decode()} is repeated.")
            found[lowered] = value.strip(b" \t")
        if lowered not in _PROXY_FIELDS:
            kept.append(line)
    return b"\r\n".join(kept), found


# A client sends the same fields again and again; reading them is half the work of a request.
_known_fields = lru_cache(128)(_fields)


def _split_target(target: bytes) -> tuple[bytes, bytes]:
    ends = [end for mark in (b"/", b"?") if (end := target.find(mark, 7)) >= 0]
    if not ends:
        return target[7:], b"/"
    path = target[min(ends) :]
    return target[7 : min(ends)], path if path[:1] == b"/" else b"/" + path


def _authority(text: bytes, default_port: int | None) -> tuple[str, int]:
    whole = text.decode("ascii")
    if whole.startswith("["):
        host, closing, port = whole[1:].partition("]")
        if not closing or ":" not in host or (port and port[0] != ":"):
            raise InvalidRequest("The host is not an IPv6 address in brackets.")
        port = port[1:]
    else:
        host, _, port = whole.partition(":")
    if not host or len(host) > 255 or "@" in whole:
        raise InvalidRequest("The host is missing, too long or with a user name.")
    if not port and default_port is not None:
        return host, default_port
    if not (port.isdigit() and len(port) <= 5 and 0 < int(port) < 65536):
        raise InvalidRequest("The port is not a number from 1 to 65535.")
    return host, int(port)


def _length(text: bytes) -> int:
    if not text.isdigit() or len(text) > 15:
        raise InvalidRequest("Content-Length is not a number.")
    return int(text)
