"""What the misbehaving site says, byte for byte, by the name of the misbehaviour.

Data for badsite.py: every answer here is written at once and then the connection is closed.
"""

from __future__ import annotations

import gzip
import zlib
from functools import cache

import brotli
from backports import zstd

PAGE = b"<!DOCTYPE html><html><head><title>Kept</title></head><body><p>readable</p></body></html>"
LONG = b"<!DOCTYPE html><title>Long</title>" + b"".join(
    b"<p>paragraph %d of a page that is worth keeping</p>\n" % n for n in range(3000)
)
BOMB_BYTES = 60_000_000
HTML = b"Content-Type: text/html; charset=utf-8\r\n"


def whole(body: bytes, fields: bytes = HTML, status: bytes = b"200 OK") -> bytes:
    """A correct answer with a Content-Length."""
    length = b"Content-Length: %d\r\n" % len(body)
    return b"HTTP/1.1 " + status + b"\r\n" + fields + length + b"\r\n" + body


def chunked(*chunks: bytes) -> bytes:
    """The chunks of a correct chunked body."""
    return b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in (*chunks, b""))


def _coded(body: bytes, coding: bytes) -> bytes:
    return whole(body, HTML + b"Content-Encoding: " + coding + b"\r\n")


def _wrong_checksum() -> bytes:
    data = bytearray(gzip.compress(LONG))
    data[-6] ^= 0xFF
    return bytes(data)


CHUNKED_HEAD = b"HTTP/1.1 200 OK\r\n" + HTML + b"Transfer-Encoding: chunked\r\n\r\n"

# ---------------------------------------------------------------- broken transfers

BROKEN: dict[str, bytes] = {
    "truncated": b"HTTP/1.1 200 OK\r\n" + HTML + b"Content-Length: 1024\r\n\r\n<p>sixteen bytes",
    "broken-chunk": CHUNKED_HEAD + b"12\r\n<p>eighteen bytes.\r\nzz\r\nworse\r\n0\r\n\r\n",
    "cut-chunk": CHUNKED_HEAD + b"12\r\n<p>eighteen bytes.\r\n100\r\n<p>less",
    "no-last-chunk": CHUNKED_HEAD + b"12\r\n<p>eighteen bytes.\r\n",
    "empty-answer": b"",
    "head-cut": b"HTTP/1.1 200 OK\r\nContent-Type: text/ht",
    "not-http": b"SSH-2.0-OpenSSH_9.2p1\r\n",
    "bad-status": b"HTTP/1.1 twohundred OK\r\n\r\n" + PAGE,
    "binary": bytes(range(256)) * 8,
}
READABLE: dict[str, bytes] = {
    "no-colon": whole(PAGE, b"this line is no header\r\n" + HTML),
    "space-in-name": whole(PAGE, b"Bad Name: x\r\n" + HTML),
    "nameless": whole(PAGE, b": x\r\n" + HTML),
    "folded": whole(PAGE, b"Content-Type: text/html;\r\n  charset=utf-8\r\nX-Folded: a\r\n\tb\r\n"),
    "nul-in-header": whole(PAGE, HTML + b"X-Nul: a\0b\r\n"),
    "latin1-header": whole(PAGE, HTML + b"X-Latin: caf\xe9\r\n"),
    "bare-newlines": b"HTTP/1.1 200 OK\nContent-Type: text/html\n\n" + PAGE,
    "no-head": PAGE,
    "no-headers": b"HTTP/1.1 200 OK\r\n\r\n" + PAGE,
    "no-reason": b"HTTP/1.1 200\r\n" + HTML + b"\r\n" + PAGE,
    "http10": b"HTTP/1.0 200 OK\r\n" + HTML + b"\r\n" + PAGE,
    "http2-in-words": b"HTTP/2 200\r\n" + HTML + b"\r\n" + PAGE,
    "icy": b"ICY 200 OK\r\n" + HTML + b"\r\n" + PAGE,
    "lower-case": whole(PAGE).replace(b"HTTP/1.1", b"http/1.1"),
    "same-length-twice": whole(PAGE, HTML + b"Content-Length: %d\r\n" % len(PAGE)),
    "length-no-number": b"HTTP/1.1 200 OK\r\n" + HTML + b"Content-Length: many\r\n\r\n" + PAGE,
    "length-negative": b"HTTP/1.1 200 OK\r\n" + HTML + b"Content-Length: -5\r\n\r\n" + PAGE,
    "length-and-chunks": b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n"
    + CHUNKED_HEAD.partition(b"\r\n")[2]
    + chunked(PAGE),
    "body-too-long": whole(PAGE) + b"<!-- more than promised -->",
    "chunk-extensions": CHUNKED_HEAD
    + chunked(PAGE[:9], PAGE[9:]).replace(b"\r\n<", b" ;a=b;c\r\n<", 1),
    "chunk-newlines": CHUNKED_HEAD + b"%x\n%s\n0\n\n" % (len(PAGE), PAGE),
    "trailers": CHUNKED_HEAD + chunked(PAGE)[:-2] + b"X-Sum: 1\r\nX-More: 2\r\n\r\n",
    "junk-behind-chunks": CHUNKED_HEAD + chunked(PAGE) + b"<!-- more -->",
    "early-hints": b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + whole(PAGE),
    "continue": b"HTTP/1.1 100 Continue\r\n\r\n" * 3 + whole(PAGE),
    "leading-newlines": b"\r\n\r\n" + whole(PAGE),
    "long-header": whole(PAGE, HTML + b"X-Long: " + b"x" * 60_000 + b"\r\n"),
    "many-headers": whole(PAGE, HTML + b"".join(b"X-%d: y\r\n" % n for n in range(2000))),
    "unknown-transfer": b"HTTP/1.1 200 OK\r\n" + HTML + b"Transfer-Encoding: x\r\n\r\n" + PAGE,
    "odd-status": whole(PAGE, status=b"299 Fine By Me"),
}
"""Answers with flaws whose body is PAGE all the same."""


@cache
def codings() -> dict[str, bytes]:
    """Bodies under a Content-Encoding, sound and not; made once, for bombs take a second."""
    zeros = b"\0" * BOMB_BYTES
    stacked = gzip.compress(zlib.compress(gzip.compress(LONG)))
    raw = zlib.compressobj(wbits=-15)
    return {
        "gzip": _coded(gzip.compress(LONG), b"gzip"),
        "deflate": _coded(zlib.compress(LONG), b"deflate"),
        "raw-deflate": _coded(raw.compress(LONG) + raw.flush(), b"deflate"),
        "br": _coded(brotli.compress(LONG), b"br"),
        "zstd": _coded(zstd.compress(LONG), b"zstd"),
        "gzip-deflate-gzip": _coded(stacked, b"gzip, deflate, gzip"),
        "two-coding-headers": _coded(
            brotli.compress(gzip.compress(LONG)), b"gzip\r\nContent-Encoding: br"
        ),
        "unknown-coding": _coded(LONG, b"UTF-8"),
        "gzip-wrong-checksum": _coded(_wrong_checksum(), b"gzip"),
        "gzip-cut": _coded(gzip.compress(LONG)[:-400], b"gzip"),
        "gzip-that-is-plain": _coded(LONG, b"gzip"),
        "bomb-gzip": _coded(gzip.compress(zeros), b"gzip"),
        "bomb-deflate": _coded(zlib.compress(zeros), b"deflate"),
        "bomb-br": _coded(brotli.compress(zeros, quality=5), b"br"),
        "bomb-zstd": _coded(zstd.compress(zeros), b"zstd"),
        "bomb-twice": _coded(gzip.compress(gzip.compress(zeros)), b"gzip, gzip"),
    }


# ---------------------------------------------------------------- character sets

_JA = "<title>日本語</title><p>文字コードの試験"
_ZH = "<title>中文</title><p>镕 and 堃 are in gb18030, not in gb2312"


def _html(kind: bytes, body: bytes) -> bytes:
    return whole(body, b"Content-Type: " + kind + b"\r\n")


CHARSETS: dict[str, tuple[bytes, str]] = {
    "header-beats-meta": (
        _html(b"text/html; charset=shift_jis", b"<meta charset=utf-8>" + _JA.encode("shift_jis")),
        _JA,
    ),
    "mark-beats-header": (
        _html(b"text/html; charset=iso-8859-1", b"\xef\xbb\xbf" + _JA.encode()),
        _JA,
    ),
    "meta-only": (_html(b"text/html", b"<meta charset=euc-jp>" + _JA.encode("euc-jp")), _JA),
    "undeclared": (_html(b"text/html", _JA.encode() * 20), _JA),
    "invalid-declared": (_html(b"text/html; charset=no-such-thing", _JA.encode() * 20), _JA),
    "gb2312-means-gb18030": (_html(b"text/html; charset=gb2312", _ZH.encode("gb18030")), _ZH),
}
"""Answers and a text that must be in the page however its characters were declared."""
