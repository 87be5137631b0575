"""What reading one request finds: problems that refuse it, notes that go with its answer.

Passed through the readers of dialect v1, so that all wrong fields are told at once.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable
from typing import Any

from windlass.errors import Problem
from windlass.wire.ajv import pointer

Steps = tuple[str | int, ...]

_NAMED = 20
"""Unknown fields that are told by name."""


class Reading:
    """Collects problems and warnings. `now` is the moment of reading in Unix seconds.

    `may_store` tells whether the caller may have results stored in a folder ("s3://bucket/x/").
    """

    def __init__(self, now: float, may_store: Callable[[str], bool] = lambda _: True) -> None:
        self.now = now
        self.may_store = may_store
        self.problems: list[Problem] = []
        self.warnings: list[str] = []

    def wrong(
        self, where: Steps, message: str, keyword: str, params: dict[str, Any] | None = None
    ) -> None:
        """Notes a rule that the schema cannot express and `where` violates."""
        self.problems.append(
            Problem(
                pointer(*where),
                message,
                keyword=keyword,
                schema_path=f"#/properties/{where[0]}/{keyword}" if where else f"#/{keyword}",
                params=params,
            )
        )

    def adopt(self, where: Steps, problems: Iterable[Problem]) -> None:
        """Notes what is wrong in the part of the document at `where`, told as if it were whole."""
        rule = "#" + "".join(
            "/items" if isinstance(step, int) else pointer("properties", step) for step in where
        )
        for problem in problems:
            self.problems.append(
                Problem(
                    pointer(*where) + problem.path,
                    problem.message,
                    keyword=problem.keyword,
                    schema_path=rule + problem.schema_path.removeprefix("#"),
                    params=problem.params,
                )
            )

    def warn(self, note: str) -> None:
        """Notes something that callers should know but that refuses nothing."""
        self.warnings.append(note)

    def warn_unknown(
        self, names: Iterable[str], known: Container[str], asynchronous: Container[str] = ()
    ) -> None:
        """Notes fields that nobody reads; those of `asynchronous` are read in such calls."""
        unknown = [name for name in names if name not in known]
        for name in unknown[:_NAMED]:
            if name in asynchronous:
                self.warn(f"{name} is ignored: synchronous calls answer directly")
            else:
                self.warn(f"unknown field {name[:64]!r} is ignored")
        if len(unknown) > _NAMED:
            self.warn(f"{len(unknown) - _NAMED} more unknown fields are ignored")
