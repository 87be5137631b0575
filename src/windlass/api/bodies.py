"""Request bodies: read within bounds of size and time, and bounded all together.

The door reads with a claim and ends it with the call; a handler may end it earlier. State is what
is in memory of this process.
"""

from __future__ import annotations

import asyncio
from collections import deque

from starlette.types import Receive

from windlass.api.call import CallerGone
from windlass.errors import BodyTooLargeRequest, Overloaded, SlowRequest

BODY_WITHIN_S = 60.0
"""Time a request body may take to arrive."""

ROOM_WITHIN_S = 5.0
"""Time a large body waits for others to go."""

SMALL_BODY_BYTES = 65_536
"""Bodies up to this do not count: the listener buffers as much for each connection anyway, and an
ordinary call must not wait behind large ones."""

LARGEST_AT_ONCE = 4
"""How many bodies of the largest size have room at a time. While its task is stored, a body is in
memory several times over."""


class BodyRoom:
    """The room for large request bodies, given in the order of asking.

    `limit` is the size of the largest body accepted, in bytes.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._free = LARGEST_AT_ONCE * limit
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    async def take(self, size: int) -> None:
        """Takes room for `size` bytes, at most `limit`. Raises Overloaded if none comes free in
        time."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        place = (size, turn)
        self._waiting.append(place)
        self._hand_out()
        try:
            async with asyncio.timeout(ROOM_WITHIN_S):
                await turn
        except TimeoutError as error:
            self._leave(place)
            raise Overloaded from error
        except BaseException:
            self._leave(place)
            raise

    def give_back(self, size: int) -> None:
        """Gives back what was taken."""
        self._free += size
        self._hand_out()

    def _hand_out(self) -> None:
        while self._waiting and self._waiting[0][0] <= self._free:
            size, turn = self._waiting.popleft()
            self._free -= size
            if not turn.done():
                turn.set_result(None)

    def _leave(self, place: tuple[int, asyncio.Future[None]]) -> None:
        """Somebody gave up waiting, perhaps in the moment when the turn came."""
        if place in self._waiting:
            self._waiting.remove(place)
            self._hand_out()
        else:
            self.give_back(place[0])


class BodyClaim:
    """What one request's body has of the room, from its first large part until `end`."""

    __slots__ = ("_room", "_size")

    def __init__(self, room: BodyRoom) -> None:
        self._room = room
        self._size = 0

    async def read(self, receive: Receive, declared: str) -> bytes:
        """The body, at most as large as the room's limit; never buffers more.

        `declared` is the Content-Length header or "". Raises BodyTooLargeRequest, SlowRequest,
        Overloaded, or CallerGone if the connection ends first.
        """
        try:
            async with asyncio.timeout(BODY_WITHIN_S):
                return await self._read(receive, declared)
        except TimeoutError as error:
            raise SlowRequest from error

    def end(self) -> None:
        """Gives the room back: the body is in memory no longer. May be called again."""
        self._shrink(0)

    async def _read(self, receive: Receive, declared: str) -> bytes:
        limit = self._room.limit
        expected = int(declared) if declared.isdecimal() else limit
        chunks: list[bytes] = []
        size = 0
        while expected <= limit:
            event = await receive()
            if event["type"] == "http.disconnect":
                raise CallerGone
            chunk = event.get("body", b"")
            size += len(chunk)
            if size > limit:
                break
            if size > SMALL_BODY_BYTES and not self._size:
                await self._room.take(expected)
                self._size = expected
            chunks.append(chunk)
            if not event.get("more_body", False):
                self._shrink(size)
                return chunks[0] if len(chunks) == 1 else b"".join(chunks)
        raise BodyTooLargeRequest(f"Request body is larger than {limit} bytes")

    def _shrink(self, size: int) -> None:
        surplus = self._size - size
        if surplus > 0:
            self._size = size
            self._room.give_back(surplus)
