"""A webhook receiver on loopback that keeps account of what came and misbehaves by name.

    with receiving() as receiver:
        await sender.send(post_to(receiver.url("status", code=500, times=2)))

The names are the `answer_…` methods; with `times=N` only the first N requests of each delivery are
answered so. As a process of its own: `python -m tests.support.receiver --port N --ledger FILE`.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gzip
import os
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import httptools
import msgspec
import uvloop
from standardwebhooks import Webhook

from tests.support.waiting import eventually

HOLD_S = 120.0
# A test run that is killed must not leave receivers behind.
_WITH_US = ["setpriv", "--pdeathsig", "TERM"] if shutil.which("setpriv") else []
_OK = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 11\r\n\r\n{"ok":true}'
_PIECE = bytes(65_536)


class Received(msgspec.Struct, frozen=True, kw_only=True):
    """One webhook as it came. `at` is time.monotonic(), which all processes of a machine share;
    `connection` counts connections from 1."""

    at: float
    method: str
    path: str
    headers: tuple[tuple[str, str], ...]
    body: str
    connection: int

    def header(self, name: str) -> str | None:
        """The first value of a header, whatever its case."""
        return next((v for k, v in self.headers if k.lower() == name.lower()), None)

    @property
    def delivery_id(self) -> str:
        """What repeats are recognised by."""
        return self.header("webhook-id") or ""

    @property
    def attempt(self) -> int:
        """Which try this says it is, from 1."""
        return int(self.header("x-nimble-attempt") or 0)

    def document(self) -> Any:
        """The body's JSON."""
        return msgspec.json.decode(self.body)

    def verify(self, secret: str) -> None:
        """Raises WebhookVerificationError unless it is signed with that secret, and just now."""
        Webhook(secret).verify(self.body, dict(self.headers), json_parse=False)


def read_ledger(path: Path) -> list[Received]:
    """What a receiver wrote down, oldest first; a last line cut short by a kill is left out."""
    lines = path.read_bytes().split(b"\n")[:-1] if path.exists() else []
    return [msgspec.json.decode(line, type=Received) for line in lines]


class Receiver:
    """The receiver, within an event loop. `seen` holds what came, `connections` counts.

    `look` is called with each webhook before it is answered, and may take its time. The endpoint
    "sick" answers 500 until `well` is true.
    """

    def __init__(self, ledger: Path | None = None) -> None:
        self.seen: list[Received] = []
        self.look: Callable[[Received], None] | None = None
        self.well = False
        self.connections = 0
        self.base = ""
        self._turns: Counter[tuple[str, str]] = Counter()
        self._talks: set[asyncio.Task[None]] = set()
        self._open: set[_Talk] = set()
        self._server: asyncio.Server | None = None
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
        self._ledger = None if ledger is None else os.open(ledger, flags, 0o600)

    def url(self, name: str, rest: str = "", **query: object) -> str:
        """The URL of a behaviour; `rest` makes endpoints that behave alike differ."""
        end = f"?{urlencode(query)}" if query else ""
        return f"{self.base}/{name}{rest and '/' + rest}{end}"

    def requests(self, name: str) -> list[Received]:
        """What came for a behaviour, oldest first."""
        return [one for one in tuple(self.seen) if one.path.split("?")[0].split("/")[1] == name]

    def wait_for(self, count: int, within_s: float = 10.0) -> list[Received]:
        """What came, once it is at least so much."""
        eventually(lambda: len(self.seen) >= count, f"{count} webhooks", within_s=within_s)
        return list(self.seen)

    async def start(self, port: int = 0, context: ssl.SSLContext | None = None) -> None:
        """Listens on 127.0.0.1."""
        loop = asyncio.get_running_loop()
        options: dict[str, Any] = {"ssl": context, "backlog": 4096}
        self._server = await loop.create_server(lambda: _Talk(self), "127.0.0.1", port, **options)
        scheme = "https" if context else "http"
        self.base = f"{scheme}://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def aclose(self) -> None:
        """Ends everything that is under way."""
        if self._server is not None:
            self._server.close()
        for talk in tuple(self._talks):
            talk.cancel()
        await asyncio.gather(*self._talks, return_exceptions=True)
        for connection in tuple(self._open):
            connection.transport.abort()
        if self._ledger is not None:
            os.close(self._ledger)

    # ------------------------------------------------------------ called by connections

    def opened(self, talk: _Talk) -> int:
        """Counts a connection."""
        self._open.add(talk)
        self.connections += 1
        return self.connections

    def closed(self, talk: _Talk) -> None:
        """Forgets a connection."""
        self._open.discard(talk)

    def take(self, received: Received, talk: _Talk) -> None:
        """Writes a webhook down, then answers it as its path says."""
        if self._ledger is None:
            self.seen.append(received)
        else:
            os.write(self._ledger, msgspec.json.encode(received) + b"\n")
        if self.look is not None:
            self.look(received)
        target = urlsplit(received.path)
        name = target.path.split("/")[1]
        if name == "ok":
            talk.transport.write(_OK)
            return
        query = dict(parse_qsl(target.query))
        turn = (received.delivery_id, received.path)
        self._turns[turn] += 1
        if self._turns[turn] > int(query.get("times", "1000000000")):
            talk.transport.write(_OK)
            return
        answer = getattr(self, f"answer_{name.replace('-', '_')}", self.answer_unknown)
        self._run(answer(talk, query))

    def _run(self, answer: Coroutine[Any, Any, None]) -> None:
        async def guarded() -> None:
            with contextlib.suppress(OSError):
                await answer

        task = asyncio.get_running_loop().create_task(guarded())
        self._talks.add(task)
        task.add_done_callback(self._talks.discard)

    # ------------------------------------------------------------ behaviours

    async def answer_unknown(self, talk: _Talk, query: dict[str, str]) -> None:
        """404 for a name that nobody gave."""
        talk.transport.write(_answer(404, b"no such behaviour"))

    async def answer_status(self, talk: _Talk, query: dict[str, str]) -> None:
        """The status `code`, with Retry-After `after` and the body `text` if they are given."""
        fields = f"Retry-After: {query['after']}\r\n" if "after" in query else ""
        text = query.get("text", "as asked").encode()
        talk.transport.write(_answer(int(query["code"]), text, fields.encode()))

    async def answer_sick(self, talk: _Talk, query: dict[str, str]) -> None:
        """500 until the receiver is well again."""
        talk.transport.write(_OK if self.well else _answer(500, b"sick"))

    async def answer_redirect(self, talk: _Talk, query: dict[str, str]) -> None:
        """A redirect to `to` with status `code`."""
        fields = f"Location: {query['to']}\r\n"
        talk.transport.write(_answer(int(query.get("code", "307")), b"moved", fields.encode()))

    async def answer_slow(self, talk: _Talk, query: dict[str, str]) -> None:
        """200 after `seconds`."""
        await asyncio.sleep(float(query["seconds"]))
        talk.transport.write(_OK)

    async def answer_hang(self, talk: _Talk, query: dict[str, str]) -> None:
        """No answer, ever."""
        await asyncio.sleep(HOLD_S)

    async def answer_drip(self, talk: _Talk, query: dict[str, str]) -> None:
        """The status `code`, then a body without end, byte by byte."""
        head = f"HTTP/1.1 {query.get('code', '200')} So\r\nContent-Length: 100000\r\n\r\n"
        await talk.send(head.encode())
        while True:
            await talk.send(b"x")
            await asyncio.sleep(0.02)

    async def answer_drip_head(self, talk: _Talk, query: dict[str, str]) -> None:
        """A head without end, byte by byte."""
        await talk.send(b"HTTP/1.1 200 OK\r\nX-More: ")
        while True:
            await talk.send(b"x")
            await asyncio.sleep(0.02)

    async def answer_endless_head(self, talk: _Talk, query: dict[str, str]) -> None:
        """A head without end, as fast as it is taken."""
        await talk.send(b"HTTP/1.1 200 OK\r\n")
        while True:
            await talk.send(b"X-More: " + b"x" * 8000 + b"\r\n")

    async def answer_endless_interim(self, talk: _Talk, query: dict[str, str]) -> None:
        """Interim answers without end."""
        while True:
            await talk.send(b"HTTP/1.1 103 Early Hints\r\n\r\n" * 300)

    async def answer_reset(self, talk: _Talk, query: dict[str, str]) -> None:
        """The connection is reset before an answer."""
        talk.reset()

    async def answer_close(self, talk: _Talk, query: dict[str, str]) -> None:
        """The connection is closed before an answer."""
        talk.transport.close()

    async def answer_stale(self, talk: _Talk, query: dict[str, str]) -> None:
        """200 once; then the connection is reset as soon as it is used again."""
        if talk.requests == 1:
            talk.transport.write(_OK)
        else:
            talk.reset()

    async def answer_cut(self, talk: _Talk, query: dict[str, str]) -> None:
        """The status `code` and half of the body that was promised."""
        await talk.send(f"HTTP/1.1 {query.get('code', '200')} So\r\n".encode())
        await talk.send(b"Content-Length: 100\r\n\r\nhalf of it")
        talk.transport.close()

    async def answer_garbage(self, talk: _Talk, query: dict[str, str]) -> None:
        """What is not HTTP."""
        await talk.send(b"\x00\x01 SSH-2.0 nonsense\x1b[31m\r\n\r\n")
        talk.transport.close()

    async def answer_huge(self, talk: _Talk, query: dict[str, str]) -> None:
        """The status `code` with a body of 100 MB; `huge_sent` tells how much was taken."""
        size = 100_000_000
        await talk.send(f"HTTP/1.1 {query.get('code', '200')} So\r\n".encode())
        await talk.send(f"Content-Length: {size}\r\n\r\n".encode())
        self.huge_sent = 0
        while self.huge_sent < size:
            await talk.send(_PIECE)
            self.huge_sent += len(_PIECE)

    async def answer_bomb(self, talk: _Talk, query: dict[str, str]) -> None:
        """60 kB of gzip that inflate to 60 MB."""
        body = gzip.compress(bytes(1_000_000), 9) * 60
        await talk.send(_answer(int(query.get("code", "200")), body, b"Content-Encoding: gzip\r\n"))

    async def answer_bytes(self, talk: _Talk, query: dict[str, str]) -> None:
        """A body of bytes that no terminal and no database should see."""
        await talk.send(_answer(500, b"a\x00b\x1b[31mc\xffd\r\ne\xe2\x80\xaef"))


class _Talk(asyncio.Protocol):
    """One connection."""

    def __init__(self, receiver: Receiver) -> None:
        self.requests = 0
        self.transport: Any = None
        self._receiver = receiver
        self._number = 0
        self._writable = asyncio.Event()
        self._writable.set()
        self._gone = False
        self._reset()
        self._parser = httptools.HttpRequestParser(self)

    def _reset(self) -> None:
        self._path = b""
        self._headers: list[tuple[str, str]] = []
        self._body: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self._number = self._receiver.opened(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._gone = True
        self._writable.set()
        self._receiver.closed(self)

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    async def send(self, data: bytes) -> None:
        """Sends, when there is room. Raises ConnectionError when nobody is there any more."""
        await self._writable.wait()
        if self._gone or self.transport.is_closing():
            raise ConnectionError
        self.transport.write(data)
        await asyncio.sleep(0)

    def reset(self) -> None:
        """Closes by RST."""
        linger = struct.pack("ii", 1, 0)
        sock = self.transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.transport.abort()

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_url(self, url: bytes) -> None:
        self._path += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name.decode(), value.decode()))

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        self.requests += 1
        received = Received(
            at=time.monotonic(),
            method=self._parser.get_method().decode(),
            path=self._path.decode(),
            headers=tuple(self._headers),
            body=b"".join(self._body).decode(),
            connection=self._number,
        )
        self._reset()
        self._receiver.take(received, self)


def _answer(status: int, body: bytes, fields: bytes = b"") -> bytes:
    return b"HTTP/1.1 %d So\r\n%bContent-Length: %d\r\n\r\n%b" % (status, fields, len(body), body)


@contextlib.contextmanager
def receiving(
    context: ssl.SSLContext | None = None, ledger: Path | None = None
) -> Iterator[Receiver]:
    """A receiver for the length of a block, on a thread of its own; with TLS if there is a context.

    What came is in its `seen`, or in the ledger if there is one.
    """
    receiver = Receiver(ledger)
    loop: asyncio.AbstractEventLoop | None = None
    ready, stop = threading.Event(), asyncio.Event()

    async def serve() -> None:
        nonlocal loop
        loop = asyncio.get_running_loop()
        await receiver.start(context=context)
        ready.set()
        await stop.wait()
        await receiver.aclose()

    thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
    thread.start()
    try:
        if not ready.wait(20):
            raise AssertionError("the receiver did not start")
        yield receiver
    finally:
        if loop is not None:
            loop.call_soon_threadsafe(stop.set)
        thread.join(timeout=10)


@contextlib.contextmanager
def receiver_process(ledger: Path, port: int = 0, *, tls: bool = False) -> Iterator[str]:
    """The base URL of a receiver that is a process of its own; what came is in the ledger."""
    command = [*_WITH_US, sys.executable, "-m", "tests.support.receiver", "--ledger", str(ledger)]
    command += ["--port", str(port), *(["--tls"] if tls else [])]
    root = Path(__file__).parents[2]
    process = subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        base = process.stdout.readline().strip()
        if not base:
            raise AssertionError(f"the receiver ended with {process.wait(10)}")
        yield base
    finally:
        process.terminate()
        process.wait(10)
        process.stdout.close()


@contextlib.contextmanager
def unaccepting() -> Iterator[str]:
    """The base URL of a receiver too busy to accept: connecting to it takes for ever."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        host, port = listener.getsockname()
        while True:  # until the queue of connections that wait to be accepted is full
            waiting = stack.enter_context(socket.socket())
            waiting.settimeout(0.2)
            try:
                waiting.connect((host, port))
            except TimeoutError:
                break
        yield f"http://{host}:{port}"


async def _serve(port: int, ledger: Path | None, tls: bool) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    context = None
    if tls:
        from tests.support.tlssite import make_authority  # heavy, and rarely needed

        with tempfile.TemporaryDirectory() as folder:
            context = make_authority(Path(folder)).context("IP:127.0.0.1")
    receiver = Receiver(ledger)
    await receiver.start(port, context)
    print(receiver.base, flush=True)
    await stop.wait()
    await receiver.aclose()


def main() -> None:
    """Serves until a signal; prints its base URL once it listens."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--ledger", type=Path, help="file that gets one JSON line per webhook")
    parser.add_argument("--tls", action="store_true", help="with a certificate nobody trusts")
    arguments = parser.parse_args()
    if arguments.ledger is None:
        arguments.ledger = Path(os.devnull)
    uvloop.run(_serve(arguments.port, arguments.ledger, arguments.tls))


if __name__ == "__main__":
    main()
