"""A client's connection to the egress proxy: heads read, logins checked, bytes moved, ends kept.

What may be dialled is the Gate's business; targetside.py is the other end. A tunnel is opaque. Of
plain requests only heads and lengths are read, answers never: so a client must have the whole
answer before it asks for another place (none of ours pipelines).
"""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import Any, Protocol, cast

import msgspec

from windlass.errors import (
    AddressRefused,
    ConnectionFailed,
    ConnectTimeout,
    InvalidRequest,
    TargetError,
    Unauthorized,
    WindlassError,
)
from windlass.net.requesthead import RequestHead, read_head
from windlass.net.targetside import TargetSide
from windlass.net.upstream import Upstream

_ESTABLISHED = b"HTTP/1.1 200 Connection established\r\n\r\n"
_BY_RESET = struct.pack("ii", 1, 0)


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds of every connection, in seconds and bytes."""

    connect_s: float = 10.0
    """To reach a target: lookup, every address tried, an operator's proxy asked."""
    head_s: float = 10.0
    """From a connection's start, or a later head's first byte, to the end of the head."""
    idle_s: float = 120.0
    """Without a byte in either direction."""
    linger_s: float = 10.0
    """The same once one side has said all it will say."""
    head_bytes: int = 131_072
    buffer_bytes: int = 65_536
    """Held for a slow side before the other one is stopped."""
    connections: int = 8_192


class Gate(Protocol):
    """What the relay asks of the proxy it belongs to."""

    limits: Limits

    def join(self, client: ClientSide) -> bool:
        """Takes note of a new client; False: there are too many."""
        ...

    def leave(self, client: ClientSide) -> None:
        """Takes note that a client is gone."""
        ...

    def route(self, credential: bytes) -> tuple[bool, Upstream | None]:
        """Whether a Proxy-Authorization value is good, and which way out it means."""
        ...

    async def connect(self, upstream: Upstream | None, side: TargetSide) -> None:
        """Connects `side`, handshake with `upstream` included. Raises TargetError."""
        ...

    def note(self, upstream: Upstream | None, host: str, port: int, error: TargetError) -> None:
        """Remembers why a connection failed."""
        ...

    def confession(self, error: WindlassError, head: bytes) -> bytes:
        """The header line that tells a client, if its head shows its login, that it was us."""
        ...


class ClientSide(asyncio.Protocol):
    """One client's connection, from its first head to its end."""

    __slots__ = (
        "_allowed_s",
        "_body_left",
        "_done",
        "_gate",
        "_head",
        "_held",
        "_loop",
        "_over",
        "_surplus",
        "_timer",
        "_tunnel",
        "dial",
        "last",
        "target",
        "transport",
    )

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._loop = asyncio.get_running_loop()
        self.transport: asyncio.Transport = cast(Any, None)
        self.target: TargetSide | None = None
        self.dial: asyncio.Task[None] | None = None
        self.last = 0.0
        """Start of the silence that the timer bounds; bytes of an unfinished head break none."""
        self._head = b""
        """The last head, as it came."""
        self._held = bytearray()
        """Bytes that cannot be used yet: a part of a head, or what came while dialling."""
        self._body_left = 0
        self._tunnel = False
        self._surplus = False
        """There are more clients than allowed: one too many, to be told so."""
        self._done = False
        """The client has sent all it will send."""
        self._over = False
        """We have said our last word; what else comes is thrown away."""
        self._allowed_s = gate.limits.head_s
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.transport.set_write_buffer_limits(self._gate.limits.buffer_bytes)
        self.last = self._loop.time()
        self._timer = self._loop.call_later(self._allowed_s, self._check_time)
        self._surplus = not self._gate.join(self)

    def data_received(self, data: bytes) -> None:
        if self._tunnel and self.target is not None:
            self.last = self._loop.time()
            self.target.write(data)
        elif not self._over:
            self._held += data
            if self.dial is None:
                self._advance(len(self._held) - len(data))
            elif len(self._held) > self._gate.limits.buffer_bytes:
                self.transport.pause_reading()

    def eof_received(self) -> bool:
        self._done = True
        self._allow(self._gate.limits.linger_s)
        if self.dial is not None:
            return not self._tunnel  # nobody is left to use a tunnel: connection_lost() ends it
        if self.target is None:
            return False
        if self.target.ended:
            self._drop_target(gently=True)
            return False
        self.target.finish()
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        self._gate.leave(self)
        self._over = True
        if self._timer is not None:
            self._timer.cancel()
        if self.dial is not None:
            self.dial.cancel()
        self._drop_target()

    def pause_writing(self) -> None:
        if self.target is not None and not self.target.transport.is_closing():
            self.target.transport.pause_reading()

    def resume_writing(self) -> None:
        if self.target is not None and not self.target.transport.is_closing():
            self.target.transport.resume_reading()

    # ------------------------------------------------------------ heads and bodies

    def _advance(self, seen: int = 0) -> None:
        """Uses what is held. Its first `seen` bytes were looked at before: no head ends there."""
        while self._held and self.dial is None and not self._over:
            if self._body_left:
                self._forward_body()
            elif not self._take_head(max(0, seen - 3)):
                return
            seen = 0

    def _forward_body(self) -> None:
        self.last = self._loop.time()
        part = bytes(self._held[: self._body_left])
        del self._held[: self._body_left]
        self._body_left -= len(part)
        if self.target is None:
            self.drop()
        else:
            self.target.write(part)

    def _take_head(self, start: int) -> bool:
        """Serves the head that is held, if it is whole. False: wait for more."""
        end = self._held.find(b"\r\n\r\n", start)
        if (end if end >= 0 else len(self._held)) > self._gate.limits.head_bytes:
            self._head = bytes(self._held)
            self._refuse(431, InvalidRequest("The request's head is too large."))
        elif end >= 0:
            self._head = bytes(self._held[:end])
            del self._held[: end + 4]
            self._begin()
            return True
        elif start == 0 and self._allowed_s != self._gate.limits.head_s:
            self.last = self._loop.time()
            self._allow(self._gate.limits.head_s)
        return False

    def _begin(self) -> None:
        """Serves the head that just became whole."""
        self.last = self._loop.time()
        self._allow(self._gate.limits.idle_s)
        try:
            head = read_head(self._head)
        except InvalidRequest as error:
            self._refuse(400, error)
            return
        good, upstream = self._gate.route(head.credential)
        target = self.target
        if not good:
            self._refuse(407, Unauthorized("Log in to use this proxy."))
        elif self._surplus:
            self._refuse(503, ConnectionFailed("Too many connections through the egress proxy."))
        elif target is not None and target.serves(head, upstream):
            self._send(head, target)
        elif target is not None and not target.answered:
            self._refuse(400, InvalidRequest("Requests to different places are pipelined."))
        else:
            self._drop_target()
            self._tunnel = head.tunnel
            self.dial = self._loop.create_task(self._connect(head, upstream))

    async def _connect(self, head: RequestHead, upstream: Upstream | None) -> None:
        target = TargetSide(self, head, upstream, self._gate.limits.buffer_bytes)
        try:
            await self._gate.connect(upstream, target)
        except TargetError as error:
            target.abort()
            self.dial = None
            self.fail(upstream, target, error)
            return
        except BaseException:
            target.abort()
            self.dial = None
            self.transport.abort()
            raise
        self.dial = None
        self.target = target
        self.last = self._loop.time()
        self._start(head, target)

    def _start(self, head: RequestHead, target: TargetSide) -> None:
        """Lets bytes flow through a connection just made."""
        if head.tunnel:
            self.write(_ESTABLISHED)
            target.write(bytes(self._held))
            self._held.clear()
        else:
            self._send(head, target)
            self._advance()
        target.start()
        if not self.transport.is_closing():
            self.transport.resume_reading()
        if self._done and self.target is target:
            target.finish()

    def _send(self, head: RequestHead, target: TargetSide) -> None:
        target.answered = False
        target.write(target.request(head))
        self._body_left = head.body_bytes

    def write(self, data: bytes) -> None:
        """Sends to the client, unless it is gone (which connection_lost() is about to tell)."""
        if data and not self.transport.is_closing():
            self.transport.write(data)

    # ------------------------------------------------------------ ends

    def fail(self, upstream: Upstream | None, target: TargetSide, error: TargetError) -> None:
        """Remembers and tells why there is no answer from a target."""
        self._gate.note(upstream, target.host, target.port, error)
        self._refuse(_status(error), error)

    def _refuse(self, status: int, error: WindlassError) -> None:
        """Our last word: an answer of our own, then the end."""
        self._drop_target()
        self._held.clear()
        body = error.public_message.encode()
        lines = b"Connection: close\r\nContent-Type: text/plain; charset=utf-8\r\n"
        if status == 407:
            lines += b'Proxy-Authenticate: Basic realm="windlass"\r\n'
        else:
            lines += self._gate.confession(error, self._head)
        self.write(
            b"HTTP/1.1 %d Refused\r\nContent-Length: %d\r\n%b\r\n%b"
            % (status, len(body), lines, body)
        )
        self._end_output()

    def _end_output(self) -> None:
        """Says that nothing follows; waits for the client to agree, for a while."""
        self._over = True
        if self._done:
            self.transport.close()
        elif not self.transport.is_closing():
            self.transport.write_eof()
            self.transport.resume_reading()
            self.last = self._loop.time()
            self._allow(self._gate.limits.linger_s)

    def target_finished(self) -> None:
        """The target has sent all it will send."""
        if self._tunnel and not self._done:
            if not self.transport.is_closing():
                self.transport.write_eof()
            self._allow(self._gate.limits.linger_s)
        else:
            self._drop_target(gently=True)
            self._end_output()

    def target_lost(self, exc: Exception | None) -> None:
        """The target is gone. A reset is passed on, or a cut answer could look whole."""
        self.target = None
        if exc is not None and not self.transport.is_closing():
            sock: socket.socket = self.transport.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _BY_RESET)
        self.transport.close()

    def drop(self) -> None:
        """Ends everything at once."""
        self._drop_target()
        self.transport.abort()

    def _drop_target(self, gently: bool = False) -> None:
        target, self.target = self.target, None
        if target is not None and gently:
            target.transport.close()
        elif target is not None:
            target.abort()

    # ------------------------------------------------------------ time

    def _allow(self, seconds: float) -> None:
        """Sets how long silence may last, for the one under way too."""
        if seconds != self._allowed_s and self._timer is not None:
            self._allowed_s = seconds
            self._timer.cancel()
            self._check_time()

    def _check_time(self) -> None:
        left = self.last + self._allowed_s - self._loop.time()
        if left > 0:
            self._timer = self._loop.call_later(left, self._check_time)
        else:
            self._timer = None
            self.drop()


def _status(error: TargetError) -> int:
    if isinstance(error, AddressRefused):
        return 403
    return 504 if isinstance(error, ConnectTimeout) else 502
