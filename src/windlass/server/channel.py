"""Messages between the supervisor and one child: JSON lines over a socket pair.

The end of the stream tells either side that the other is gone.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator

import msgspec

_CHUNK_BYTES = 65536
LINE_LIMIT_BYTES = 1_000_000


class Ready(msgspec.Struct, frozen=True, tag="ready"):
    """From a child: it does its work now. `dsn` is the database's address, from the keeper."""

    dsn: str = ""


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    """From a child that gives up: a sentence for the operator; whether a setting is the cause."""

    message: str
    by_settings: bool


class Release(msgspec.Struct, frozen=True, tag="release"):
    """To the keeper: this worker is dead, let its tasks start elsewhere."""

    worker_id: str


class Stop(msgspec.Struct, frozen=True, tag="stop"):
    """To the keeper: everybody else is gone, stop; a second one: without waiting."""


Message = Ready | Failed | Release | Stop

_decoder = msgspec.json.Decoder(Message)
_encoder = msgspec.json.Encoder()


class Channel:
    """One end of the pair. Messages are few and small, so sending may block for an instant."""

    def __init__(self, end: socket.socket) -> None:
        self._socket = end
        self._pending = b""

    def fileno(self) -> int:
        """The descriptor, for a selector."""
        return self._socket.fileno()

    def close(self) -> None:
        """Closes this end."""
        self._socket.close()

    def send(self, message: Message) -> bool:
        """Whether the other side could still be told."""
        try:
            self._socket.sendall(_encoder.encode(message) + b"\n")
        except (BrokenPipeError, ConnectionResetError):
            return False
        return True

    def receive(self) -> list[Message] | None:
        """What has arrived, without waiting for more; None at the end."""
        try:
            chunk = self._socket.recv(_CHUNK_BYTES, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return []
        except ConnectionResetError:
            return None
        if not chunk:
            return None
        *lines, self._pending = (self._pending + chunk).split(b"\n")
        return [_decoder.decode(line) for line in lines]

    async def messages(self) -> AsyncIterator[Message]:
        """Everything that arrives until the other side is gone, for a child's event loop."""
        # Over a second descriptor: the first must still send when nobody listens any more.
        reader, writer = await asyncio.open_connection(
            sock=self._socket.dup(), limit=LINE_LIMIT_BYTES
        )
        try:
            while line := await reader.readline():
                yield _decoder.decode(line)
        finally:
            writer.close()


def pair() -> tuple[Channel, Channel]:
    """Two connected ends; a fork leaves one on each side."""
    one, other = socket.socketpair()
    return Channel(one), Channel(other)
