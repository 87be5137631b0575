"""Raw TCP on loopback for tests of what moves bytes: scripted listeners, a SOCKS5 server, a client.

Used by the egress and driver tests. A listener counts who connects, so that "nothing arrived" can
be shown.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Listener:
    """A TCP server whose talk with each client is scripted. `arrived` counts connections."""

    def __init__(self, talk: Talk) -> None:
        self.arrived = 0
        self.heads: list[bytes] = []
        """Every request head read by `head`, in order."""
        self._talk = talk
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self.host = ""
        self.port = 0

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> None:
        """Listens."""
        self._server = await asyncio.start_server(self._meet, host, port, limit=2**20)
        self.host, self.port = self._server.sockets[0].getsockname()[:2]

    async def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.arrived += 1
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self._talk(reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # a client that leaves, or the end of the test
        finally:
            self._tasks.discard(task)
            writer.close()

    async def head(self, reader: asyncio.StreamReader) -> bytes:
        """The next request head, kept in `heads`."""
        head = await reader.readuntil(b"\r\n\r\n")
        self.heads.append(head)
        return head

    async def aclose(self) -> None:
        """Ends the server and its talks."""
        assert self._server is not None
        self._server.close()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


@contextlib.asynccontextmanager
async def listening(talk: Talk, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[Listener]:
    """A Listener for the length of a block."""
    listener = Listener(talk)
    await listener.start(host, port)
    try:
        yield listener
    finally:
        await listener.aclose()


@contextlib.asynccontextmanager
async def answering(answer: bytes) -> AsyncIterator[Listener]:
    """A listener that answers every request head with the same bytes and keeps the connection."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await listener.head(reader)
            writer.write(answer)
            await writer.drain()

    async with listening(talk) as listener:
        yield listener


def ok(body: bytes, extra: bytes = b"") -> bytes:
    """A whole HTTP answer."""
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n%b\r\n%b" % (len(body), extra, body)


class Wire:
    """A client's raw connection; every read has a deadline."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def to(cls, url: str) -> Wire:
        """A connection to "http://host:port"."""
        host, _, port = url.removeprefix("http://").rpartition(":")
        return cls(*await asyncio.open_connection(host, int(port), limit=2**20))

    async def send(self, data: bytes) -> None:
        """Sends. Raises OSError when the connection has ended (uvloop alone: RuntimeError)."""
        if self.writer.is_closing():
            raise ConnectionResetError
        self.writer.write(data)
        async with asyncio.timeout(10):
            await self.writer.drain()

    async def answer(self) -> tuple[bytes, bytes]:
        """Head and body of one answer with a Content-Length (or none: no body)."""
        async with asyncio.timeout(10):
            head = await self.reader.readuntil(b"\r\n\r\n")
            length = 0
            for line in head.lower().split(b"\r\n"):
                if line.startswith(b"content-length:"):
                    length = int(line.split(b":")[1])
            return head, await self.reader.readexactly(length)

    async def rest(self) -> bytes:
        """Everything until the other side ends."""
        async with asyncio.timeout(10):
            return await self.reader.read()

    def reset(self) -> None:
        """Closes by RST."""
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    async def aclose(self) -> None:
        """Closes."""
        self.writer.close()
        with contextlib.suppress(OSError):
            await self.writer.wait_closed()


def basic(username: str, password: str) -> bytes:
    """The line of a Proxy-Authorization header."""
    pair = b64encode(f"{username}:{password}".encode())
    return b"Proxy-Authorization: Basic " + pair + b"\r\n"


@contextlib.asynccontextmanager
async def socks5(username: str = "", password: str = "") -> AsyncIterator[Listener]:
    """A SOCKS5 proxy; `heads` collects the addresses it was asked for, as sent."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        _, count = await reader.readexactly(2)
        methods = await reader.readexactly(count)
        wanted = 2 if username else 0
        writer.write(bytes((5, wanted if wanted in methods else 255)))
        if wanted:
            await reader.readexactly(1)
            user = await reader.readexactly((await reader.readexactly(1))[0])
            secret = await reader.readexactly((await reader.readexactly(1))[0])
            good = (user.decode(), secret.decode()) == (username, password)
            writer.write(bytes((1, not good)))
        kind = (await reader.readexactly(4))[3]
        length = {1: 4, 4: 16}.get(kind) or (await reader.readexactly(1))[0]
        raw = await reader.readexactly(length)
        port = int.from_bytes(await reader.readexactly(2), "big")
        listener.heads.append(raw)
        host = raw.decode() if kind == 3 else socket.inet_ntop(_FAMILIES[kind], raw)
        try:
            onward = await asyncio.open_connection("127.0.0.1" if kind == 3 else host, port)
        except ConnectionRefusedError:
            writer.write(b"\x05\x05\x00\x01" + bytes(6))
            return
        writer.write(b"\x05\x00\x00\x01" + bytes(6))
        try:
            await asyncio.gather(_pump(reader, onward[1]), _pump(onward[0], writer))
        finally:
            onward[1].close()

    async with listening(talk) as listener:
        yield listener


_FAMILIES = {1: socket.AF_INET, 4: socket.AF_INET6}


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65_536):
        writer.write(data)
        await writer.drain()
    writer.write_eof()
