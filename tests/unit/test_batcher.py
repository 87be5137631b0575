"""Batcher: who travels together."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from windlass.storage.batcher import Batcher, Linger, Weight


async def batches(items: list[int], limit: int | Weight[int]) -> list[list[int]]:
    """What travels together of items that come at the same moment."""
    sent: list[list[int]] = []

    async def flush(together: Sequence[int]) -> Sequence[int]:
        sent.append(list(together))
        return together

    batcher = Batcher(flush, limit=limit)
    async with asyncio.timeout(5):
        answers = await asyncio.gather(*(batcher.call(item) for item in items))
    assert answers == items
    return sent


TEN = Weight[int](lambda item: item, 10)


async def test_items_travel_together_up_to_their_weight() -> None:
    assert await batches([4, 4, 2, 4, 6, 1], TEN) == [[4, 4, 2], [4, 6], [1]]


async def test_an_item_heavier_than_the_limit_travels_alone() -> None:
    assert await batches([1, 50, 1, 1], TEN) == [[1], [50], [1, 1]]


async def test_a_plain_limit_counts_items() -> None:
    assert await batches([50] * 5, 2) == [[50, 50], [50, 50], [50]]


async def test_a_batch_that_has_all_callers_does_not_linger() -> None:
    assert await after_company(3, Linger(3600, lambda: 3)) == [[0, 1], [0, 1, 2]]


async def test_a_batch_lingers_no_longer_than_it_is_told_to() -> None:
    assert await after_company(3, Linger(0.01, lambda: 4)) == [[0, 1], [0, 1, 2]]


async def test_a_batch_with_an_urgent_item_does_not_linger() -> None:
    urgent = Linger[int](3600, lambda: 4, lambda item: item == 2)
    assert await after_company(3, urgent) == [[0, 1], [0, 1, 2]]


async def after_company(count: int, linger: Linger[int]) -> list[list[int]]:
    """What travels together of items that come one turn of the loop after the other, behind a
    batch that had company."""
    sent: list[list[int]] = []

    async def flush(together: Sequence[int]) -> Sequence[int]:
        sent.append(list(together))
        return together

    batcher = Batcher(flush, linger=linger)
    async with asyncio.timeout(5):
        await asyncio.gather(batcher.call(0), batcher.call(1))
        calls = []
        for item in range(count):
            calls.append(asyncio.create_task(batcher.call(item)))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        await asyncio.gather(*calls)
    return sent
