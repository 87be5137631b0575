"""Batcher: who travels together."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from windlass.storage.batcher import Batcher, Weight


async def batches(weights: list[int], *, limit: int, weight_limit: int) -> list[list[int]]:
    """What travels together of items that come at the same moment and weigh what they say."""
    sent: list[list[int]] = []

    async def flush(items: Sequence[int]) -> Sequence[int]:
        sent.append(list(items))
        return items

    batcher = Batcher(flush, limit=limit, weight=Weight(lambda item: item, weight_limit))
    async with asyncio.timeout(5):
        answers = await asyncio.gather(*(batcher.call(weight) for weight in weights))
    assert answers == weights
    return sent


async def test_items_travel_together_up_to_their_weight() -> None:
    assert await batches([4, 4, 2, 4, 6, 1], limit=100, weight_limit=10) == [[4, 4, 2], [4, 6], [1]]


async def test_an_item_heavier_than_the_limit_travels_alone() -> None:
    assert await batches([1, 50, 1, 1], limit=100, weight_limit=10) == [[1], [50], [1, 1]]


async def test_the_number_of_items_stays_limited_too() -> None:
    assert await batches([1] * 5, limit=2, weight_limit=10) == [[1, 1], [1, 1], [1]]
