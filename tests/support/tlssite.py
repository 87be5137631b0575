"""TLS servers on loopback: HTTP/1.1 and HTTP/2 behind certificates of a throw-away authority.

Used by the driver suite. `trusted` makes both plain drivers trust that authority for a test;
`hello_of` records what a client's handshake looks like.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import subprocess
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h2.config
import h2.connection
import h2.events
import pytest
from aiohttp import connector

from tests.support.wires import Listener, listening

_EC = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]


@dataclass(frozen=True)
class Authority:
    """A certificate authority in a folder, trusted by nobody until a test says so."""

    folder: Path

    @property
    def certificate(self) -> Path:
        """Its own certificate, PEM."""
        return self.folder / "ca.pem"

    def context(self, *names: str, days: int = 30, alpn: tuple[str, ...] = ()) -> ssl.SSLContext:
        """A server's context with a certificate for names ("DNS:site.test", "IP:127.0.0.1")."""
        stem = self.folder / "-".join(names).replace(":", "_")
        Path(f"{stem}.ext").write_text(f"subjectAltName={','.join(names)}\n")
        request = ["req", *_EC, "-keyout", f"{stem}.key", "-out", f"{stem}.csr", "-subj", "/CN=x"]
        _openssl(*request)
        ca = ["-CA", str(self.certificate), "-CAkey", str(self.folder / "ca.key")]
        _openssl(
            *("x509", "-req", "-in", f"{stem}.csr", *ca, "-CAcreateserial", "-out", f"{stem}.pem"),
            *("-days", str(days), "-extfile", f"{stem}.ext"),
        )
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        made.load_cert_chain(f"{stem}.pem", f"{stem}.key")
        if alpn:
            made.set_alpn_protocols(list(alpn))
        return made


def make_authority(folder: Path) -> Authority:
    """A new authority."""
    usage = ["-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=keyCertSign"]
    _openssl(
        *("req", "-x509", *_EC, "-keyout", str(folder / "ca.key"), "-out", str(folder / "ca.pem")),
        *("-days", "30", "-subj", "/CN=windlass tests", *usage),
    )
    return Authority(folder)


@contextlib.contextmanager
def trusted(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Has drivers made in the block trust the authority, as an operator's SSL_CERT_FILE does."""
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.certificate))
    # aiohttp reads the variable once, when it is imported.
    monkeypatch.setattr(connector, "_SSL_CONTEXT_VERIFIED", ssl.create_default_context())
    yield


def _openssl(*arguments: str) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True, timeout=30)


# ---------------------------------------------------------------- HTTP/2


@dataclass
class Http2Site:
    """Answers every HTTP/2 request with `body`. `requests` holds their headers as sent."""

    body: bytes = b"<p>over HTTP/2"
    extra: tuple[tuple[str, str], ...] = ()
    cut: str = ""
    """"reset" resets the stream half way, "close" drops the connection there."""
    requests: list[list[tuple[str, str]]] = field(default_factory=list)
    settings: list[dict[int, int]] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    connections: int = 0
    port: int = 0

    @contextlib.asynccontextmanager
    async def serving(self, context: ssl.SSLContext) -> AsyncIterator[Http2Site]:
        """Listens for the length of a block."""
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: _Http2(self), "127.0.0.1", 0, ssl=context)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()


class _Http2(asyncio.Protocol):
    def __init__(self, site: Http2Site) -> None:
        self._site = site
        config = h2.config.H2Configuration(client_side=False, header_encoding="utf-8")
        self._h2 = h2.connection.H2Connection(config)
        self._transport: Any = None
        self._left: dict[int, bytes] = {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._site.connections += 1
        self._transport = transport
        self._h2.initiate_connection()
        self._flush()

    def data_received(self, data: bytes) -> None:
        for event in self._h2.receive_data(data):
            self._handle(event)
        for stream in tuple(self._left):
            self._send(stream)
        self._flush()

    def _handle(self, event: Any) -> None:
        if isinstance(event, h2.events.RequestReceived):
            self._site.requests.append([(str(k), str(v)) for k, v in event.headers])
        elif isinstance(event, h2.events.RemoteSettingsChanged):
            changed = event.changed_settings.items()
            self._site.settings.append({int(code): item.new_value for code, item in changed})
        elif isinstance(event, h2.events.DataReceived):
            self._site.bodies.append(event.data)
            self._h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, h2.events.StreamEnded):
            headers = [(":status", "200"), ("content-type", "text/html"), *self._site.extra]
            self._h2.send_headers(event.stream_id, headers)
            self._left[event.stream_id] = self._site.body

    def _send(self, stream: int) -> None:
        body = self._left[stream]
        room = min(self._h2.local_flow_control_window(stream), self._h2.max_outbound_frame_size)
        while room > 0:
            piece, body = body[:room], body[room:]
            if self._site.cut:
                self._h2.send_data(stream, piece[: len(piece) // 2])
                del self._left[stream]
                self._break(stream)
                return
            self._h2.send_data(stream, piece, end_stream=not body)
            if not body:
                del self._left[stream]
                return
            self._left[stream] = body
            room = min(self._h2.local_flow_control_window(stream), self._h2.max_outbound_frame_size)

    def _break(self, stream: int) -> None:
        if self._site.cut == "reset":
            self._h2.reset_stream(stream, 2)
        else:
            self._flush()
            self._transport.close()

    def _flush(self) -> None:
        if data := self._h2.data_to_send():
            self._transport.write(data)


# ---------------------------------------------------------------- handshakes


@dataclass(frozen=True)
class Hello:
    """A ClientHello (RFC 8446 section 4.1.2), the parts that fingerprints are made of."""

    ciphers: tuple[int, ...]
    extensions: tuple[int, ...]
    groups: tuple[int, ...]
    protocols: tuple[str, ...]
    server_name: str

    @property
    def greased(self) -> bool:
        """Whether reserved values are strewn in, as Chromium does (RFC 8701)."""
        return _is_grease(self.ciphers[0]) and any(_is_grease(one) for one in self.extensions)


def _is_grease(value: int) -> bool:
    return value & 0x0F0F == 0x0A0A and value >> 8 == value & 0xFF


class _Reader:
    def __init__(self, data: bytes) -> None:
        self.data = data

    def take(self, count: int) -> bytes:
        part, self.data = self.data[:count], self.data[count:]
        return part

    def number(self, count: int) -> int:
        return int.from_bytes(self.take(count), "big")

    def block(self, count: int) -> bytes:
        return self.take(self.number(count))


def parse_hello(record: bytes) -> Hello:
    """The ClientHello in one TLS record."""
    reader = _Reader(record[5 + 4 + 2 + 32 :])
    reader.block(1)
    ciphers = _numbers(reader.block(2))
    reader.block(1)
    rest = _Reader(reader.block(2))
    extensions: dict[int, bytes] = {}
    while rest.data:
        kind = rest.number(2)
        extensions[kind] = rest.block(2)
    names = _Reader(extensions.get(16, b"\0\0")[2:])
    protocols = []
    while names.data:
        protocols.append(names.block(1).decode())
    groups = _numbers(extensions.get(10, b"\0\0")[2:])
    name = extensions.get(0, b"\0" * 5)[5:].decode()
    return Hello(ciphers, tuple(extensions), groups, tuple(protocols), name)


def _numbers(block: bytes) -> tuple[int, ...]:
    return tuple(int.from_bytes(block[i : i + 2], "big") for i in range(0, len(block), 2))


@contextlib.asynccontextmanager
async def recording_hellos() -> AsyncIterator[tuple[Listener, list[Hello]]]:
    """A listener that reads each ClientHello and hangs up."""
    hellos: list[Hello] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readexactly(5)
        hellos.append(parse_hello(head + await reader.readexactly(int.from_bytes(head[3:]))))

    async with listening(talk) as listener:
        yield listener, hellos
