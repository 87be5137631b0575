"""The rate limiter: a bucket per key, one second deep."""

from __future__ import annotations

from uuid import UUID

import pytest

from windlass.api.limits import RateLimiter
from windlass.errors import RateLimited

A, B = UUID(int=1), UUID(int=2)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def taken(limiter: RateLimiter, key: UUID, most: int = 1000) -> int:
    """How many requests pass at this moment."""
    for count in range(most):
        try:
            limiter.take(key)
        except RateLimited:
            return count
    return most


def test_a_second_passes_at_once_then_the_rate_decides() -> None:
    clock = Clock()
    limiter = RateLimiter(10.0, clock)
    assert taken(limiter, A) == 10
    assert taken(limiter, B) == 10
    clock.now += 0.35
    assert taken(limiter, A) == 3
    clock.now += 100
    assert taken(limiter, A) == 10


def test_the_wait_is_until_one_request_is_back() -> None:
    clock = Clock()
    limiter = RateLimiter(2.0, clock)
    assert taken(limiter, A) == 2
    with pytest.raises(RateLimited) as refused:
        limiter.take(A)
    assert refused.value.retry_after_s == pytest.approx(0.5)
    clock.now += refused.value.retry_after_s
    limiter.take(A)


def test_refused_requests_cost_nothing() -> None:
    clock = Clock()
    limiter = RateLimiter(1.0, clock)
    limiter.take(A)
    for _ in range(100):
        with pytest.raises(RateLimited):
            limiter.take(A)
    clock.now += 1.0
    limiter.take(A)


def test_slow_rates_still_let_one_through() -> None:
    clock = Clock()
    limiter = RateLimiter(0.1, clock)
    assert taken(limiter, A) == 1
    clock.now += 10
    assert taken(limiter, A) == 1


def test_the_allowance_counts_down() -> None:
    clock = Clock()
    limiter = RateLimiter(83.0, clock)
    first = limiter.take(A)
    assert first is not None
    assert (first.limit, first.remaining) == (83, 82)
    untouched = limiter.untouched()
    assert untouched is not None
    assert untouched.remaining == 83


def test_zero_is_no_limit() -> None:
    limiter = RateLimiter(0.0)
    assert limiter.take(A) is None
    assert limiter.untouched() is None
    assert limiter.spent(A) is None


def test_keys_that_are_full_again_are_forgotten() -> None:
    clock = Clock()
    limiter = RateLimiter(1.0, clock)
    for number in range(10_000):
        limiter.take(UUID(int=number))
    clock.now += 2.0
    limiter.take(A)
    assert len(limiter._full_at) == 1
