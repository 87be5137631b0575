"""The egress proxy on real sockets: what it lets out, what it refuses, how it bears bad company."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
import time
from collections.abc import AsyncIterator

import pytest

from tests.support.waiting import eventually_async
from tests.support.wires import Wire, answering, basic, listening, ok, socks5
from windlass.errors import (
    AddressRefused,
    ConnectionFailed,
    ConnectionRefused,
    ConnectTimeout,
    DnsFailed,
    ProxyFailed,
    TargetError,
)
from windlass.net.egress import MARK, Egress
from windlass.net.guard import AddressGuard, AddrInfo
from windlass.net.relay import Limits
from windlass.net.upstream import Upstream, parse_upstream

LOOPS = ("asyncio", "uvloop")  # the second is production's; their transports differ in details
LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128"))


class CountingGuard(AddressGuard):
    """Counts the sockets it hands out: without one nothing can be dialled."""

    sockets = 0

    def socket_factory(self, addr_info: AddrInfo) -> socket.socket:
        made = super().socket_factory(addr_info)
        self.sockets += 1
        return made


class Names:
    """A name service whose answers the test decides: one list of addresses per question."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)
        self.asked = 0

    async def __call__(self, host: str, port: int) -> list[AddrInfo]:
        self.asked += 1
        addresses = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return [
            (
                socket.AF_INET6 if ":" in address else socket.AF_INET,
                socket.SOCK_STREAM,
                0,
                "",
                (address, port, 0, 0) if ":" in address else (address, port),
            )
            for address in addresses
        ]


@pytest.fixture
async def egress() -> AsyncIterator[Egress]:
    """An egress proxy that may dial loopback."""
    async with running(Egress(AddressGuard(LOOPBACK))) as one:
        yield one


class running:  # noqa: N801 - reads as a verb
    """Starts an egress proxy for a block; afterwards no connection may be left."""

    def __init__(self, egress: Egress) -> None:
        self.egress = egress

    async def __aenter__(self) -> Egress:
        await self.egress.start()
        return self.egress

    async def __aexit__(self, *_: object) -> None:
        await self.egress.aclose()
        assert not self.egress.clients


def login(egress: Egress, upstream: Upstream | None = None) -> bytes:
    """The login as a header line."""
    one = egress.login(upstream)
    return basic(one.username, one.password)


async def connect(
    egress: Egress, authority: str, upstream: Upstream | None = None
) -> tuple[Wire, bytes]:
    """A CONNECT and the head of its answer."""
    wire = await Wire.to(egress.url)
    await wire.send(
        f"CONNECT {authority} HTTP/1.1\r\n".encode() + login(egress, upstream) + b"\r\n"
    )
    async with asyncio.timeout(10):
        return wire, await wire.reader.readuntil(b"\r\n\r\n")


def confessed(egress: Egress, head: bytes) -> TargetError | None:
    """The error that an answer's head carries."""
    lines = (line.split(": ", 1) for line in head.decode().split("\r\n")[1:] if line)
    return egress.error_in({name.lower(): value for name, value in lines})


# ---------------------------------------------------------------- what it lets through


async def test_a_plain_request_arrives_as_the_client_wrote_it(egress: Egress) -> None:
    async with answering(ok(b"hello")) as site:
        wire = await Wire.to(egress.url)
        place = f"127.0.0.1:{site.port}"
        await wire.send(
            f"GET http://{place}/a?b=c HTTP/1.1\r\nhOsT: {place}\r\nX-One: 1\r\n".encode()
            + login(egress)
            + b"x-one: 2\r\nProxy-Connection: keep-alive\r\nAccept:*/*\r\n\r\n"
        )
        head, body = await wire.answer()
        assert head.startswith(b"HTTP/1.1 200 OK")
        assert body == b"hello"
        assert site.heads == [
            b"GET /a?b=c HTTP/1.1\r\nhOsT: "
            + place.encode()
            + b"\r\nX-One: 1\r\nx-one: 2\r\nAccept:*/*\r\n\r\n"
        ]
        await wire.aclose()


async def test_connections_to_a_place_are_kept_and_places_never_mixed(egress: Egress) -> None:
    async with answering(ok(b"one")) as one, answering(ok(b"two")) as two:
        wire = await Wire.to(egress.url)
        for site, body in ((one, b"one"), (one, b"one"), (two, b"two"), (one, b"one")):
            await wire.send(
                f"GET http://127.0.0.1:{site.port}/ HTTP/1.1\r\n".encode() + login(egress) + b"\r\n"
            )
            assert (await wire.answer())[1] == body
        assert (one.arrived, two.arrived) == (2, 1)
        assert f"Host: 127.0.0.1:{two.port}".encode() in two.heads[0]
        await wire.aclose()


async def test_bodies_and_pipelined_requests_to_one_place_arrive_in_order(egress: Egress) -> None:
    got = bytearray()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):
            got.extend(data)

    async with listening(talk) as site:
        wire = await Wire.to(egress.url)
        request = (
            f"POST http://127.0.0.1:{site.port}/ HTTP/1.1\r\nContent-Length: 300000\r\n".encode()
            + login(egress)
            + b"\r\n"
            + b"x" * 300_000
        )
        stream = request * 3
        for start in range(0, len(stream), 7_919):
            await wire.send(stream[start : start + 7_919])
        wire.writer.write_eof()
        await wire.rest()
        assert got.count(b"POST / HTTP/1.1\r\n") == 3
        assert got.count(b"x") == 900_000
        assert b"Proxy" not in got
        await wire.aclose()


async def test_many_tiny_pipelined_requests_do_not_exhaust_anything(egress: Egress) -> None:
    async with answering(b"HTTP/1.1 204 No\r\n\r\n") as site:
        wire = await Wire.to(egress.url)
        one = f"GET http://127.0.0.1:{site.port} HTTP/1.1\r\n".encode() + login(egress) + b"\r\n"
        await wire.send(one * 3_000)
        async with asyncio.timeout(20):
            for _ in range(3_000):
                await wire.reader.readuntil(b"\r\n\r\n")
        assert len(site.heads) == 3_000
        await wire.aclose()


async def test_a_tunnel_is_opaque_and_each_end_may_finish_first(egress: Egress) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = await reader.read()  # until the client has finished
        writer.write(asked[::-1])
        writer.write_eof()

    async with listening(talk) as site:
        wire, head = await connect(egress, f"127.0.0.1:{site.port}")
        assert head.startswith(b"HTTP/1.1 200 ")
        await wire.send(b"\x00\xffabc")
        wire.writer.write_eof()
        assert await wire.rest() == b"cba\xff\x00"
        await eventually_async(lambda: gone(egress), "the connection ends once both have finished")
        await wire.aclose()


async def gone(egress: Egress) -> bool:
    """Whether no client is connected."""
    return not egress.clients


async def test_a_target_may_finish_first_and_still_be_sent_to(egress: Egress) -> None:
    got: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"bye")
        writer.write_eof()
        got.set_result(await reader.read())

    async with listening(talk) as site:
        wire, _ = await connect(egress, f"127.0.0.1:{site.port}")
        assert await wire.rest() == b"bye"
        await wire.send(b"late but welcome")
        wire.writer.write_eof()
        async with asyncio.timeout(5):
            assert await got == b"late but welcome"
        await wire.aclose()


async def test_a_thousand_tunnels_at_once(egress: Egress) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(4096):
            writer.write(data)

    async with listening(talk) as site:
        made = [await connect(egress, f"127.0.0.1:{site.port}") for _ in range(1_000)]
        assert len(egress.clients) == 1_000
        for index, (wire, _) in enumerate(made):
            wire.writer.write(b"%d\n" % index)
        for index, (wire, _) in enumerate(made):
            async with asyncio.timeout(10):
                assert await wire.reader.readline() == b"%d\n" % index
        for wire, _ in made:
            wire.writer.close()
        await eventually_async(lambda: gone(egress), "all are gone")


async def test_ipv6_literals_are_dialled_and_sent_on_in_brackets(egress: Egress) -> None:
    async with answering(ok(b"six")) as site:
        site6 = site
        async with listening(site6._talk, "::1", site.port):
            wire, head = await connect(egress, f"[::1]:{site.port}")
            assert head.startswith(b"HTTP/1.1 200 ")
            await wire.aclose()
            wire = await Wire.to(egress.url)
            await wire.send(
                f"GET http://[::1]:{site.port}/ HTTP/1.1\r\n".encode() + login(egress) + b"\r\n"
            )
            assert (await wire.answer())[1] == b"six"
            assert f"Host: [::1]:{site.port}".encode() in site.heads[-1]
            await wire.aclose()


# ---------------------------------------------------------------- what it refuses

HOSTILE = [
    "127.0.0.1",
    "127.1",
    "127.0.0.2",
    "2130706433",
    "0x7f000001",
    "0177.0.0.1",
    "0x7f.1",
    "0",
    "0.0.0.0",
    "localhost",
    "LOCALHOST",
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "100.64.0.1",
    "169.254.169.254",
    "168.63.129.16",
    "198.18.0.1",
    "192.0.2.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "[::1]",
    "[::]",
    "[0:0:0:0:0:0:0:1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[::127.0.0.1]",
    "[64:ff9b::7f00:1]",
    "[2002:7f00:1::]",
    "[2001:0:7f00:1::]",
    "[fe80::1]",
    "[fc00::1]",
    "[fd00:ec2::254]",
    "[ff02::1]",
    "[2001:db8::1]",
]


@pytest.mark.parametrize("how", ["tunnel", "plain"])
async def test_hostile_addresses_are_refused_before_any_connection(how: str) -> None:
    guard = CountingGuard()
    async with answering(ok(b"secret")) as site, running(Egress(guard)) as egress:
        async with listening(site._talk, "::1", site.port):
            for host in HOSTILE:
                wire = await Wire.to(egress.url)
                place = f"{host}:{site.port}"
                ask = f"CONNECT {place}" if how == "tunnel" else f"GET http://{place}/"
                await wire.send(f"{ask} HTTP/1.1\r\n".encode() + login(egress) + b"\r\n")
                head, _ = await wire.answer()
                assert head.startswith(b"HTTP/1.1 403 "), (host, head)
                assert isinstance(confessed(egress, head), AddressRefused), host
                noted = egress.failure(host.strip("[]"), site.port, None, 0.0)
                assert isinstance(noted, AddressRefused), host
                await wire.aclose()
        assert site.arrived == 0
        assert guard.sockets == 0


async def test_a_second_dns_answer_does_not_get_around_the_check() -> None:
    names = Names(["127.0.0.2"], ["127.0.0.1"], ["127.0.0.1", "127.0.0.2"])
    guard = AddressGuard((ipaddress.ip_network("127.0.0.2/32"),))

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(writer.get_extra_info("sockname")[0].encode())
        writer.write_eof()
        await reader.read()

    async with (
        listening(talk, "0.0.0.0") as site,
        running(Egress(guard, resolve=names)) as egress,
    ):
        wire, head = await connect(egress, f"rebind.test:{site.port}")
        assert head.startswith(b"HTTP/1.1 200 ")
        assert await wire.rest() == b"127.0.0.2"
        assert names.asked == 1
        await wire.aclose()
        wire, head = await connect(egress, f"rebind.test:{site.port}")
        assert head.startswith(b"HTTP/1.1 403 ")
        await wire.aclose()
        # Of a mixed answer only the address that may be dialled is.
        wire, head = await connect(egress, f"rebind.test:{site.port}")
        assert await wire.rest() == b"127.0.0.2"
        await wire.aclose()
        assert site.arrived == 2


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"Proxy-Authorization: Basic bm86bm8=\r\n",
        b"Proxy-Authorization: Bearer x\r\n",
        b"Proxy-Authorization: \r\n",
    ],
)
async def test_without_the_login_nothing_is_dialled_or_told(egress: Egress, line: bytes) -> None:
    egress.login()
    async with answering(ok(b"hello")) as site:
        for ask in (f"CONNECT 127.0.0.1:{site.port}", f"GET http://127.0.0.1:{site.port}/"):
            wire = await Wire.to(egress.url)
            await wire.send(f"{ask} HTTP/1.1\r\n".encode() + line + b"\r\n")
            head, _ = await wire.answer()
            assert head.startswith(b"HTTP/1.1 407 ")
            assert b"Proxy-Authenticate: Basic" in head
            assert MARK.encode() not in head
            assert await wire.rest() == b""
            await wire.aclose()
        assert site.arrived == 0


@pytest.mark.parametrize(
    "head",
    [
        b"GET / HTTP/1.1",
        b"GET https://127.0.0.1:1/ HTTP/1.1",
        b"GET ftp://127.0.0.1:1/ HTTP/1.1",
        b"GET http://user@127.0.0.1:1/ HTTP/1.1",
        b"GET http:///x HTTP/1.1",
        b"CONNECT 127.0.0.1 HTTP/1.1",
        b"CONNECT 127.0.0.1:0 HTTP/1.1",
        b"CONNECT 127.0.0.1:65536 HTTP/1.1",
        b"CONNECT [::1:80 HTTP/1.1",
        b"CONNECT caf\xc3\xa9.test:80 HTTP/1.1",
        b"GET http://127.0.0.1:1/ HTTP/2.0",
        b"GET http://127.0.0.1:1/ two HTTP/1.1",
        b"GET http://127.0.0.1:1/\nX: y HTTP/1.1",
        b"GET http://127.0.0.1:1/\0 HTTP/1.1",
        b"GET http://127.0.0.1:1/ HTTP/1.1\r\nTransfer-Encoding: chunked",
        b"GET http://127.0.0.1:1/ HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2",
        b"GET http://127.0.0.1:1/ HTTP/1.1\r\nContent-Length: -1",
        b"GET http://127.0.0.1:1/ HTTP/1.1\r\nX: a\nY: b",
        b"GET http://127.0.0.1:1/ HTTP/1.1\r\nX: a\r\n folded",
        b"GET http://127.0.0.1:1/ HTTP/1.1\r\nX : a",
        b"GET http://127.0.0.1:1/ HTTP/1.1\r\nnot a header",
        b"\x16\x03\x01\x02\x00\x01",
    ],
)
async def test_odd_requests_are_refused_not_guessed(egress: Egress, head: bytes) -> None:
    wire = await Wire.to(egress.url)
    await wire.send(head + b"\r\n" + login(egress) + b"\r\n")
    answer, _ = await wire.answer()
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert confessed(egress, answer) is not None
    assert await wire.rest() == b""
    await wire.aclose()


async def test_a_huge_head_is_refused(egress: Egress) -> None:
    wire = await Wire.to(egress.url)
    await wire.send(b"GET http://127.0.0.1:1/ HTTP/1.1\r\n" + login(egress))
    with pytest.raises((OSError, TimeoutError)):
        for _ in range(100):
            await wire.send(b"X: " + b"y" * 65_536 + b"\r\n")
            if wire.reader._buffer:  # type: ignore[attr-defined]
                raise ConnectionResetError
    head, _ = await wire.answer()
    assert head.startswith(b"HTTP/1.1 431 ")
    await wire.aclose()


async def test_pipelining_to_different_places_is_refused(egress: Egress) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with listening(talk) as one, listening(talk) as two:
        wire = await Wire.to(egress.url)
        for site in (one, two):
            await wire.send(
                f"GET http://127.0.0.1:{site.port}/ HTTP/1.1\r\n".encode() + login(egress) + b"\r\n"
            )
        assert (await wire.answer())[0].startswith(b"HTTP/1.1 400 ")
        assert two.arrived == 0
        await wire.aclose()


# ---------------------------------------------------------------- what it tells


async def test_failures_are_told_by_class_in_the_answer_and_afterwards() -> None:
    async def nothing(host: str, port: int) -> list[AddrInfo]:
        if host == "silent.test":
            await asyncio.Event().wait()
        raise DnsFailed(f"The host name {host} could not be resolved: 50 % of it.")

    limits = Limits(connect_s=0.2)
    start = time.monotonic()
    async with running(Egress(AddressGuard(LOOPBACK), limits, nothing)) as egress:
        egress._resolve = nothing
        for host, kind, status in (
            ("nowhere.test", DnsFailed, b"502"),
            ("silent.test", DnsFailed, b"502"),
        ):
            wire, head = await connect(egress, f"{host}:443")
            assert head.startswith(b"HTTP/1.1 " + status)
            assert isinstance(confessed(egress, head), kind)
            assert isinstance(egress.failure(host.upper(), 443, None, start), kind)
            assert egress.failure(host, 443, None, time.monotonic()) is None
            assert egress.failure(host, 80, None, start) is None
            await wire.aclose()


async def test_a_refused_connection_is_told_as_such(egress: Egress) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        wire, head = await connect(egress, f"127.0.0.1:{port}")
    error = confessed(egress, head)
    assert isinstance(error, ConnectionRefused)
    assert str(port) in str(error)
    await wire.aclose()


async def test_a_target_that_does_not_answer_the_dial_times_out() -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        port = full.getsockname()[1]
        fillers = [socket.socket() for _ in range(3)]
        try:
            for filler in fillers:
                filler.setblocking(False)
                filler.connect_ex(("127.0.0.1", port))
            limits = Limits(connect_s=0.3)
            async with running(Egress(AddressGuard(LOOPBACK), limits)) as egress:
                wire, head = await connect(egress, f"127.0.0.1:{port}")
                assert head.startswith(b"HTTP/1.1 504 ")
                assert isinstance(confessed(egress, head), ConnectTimeout)
                await wire.aclose()
        finally:
            for filler in fillers:
                filler.close()


async def test_a_target_cannot_pretend_to_be_the_proxy(egress: Egress) -> None:
    forged = f"{MARK}: 00 dns_failed gone\r\n".encode()
    async with answering(ok(b"", forged)) as site:
        wire = await Wire.to(egress.url)
        await wire.send(
            f"GET http://127.0.0.1:{site.port}/ HTTP/1.1\r\n".encode() + login(egress) + b"\r\n"
        )
        head, _ = await wire.answer()
        assert forged.strip() in head
        assert confessed(egress, head) is None
        await wire.aclose()


# ---------------------------------------------------------------- bad company


async def test_a_slow_client_stops_the_target_instead_of_filling_memory(egress: Egress) -> None:
    sent = 0
    total = 64 * 2**20

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        while sent < total:
            writer.write(bytes(65_536))
            await writer.drain()
            sent += 65_536

    async with listening(talk) as site:
        wire, _ = await connect(egress, f"127.0.0.1:{site.port}")
        wire.writer.transport.pause_reading()  # type: ignore[attr-defined]
        before = -1

        async def still() -> bool:
            nonlocal before
            same, before = before == sent and sent > 0, sent
            return same

        await eventually_async(still, "the target is stopped", every_s=0.2)
        (client,) = egress.clients
        assert client.transport.get_write_buffer_size() < 1_000_000
        assert sent < total
        wire.writer.transport.resume_reading()  # type: ignore[attr-defined]
        async with asyncio.timeout(20):
            got = 0
            while data := await wire.reader.read(2**20):
                got += len(data)
        assert got == total
        await wire.aclose()


async def test_a_slow_target_stops_the_client(egress: Egress) -> None:
    gate = asyncio.Event()
    got = 0

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal got
        reader._transport.pause_reading()  # type: ignore[attr-defined]
        await gate.wait()
        reader._transport.resume_reading()  # type: ignore[attr-defined]
        while data := await reader.read(2**20):
            got += len(data)
        writer.write(b"done")

    async with listening(talk) as site:
        wire, _ = await connect(egress, f"127.0.0.1:{site.port}")
        total = 64 * 2**20
        wire.writer.write(bytes(total))
        (client,) = egress.clients
        left = -1

        async def still() -> bool:
            nonlocal left
            now = wire.writer.transport.get_write_buffer_size()
            same, left = now == left, now
            return same

        await eventually_async(still, "the client is stopped", every_s=0.2)
        assert left > 0
        assert client.target is not None
        assert client.target.transport.get_write_buffer_size() < 1_000_000
        gate.set()
        await wire.send(b"")
        wire.writer.write_eof()
        assert await wire.rest() == b"done"
        assert got == total
        await wire.aclose()


@pytest.mark.parametrize("what", ["silent client", "half a head", "silent tunnel", "half closed"])
async def test_silence_ends_by_its_deadline(what: str) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        await asyncio.Event().wait()

    limits = Limits(head_s=0.2, idle_s=0.2, linger_s=0.2)
    async with (
        listening(talk) as site,
        running(Egress(AddressGuard(LOOPBACK), limits)) as egress,
    ):
        start = time.monotonic()
        if what in ("silent tunnel", "half closed"):
            wire, _ = await connect(egress, f"127.0.0.1:{site.port}")
            if what == "half closed":
                wire.writer.write_eof()
        else:
            wire = await Wire.to(egress.url)
            await wire.send(b"GET http://" if what == "half a head" else b"")
        with contextlib.suppress(ConnectionResetError):
            assert await wire.rest() == b""
        assert 0.15 < time.monotonic() - start < 20
        await wire.aclose()


async def test_a_head_sent_byte_by_byte_does_not_put_off_its_deadline() -> None:
    async with running(Egress(AddressGuard(LOOPBACK), Limits(head_s=0.3))) as egress:
        wire = await Wire.to(egress.url)
        start = time.monotonic()
        with pytest.raises(OSError):
            while time.monotonic() - start < 20:
                await wire.send(b"X")
                await asyncio.wait({asyncio.create_task(wire.reader.read(1))}, timeout=0.05)
        assert time.monotonic() - start < 20


async def test_a_client_that_leaves_while_dialling_ends_the_dial() -> None:
    asked = asyncio.Event()
    ended = asyncio.Event()

    async def never(host: str, port: int) -> list[AddrInfo]:
        asked.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
        raise AssertionError

    async with running(Egress(AddressGuard(LOOPBACK), resolve=never)) as egress:
        wire = await Wire.to(egress.url)
        await wire.send(b"CONNECT slow.test:443 HTTP/1.1\r\n" + login(egress) + b"\r\n")
        async with asyncio.timeout(5):
            await asked.wait()
            await wire.aclose()
            await ended.wait()


async def test_a_reset_by_the_target_reaches_the_client_as_one(egress: Egress) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\nno length, and cut")
        await writer.drain()
        await reader.readexactly(1)
        Wire(reader, writer).reset()

    async with listening(talk) as site:
        wire = await Wire.to(egress.url)
        place = f"http://127.0.0.1:{site.port}/"
        await wire.send(f"POST {place} HTTP/1.1\r\nContent-Length: 1\r\n".encode())
        await wire.send(login(egress) + b"\r\n")
        async with asyncio.timeout(5):
            assert b"and cut" in await wire.reader.readuntil(b"cut")
            await wire.send(b"x")
            with pytest.raises(ConnectionResetError):
                await wire.reader.read()


async def all_joined(egress: Egress, count: int) -> bool:
    """Whether so many clients are connected."""
    return len(egress.clients) == count


async def test_too_many_clients_are_told_so() -> None:
    limits = Limits(connections=2)
    async with running(Egress(AddressGuard(LOOPBACK), limits)) as egress:
        wires = [await Wire.to(egress.url) for _ in range(2)]
        await eventually_async(lambda: all_joined(egress, 2), "both are connected")
        wires.append(await Wire.to(egress.url))
        await wires[2].send(b"CONNECT 127.0.0.1:1 HTTP/1.1\r\n" + login(egress) + b"\r\n")
        head, _ = await wires[2].answer()
        assert head.startswith(b"HTTP/1.1 503 ")
        assert isinstance(confessed(egress, head), ConnectionFailed)
        for wire in wires:
            await wire.aclose()


# ---------------------------------------------------------------- through an operator's proxy


async def test_requests_leave_through_an_http_proxy_and_names_are_resolved_there() -> None:
    names = Names(["127.0.0.1"])
    nobody = Names([])
    async with (
        answering(ok(b"hello")) as site,
        running(Egress(AddressGuard(LOOPBACK), resolve=names)) as theirs,
        running(Egress(AddressGuard(), resolve=nobody)) as egress,
    ):
        account = theirs.login()
        upstream = parse_upstream(
            f"{theirs.url.replace('//', f'//{account.username}:{account.password}@')}"
        )
        wire, head = await connect(egress, f"site.test:{site.port}", upstream)
        assert head.startswith(b"HTTP/1.1 200 ")
        await wire.send(b"GET / HTTP/1.1\r\n\r\n")
        assert (await wire.answer())[1] == b"hello"
        await wire.aclose()
        wire = await Wire.to(egress.url)
        await wire.send(
            f"GET http://site.test:{site.port}/plain HTTP/1.1\r\n".encode()
            + login(egress, upstream)
            + b"\r\n"
        )
        assert (await wire.answer())[1] == b"hello"
        assert site.heads[-1].startswith(b"GET /plain HTTP/1.1\r\nHost: site.test:")
        assert b"roxy" not in site.heads[-1]
        assert nobody.asked == 0
        await wire.aclose()


async def test_requests_leave_through_a_socks5_proxy() -> None:
    async with (
        answering(ok(b"hello")) as site,
        socks5("user", "secret") as theirs,
        running(Egress(AddressGuard())) as egress,
    ):
        upstream = parse_upstream(f"socks5://user:secret@127.0.0.1:{theirs.port}")
        for ask in ("CONNECT site.test", "GET http://site.test"):
            wire = await Wire.to(egress.url)
            path = "" if ask[0] == "C" else "/"
            await wire.send(
                f"{ask}:{site.port}{path} HTTP/1.1\r\n".encode() + login(egress, upstream) + b"\r\n"
            )
            if ask[0] == "C":
                await wire.answer()
                await wire.send(b"GET / HTTP/1.1\r\nHost: site.test\r\n\r\n")
            assert (await wire.answer())[1] == b"hello"
            await wire.aclose()
        assert theirs.heads == [b"site.test", b"site.test"]


@pytest.mark.parametrize("host", ["127.0.0.1", "2130706433", "localhost", "[::1]", "10.0.0.1"])
async def test_targets_behind_a_proxy_are_refused_where_no_lookup_is_needed(host: str) -> None:
    async with socks5() as theirs, running(Egress(AddressGuard())) as egress:
        upstream = parse_upstream(f"socks5://127.0.0.1:{theirs.port}")
        wire, head = await connect(egress, f"{host}:80", upstream)
        assert head.startswith(b"HTTP/1.1 403 ")
        assert theirs.arrived == 0
        await wire.aclose()


@pytest.mark.parametrize("how", ["CONNECT", "plain"])
async def test_a_proxy_that_declines_or_is_away_is_named_without_its_password(how: str) -> None:
    async with running(Egress(AddressGuard())) as theirs, running(Egress(AddressGuard())) as egress:
        theirs.login()
        for address in (theirs.url.removeprefix("http://"), "127.0.0.1:1"):
            upstream = parse_upstream(f"http://user:hunter2@{address}")
            wire = await Wire.to(egress.url)
            ask = "CONNECT site.test:80" if how == "CONNECT" else "GET http://site.test:80/"
            await wire.send(f"{ask} HTTP/1.1\r\n".encode() + login(egress, upstream) + b"\r\n")
            head, body = await wire.answer()
            error = confessed(egress, head)
            assert isinstance(error, ProxyFailed)
            assert address in str(error)
            assert b"hunter2" not in head + body
            assert isinstance(egress.failure("site.test", 80, upstream, 0.0), ProxyFailed)
            await wire.aclose()


async def test_a_refusal_by_the_target_is_told_through_socks() -> None:
    async with socks5() as theirs, running(Egress(AddressGuard())) as egress:
        upstream = parse_upstream(f"socks5://127.0.0.1:{theirs.port}")
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            wire, head = await connect(egress, f"a.test:{unused.getsockname()[1]}", upstream)
        assert isinstance(confessed(egress, head), ConnectionRefused)
        await wire.aclose()
