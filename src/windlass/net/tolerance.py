"""Makes aiohttp read answers as browsers do: net/answers.py in place of its own parser.

aiohttp's parser gives up on a header line without a colon, on bytes behind a body or on one bad
chunk, and the readable part is lost. This is the only file that touches aiohttp's inside: its
protocol asks a parser object for messages, and here is another one (tests hold it to that).
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

from aiohttp import HttpVersion, StreamReader, TCPConnector
from aiohttp.client_proto import ResponseHandler
from aiohttp.http import HttpProcessingError, RawResponseMessage
from multidict import CIMultiDict, CIMultiDictProxy

from windlass.errors import BodyTruncated, TargetError
from windlass.net.answers import (
    HEAD_END,
    MAX_HEAD_BYTES,
    ChunkReader,
    Head,
    parse_head,
    starts_like_http,
)

NO_HEAD = "the target answered without HTTP headers"
"""The repair noted for an answer that is nothing but a body (HTTP/0.9)."""

_Messages = list[tuple[RawResponseMessage, StreamReader]]
_Fed = tuple[_Messages, bool, bytes]


class AnswerBody(StreamReader):
    """The body of one answer. It ends without an exception whatever happens to the connection.

    `cut` then says why it is not whole, None if it is; `repairs` what was wrong with the head.
    """

    __slots__ = ("cut", "repairs")

    def __init__(self, protocol: ResponseHandler, limit: int, timer: Any, repairs: Any) -> None:
        super().__init__(protocol, limit, timer=timer, loop=asyncio.get_running_loop())
        self.cut: TargetError | None = None
        self.repairs: tuple[str, ...] = repairs


class _Parser:
    """Reads one answer; has the methods that aiohttp's protocol calls on its parser."""

    def __init__(self, protocol: ResponseHandler, limit: int, timer: Any, bodiless: bool) -> None:
        self._protocol = protocol
        self._limit = limit
        self._timer = timer
        self._bodiless = bodiless
        self._buffer = b""
        self._scanned = 0
        self._head_bytes = 0
        self._body: AnswerBody | None = None
        self._left: int | None = None
        self._chunks: ChunkReader | None = None
        self._received = 0
        self.lost: BaseException | None = None
        """Why the connection ended, if it did not end in order."""

    def pause_reading(self) -> None:
        """Nothing to do: what has arrived is handed on at once, the transport is paused."""

    def message_consumed(self) -> None:
        """Nothing to do: there is one answer only."""

    def feed_data(self, data: bytes) -> _Fed:
        """Takes in received bytes; returns the answer when its head is complete."""
        if self._body is not None:
            self._feed_body(data)
            return [], False, b""
        message = self._feed_head(data)
        return ([message] if message else []), False, b""

    def feed_eof(self) -> RawResponseMessage | None:
        """Takes note that the connection ended."""
        body = self._body
        if body is None or body.is_eof():
            return None
        whole = self._chunks.complete if self._chunks else self._left is None and not self.lost
        self._end(None if whole else f"after {self._received:,} bytes")
        return None

    # ------------------------------------------------------------ the head

    def _feed_head(self, data: bytes) -> tuple[RawResponseMessage, StreamReader] | None:
        data = (self._buffer + data).lstrip(b"\r\n")
        while data:
            is_http = starts_like_http(data)
            if is_http is False:
                return self._begin(_headless(), data)
            end = HEAD_END.search(data, self._scanned) if is_http else None
            self._scanned = 0
            if end is None:
                break
            head = parse_head(data[: end.start()])
            if head is None or head.status == 101:
                raise HttpProcessingError(message="the status line is not valid")
            data = data[end.end() :]
            if head.status >= 200:
                return self._begin(head, data)
            self._head_bytes += end.end()  # an interim answer: the real one follows
            data = data.lstrip(b"\r\n")
        self._buffer = data
        self._scanned = max(0, len(data) - 2)  # the end of a head may be cut in two
        if self._head_bytes + len(data) > MAX_HEAD_BYTES:
            raise HttpProcessingError(message="its headers are too long")
        return None

    def _begin(self, head: Head, rest: bytes) -> tuple[RawResponseMessage, StreamReader]:
        self._buffer = b""
        self._body = AnswerBody(self._protocol, self._limit, self._timer, head.repairs)
        self._left = 0 if self._bodiless else head.length
        self._chunks = ChunkReader() if head.chunked and not self._bodiless else None
        framed = self._left is not None or self._chunks is not None
        headers = CIMultiDictProxy(CIMultiDict(head.fields))
        closes = not (head.keeps_alive and framed)
        message = RawResponseMessage(
            HttpVersion(*head.version),
            head.status,
            head.reason,
            headers,
            (),
            closes,
            None,
            False,
            head.chunked,
        )
        if self._left == 0:
            self._end()
        if rest or self._left == 0:
            self._feed_body(rest, arrived_with_head=True)
        return message, self._body

    # ------------------------------------------------------------ the body

    def _feed_body(self, data: bytes, arrived_with_head: bool = False) -> None:
        body = self._body
        assert body is not None
        if not data:
            return
        if body.is_eof():
            self._overrun(arrived_with_head)
        elif self._chunks is not None:
            self._feed_chunks(self._chunks, data)
        elif self._left is None:
            self._deliver(data)
        else:
            excess = len(data) > self._left
            piece = data[: self._left] if excess else data
            self._left -= len(piece)
            self._deliver(piece)
            if excess:
                self._protocol.force_close()
            if self._left == 0:
                self._end()

    def _feed_chunks(self, chunks: ChunkReader, data: bytes) -> None:
        if piece := chunks.feed(data):
            self._deliver(piece)
        if chunks.rest:
            self._protocol.force_close()
        if chunks.broken:
            self._end(f"with a broken chunk after {self._received:,} bytes")
        elif chunks.done:
            self._end()

    def _deliver(self, data: bytes) -> None:
        assert self._body is not None
        self._received += len(data)
        self._body.feed_data(data)

    def _end(self, cut: str | None = None) -> None:
        """Ends the body; `cut` tells where, if that is too early."""
        assert self._body is not None
        if cut is not None:
            self._body.cut = BodyTruncated(f"The target's answer ended early, {cut}.")
            self._protocol.force_close()
        self._body.feed_eof()

    def _overrun(self, arrived_with_head: bool) -> None:
        """Bytes behind the body: whose answer they are cannot be known, so never reuse it."""
        self._protocol.force_close()
        # The connection may be back in the pool already, which looks at the transport only.
        if not arrived_with_head and self._protocol.transport is not None:
            self._protocol.transport.close()


def _headless() -> Head:
    return Head(status=200, reason="", version=(1, 0), fields=(), repairs=(NO_HEAD,))


class _Protocol(ResponseHandler):
    """aiohttp's client protocol with the parser above."""

    def set_response_params(self, *, timer: Any = None, **options: Any) -> None:
        """Prepares for the next answer."""
        self._skip_payload = options.get("skip_payload", False)
        self._read_bufsize = options.get("read_bufsize", 65_536)
        self._read_timeout = options.get("read_timeout")
        self._timeout_ceil_threshold = options.get("timeout_ceil_threshold", 5)
        parser: Any = _Parser(self, self._read_bufsize, timer, self._skip_payload)
        self._parser = parser
        self._drain_tail()

    def connection_lost(self, exc: BaseException | None) -> None:
        """Tells the parser how the connection ended before aiohttp tells it that it did."""
        parser: Any = self._parser
        if parser is not None:
            parser.lost = exc
        super().connection_lost(exc)


def make_tolerant(connector: TCPConnector) -> TCPConnector:
    """Has a connector make connections that read answers tolerantly. Returns it."""
    factory: Any = partial(_Protocol, loop=asyncio.get_running_loop())
    connector._factory = factory
    return connector
