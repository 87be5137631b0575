"""Request bodies as JSON documents: decoded, bounded, and checked against a type.

Every reader of a body starts here; what a document means is the dialect's business.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import isinf
from typing import Any, TypeVar

import msgspec

from windlass.errors import InvalidRequest, Problem
from windlass.wire import ajv

T = TypeVar("T")

DEPTH_LIMIT = 100
"""Nesting accepted: readers down the line recurse, and must not meet their limits first."""


def _number(text: str) -> int | float:
    """A number as JavaScript means it: 5.0 is 5."""
    value = float(text)
    if isinf(value):
        raise ValueError("number out of range")
    return int(value) if value.is_integer() and abs(value) < _EXACT else value


_EXACT = 2**53
_decode = msgspec.json.Decoder(float_hook=_number).decode


def read_document(raw: bytes, kind: type[T]) -> T:
    """The body as a value of `kind`. Raises InvalidRequest naming all wrong fields."""
    return read_values(parse_object(raw, kind), kind)


def read_values(document: dict[str, Any], kind: type[T]) -> T:
    """The same of what is decoded already, such as query parameters."""
    try:
        return msgspec.convert(document, kind)
    except (msgspec.ValidationError, OverflowError) as error:
        found = ajv.problems(kind, document) or [unexplained(str(error))]
        raise refusal(found) from error


def parse_object(raw: bytes, kind: type) -> dict[str, Any]:
    """The JSON object in a body. Raises InvalidRequest with keyword `parse` or `type`."""
    try:
        document = _decode(raw)
    except (ValueError, RecursionError) as error:
        problem = Problem("", f"must be valid JSON: {error}", keyword="parse")
        raise refusal([problem]) from error
    if not isinstance(document, dict):
        raise refusal(ajv.problems(kind, document))
    if raw.count(b"[") + raw.count(b"{") > DEPTH_LIMIT and _depth_exceeds(document, DEPTH_LIMIT):
        message = f"must NOT be nested deeper than {DEPTH_LIMIT} levels"
        raise refusal([Problem("", message, keyword="parse", params={"limit": DEPTH_LIMIT})])
    return document


def _depth_exceeds(document: Any, limit: int) -> bool:
    level = [document]
    for _ in range(limit):
        inside = (node.values() if isinstance(node, dict) else node for node in level)
        level = [item for items in inside for item in items if isinstance(item, dict | list)]
        if not level:
            return False
    return True


def unexplained(message: str) -> Problem:
    """A problem that only msgspec sees, at the place its message ends with."""
    place = message.partition(" - at `$")[2].rstrip("`").replace(".", "/")
    return Problem(place, f"must be valid: {message}", keyword="type")


def refusal(problems: Sequence[Problem]) -> InvalidRequest:
    """The error for these problems; its text names the first places."""
    named = [f"{problem.path.lstrip('/') or 'body'} {problem.message}" for problem in problems[:3]]
    more = len(problems) - len(named)
    text = "; ".join(named) + (f"; and {more} more" if more else "")
    return InvalidRequest(f"Invalid request parameters: {text}", tuple(problems))
