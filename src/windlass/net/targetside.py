"""One connection from the egress proxy to a target, or to an operator's proxy on the way there.

Made by relay.py for one client's connection, connected by egress.py. Passes on bytes, their end
and their loss, and stops one end while the other is full.
"""

from __future__ import annotations

import asyncio
from typing import Any, Protocol, cast

from windlass.errors import ProxyFailed, TargetError
from windlass.net.requesthead import RequestHead
from windlass.net.upstream import Handshake, Upstream, refused_by


class Client(Protocol):
    """What a TargetSide knows of the client it works for. `last` is when bytes last moved."""

    transport: asyncio.Transport
    last: float

    @property
    def target(self) -> TargetSide | None:
        """The connection it uses now."""
        ...

    def write(self, data: bytes) -> None:
        """Sends to the client."""
        ...

    def fail(self, upstream: Upstream | None, target: TargetSide, error: TargetError) -> None:
        """Answers with an error in the target's stead."""
        ...

    def target_finished(self) -> None:
        """The target has sent all it will send."""
        ...

    def target_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        ...


class TargetSide(asyncio.Protocol):
    """One connection to a target or, with `upstream`, to an operator's proxy."""

    __slots__ = (
        "_buffer_bytes",
        "_client",
        "_early",
        "_loop",
        "_ready",
        "_talk",
        "_upstream",
        "absolute",
        "answered",
        "ended",
        "host",
        "port",
        "transport",
    )

    def __init__(
        self, client: Client, head: RequestHead, upstream: Upstream | None, buffer_bytes: int
    ) -> None:
        self.host = head.host
        self.port = head.port
        self.absolute = upstream is not None and upstream.scheme != "socks5" and not head.tunnel
        """Whether a proxy gets the requests themselves, instead of being asked for a tunnel."""
        self.answered = False
        """Whether anything came since the last request went out."""
        self.ended = False
        """The target has sent all it will send."""
        self.transport: asyncio.Transport = cast(Any, None)
        self._client = client
        self._upstream = upstream
        self._buffer_bytes = buffer_bytes
        self._loop = asyncio.get_running_loop()
        self._talk: Handshake | None = None
        self._ready: asyncio.Future[None] | None = None
        self._early = b""

    async def converse(self, talk: Handshake) -> None:
        """Holds a handshake on the new connection. Raises what it raises."""
        self._ready = self._loop.create_future()
        self._talk = talk
        self.write(next(talk))
        await self._ready

    def serves(self, head: RequestHead, upstream: Upstream | None) -> bool:
        """Whether a plain request may go out on this connection."""
        here = (self.host, self.port, self._upstream)
        return not self.transport.is_closing() and here == (head.host, head.port, upstream)

    def request(self, head: RequestHead) -> bytes:
        """The head to send for a request."""
        if not self.absolute:
            return head.origin + b"\r\n\r\n"
        assert self._upstream is not None
        login = self._upstream.authorization
        more = b"\r\nProxy-Authorization: " + login if login else b""
        return head.absolute + more + b"\r\n\r\n"

    def start(self) -> None:
        """Takes up what happened before the client was ready for it."""
        early, self._early = self._early, b""
        if early:
            self.data_received(early)
        if self.transport.is_closing() and self._client.target is self:
            self._client.target_lost(None)

    def write(self, data: bytes) -> None:
        """Sends to the target, unless it is gone (which connection_lost() is about to tell)."""
        if data and not self.transport.is_closing():
            self.transport.write(data)

    def finish(self) -> None:
        """Passes on that the client has sent all it will send."""
        if not self.transport.is_closing() and self.transport.can_write_eof():
            self.transport.write_eof()

    def abort(self) -> None:
        """Closes at once, whatever state it is in."""
        if self.transport is not None:
            self.transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.transport.set_write_buffer_limits(self._buffer_bytes)

    def data_received(self, data: bytes) -> None:
        client = self._client
        if self._talk is not None:
            self._continue(self._talk, data)
        elif client.target is not self:
            self._early += data  # between the handshake's end and the task that waits for it
        elif self.absolute and not self.answered and data[9:12] == b"407":
            assert self._upstream is not None
            client.fail(self._upstream, self, refused_by(self._upstream, 407))
        else:
            self.answered = True
            client.last = self._loop.time()
            client.write(data)

    def _continue(self, talk: Handshake, data: bytes) -> None:
        assert self._ready is not None
        try:
            say = talk.send(data)
            self.write(say)
        except StopIteration as done:
            self._talk = None
            self._early = done.value
            if not self._ready.done():
                self._ready.set_result(None)
        except TargetError as error:
            self._talk = None
            if not self._ready.done():
                self._ready.set_exception(error)

    def eof_received(self) -> bool:
        if self._client.target is not self:
            return False
        self.ended = True
        self._client.target_finished()
        return self.transport.can_write_eof()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._ready is not None and not self._ready.done():
            assert self._upstream is not None
            where = self._upstream.address
            self._ready.set_exception(ProxyFailed(f"The proxy {where} closed the connection."))
        if self._client.target is self:
            self._client.target_lost(exc)

    def pause_writing(self) -> None:
        if not self._client.transport.is_closing():
            self._client.transport.pause_reading()

    def resume_writing(self) -> None:
        if not self._client.transport.is_closing():
            self._client.transport.resume_reading()
