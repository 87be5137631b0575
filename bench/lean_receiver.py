"""A webhook receiver for measuring: notes when which delivery came, and answers at once.

Run as a script; prints its port and one that refuses connections. `POST /hang…` is never answered.
`GET /count` says how many came, `GET /arrivals` which of the answered ones, and forgets them.
Its own ceiling is measured, too.
"""

from __future__ import annotations

import asyncio
import json
import re
import socket
import time
from typing import cast

import uvloop

_REQUEST = re.compile(rb"([A-Z]+) (\S+) HTTP/1\.1\r\n")
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_DELIVERY = re.compile(rb"\r\nwebhook-id: *(\S+)", re.IGNORECASE)
_TAKEN = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

arrivals: list[tuple[float, str, str]] = []
"""Seconds since 1970, path, delivery id."""


class Talk(asyncio.Protocol):
    """One connection; requests come one after the other."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is no subclass
        self._received = b""

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, gap, body = self._received.partition(b"\r\n\r\n")
        if not gap:
            return
        length = _LENGTH.search(head)
        if len(body) < (int(length[1]) if length else 0):
            return
        self._received = b""
        self._answer(head)

    def _answer(self, head: bytes) -> None:
        asked = _REQUEST.match(head)
        assert asked is not None
        method, path = asked[1], asked[2].decode()
        if method == b"GET":
            self._tell(path)
            return
        if path.startswith("/hang"):
            return
        delivery = _DELIVERY.search(head)
        arrivals.append((time.time(), path, delivery[1].decode() if delivery else ""))
        self._transport.write(_TAKEN)

    def _tell(self, path: str) -> None:
        told = json.dumps(arrivals if path == "/arrivals" else len(arrivals)).encode()
        if path == "/arrivals":
            arrivals.clear()
        self._transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(told) + told)


async def main() -> None:
    """Serves until it is terminated."""
    refusing = socket.socket()  # bound and not listening: nobody else gets the port
    refusing.bind(("127.0.0.1", 0))
    server = await asyncio.get_running_loop().create_server(Talk, "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], refusing.getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main())
