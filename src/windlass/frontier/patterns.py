"""The caller's regular expressions over URLs, by an engine whose time is linear in the URL.

Used by scope.py, and by the dialect to refuse what does not compile. Nothing else may run a
pattern that a caller wrote: Python's own engine can be kept busy for ever.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Protocol, cast
from urllib.parse import unquote

MAX_PATTERN = 1000
"""Characters of one pattern."""

MAX_PATTERNS = 100
"""Patterns of one list. A compiled one may take 8 MB, whatever is searched."""

_LOOKS_AROUND = ("(?=", "(?!", "(?<=", "(?<!", "(?<")


def fault(pattern: str) -> str:
    """Why a pattern cannot be used, with the place counted from 0; "" if it can."""
    if len(pattern) > MAX_PATTERN:
        return f"the pattern has {len(pattern)} characters, at most {MAX_PATTERN} are allowed"
    import re2

    try:
        re2.compile(pattern, _options())
    except re2.error as error:
        return f"{pattern!r} does not compile: {_explained(pattern, error)}"
    return ""


def _explained(pattern: str, error: Exception) -> str:
    said = error.args[0] if error.args else b""
    text = said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
    what, _, fragment = text.partition(": ")
    place = max(pattern.find(fragment), 0) if fragment else max(len(pattern) - 1, 0)
    if what == "missing )":
        place = _unclosed(pattern)
    if fragment.startswith(_LOOKS_AROUND) and what.startswith("invalid perl operator"):
        what = f"look-around ({fragment}) is not supported"
    elif what == "invalid escape sequence" and fragment[1:2].isdigit():
        what = f"back-references ({fragment}) are not supported"
    elif fragment and fragment != pattern:
        what = f"{what}: {fragment}"
    return f"{what}, at position {place}"


def _unclosed(pattern: str) -> int:
    """Where the innermost parenthesis opens that is never closed."""
    opened: list[int] = []
    in_class = escaped = False
    for place, character in enumerate(pattern):
        if escaped or character == "\\":
            escaped = not escaped
        elif in_class or character == "[":
            in_class = character != "]"
        elif character == "(":
            opened.append(place)
        elif character == ")" and opened:
            opened.pop()
    return opened[-1] if opened else 0


def matches(patterns: tuple[str, ...], path: str, url: str) -> bool:
    """Whether one of the patterns is found in the path or else in the URL (contract 10.1).

    Both are as the URL standard encodes them; where a pattern has characters outside ASCII, the
    decoded URL counts too. Raises ValueError for a pattern with a `fault`.
    """
    expressions = _compiled(patterns)
    for expression in expressions:
        if expression.search(path) is not None or expression.search(url) is not None:
            return True
    if "%" not in url or all(pattern.isascii() for pattern in patterns):
        return False
    decoded = unquote(url)
    return any(expression.search(decoded) is not None for expression in expressions)


class _Expression(Protocol):
    def search(self, text: str) -> object | None: ...


@lru_cache(maxsize=16)
def _compiled(patterns: tuple[str, ...]) -> tuple[_Expression, ...]:
    import re2

    for pattern in patterns:
        if wrong := fault(pattern):
            raise ValueError(wrong)
    return tuple(cast(_Expression, re2.compile(pattern, _options())) for pattern in patterns)


def _options() -> Any:
    import re2

    options = re2.Options()
    options.log_errors = False
    options.never_capture = True
    return options
