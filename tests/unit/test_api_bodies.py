"""Room for request bodies: large ones in turn, small ones always, nothing kept."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from tests.support.verbs import FakeVerbs, client_for
from windlass.api import bodies
from windlass.api.bodies import LARGEST_AT_ONCE, SMALL_BODY_BYTES, BodyClaim, BodyRoom
from windlass.api.call import CallerGone
from windlass.errors import BodyTooLargeRequest, Overloaded

LIMIT = 200_000
LARGE = b"x" * LIMIT


class Sender:
    """Sends a body in parts, the last of them when told."""

    def __init__(self, *parts: bytes) -> None:
        self._parts = list(parts)
        self.may_end = asyncio.Event()
        self.stuck = asyncio.Event()

    async def receive(self) -> dict[str, Any]:
        if len(self._parts) == 1:
            self.stuck.set()
            await self.may_end.wait()
        part = self._parts.pop(0)
        return {"type": "http.request", "body": part, "more_body": bool(self._parts)}


async def at_once(body: bytes) -> dict[str, Any]:
    return {"type": "http.request", "body": body, "more_body": False}


@pytest.fixture
async def room() -> BodyRoom:
    return BodyRoom(LIMIT)


@pytest.fixture
async def full(room: BodyRoom) -> AsyncIterator[list[BodyClaim]]:
    """Claims that leave no room."""
    claims = [BodyClaim(room) for _ in range(LARGEST_AT_ONCE)]
    for claim in claims:
        assert await claim.read(lambda: at_once(LARGE), str(LIMIT)) == LARGE
    yield claims
    for claim in claims:
        claim.end()
    await room.take(LARGEST_AT_ONCE * LIMIT)  # everything came back


async def test_a_large_body_waits_for_others_to_go(room: BodyRoom, full: list[BodyClaim]) -> None:
    late = BodyClaim(room)
    reading = asyncio.create_task(late.read(lambda: at_once(LARGE), str(LIMIT)))
    await asyncio.sleep(0)
    assert not reading.done()
    full[0].end()
    assert await asyncio.wait_for(reading, 5) == LARGE
    late.end()


async def test_without_room_in_time_it_is_refused(
    room: BodyRoom, full: list[BodyClaim], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bodies, "ROOM_WITHIN_S", 0.02)
    with pytest.raises(Overloaded):
        await BodyClaim(room).read(lambda: at_once(LARGE), str(LIMIT))


async def test_a_small_body_never_waits(room: BodyRoom, full: list[BodyClaim]) -> None:
    small = b"x" * SMALL_BODY_BYTES
    assert await BodyClaim(room).read(lambda: at_once(small), str(len(small))) == small


async def test_those_that_wait_are_served_in_turn(room: BodyRoom, full: list[BodyClaim]) -> None:
    order: list[int] = []

    async def enter(number: int, size: int) -> None:
        await room.take(size)
        order.append(number)

    entering = [asyncio.create_task(enter(*each)) for each in ((1, LIMIT), (2, 10), (3, 10))]
    await asyncio.sleep(0)
    full[0].end()
    await asyncio.wait_for(entering[0], 5)
    assert order == [1]
    full[1].end()
    await asyncio.wait_for(asyncio.gather(*entering), 5)
    assert order == [1, 2, 3]
    room.give_back(LIMIT + 20)


async def test_who_leaves_the_line_does_not_hold_up_those_behind(room: BodyRoom) -> None:
    await room.take(LARGEST_AT_ONCE * LIMIT - 10)
    leaving = asyncio.create_task(room.take(LIMIT))
    behind = asyncio.create_task(room.take(10))
    await asyncio.sleep(0)
    assert not behind.done()
    leaving.cancel()
    await asyncio.wait_for(behind, 5)
    assert leaving.cancelled()


async def test_who_leaves_as_the_turn_comes_gives_it_back(
    room: BodyRoom, full: list[BodyClaim]
) -> None:
    leaving = asyncio.create_task(room.take(LIMIT))
    await asyncio.sleep(0)
    full[0].end()
    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    await asyncio.wait_for(room.take(LIMIT), 5)
    room.give_back(LIMIT)


async def test_a_sender_who_only_announces_takes_no_room(room: BodyRoom) -> None:
    senders = [Sender(b"x" * 100, LARGE[100:]) for _ in range(3 * LARGEST_AT_ONCE)]
    claims = [BodyClaim(room) for _ in senders]
    reading = [
        asyncio.create_task(claim.read(sender.receive, str(LIMIT)))
        for claim, sender in zip(claims, senders, strict=True)
    ]
    async with asyncio.timeout(5):
        await asyncio.gather(*(sender.stuck.wait() for sender in senders))
        await room.take(LARGEST_AT_ONCE * LIMIT)
    for task in reading:
        task.cancel()
    await asyncio.gather(*reading, return_exceptions=True)


async def test_a_body_of_unknown_length_keeps_only_the_room_it_needs(room: BodyRoom) -> None:
    sender = Sender(b"x" * 70_000, b"x" * 10_000)
    sender.may_end.set()
    claim = BodyClaim(room)
    assert len(await claim.read(sender.receive, "")) == 80_000
    await asyncio.wait_for(room.take(LARGEST_AT_ONCE * LIMIT - 80_000), 5)


@pytest.mark.parametrize(
    ("last", "error"), [(b"x" * LIMIT, BodyTooLargeRequest), (None, CallerGone)]
)
async def test_a_body_that_fails_gives_its_room_back(
    room: BodyRoom, last: bytes | None, error: type[Exception]
) -> None:
    events: list[dict[str, Any]] = [
        {"type": "http.request", "body": b"x" * 100_000, "more_body": True},
        {"type": "http.disconnect"} if last is None else await at_once(last),
    ]

    async def receive() -> dict[str, Any]:
        return events.pop(0)

    claim = BodyClaim(room)
    with pytest.raises(error):
        await claim.read(receive, "")
    claim.end()
    claim.end()
    await asyncio.wait_for(room.take(LARGEST_AT_ONCE * LIMIT), 5)


class Countdown:
    """Says when something has happened as often as expected."""

    def __init__(self, expected: int) -> None:
        self._left = expected
        self.over = asyncio.Event()

    def count(self) -> None:
        self._left -= 1
        if not self._left:
            self.over.set()


def body_of(size: int) -> bytes:
    empty = {"url": "http://site.test/", "method": "POST", "body": ""}
    padding = size - len(json.dumps(empty))
    return json.dumps(empty | {"body": "x" * padding}).encode()


async def test_a_body_without_room_is_a_503_worth_repeating(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Slow(FakeVerbs):
        """Stores nothing before it is told."""

        may_store = asyncio.Event()
        storing = Countdown(LARGEST_AT_ONCE)

        async def extract(self, *arguments: Any, **options: Any) -> Any:
            self.storing.count()
            await self.may_store.wait()
            return await super().extract(*arguments, **options)

    monkeypatch.setattr(bodies, "ROOM_WITHIN_S", 0.02)
    slow = Slow()
    async with client_for(slow, body_limit=LIMIT) as client:

        def post() -> asyncio.Task[httpx.Response]:
            return asyncio.create_task(client.post("/v1/extract/async", content=body_of(LIMIT)))

        accepted = [post() for _ in range(LARGEST_AT_ONCE)]
        await asyncio.wait_for(slow.storing.over.wait(), 5)
        refused = await post()
        assert refused.status_code == 503
        assert refused.json()["error_code"] == "overloaded"
        assert refused.headers["x-should-retry"] == "true"
        assert refused.headers["retry-after"] == "1"
        slow.may_store.set()
        answers = await asyncio.gather(*accepted)
        assert [answer.status_code for answer in answers] == [200] * LARGEST_AT_ONCE
        assert (await post()).status_code == 200


async def test_a_call_that_waits_for_its_page_has_let_its_body_go() -> None:
    class Waiting(FakeVerbs):
        """Finishes nothing before all callers wait."""

        waits = Countdown(3 * LARGEST_AT_ONCE)

        async def wait(self, task: Any, timeout_s: float) -> Any:
            self.waits.count()
            await self.waits.over.wait()
            return await super().wait(task, timeout_s)

    async with client_for(Waiting(), body_limit=LIMIT) as client:
        waiting = [
            asyncio.create_task(client.post("/v1/extract", content=body_of(LIMIT)))
            for _ in range(3 * LARGEST_AT_ONCE)
        ]
        async with asyncio.timeout(5):
            answers = await asyncio.gather(*waiting)
    assert {answer.status_code for answer in answers} == {200}
