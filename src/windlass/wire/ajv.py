"""Every wrong place in a document, in the wording that AJV made common (contract 2.3).

The slow path behind msgspec, which stops at the first: dialects call it once a document is known
to be wrong. Rules come from the same types, so that both paths and /openapi.json agree.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from itertools import islice
from typing import TYPE_CHECKING, Any

import msgspec

from windlass.errors import Problem

if TYPE_CHECKING:
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import ValidationError

MOST = 100
"""Problems reported at most: enough to mend a document, too few to make answers large."""

_NAMED = 30
"""Allowed values that a message names; the parameters of a problem have them all."""
_REF = "#/components/schemas/"


def components(kinds: Sequence[type]) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """JSON Schemas (2020-12) of types and of the parts they refer to, as OpenAPI places them."""
    roots, parts = msgspec.json.schema_components(kinds, ref_template=_REF + "{name}")
    return [_typed(root) for root in roots], _typed(parts)


def _typed(node: Any) -> Any:
    """The schema with the type of enums told: all of ours are strings."""
    if isinstance(node, list | tuple):
        return [_typed(item) for item in node]
    if not isinstance(node, dict):
        return node
    if isinstance(node.get("enum"), list) and "type" not in node:
        node = {"type": "string", **node}
    return {key: _typed(value) for key, value in node.items()}


@cache
def schema_of(kind: type) -> dict[str, Any]:
    """The JSON Schema of a type with every reference written out."""
    (root,), parts = components([kind])
    written: dict[str, Any] = _written_out(root, parts)
    return written


def _written_out(node: Any, parts: Mapping[str, Any]) -> Any:
    if isinstance(node, list):
        return [_written_out(item, parts) for item in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        return _written_out(parts[node["$ref"].removeprefix(_REF)], parts)
    return {key: _written_out(value, parts) for key, value in node.items()}


def problems(kind: type, document: Any) -> list[Problem]:
    """What is wrong with a decoded document, at most MOST entries; empty if nothing is."""
    errors = _validator(kind).iter_errors(document)
    found = [_problem(error) for error in islice(errors, MOST)]
    mistyped = {problem.path for problem in found if problem.keyword == "type"}
    # Of a value of the wrong type nothing else is worth saying.
    return [each for each in found if each.keyword == "type" or each.path not in mistyped]


def pointer(*steps: str | int) -> str:
    """The JSON pointer (RFC 6901) to a place."""
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in steps)


@cache
def _validator(kind: type) -> Draft202012Validator:
    from jsonschema import Draft202012Validator, validators  # only wrong requests pay for it

    base = Draft202012Validator.VALIDATORS
    rules = {
        "anyOf": _likeliest,
        "required": _required,
        "items": _bounded(base["items"], "maxItems"),
        "additionalProperties": _bounded(base["additionalProperties"], "maxProperties"),
        "propertyNames": _property_names,
    }
    checker = Draft202012Validator.TYPE_CHECKER.redefine(
        "integer", lambda _, value: isinstance(value, int) and not isinstance(value, bool)
    )
    made = validators.extend(Draft202012Validator, rules, type_checker=checker)
    return made(schema_of(kind))


def _likeliest(
    validator: Any, branches: list[Any], instance: Any, schema: Any
) -> Iterator[ValidationError]:
    """Like AJV's anyOf, but only the branch of the value's own type is worth reporting."""
    from jsonschema.exceptions import ValidationError

    fitting = [
        (number, branch)
        for number, branch in enumerate(branches)
        if validator.is_type(instance, branch["type"])
    ]
    if any(validator.evolve(schema=branch).is_valid(instance) for _, branch in fitting):
        return
    if len(fitting) == 1:
        number, branch = fitting[0]
        yield from validator.descend(instance, branch, schema_path=number)
        return
    types = [branch["type"] for branch in branches]
    yield ValidationError("", validator="type", validator_value=list(dict.fromkeys(types)))


def _required(
    validator: Any, names: list[str], instance: Any, schema: Any
) -> Iterator[ValidationError]:
    from jsonschema.exceptions import ValidationError

    if validator.is_type(instance, "object"):
        for name in names:
            if name not in instance:
                yield ValidationError("", validator="required", validator_value=name)


def _property_names(
    validator: Any, rule: Any, instance: Any, schema: Any
) -> Iterator[ValidationError]:
    from jsonschema.exceptions import ValidationError

    if validator.is_type(instance, "object"):
        for name in instance:
            if not validator.evolve(schema=rule).is_valid(name):
                value = name, rule.get("enum", ())
                yield ValidationError("", validator="propertyNames", validator_value=value)


def _bounded(rule: Any, most: str) -> Any:
    """The rule, but not for collections whose size is wrong already: time stays bounded."""

    def bounded(validator: Any, value: Any, instance: Any, schema: Any) -> Any:
        if isinstance(instance, list | dict) and len(instance) > schema.get(most, len(instance)):
            return iter(())
        return rule(validator, value, instance, schema) or iter(())

    return bounded


def _problem(error: ValidationError) -> Problem:
    keyword, value = str(error.validator), error.validator_value
    params, message = _wording(keyword, value)
    return Problem(
        pointer(*error.absolute_path),
        message,
        keyword=keyword,
        schema_path="#" + pointer(*error.absolute_schema_path),
        params=params,
    )


_COMPARISONS = {
    "minimum": ">=",
    "maximum": "<=",
    "exclusiveMinimum": ">",
    "exclusiveMaximum": "<",
}
_SIZES = {
    "minLength": "fewer than {} characters",
    "maxLength": "more than {} characters",
    "minItems": "fewer than {} items",
    "maxItems": "more than {} items",
    "minProperties": "fewer than {} properties",
    "maxProperties": "more than {} properties",
}


def not_among(allowed: Sequence[Any]) -> str:
    """AJV's message for a value that is none of these, with the first of them."""
    return f"must be equal to one of the allowed values: {_named(allowed)}"


def _named(allowed: Sequence[Any]) -> str:
    named = ", ".join(str(value) or '""' for value in allowed[:_NAMED])
    return named + (f" and {len(allowed) - _NAMED} more" if len(allowed) > _NAMED else "")


def _wording(keyword: str, value: Any) -> tuple[dict[str, Any], str]:
    """AJV's params and message for a violated keyword."""
    if keyword in _COMPARISONS:
        sign = _COMPARISONS[keyword]
        return {"comparison": sign, "limit": value}, f"must be {sign} {value}"
    if keyword in _SIZES:
        return {"limit": value}, f"must NOT have {_SIZES[keyword].format(value)}"
    if keyword == "type":
        names = value if isinstance(value, list) else [value]
        return {"type": value}, f"must be {','.join(names)}"
    if keyword == "required":
        return {"missingProperty": value}, f"must have required property '{value}'"
    if keyword == "enum":
        return {"allowedValues": value}, not_among(value)
    if keyword == "propertyNames":
        name, allowed = value
        known = f": {_named(allowed)}" if allowed else ""
        return {"propertyName": name}, f"property name must be valid{known}"
    if keyword == "pattern":
        return {"pattern": value}, f'must match pattern "{value}"'
    return {}, f'must pass "{keyword}" keyword validation'
