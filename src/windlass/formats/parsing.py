"""What a recipe makes of a page (contract 7.8): `parsing`, and `explained` for those who write one.

Made in page-reading processes whatever the body is: what a recipe costs is its author's choice.
"""

from __future__ import annotations

from typing import Any

import msgspec

from windlass.formats import DocumentFormat, Wish
from windlass.html.document import Document
from windlass.parsing.recipes import evaluator
from windlass.parsing.run import Limits, RecipeStopped, Run

_DEPTH = 200
"""Lists and objects in each other that a result may have."""
_INT64 = range(-(2**63), 2**64)

_encoder = msgspec.msgpack.Encoder()


def parsing_of(document: Document, wish: Wish, warnings: list[str]) -> Any:
    """The recipe's value; what went wrong, with a warning, if there is none (7.4)."""
    run = Run(document, wish.calls, Limits(seconds=wish.recipe_s))
    return _value(run, wish, warnings)


def explained(document: Document, wish: Wish, warnings: list[str]) -> dict[str, Any]:
    """The same as `value`, and in `sighted` where on the page each part of it was found."""
    run = Run(document, wish.calls, Limits(seconds=wish.recipe_s), explain=True)
    value = _value(run, wish, warnings)
    return {"value": value, "sighted": run.sighted}


def _value(run: Run, wish: Wish, warnings: list[str]) -> Any:
    try:
        value = _packed(evaluator(wish.recipe)(run.start, run))
        warnings += run.notes
        return value
    except RecipeStopped as stopped:
        why = f"the recipe was stopped: {stopped}"
    except (ValueError, ArithmeticError, RecursionError) as error:
        why = f"the recipe failed: {error}"
    return failed(why, warnings)


def failed(why: str, warnings: list[str]) -> dict[str, str]:
    """What stands for the value of a recipe that has none; the warning is added."""
    warnings.append(f"parsing: {why}")
    return {"status": "error", "error": why}


def _packed(value: Any) -> msgspec.Raw:
    """The value as it travels. Raises ValueError if it is nested too deep."""
    if _depth_exceeds(value, _DEPTH):
        raise ValueError(f"the result is nested deeper than {_DEPTH} levels")
    try:
        return msgspec.Raw(_encoder.encode(value))
    except (OverflowError, UnicodeEncodeError):
        return msgspec.Raw(_encoder.encode(_sound(value)))


def _depth_exceeds(value: Any, limit: int) -> bool:
    level = [value]
    for _ in range(limit):
        inside = (
            node.values() if isinstance(node, dict) else node
            for node in level
            if isinstance(node, dict | list)
        )
        level = [item for items in inside for item in items if isinstance(item, dict | list)]
        if not level:
            return False
    return True


def _sound(value: Any) -> Any:
    """The value without numbers beyond 64 bits and half characters, which cannot be sent."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, dict):
        return {_sound(key): _sound(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_sound(item) for item in value]
    if isinstance(value, int) and value not in _INT64:
        try:
            return float(value)
        except OverflowError:
            return None
    return value


PARSING = DocumentFormat("parsing", "process", parsing_of)
EXPLAINED = DocumentFormat("explained", "process", explained)
