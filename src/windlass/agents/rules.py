"""Rules of an agent's parameters as `input_properties` states them: "minLength: 1" (15.4).

Compiled once for a document, then asked about every value that callers send.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ada_url
import msgspec

from windlass.model.agent import InputProperty
from windlass.parsing.faults import Spot
from windlass.parsing.patterns import compile_pattern
from windlass.wire.ajv import not_among

Check = Callable[[Any], str]
"""What is wrong with a value of the right type, "" if nothing is."""


class Rule(msgspec.Struct, frozen=True):
    """One compiled rule. `keyword` and `params` are those of JSON Schema."""

    keyword: str
    params: dict[str, Any]
    check: Check


_SIZES: dict[str, tuple[str, Callable[[int, int], bool]]] = {
    "minLength": ("must NOT have fewer than {} characters", lambda size, limit: size >= limit),
    "maxLength": ("must NOT have more than {} characters", lambda size, limit: size <= limit),
}
_RANGES: dict[str, tuple[str, Callable[[float, float], bool]]] = {
    "minimum": (">=", lambda value, limit: value >= limit),
    "maximum": ("<=", lambda value, limit: value <= limit),
    "exclusiveMinimum": (">", lambda value, limit: value > limit),
    "exclusiveMaximum": ("<", lambda value, limit: value < limit),
}
_FORMATS = ("uri",)
KEYWORDS = (*_SIZES, *_RANGES, "pattern", "enum", "format")
_PYTHON: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
}


def has_type(value: Any, kind: str) -> bool:
    """Whether a value is of a property's type; 5.0 is an integer, true is no number."""
    if isinstance(value, bool):
        return kind == "boolean"
    if kind == "integer" and isinstance(value, float):
        return value.is_integer()
    return isinstance(value, _PYTHON[kind])


def compile_rules(declared: InputProperty, spot: Spot) -> tuple[Rule, ...]:
    """Notes at the spot, which is that of `rules`, what is none."""
    rules = []
    for number, text in enumerate(declared.rules):
        rule = _compile(text, declared.type, spot / number)
        if rule is not None:
            rules.append(rule)
    return tuple(rules)


def _compile(text: str, kind: str, spot: Spot) -> Rule | None:
    keyword, colon, argument = text.partition(":")
    keyword, argument = keyword.strip(), argument.strip()
    if not colon or keyword not in KEYWORDS:
        message = f'must be "keyword: value" with one of the keywords {", ".join(KEYWORDS)}'
        spot.wrong(message, "enum", {"allowedValues": list(KEYWORDS)})
        return None
    of_numbers = keyword in _RANGES
    if keyword != "enum" and of_numbers != (kind in ("integer", "number")):
        spot.wrong(f"must suit the type {kind}: {keyword} does not", "type", {"type": kind})
        return None
    if keyword in _SIZES or of_numbers:
        return _limit(keyword, argument, spot)
    return {"pattern": _pattern, "enum": _enum, "format": _format}[keyword](argument, kind, spot)


def _limit(keyword: str, argument: str, spot: Spot) -> Rule | None:
    try:
        if keyword in _SIZES:
            return _size(keyword, msgspec.json.decode(argument, type=int))
        limit = msgspec.json.decode(argument, type=float | int)
    except msgspec.MsgspecError:
        spot.wrong(f"must have a number after {keyword}", "type", {"type": "number"})
        return None
    sign, holds = _RANGES[keyword]
    params = {"comparison": sign, "limit": limit}
    return Rule(
        keyword, params, lambda value: "" if holds(value, limit) else f"must be {sign} {limit}"
    )


def _size(keyword: str, limit: int) -> Rule:
    words, fits = _SIZES[keyword]
    wrong = words.format(limit)
    return Rule(keyword, {"limit": limit}, lambda value: "" if fits(len(value), limit) else wrong)


def _pattern(argument: str, kind: str, spot: Spot) -> Rule:
    expression = compile_pattern(argument, spot)
    wrong = f'must match pattern "{argument}"'
    return Rule(
        "pattern",
        {"pattern": argument},
        lambda value: "" if expression.search(value) else wrong,
    )


def _enum(argument: str, kind: str, spot: Spot) -> Rule | None:
    allowed = _listed(argument, kind)
    if not allowed or not all(has_type(each, kind) for each in allowed):
        spot.wrong(f"must list values of the type {kind} after enum", "type", {"type": kind})
        return None
    wrong = not_among(allowed)
    return Rule("enum", {"allowedValues": allowed}, lambda value: "" if value in allowed else wrong)


def _listed(argument: str, kind: str) -> list[Any]:
    """Values of a JSON array, or of `a, b, c`."""
    try:
        if argument.startswith("["):
            return msgspec.json.decode(argument, type=list[Any])
        parts = [part.strip() for part in argument.split(",")]
        return parts if kind == "string" else [msgspec.json.decode(part) for part in parts]
    except msgspec.MsgspecError:
        return []


def _format(argument: str, kind: str, spot: Spot) -> Rule | None:
    if argument not in _FORMATS:
        spot.wrong("must be a known format: uri", "enum", {"allowedValues": list(_FORMATS)})
        return None
    wrong = 'must match format "uri" with http or https'
    return Rule("format", {"format": "uri"}, lambda value: "" if _is_web(value) else wrong)


def _is_web(text: str) -> bool:
    try:
        return ada_url.normalize_url(text).startswith(("http://", "https://"))
    except ValueError:
        return False
