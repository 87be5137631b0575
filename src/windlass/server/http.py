"""The HTTP listener of the API process: uvicorn, with the bounds it leaves open.

Run by roles.py. Knows nothing of what the application serves.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable, Generator
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from windlass.settings import Settings

HEAD_LIMIT_BYTES = 65_536
HEAD_TIMEOUT_S = 30.0
REST_TIMEOUT_S = 90.0
"""Time for the rest of a body after its request was answered; longer than any body may take that
is still read (api/bodies.py)."""

KEEP_ALIVE_S = 75
SPARE_FILES = 200
GRACE_SLACK_S = 5
_REFUSAL = b'{"status":"failed","msg":"Request header fields are too large"}'
_REFUSED_HEAD = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\n"
    b"content-type: application/json\r\ncontent-length: %d\r\n\r\n%s" % (len(_REFUSAL), _REFUSAL)
)


class BoundedHttpProtocol(HttpToolsProtocol):
    """HTTP/1.1 whose request heads are limited in size and in the time they may take, and so are
    bodies that nobody reads any more, as those of refused requests.

    The parser underneath collects headers without end and waits for both without end.
    """

    _head_bytes = 0
    _in_head = True
    _in_body = False
    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if not self._in_head or self.transport.is_closing():
            return
        self._head_bytes += len(data)
        if self._head_bytes > HEAD_LIMIT_BYTES:
            self.transport.write(_REFUSED_HEAD)
            self.transport.close()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._head_bytes = 0
        self._expect_head()

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._in_body = True
        self._forget_timer()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._in_body = False
        self._forget_timer()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._in_body:
            self._give_up_after(REST_TIMEOUT_S)

    def _expect_head(self) -> None:
        self._in_head = True
        self._give_up_after(HEAD_TIMEOUT_S)

    def _give_up_after(self, seconds: float) -> None:
        self._forget_timer()
        self._timer = self.loop.call_later(seconds, self.transport.close)

    def _forget_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class Listener(uvicorn.Server):
    """uvicorn under our signals: `should_exit` is set by the role, not by a handler of its own."""

    def __init__(self, config: uvicorn.Config, started: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_started = started

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._on_started()


async def listen(
    app: Any,
    settings: Settings,
    sockets: list[socket.socket],
    started: Callable[[], None],
    stop: asyncio.Event,
    files: int,
) -> None:
    """Serves `app` until `stop` is set; then no new connection, and time for running requests."""
    config = uvicorn.Config(
        app,
        http=BoundedHttpProtocol,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        limit_concurrency=max(files - SPARE_FILES, 100),
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=int(settings.grace) + GRACE_SLACK_S,
    )
    listener = Listener(config, started)
    serving = asyncio.create_task(listener.serve(sockets), name="http")
    stopping = asyncio.create_task(stop.wait(), name="stop")
    await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    listener.should_exit = True
    await serving
