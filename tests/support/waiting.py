"""Waiting for something to become true, with a deadline. The only place in the tests that sleeps.

Used by every test that observes another process; must not know what it waits for.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


class DeadlineError(AssertionError):
    """What was waited for did not come true before the deadline."""


def eventually(
    probe: Callable[[], T | None],
    what: str,
    *,
    within_s: float = 10.0,
    every_s: float = 0.02,
    despite: tuple[type[Exception], ...] = (),
) -> T:
    """The first truthy value of `probe`. Raises DeadlineError, naming `what` and the last value.

    Exceptions of the classes in `despite` count as "not yet"; all others pass through.
    """
    deadline = time.monotonic() + within_s
    last: object = None
    while True:
        try:
            value = probe()
        except despite as error:
            last = error
        else:
            if value:
                return value
            last = value
        if time.monotonic() >= deadline:
            raise DeadlineError(f"not within {within_s:g} s: {what} (last seen: {last!r})")
        time.sleep(every_s)


async def eventually_async(
    probe: Callable[[], Awaitable[T | None]],
    what: str,
    *,
    within_s: float = 10.0,
    every_s: float = 0.02,
) -> T:
    """`eventually` for a coroutine function."""
    deadline = time.monotonic() + within_s
    while True:
        value = await probe()
        if value:
            return value
        if time.monotonic() >= deadline:
            raise DeadlineError(f"not within {within_s:g} s: {what} (last seen: {value!r})")
        await asyncio.sleep(every_s)


async def until(claim: Callable[[], object], what: str, *, within_s: float = 20.0) -> None:
    """Returns when something that takes no awaiting to tell is so; else as `eventually`."""

    async def probe() -> bool:
        return bool(claim())

    await eventually_async(probe, what, within_s=within_s)
