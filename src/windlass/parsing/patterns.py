"""Callers' regular expressions over what pages say, in time linear in the text.

Used by selectors, extractors and post-processors. Nothing in parsing/ may run a caller's pattern
otherwise: Python's own engine can be kept busy for ever. RE2 has no look-around and no
back-references; `\\d`, `\\w` and `\\s` mean in it what they mean in Python.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Protocol, cast

from windlass.frontier.patterns import MAX_PATTERN, fault
from windlass.parsing.faults import Spot

__all__ = ["MAX_PATTERN", "Expression", "Match", "compile_pattern", "expression", "pattern_fault"]

_MEMORY = 1_000_000
"""About what a compiled pattern may take, in bytes, and again for each direction of reading."""

_UNICODE = {
    "d": r"\p{Nd}",
    "D": r"\P{Nd}",
    "w": r"[\p{L}\p{N}_]",
    "W": r"[^\p{L}\p{N}_]",
    "s": r"[\s\x0b\x1c-\x1f\x85\p{Z}]",
    "S": r"[^\s\x0b\x1c-\x1f\x85\p{Z}]",
    "Z": r"\z",
}
_IN_CLASS = {
    "d": r"\p{Nd}",
    "D": r"\P{Nd}",
    "w": r"\p{L}\p{N}_",
    "s": r"\s\x0b\x1c-\x1f\x85\p{Z}",
}


class Match(Protocol):
    """One match."""

    def group(self, group: int | str = 0, /) -> str | None:
        """The text of a group, None if it took no part. Raises IndexError if there is none."""


class Expression(Protocol):
    """A compiled pattern."""

    @property
    def groups(self) -> int:
        """How many groups it has."""

    @property
    def groupindex(self) -> dict[str, int]:
        """Its named groups."""

    def search(self, text: str) -> Match | None:
        """The first match anywhere."""

    def fullmatch(self, text: str) -> Match | None:
        """A match of the whole text."""


def compile_pattern(pattern: str, spot: Spot) -> Expression:
    """The expression; one that matches nothing, and a problem at the spot, if it cannot be had."""
    if not (wrong := pattern_fault(pattern)):
        return expression(pattern)
    spot.wrong(wrong, "format", {"format": "regex"})
    return expression(r"[^\s\S]")


def pattern_fault(pattern: str) -> str:
    """Why a pattern cannot be used, with the place counted from 0; "" if it can."""
    if wrong := fault(pattern):
        return wrong
    try:
        expression(pattern)
    except ValueError as error:  # grown by what \w stands for here
        return str(error)
    return ""


@lru_cache(maxsize=64)
def expression(pattern: str) -> Expression:
    """A pattern known to be right. Raises ValueError if it is not."""
    import re2

    options: Any = re2.Options()
    options.log_errors = False
    options.max_mem = _MEMORY
    try:
        return cast(Expression, re2.compile(_as_in_python(pattern), options))
    except re2.error as error:
        said = error.args[0] if error.args else ""
        text = said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
        raise ValueError(f"{pattern[:80]!r} does not compile: {text}") from error


def _as_in_python(pattern: str) -> str:
    """The pattern with Unicode's digits, letters and spaces where RE2 would take ASCII's."""
    if "\\" not in pattern:
        return pattern
    written: list[str] = []
    characters = iter(pattern)
    in_class = False
    for character in characters:
        if character == "\\":
            escaped = next(characters, "")
            table = _IN_CLASS if in_class else _UNICODE
            written.append(table.get(escaped) or character + escaped)
            continue
        if character == "[" and not in_class:
            in_class = True
        elif character == "]" and in_class and written[-1] not in ("[", "[^"):
            in_class = False
        if character == "^" and written and written[-1] == "[":
            written[-1] = "[^"
        else:
            written.append(character)
    return "".join(written)
