"""What is wrong with a recipe, and where: filled by everything that reads a part of one.

Knows only JSON pointers and AJV's way to name rules (contract 2.3); the caller decides what the
problems are for.
"""

from __future__ import annotations

from math import inf
from time import thread_time
from typing import Any

from windlass.errors import Problem

MOST = 100
"""Problems noted at most: enough to mend a recipe, too few to make answers large."""


class Spot:
    """A place in a recipe. `spot / "fields" / 0` is a place in it; `problems` are shared by all.

    `until` is the CPU time of this thread (seconds) at which compiling is to stop.
    """

    __slots__ = ("path", "problems", "until")

    def __init__(self, problems: list[Problem], path: str = "", until: float = inf) -> None:
        self.problems = problems
        self.path = path
        self.until = until

    def __truediv__(self, step: str | int) -> Spot:
        escaped = str(step).replace("~", "~0").replace("/", "~1")
        return Spot(self.problems, f"{self.path}/{escaped}", self.until)

    @property
    def overdue(self) -> bool:
        """Whether compiling has taken all the time it has: nothing more is worth compiling."""
        return self.until < inf and thread_time() > self.until

    def wrong(self, message: str, keyword: str, params: dict[str, Any] | None = None) -> None:
        """Notes that this place violates a rule. `message` goes on after the name of the place:
        "must be …", "does not compile: …"."""
        if len(self.problems) < MOST:
            self.problems.append(Problem(self.path, message, keyword=keyword, params=params))
