"""What is wrong with a recipe, and where: filled by everything that reads a part of one.

Knows only JSON pointers and AJV's way to name rules (contract 2.3); the caller decides what the
problems are for.
"""

from __future__ import annotations

from typing import Any

from windlass.errors import Problem

MOST = 100
"""Problems noted at most: enough to mend a recipe, too few to make answers large."""


class Spot:
    """A place in a recipe. `spot / "fields" / 0` is a place in it; `problems` are shared by all."""

    __slots__ = ("path", "problems")

    def __init__(self, problems: list[Problem], path: str = "") -> None:
        self.problems = problems
        self.path = path

    def __truediv__(self, step: str | int) -> Spot:
        escaped = str(step).replace("~", "~0").replace("/", "~1")
        return Spot(self.problems, f"{self.path}/{escaped}")

    def wrong(self, message: str, keyword: str, params: dict[str, Any] | None = None) -> None:
        """Notes that this place violates a rule. `message` goes on after the name of the place:
        "must be …", "does not compile: …"."""
        if len(self.problems) < MOST:
            self.problems.append(Problem(self.path, message, keyword=keyword, params=params))
