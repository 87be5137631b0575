"""When a worker asks for more to do."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from windlass.storage.admission import Round
from windlass.worker import admitting
from windlass.worker.admitting import Admitting


class Rounds:
    """An admission that has nothing to give, and the lanes that it was told of."""

    def __init__(self) -> None:
        self.told: asyncio.Queue[list[str]] = asyncio.Queue()

    async def admit(self, freed: Sequence[str] = (), slots: object = None) -> Round:
        self.told.put_nowait(sorted(freed))
        return Round(0, None)


async def test_many_free_places_are_worth_a_round_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admitting, "_ADMIT_PACE_S", 3600.0)
    rounds: Any = Rounds()
    loop = Admitting(rounds)
    slots: Any = None
    keeping = asyncio.create_task(loop.keep_admitting(slots))
    async with asyncio.timeout(5):
        assert await rounds.told.get() == []
        for number in range(10):
            assert rounds.told.empty(), "a few places can wait for company"
            loop.settled(f"web:host{number % 2}:80")
            await asyncio.sleep(0)
        assert await rounds.told.get() == ["web:host0:80", "web:host1:80"]
    keeping.cancel()
    await asyncio.wait([keeping])
