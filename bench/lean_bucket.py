"""An S3 for measuring: takes whole objects and parts, checks no signature, keeps nothing.

Run as a script; prints its port. `GET /` tells how many objects and bytes came. Bodies are counted
as they pass, so that a large object costs it no memory.
"""

from __future__ import annotations

import asyncio
import json
import re
from typing import cast

import uvloop

_REQUEST = re.compile(rb"([A-Z]+) (\S+) HTTP/1\.1\r\n")
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_WAITS = re.compile(rb"\r\nexpect: *100-continue", re.IGNORECASE)
_STARTED = (
    b"<InitiateMultipartUploadResult><Bucket>b</Bucket><Key>k</Key><UploadId>1</UploadId>"
    b"</InitiateMultipartUploadResult>"
)
_COMPLETED = (
    b"<CompleteMultipartUploadResult><Location>l</Location><Bucket>b</Bucket><Key>k</Key>"
    b'<ETag>"0"</ETag></CompleteMultipartUploadResult>'
)

came = {"objects": 0, "parts": 0, "bytes": 0}


class Talk(asyncio.Protocol):
    """One connection; requests come one after the other."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is no subclass
        self._head = b""
        self._asked: tuple[bytes, bytes] | None = None
        self._left = 0

    def data_received(self, data: bytes) -> None:
        if self._asked is None:
            self._head += data
            head, gap, data = self._head.partition(b"\r\n\r\n")
            if not gap:
                return
            self._begin(head)
        self._left -= len(data)
        if self._left <= 0 and self._asked is not None:
            self._end(*self._asked)

    def _begin(self, head: bytes) -> None:
        asked, length = _REQUEST.match(head), _LENGTH.search(head)
        assert asked is not None
        self._head = b""
        self._asked = asked[1], asked[2]
        self._left = int(length[1]) if length else 0
        if asked[1] == b"PUT":
            came["bytes"] += self._left
        if _WAITS.search(head):
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _end(self, method: bytes, target: bytes) -> None:
        self._asked = None
        query = target.partition(b"?")[2]
        if method == b"GET":
            self._answer(json.dumps(came).encode())
        elif method == b"POST":
            came["objects"] += b"uploadId=" in query
            self._answer(_COMPLETED if b"uploadId=" in query else _STARTED)
        else:
            came["parts" if b"partNumber=" in query else "objects"] += 1
            self._answer(b"")

    def _answer(self, body: bytes) -> None:
        head = b'HTTP/1.1 200 OK\r\nETag: "0"\r\nContent-Length: %d\r\n\r\n' % len(body)
        self._transport.write(head + body)


async def main() -> None:
    """Serves until it is terminated."""
    server = await asyncio.get_running_loop().create_server(Talk, "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main())
