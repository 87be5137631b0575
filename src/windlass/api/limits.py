"""How much callers may ask: requests per second and key.

Asked by the door before anything else happens. State is one float per key, in this process.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from uuid import UUID

import msgspec

from windlass.errors import RateLimited

_KEYS_REMEMBERED = 10_000


class Allowance(msgspec.Struct, frozen=True):
    """What a key has left: requests per second, requests now, seconds until all are back."""

    limit: int
    remaining: int
    reset_s: float


class RateLimiter:
    """A token bucket per key, holding one second's worth and refilled at `rate` per second.

    Kept as one number (the generic cell rate algorithm): when the bucket would be full again.
    """

    def __init__(self, rate: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._size = max(1.0, rate)
        self._clock = clock
        self._full_at: dict[UUID, float] = {}

    def untouched(self) -> Allowance | None:
        """The allowance of somebody who asked nothing yet; None if there is no limit."""
        return Allowance(math.ceil(self._rate), int(self._size), 0.0) if self._rate else None

    def take(self, key: UUID) -> Allowance | None:
        """Takes one request off the key's bucket; None if there is no limit.

        Raises RateLimited with the seconds until one is back; refused requests cost nothing.
        """
        if not self._rate:
            return None
        now = self._clock()
        full_at = max(self._full_at.get(key, 0.0), now) + 1 / self._rate
        missing = (full_at - now) * self._rate
        if missing > self._size + 1e-9:
            raise RateLimited(retry_after_s=(missing - self._size) / self._rate)
        if len(self._full_at) >= _KEYS_REMEMBERED:
            self._forget(now)
        self._full_at[key] = full_at
        return Allowance(math.ceil(self._rate), int(self._size - missing + 1e-9), full_at - now)

    def spent(self, key: UUID) -> Allowance | None:
        """The allowance of a key that has just been refused."""
        if not self._rate:
            return None
        left_s = max(self._full_at.get(key, 0.0) - self._clock(), 0.0)
        return Allowance(math.ceil(self._rate), 0, left_s)

    def _forget(self, now: float) -> None:
        self._full_at = {key: full_at for key, full_at in self._full_at.items() if full_at > now}
