"""docs/reference/endpoints.md, from the OpenAPI document that the server answers with."""

from __future__ import annotations

import json
from typing import Any

from tools.reference.markdown import anchor, code, table, titled
from windlass.api.openapi import describe
from windlass.api.operations import OPERATIONS, Operation

Schema = dict[str, Any]

_INTRO = """\
What the server answers at `/openapi.json` and shows at `/docs`, on one page. Calls that need a
key take it as `Authorization: Bearer KEY`. Every reply carries `x-task-id` (the task that it is
about, else an id of the call) and `x-nimble-request-id` (always that of the call). Replies to
calls with a key carry what is left of its rate in `ratelimit-limit`, `ratelimit-remaining`,
`ratelimit-reset` (seconds from now) and `x-ratelimit-limit`, `x-ratelimit-remaining`,
`x-ratelimit-reset` (Unix seconds).

What the fields of a request do is told in [Extracting pages](../guide/extract.md), what the
errors mean in [Errors](errors.md)."""

_REF = "#/components/schemas/"
_MANY = 12
"""Values of an enumeration that are listed; of longer ones only the number is told."""


def document() -> str:
    """The whole file."""
    described = describe()
    parts = [titled("Endpoints", _INTRO), "\n", _overview()]
    parts += [_operation(operation, described) for operation in OPERATIONS]
    parts.append("\n## Bodies\n\nFields with * are always there, or required in a request.\n")
    schemas = described["components"]["schemas"]
    parts += [_schema(name, schemas[name]) for name in sorted(schemas)]
    return "".join(parts)


def _overview() -> str:
    rows = [
        [f"[{code(_heading(one))}](#{anchor(_heading(one))})", one.summary] for one in OPERATIONS
    ]
    return table(("call", "what it does"), rows)


def _operation(operation: Operation, described: Schema) -> str:
    item = described["paths"][operation.path][operation.method.lower()]
    text = f"\n## {_heading(operation)}\n\n{operation.summary}."
    text += f" {operation.doc}\n" if operation.doc else "\n"
    notes = ["Needs a key." if operation.guarded else "Needs no key."]
    if operation.aliases:
        notes.append(f"Also at {', '.join(map(code, operation.aliases))}.")
    if "requestBody" in item:
        body = item["requestBody"]["content"]["application/json"]["schema"]
        optional = "" if item["requestBody"]["required"] else " or nothing"
        notes.append(f"Body: {_kind(body)}{optional}.")
    text += "\n" + " ".join(notes) + "\n"
    if item["parameters"]:
        rows = [
            [code(one["name"]), one["in"], _kind(one["schema"]), one["description"]]
            for one in item["parameters"]
        ]
        text += "\n" + table(("parameter", "where", "type", "meaning"), rows)
    rows = [[status, *_answer(answer)] for status, answer in item["responses"].items()]
    return text + "\n" + table(("status", "body", "when"), rows)


def _heading(operation: Operation) -> str:
    return f"{operation.method} {operation.path}"


def _answer(answer: Schema) -> list[str]:
    shown = [
        _kind(content["schema"]) if "schema" in content else code(media)
        for media, content in answer.get("content", {}).items()
    ]
    return [", ".join(shown) or "none", answer["description"]]


def _schema(name: str, schema: Schema) -> str:
    required = schema.get("required", ())
    rows = [
        [f"{code(field)}{'*' if field in required else ''}", _kind(rule), _meaning(rule)]
        for field, rule in schema.get("properties", {}).items()
    ]
    text = f"\n### {name}\n\n{schema.get('description', '')}\n"
    return text + ("\n" + table(("field", "type", "meaning"), rows) if rows else "")


def _meaning(rule: Schema) -> str:
    text = str(rule.get("description", ""))
    if "default" in rule and rule["default"] is not None:
        text += f" Default: {code(json.dumps(rule['default']))}."
    return text.strip()


def _kind(schema: Schema) -> str:
    """A schema in a few words."""
    if "$ref" in schema:
        name = schema["$ref"].removeprefix(_REF)
        return f"[{name}](#{anchor(name)})"
    if "anyOf" in schema:
        return " or ".join(_kind(branch) for branch in schema["anyOf"])
    if "enum" in schema:
        values = schema["enum"]
        if len(values) > _MANY:
            return f"one of {len(values)} values such as {code(str(values[0]))}"
        return ", ".join(code(str(value)) for value in values)
    if "const" in schema:
        return code(json.dumps(schema["const"]))
    text = str(schema.get("type", "anything"))
    if "items" in schema:
        text += f" of {_kind(schema['items'])}"
    if isinstance(schema.get("additionalProperties"), dict):
        text += f" of {_kind(schema['additionalProperties'])}"
    return text + _bounds(schema)


def _bounds(schema: Schema) -> str:
    signs = {
        "minimum": "≥",
        "exclusiveMinimum": ">",
        "maximum": "≤",
        "minLength": "length ≥",
        "maxLength": "length ≤",
        "maxItems": "at most",
        "maxProperties": "names ≤",
    }
    told = [f"{sign} {schema[name]}" for name, sign in signs.items() if name in schema]
    return f" ({', '.join(told)})" if told else ""
