"""What the API process does when something that nobody calls breaks inside it."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from windlass import service
from windlass.server import http, roles
from windlass.server.channel import Failed, Message, pair
from windlass.server.supervisor import EXIT_ENGINE, EXIT_OK, Birth, Slot
from windlass.service import Service
from windlass.settings import Settings

SETTINGS = Settings(data=Path("/nonexistent"))
Listening = Callable[[asyncio.Event], Awaitable[None]]


class Closable:
    """Stands for a database or a store."""

    async def aclose(self) -> None: ...


def service_with(background: Callable[[], Awaitable[None]]) -> Service:
    """A service whose background work is this."""
    made = Service(SETTINGS, Closable(), Closable())  # type: ignore[arg-type]
    made._background = [asyncio.create_task(background(), name="listen")]  # type: ignore[arg-type]
    return made


async def run_api(
    monkeypatch: pytest.MonkeyPatch, background: Callable[[], Awaitable[None]], listening: Listening
) -> tuple[int, list[Message] | None]:
    """The exit status of an API process, and what it told its supervisor."""

    async def opened(*_: Any) -> Service:
        return service_with(background)

    async def listen(*arguments: Any) -> None:
        async with asyncio.timeout(5):
            await listening(arguments[4])

    monkeypatch.setattr(service.Service, "open", opened)
    monkeypatch.setattr(http, "listen", listen)
    ours, theirs = pair()
    birth = Birth(slot=Slot("api"), id="api", dsn="", channel=theirs, alone=False)
    role = roles.Roles(SETTINGS, "key", (), 1024)
    loop = asyncio.get_running_loop()
    try:
        return await roles._guarded(birth, role._api), ours.receive()
    finally:
        loop.remove_reader(theirs.fileno())
        loop.remove_signal_handler(signal.SIGTERM)
        theirs.close()
        ours.close()


async def for_ever() -> None:
    await asyncio.Event().wait()


async def test_background_work_that_breaks_ends_the_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def breaks() -> None:
        raise ZeroDivisionError

    async def listening(stop: asyncio.Event) -> None:
        await stop.wait()

    status, told = await run_api(monkeypatch, breaks, listening)
    assert status == EXIT_ENGINE
    assert told == [Failed("api failed: ZeroDivisionError()", by_settings=False)]


async def test_background_work_that_just_ends_is_a_fault_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def ends() -> None: ...

    async def listening(stop: asyncio.Event) -> None:
        await stop.wait()

    status, told = await run_api(monkeypatch, ends, listening)
    assert status == EXIT_ENGINE
    assert told == [Failed("listen ended", by_settings=False)]


async def test_a_stop_is_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    async def listening(stop: asyncio.Event) -> None:
        stop.set()

    assert await run_api(monkeypatch, for_ever, listening) == (EXIT_OK, [])
