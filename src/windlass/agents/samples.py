"""A sample's expectation held against what was found: has the site changed under the agent?

Used by the API and the command line. Fields that the expectation leaves out may hold anything, so
that a sample may name what stays and leave out what changes daily.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

_MOST = 1000
"""Fields compared at most."""


class Compared(msgspec.Struct, frozen=True):
    """One field, as a JSON pointer into the result."""

    field: str
    expected: Any
    found: Any

    @property
    def same(self) -> bool:
        """Whether it holds what was expected."""
        return bool(self.expected == self.found) and _alike(self.expected, self.found)


def compare(expected: Any, found: Any) -> list[Compared]:
    """Every expected field, in the order of the expectation."""
    rows: list[Compared] = []
    for one in _fields(expected, found, ""):
        rows.append(one)
        if len(rows) == _MOST:
            break
    return rows


def _fields(expected: Any, found: Any, path: str) -> Iterator[Compared]:
    if isinstance(expected, dict) and expected:
        for name, value in expected.items():
            step = f"{path}/{name.replace('~', '~0').replace('/', '~1')}"
            yield from _fields(value, found.get(name) if isinstance(found, dict) else None, step)
        return
    if isinstance(expected, list) and expected:
        if not isinstance(found, list) or len(found) < len(expected):
            yield Compared(path, expected, found)
            return
        for number, value in enumerate(expected):
            yield from _fields(value, found[number], f"{path}/{number}")
        return
    yield Compared(path, expected, found)


def _alike(left: Any, right: Any) -> bool:
    """True is no 1."""
    return isinstance(left, bool) == isinstance(right, bool)
