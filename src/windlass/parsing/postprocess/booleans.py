"""Post-processor boolean: a condition of the value. Of a list: whether an item fulfils it."""

from __future__ import annotations

from collections.abc import Callable

from windlass.model.recipe import Boolean
from windlass.parsing.faults import Spot
from windlass.parsing.patterns import compile_pattern
from windlass.parsing.postprocess import Apply, PostProcess, Setting, Value
from windlass.parsing.postprocess.texts import as_text

Condition = Callable[[str], bool]


def _compile(spec: Boolean, spot: Spot) -> Apply:
    negate = spec.negate
    if spec.condition == "exists":
        return lambda value, setting: (value is not None) is not negate
    holds = _contains(spec, spot) if spec.condition == "contains" else _matches(spec, spot)

    def apply(value: Value, setting: Setting) -> Value:
        if value is None:
            return None
        found = False
        for item in value if isinstance(value, list) else [value]:
            text = "" if item is None else as_text(item)
            setting.spend(1 + len(text) // 1_000)
            found = found or holds(text)
        return found is not negate

    return apply


def _contains(spec: Boolean, spot: Spot) -> Condition:
    part = spec.contains
    if part is None:
        _missing("contains", spot)
        return lambda text: False
    return lambda text: part in text


def _matches(spec: Boolean, spot: Spot) -> Condition:
    if spec.regex is None:
        _missing("regex", spot)
        return lambda text: False
    expression = compile_pattern(spec.regex, spot / "regex")
    return lambda text: expression.search(text) is not None


def _missing(name: str, spot: Spot) -> None:
    message = f"must have required property '{name}' for the condition {name!r}"
    spot.wrong(message, "required", {"missingProperty": name})


BOOLEAN = PostProcess(_compile, sees_null=True, whole=True)
