"""The ways of a pointer: they end where they should, in as many steps as asked, and bend."""

from __future__ import annotations

import math
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from windlass.drivers.browser.mouse import Point, path
from windlass.model.render import MouseStrategy

START, END = Point(10, 400), Point(900, 100)
STRATEGIES: list[MouseStrategy] = ["linear", "ghost-cursor", "windmouse"]


def stray(points: list[Point]) -> float:
    """The largest distance from the straight line."""
    wide, high = END.x - START.x, END.y - START.y
    across = [abs((p.y - START.y) * wide - (p.x - START.x) * high) for p in points]
    return max(across) / math.hypot(wide, high)


def test_without_a_strategy_the_pointer_is_simply_there() -> None:
    assert path(START, END, "", 0, Random(1)) == [END]


@pytest.mark.parametrize("steps", [1, 2, 10, 100])
def test_a_line_has_as_many_steps_as_asked_and_they_are_even(steps: int) -> None:
    points = path(START, END, "linear", steps, Random(1))
    assert len(points) == steps
    assert stray(points) < 1e-6
    gaps = [math.dist(a, b) for a, b in zip([START, *points], points, strict=False)]
    assert max(gaps) - min(gaps) < 1e-6


@pytest.mark.parametrize("strategy", ["ghost-cursor", "windmouse"])
def test_a_curve_bends_and_is_another_each_time(strategy: MouseStrategy) -> None:
    one, two = (path(START, END, strategy, 0, Random(seed)) for seed in (1, 2))
    assert one != two
    assert 3 < stray(one) < 400
    assert len(one) > 10


def test_a_hand_starts_and_stops_slowly() -> None:
    points = path(START, END, "ghost-cursor", 40, Random(1))
    gaps = [math.dist(a, b) for a, b in zip([START, *points], points, strict=False)]
    assert gaps[0] < max(gaps) / 3
    assert gaps[-1] < max(gaps) / 3


@pytest.mark.parametrize("strategy", ["ghost-cursor", "windmouse"])
def test_steps_bound_curves_too(strategy: MouseStrategy) -> None:
    assert len(path(START, END, strategy, 8, Random(1))) <= 8


@settings(deadline=None)
@given(
    st.sampled_from(STRATEGIES),
    st.tuples(st.floats(-2000, 20_000), st.floats(-2000, 20_000)),
    st.tuples(st.floats(-2000, 20_000), st.floats(-2000, 20_000)),
    st.integers(0, 1000),
    st.integers(),
)
def test_every_way_ends_at_its_end_and_is_bounded(
    strategy: MouseStrategy,
    start: tuple[float, float],
    end: tuple[float, float],
    steps: int,
    seed: int,
) -> None:
    points = path(Point(*start), Point(*end), strategy, steps, Random(seed))
    assert points[-1] == Point(*end)
    assert len(points) <= max(201, steps)
    assert all(math.isfinite(value) for point in points for value in point)
