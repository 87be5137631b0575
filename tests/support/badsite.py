"""A site on loopback that misbehaves on purpose, each misbehaviour under a name of its own.

    async with BadSite() as site:
        await driver.fetch(ExtractRequest(url=site.url("truncated")), CookieJar())

Tests without an event loop use `with bad_site() as site`. What was asked is in `site.seen`.
The names are those in badanswers.py (which take `step=N` to arrive N bytes at a time) and of the
`answer_…` methods here (a dash for each `_`).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import struct
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import parse_qsl, urlencode, urlsplit

from tests.support import badanswers
from tests.support.badanswers import HTML, PAGE, whole

_HOLD_S = 60.0


@dataclass(frozen=True)
class Asked:
    """One request as the site got it."""

    method: str
    path: str
    query: dict[str, str]
    headers: tuple[tuple[str, str], ...]
    body: bytes
    port: int

    def header(self, name: str) -> str | None:
        """The first value of a header, whatever its case."""
        return next((v for k, v in self.headers if k.lower() == name.lower()), None)


@dataclass
class BadSite:
    """The site, at two ports, which makes two origins. `connections` counts those accepted."""

    seen: list[Asked] = field(default_factory=list)
    connections: int = 0
    _news: asyncio.Event = field(default_factory=asyncio.Event)
    _servers: list[asyncio.Server] = field(default_factory=list)
    _visits: set[asyncio.Task[None]] = field(default_factory=set)
    _static: dict[str, bytes] = field(default_factory=dict)

    async def __aenter__(self) -> Self:
        self._static = {**badanswers.BROKEN, **badanswers.READABLE, **badanswers.codings()}
        self._static |= {name: answer for name, (answer, _) in badanswers.CHARSETS.items()}
        for _ in range(2):
            self._servers.append(await asyncio.start_server(self._accept, "127.0.0.1", 0))
        return self

    async def __aexit__(self, *_: object) -> None:
        for server in self._servers:
            server.close()
        for visit in tuple(self._visits):
            visit.cancel()
        await asyncio.gather(*self._visits, return_exceptions=True)

    @property
    def ports(self) -> tuple[int, int]:
        """The ports of the two origins."""
        first, second = (server.sockets[0].getsockname()[1] for server in self._servers)
        return first, second

    def url(self, name: str, **query: object) -> str:
        """The URL of a misbehaviour."""
        return self._url(self.ports[0], name, query)

    def other_url(self, name: str, **query: object) -> str:
        """The same at the other origin."""
        return self._url(self.ports[1], name, query)

    def asked(self, name: str) -> list[Asked]:
        """Requests for a name, oldest first."""
        return [one for one in self.seen if one.path == f"/{name}"]

    async def until_asked(self, name: str, within_s: float = 10.0) -> Asked:
        """The first request for a name, once it is here."""
        async with asyncio.timeout(within_s):
            while not self.asked(name):
                self._news.clear()
                await self._news.wait()
        return self.asked(name)[0]

    @staticmethod
    def _url(port: int, name: str, query: dict[str, object]) -> str:
        end = f"?{urlencode(query)}" if query else ""
        return f"http://127.0.0.1:{port}/{name}{end}"

    # ------------------------------------------------------------ serving

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._visits.add(task)
        task.add_done_callback(self._visits.discard)
        self.connections += 1
        try:
            async with asyncio.timeout(_HOLD_S):
                while await self._serve(reader, writer):
                    pass
        except (OSError, TimeoutError, asyncio.IncompleteReadError):
            pass  # visitors leave whenever they like
        except asyncio.CancelledError:
            pass  # the site closes; the server would log it as an error of ours
        finally:
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answers one request; whether the connection goes on."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode("utf-8", "surrogateescape")
        first, *lines = head.rstrip("\r\n").split("\r\n")
        method, target, _ = first.split(" ", 2)
        headers = tuple((k, v.strip()) for k, _, v in (line.partition(":") for line in lines))
        lengths = [int(v) for k, v in headers if k.lower() == "content-length"]
        body = await reader.readexactly(lengths[0]) if lengths else b""
        parts = urlsplit(target)
        port = writer.get_extra_info("sockname")[1]
        asked = Asked(method, parts.path, dict(parse_qsl(parts.query)), headers, body, port)
        self.seen.append(asked)
        self._news.set()
        name = asked.path.lstrip("/")
        if name in self._static:
            await self._send_in_steps(writer, self._static[name], asked.query.get("step"))
            return False
        answer: Any = getattr(self, f"answer_{name.replace('-', '_')}", self.answer_missing)
        return bool(await answer(asked, writer))

    async def _send(self, writer: asyncio.StreamWriter, answer: bytes) -> bool:
        writer.write(answer)
        await writer.drain()
        return True

    async def _send_in_steps(
        self, writer: asyncio.StreamWriter, answer: bytes, step: str | None
    ) -> None:
        """Sends an answer at once, or `step` bytes at a time, each in a packet of its own."""
        size = int(step or len(answer) or 1)
        for start in range(0, len(answer), size):
            writer.write(answer[start : start + size])
            await writer.drain()
            await asyncio.sleep(0)

    async def answer_missing(self, asked: Asked, writer: asyncio.StreamWriter) -> bool:
        """404 for a name that nobody gave."""
        return await self._send(writer, whole(b"<p>no such thing", status=b"404 Not Found"))

    async def answer_page(self, asked: Asked, writer: asyncio.StreamWriter) -> bool:
        """A page with nothing wrong."""
        return await self._send(writer, whole(PAGE))

    async def answer_echo(self, asked: Asked, writer: asyncio.StreamWriter) -> bool:
        """What was asked, as JSON."""
        said = {
            "method": asked.method,
            "headers": asked.headers,
            "body": asked.body.decode(),
            "cookie": asked.header("cookie"),
            "port": asked.port,
        }
        return await self._send(
            writer, whole(json.dumps(said).encode(), b"Content-Type: application/json\r\n")
        )

    # ------------------------------------------------------------ broken transfers

    async def answer_silence(self, asked: Asked, writer: asyncio.StreamWriter) -> bool:
        """No answer, ever."""
        await asyncio.sleep(_HOLD_S)
        return False

    async def answer_silence_after_16(self, asked: Asked, writer: asyncio.StreamWriter) -> bool:
        """16 of 1024 promised bytes, then nothing."""
        await self._send(writer, badanswers.BROKEN["truncated"])
        await asyncio.sleep(_HOLD_S)
        return False

    async def answer_drip(self, asked: Asked, writer: asyncio.StreamWriter) -> bool:
        """A body that never ends and comes byte by byte."""
        await self._send(writer, b"HTTP/1.1 200 OK\r\n" + HTML + b"\r\n<p>")
        while True:
            await self._send(writer, b"x")
            await asyncio.sleep(0.02)

    async def answer_endless(self, asked: Asked, writer: asyncio.StreamWriter) -> bool:
        """A body that never ends and comes as fast as it is taken."""
        await self._send(writer, b"HTTP/1.1 200 OK\r\n" + HTML + b"\r\n<p>")
        while True:
            await self._send(writer, b"x" * 65_536)

    async def answer_endless_head(self, asked: Asked, writer: asyncio.StreamWriter) -> bool:
        """Headers without end."""
        await self._send(writer, b"HTTP/1.1 200 OK\r\n")
        while True:
            await self._send(writer, b"X-More: " + b"x" * 8000 + b"\r\n")

    async def answer_endless_interim(self, asked: Asked, writer: asyncio.StreamWriter) -> bool:
        """Interim answers without end."""
        while True:
            await self._send(writer, b"HTTP/1.1 103 Early Hints\r\n\r\n" * 300)

    async def answer_crumbs(self, asked: Asked, writer: asyncio.StreamWriter) -> bool:
        """Chunks of one byte without end."""
        await self._send(writer, badanswers.CHUNKED_HEAD)
        while True:
            await self._send(writer, b"1\r\nx\r\n" * 10_000)

    async def answer_reset(self, asked: Asked, writer: asyncio.StreamWriter) -> bool:
        """The connection is dropped before an answer."""
        return self._reset(writer)

    async def answer_reset_in_body(self, asked: Asked, writer: asyncio.StreamWriter) -> bool:
        """The connection is dropped after a part of a body without a length."""
        await self._send(writer, b"HTTP/1.1 200 OK\r\n" + HTML + b"\r\n<p>the part that came")
        return self._reset(writer)

    def _reset(self, writer: asyncio.StreamWriter) -> bool:
        linger = struct.pack("ii", 1, 0)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        writer.transport.abort()
        return False

    async def answer_once(self, asked: Asked, writer: asyncio.StreamWriter) -> bool:
        """A page on a connection that then closes although it said it would not."""
        await self._send(writer, whole(PAGE))
        return False

    # ------------------------------------------------------------ redirects

    async def answer_redirect(self, asked: Asked, writer: asyncio.StreamWriter) -> bool:
        """To `to` with `status`; `cookie` is set on the way."""
        fields = f"Location: {asked.query['to']}\r\n"
        if "cookie" in asked.query:
            fields += f"Set-Cookie: {asked.query['cookie']}\r\n"
        status = asked.query.get("status", "302").encode() + b" Elsewhere"
        return await self._send(writer, whole(b"<p>moved", fields.encode(), status))

    async def answer_raw_location(self, asked: Asked, writer: asyncio.StreamWriter) -> bool:
        """To a path with bytes that are no UTF-8."""
        return await self._send(writer, whole(b"", b"Location: /caf\xe9\r\n", b"302 Found"))

    async def answer_redirect_without_location(
        self, asked: Asked, writer: asyncio.StreamWriter
    ) -> bool:
        """302 that leads nowhere."""
        return await self._send(writer, whole(PAGE, status=b"302 Found"))

    async def answer_redirect_endless(self, asked: Asked, writer: asyncio.StreamWriter) -> bool:
        """A redirect with a body that never ends."""
        await self._send(writer, b"HTTP/1.1 302 Found\r\nLocation: /page\r\n\r\n")
        while True:
            await self._send(writer, b"x" * 65_536)

    async def answer_loop(self, asked: Asked, writer: asyncio.StreamWriter) -> bool:
        """To itself."""
        return await self._send(writer, whole(b"", b"Location: /loop\r\n", b"302 Found"))

    async def answer_chain(self, asked: Asked, writer: asyncio.StreamWriter) -> bool:
        """`left` more redirects, then a page."""
        left = int(asked.query["left"])
        if not left:
            return await self._send(writer, whole(PAGE))
        to = f"Location: /chain?left={left - 1}\r\n".encode()
        return await self._send(writer, whole(b"", to, b"301 Moved"))

    async def answer_gate(self, asked: Asked, writer: asyncio.StreamWriter) -> bool:
        """To itself until the cookie comes back that it sets."""
        if "key=1" in (asked.header("cookie") or ""):
            return await self._send(writer, whole(PAGE))
        fields = b"Location: /gate\r\nSet-Cookie: key=1\r\n"
        return await self._send(writer, whole(b"", fields, b"302 Found"))

    async def answer_refresh(self, asked: Asked, writer: asyncio.StreamWriter) -> bool:
        """A page that moves on to `to` after `after` seconds, in <noscript> if `noscript`."""
        tag = (
            f'<meta http-equiv="refresh" content="{asked.query["after"]}; url={asked.query["to"]}">'
        )
        if "noscript" in asked.query:
            tag = f"<noscript>{tag}</noscript>"
        return await self._send(writer, whole(f"<title>first</title>{tag}<p>here".encode()))

    async def answer_turns(self, asked: Asked, writer: asyncio.StreamWriter) -> bool:
        """Two pages, `n` 0 and 1, each of which moves on to the other."""
        n = int(asked.query["n"])
        tag = f'<meta http-equiv="refresh" content="0; url=/turns?n={1 - n}">'
        return await self._send(writer, whole(f"{tag}<p>page {n}".encode()))

    # ------------------------------------------------------------ cookies

    async def answer_set_cookie(self, asked: Asked, writer: asyncio.StreamWriter) -> bool:
        """Sets the `line` as it is."""
        fields = HTML + f"Set-Cookie: {asked.query['line']}\r\n".encode()
        return await self._send(writer, whole(PAGE, fields))


@contextlib.contextmanager
def bad_site() -> Iterator[BadSite]:
    """The site for tests without an event loop: it runs on a thread of its own."""
    site = BadSite()
    ready = threading.Event()
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()

    async def serve() -> None:
        async with site:
            ready.set()
            await stop.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()), daemon=True)
    thread.start()
    try:
        if not ready.wait(20):
            raise AssertionError("the misbehaving site did not start")
        yield site
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(timeout=10)
        loop.close()
