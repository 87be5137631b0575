"""A site of one page that answers 1 ms after it was asked. Run as a script; prints its port."""

from __future__ import annotations

import asyncio
from typing import cast

import uvloop

SERVE_S = 0.001
_BODY = b"<!DOCTYPE html><title>One</title><h1>One millisecond</h1>" + b"<p>Some words.</p>" * 50
_REPLY = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n"
    b"Content-Length: %d\r\n\r\n" % len(_BODY)
) + _BODY


class Page(asyncio.Protocol):
    """Answers every request head alike."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is no subclass
        self._received = b""

    def data_received(self, data: bytes) -> None:
        self._received += data
        if self._received.endswith(b"\r\n\r\n"):
            self._received = b""
            asyncio.get_running_loop().call_later(SERVE_S, self._answer)

    def _answer(self) -> None:
        if not self._transport.is_closing():
            self._transport.write(_REPLY)


async def main() -> None:
    """Serves until it is terminated."""
    server = await asyncio.get_running_loop().create_server(Page, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main())
