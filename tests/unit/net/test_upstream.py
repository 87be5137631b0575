"""The handshakes with an operator's proxy, byte by byte."""

from __future__ import annotations

import pytest

from windlass.errors import ConnectionFailed, ConnectionRefused, ProxyFailed, TargetError
from windlass.net.upstream import Upstream, handshake, parse_upstream


def converse(
    upstream: Upstream, answers: bytes, host: str = "site.test", step: int = 1
) -> tuple[bytes, bytes]:
    """What the handshake sent, and what it left for the tunnel, fed `step` bytes at a time."""
    talk = handshake(upstream, host, 443)
    sent = next(talk)
    pieces = [answers[i : i + step] for i in range(0, len(answers), step)] + [b"", b""]
    for index, piece in enumerate(pieces):
        try:
            sent += talk.send(piece)
        except StopIteration as done:
            return sent, done.value + b"".join(pieces[index + 1 :])
    raise AssertionError("the handshake wants more")


HTTP = parse_upstream("http://user:secret@proxy.test:3128")
SOCKS = parse_upstream("socks5://user:secret@proxy.test")
OPEN_SOCKS = parse_upstream("socks5h://proxy.test")


@pytest.mark.parametrize("step", [1, 7, 1000])
def test_http_connect_sends_credentials_and_keeps_what_follows(step: int) -> None:
    sent, rest = converse(HTTP, b"HTTP/1.1 200 Go\r\nX: y\r\n\r\nearly", step=step)
    assert sent == (
        b"CONNECT site.test:443 HTTP/1.1\r\nHost: site.test:443\r\n"
        b"Proxy-Authorization: Basic dXNlcjpzZWNyZXQ=\r\n\r\n"
    )
    assert rest == b"early"


@pytest.mark.parametrize("step", [1, 3, 1000])
@pytest.mark.parametrize(
    "bound", [b"\x01\0\0\0\0\0\0", b"\x04" + bytes(18), b"\x03\x04host\x01\xbb"]
)
def test_socks5_logs_in_and_keeps_what_follows(step: int, bound: bytes) -> None:
    sent, rest = converse(SOCKS, b"\x05\x02\x01\x00\x05\x00\x00" + bound + b"early", step=step)
    assert sent == (b"\x05\x01\x02\x01\x04user\x06secret\x05\x01\x00\x03\x09site.test\x01\xbb")
    assert rest == b"early"


@pytest.mark.parametrize(
    ("host", "encoded"),
    [
        ("192.0.2.7", b"\x01\xc0\x00\x02\x07"),
        ("2001:db8::1", bytes.fromhex("0420010db8") + bytes(11) + b"\x01"),
    ],
)
def test_socks5_sends_addresses_as_addresses(host: str, encoded: bytes) -> None:
    sent, _ = converse(OPEN_SOCKS, b"\x05\x00\x05\x00\x00\x01" + bytes(6), host)
    assert sent == b"\x05\x01\x00\x05\x01\x00" + encoded + b"\x01\xbb"


@pytest.mark.parametrize(
    ("upstream", "answers", "error", "words"),
    [
        (HTTP, b"HTTP/1.1 407 No\r\n\r\n", ProxyFailed, "credentials"),
        (HTTP, b"HTTP/1.1 502 Bad\r\n\r\n", ProxyFailed, "502"),
        (HTTP, b"SSH-2.0-hello\r\n\r\n", ProxyFailed, "HTTP"),
        (HTTP, b"HTTP/1.1 200 " + b"x" * 20_000, ProxyFailed, "without end"),
        (SOCKS, b"\x04\x02", ProxyFailed, "SOCKS5"),
        (SOCKS, b"\x05\xff", ProxyFailed, "log in"),
        (SOCKS, b"\x05\x02\x01\x01", ProxyFailed, "credentials"),
        (OPEN_SOCKS, b"\x05\x00\x05\x01\x00\x01\x00", ProxyFailed, "general"),
        (OPEN_SOCKS, b"\x05\x00\x05\x04\x00\x01\x00", ConnectionFailed, "unreachable"),
        (OPEN_SOCKS, b"\x05\x00\x05\x05\x00\x01\x00", ConnectionRefused, "refused"),
        (OPEN_SOCKS, b"\x05\x00\x05\x77\x00\x01\x00", ProxyFailed, "code 119"),
    ],
)
def test_a_proxy_that_declines_is_named_with_its_reason(
    upstream: Upstream, answers: bytes, error: type[TargetError], words: str
) -> None:
    with pytest.raises(error) as caught:
        converse(upstream, answers, step=1000)
    assert words in str(caught.value)
    assert "proxy.test" in str(caught.value)
    assert "secret" not in str(caught.value)
