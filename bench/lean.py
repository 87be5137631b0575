"""A client for measuring: one connection, one request at a time, as little work as possible.

So that the client is not what is measured: about 20 µs per call. Used by the questions only.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any, Self, cast

import msgspec

REPLY_LIMIT_S = 180.0


class Answer(msgspec.Struct, frozen=True):
    """Status and body of one reply."""

    status: int
    body: bytes

    def json(self) -> Any:
        """The decoded body."""
        return msgspec.json.decode(self.body)


class Connection(asyncio.Protocol):
    """HTTP/1.1 kept alive. Understands replies with a Content-Length only."""

    def __init__(self, key: str) -> None:
        self._key = key
        self._transport: asyncio.Transport | None = None
        self._received = bytearray()
        self._waiting: asyncio.Future[Answer] | None = None

    @classmethod
    async def open(cls, host: str, port: int, key: str) -> Self:
        """A connected one."""
        loop = asyncio.get_running_loop()
        _, made = await loop.create_connection(lambda: cls(key), host, port)
        return made

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is no subclass

    def connection_lost(self, exc: Exception | None) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(exc or ConnectionResetError("the server hung up"))

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, gap, body = self._received.partition(b"\r\n\r\n")
        if not gap or len(body) < (length := _content_length(head)):
            return
        answer = Answer(int(head[9:12]), bytes(body[:length]))
        self._received.clear()
        if self._waiting is not None:
            self._waiting.set_result(answer)

    async def get(self, path: str) -> Answer:
        """A GET."""
        return await self._call(f"GET {path} HTTP/1.1\r\n", b"")

    async def post(self, path: str, content: dict[str, Any]) -> Answer:
        """A POST of JSON."""
        return await self._call(f"POST {path} HTTP/1.1\r\n", json.dumps(content).encode())

    async def _call(self, line: str, body: bytes) -> Answer:
        assert self._transport is not None
        self._waiting = asyncio.get_running_loop().create_future()
        head = (
            f"{line}Host: bench\r\nAuthorization: Bearer {self._key}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        self._transport.write(head.encode() + body)
        async with asyncio.timeout(REPLY_LIMIT_S):
            return await self._waiting

    def close(self) -> None:
        """Hangs up."""
        if self._transport is not None:
            self._transport.close()


def _content_length(head: bytearray) -> int:
    lowered = head.lower()
    start = lowered.index(b"content-length:") + len(b"content-length:")
    end = lowered.find(b"\r\n", start)
    return int(lowered[start : end if end > 0 else len(lowered)])
