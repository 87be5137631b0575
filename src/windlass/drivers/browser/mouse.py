"""The ways of a pointer across a page. Pure: a path is the points that it passes.

Used by pointing.py, which moves the pointer along them.
"""

from __future__ import annotations

import math
from random import Random
from typing import NamedTuple

from windlass.model.render import MouseStrategy

_MOST = 200
"""Points of a path at most."""


class Point(NamedTuple):
    """CSS pixels from the corner of the viewport."""

    x: float
    y: float


def path(
    start: Point, end: Point, strategy: MouseStrategy, steps: int, random: Random
) -> list[Point]:
    """The points after `start`, the last of them exactly `end`.

    `steps` 0: as many as suit the distance. Without a strategy there is nothing in between unless
    steps are asked for.
    """
    if strategy == "windmouse":
        points = _windmouse(start, end, random)
        return _thinned(points, steps) if steps else points
    if strategy == "ghost-cursor":
        return _bezier(start, end, steps or _usual_steps(start, end), random)
    count = steps or (_usual_steps(start, end) if strategy == "linear" else 1)
    return [_between(start, end, step / count) for step in range(1, count)] + [end]


def _usual_steps(start: Point, end: Point) -> int:
    return max(5, min(60, round(math.dist(start, end) / 15)))


def _between(start: Point, end: Point, part: float) -> Point:
    return Point(start.x + (end.x - start.x) * part, start.y + (end.y - start.y) * part)


def _bezier(start: Point, end: Point, steps: int, random: Random) -> list[Point]:
    """A cubic curve that bends to one side, run through slowly at its ends like a hand does."""
    distance = math.dist(start, end)
    if distance < 1:
        return [end]
    side = random.choice((-1, 1))
    across = Point(-(end.y - start.y) / distance * side, (end.x - start.x) / distance * side)
    first, second = (
        _beside(_between(start, end, part), across, distance * random.uniform(0.05, 0.25))
        for part in (random.uniform(0.1, 0.4), random.uniform(0.6, 0.9))
    )
    points = [_cubic(start, first, second, end, _eased(step / steps)) for step in range(1, steps)]
    return [*points, end]


def _beside(point: Point, across: Point, distance: float) -> Point:
    return Point(point.x + across.x * distance, point.y + across.y * distance)


def _eased(part: float) -> float:
    return part * part * (3 - 2 * part)


def _cubic(a: Point, b: Point, c: Point, d: Point, t: float) -> Point:
    rest = 1 - t
    weights = (rest**3, 3 * rest * rest * t, 3 * rest * t * t, t**3)
    points = (a, b, c, d)
    return Point(
        sum(weight * point.x for weight, point in zip(weights, points, strict=True)),
        sum(weight * point.y for weight, point in zip(weights, points, strict=True)),
    )


def _windmouse(start: Point, end: Point, random: Random) -> list[Point]:
    """Pulled to the end by gravity, pushed about by a wind that dies down as it comes near."""
    gravity, gust, near = 9.0, 3.0, 12.0
    speed_limit = 15.0
    x, y = start
    speed_x = speed_y = wind_x = wind_y = 0.0
    points: list[Point] = []
    while (distance := math.hypot(end.x - x, end.y - y)) >= 1 and len(points) < _MOST:
        blowing = min(gust, distance)
        if distance >= near:
            wind_x = wind_x / math.sqrt(3) + random.uniform(-1, 1) * blowing / math.sqrt(5)
            wind_y = wind_y / math.sqrt(3) + random.uniform(-1, 1) * blowing / math.sqrt(5)
        else:
            wind_x, wind_y = wind_x / math.sqrt(3), wind_y / math.sqrt(3)
            speed_limit = max(3.0, speed_limit / math.sqrt(5))
        speed_x += wind_x + gravity * (end.x - x) / distance
        speed_y += wind_y + gravity * (end.y - y) / distance
        speed = math.hypot(speed_x, speed_y)
        most = min(speed_limit, distance)
        if speed > most:
            slowed = most * random.uniform(0.5, 1) / speed
            speed_x, speed_y = speed_x * slowed, speed_y * slowed
        x, y = x + speed_x, y + speed_y
        points.append(Point(x, y))
    return [*points, end]


def _thinned(points: list[Point], steps: int) -> list[Point]:
    """About `steps` of the points, the last among them."""
    every = max(1, len(points) // steps)
    return [*points[every - 1 : -1 : every][: steps - 1], points[-1]]
