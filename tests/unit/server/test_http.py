"""The listener's bounds, over a real socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from windlass.server import http, start
from windlass.settings import Settings

SETTINGS = Settings(port=0, data=Path("/nonexistent"))


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Answers every request with the number of bytes in its body."""
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": message["type"] + ".complete"})
            if message["type"] == "lifespan.shutdown":
                return
    size, more = 0, True
    while more:
        message = await receive()
        size += len(message.get("body", b""))
        more = message.get("more_body", False)
    body = str(size).encode()
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def refusing(scope: Any, receive: Any, send: Any) -> None:
    """Answers every request at once, whatever comes of its body."""
    if scope["type"] == "lifespan":
        await app(scope, receive, send)
        return
    await send(
        {"type": "http.response.start", "status": 401, "headers": [(b"content-length", b"0")]}
    )
    await send({"type": "http.response.body", "body": b""})


@asynccontextmanager
async def listening(served: Any = app) -> AsyncIterator[int]:
    """The port of a running listener."""
    sockets = list(start._listen(SETTINGS))
    port = sockets[0].getsockname()[1]
    started, stop = asyncio.Event(), asyncio.Event()
    serving = asyncio.create_task(
        http.listen(served, SETTINGS, sockets, started.set, stop, files=1024)
    )
    try:
        async with asyncio.timeout(10):
            await started.wait()
            yield port
            stop.set()
            await serving
    finally:
        serving.cancel()


async def exchange(port: int, *parts: bytes) -> bytes:
    """Everything answered to `parts` until the server closes or has nothing more to say.

    A server that closes before it has read everything resets the connection; that is closed too.
    """
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    answer = b""
    try:
        with suppress(ConnectionResetError):
            for part in parts:
                writer.write(part)
                await writer.drain()
            while chunk := await asyncio.wait_for(reader.read(65536), 5):
                answer += chunk
                if answer.endswith(b"\r\n\r\n5") and b"close" not in answer:
                    break
        return answer
    finally:
        writer.close()
        with suppress(ConnectionResetError):
            await writer.wait_closed()


HEAD = b"POST / HTTP/1.1\r\nhost: here\r\n"


async def test_a_request_is_served_and_the_connection_kept() -> None:
    async with listening() as port:
        answer = await exchange(port, HEAD + b"content-length: 5\r\n\r\nhello")
    assert answer.startswith(b"HTTP/1.1 200 OK")
    assert b"server:" not in answer.lower()


async def test_endless_headers_are_refused_with_431() -> None:
    async with listening() as port:
        answer = await exchange(port, HEAD, *[b"x-filler: " + b"a" * 1000 + b"\r\n"] * 80)
    assert answer.startswith(b"HTTP/1.1 431 ")
    assert answer.endswith(b"}")


async def test_a_large_body_does_not_count_as_head() -> None:
    async with listening() as port:
        head = HEAD + b"connection: close\r\ncontent-length: 300000\r\n\r\n"
        answer = await exchange(port, head + b"a" * 300000)
    assert answer.endswith(b"300000")


@pytest.mark.parametrize("sent", [b"", HEAD], ids=["nothing", "half a head"])
async def test_a_head_that_never_ends_is_given_up(
    monkeypatch: pytest.MonkeyPatch, sent: bytes
) -> None:
    monkeypatch.setattr(http, "HEAD_TIMEOUT_S", 0.1)
    async with listening() as port:
        assert await exchange(port, sent) == b""


async def test_a_second_slow_head_on_one_connection_is_given_up_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(http, "HEAD_TIMEOUT_S", 0.1)
    async with listening() as port:
        whole = HEAD + b"content-length: 0\r\n\r\n"
        answer = await exchange(port, whole + HEAD)
    assert answer.startswith(b"HTTP/1.1 200 OK")


async def test_an_idle_kept_connection_outlives_the_head_timeout(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(http, "HEAD_TIMEOUT_S", 0.05)
    async with listening() as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(2):
            writer.write(HEAD + b"content-length: 5\r\n\r\nhello")
            assert await reader.readuntil(b"\r\n\r\n5")
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(reader.read(1), 0.2)
        writer.close()


async def test_the_body_of_a_refused_request_is_not_awaited_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(http, "REST_TIMEOUT_S", 0.1)
    async with listening(refusing) as port:
        answer = await exchange(port, HEAD + b"content-length: 1000000\r\n\r\nhello")
    assert answer.startswith(b"HTTP/1.1 401 ")


async def test_a_refused_request_whose_body_came_keeps_its_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(http, "REST_TIMEOUT_S", 0.05)
    async with listening(refusing) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(2):
            writer.write(HEAD + b"content-length: 5\r\n\r\n")
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 401 ")
            writer.write(b"hello")
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(reader.read(1), 0.2)
        writer.close()
