"""/docs: the OpenAPI document as one page that loads nothing else."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from html import escape
from importlib.resources import files
from string import Template
from typing import Any

_REF = "#/components/schemas/"
_NUMBER = re.compile(r"_[0-9]+$")
_Operation = tuple[str, str, dict[str, Any]]
"""Method, path, and what the document says of them."""


def page(document: dict[str, Any]) -> str:
    """The page for an OpenAPI document."""
    template = Template((files("windlass.api") / "docs.html").read_text("utf-8"))
    info = document["info"]
    operations = list(_operations(document))
    return template.substitute(
        title=escape(info["title"]),
        version=escape(info["version"]),
        about=_prose(info["description"]),
        contents="".join(_entry(*first) for first, _ in operations),
        operations="".join(_section(*first, others) for first, others in operations),
        codes=_codes(document["x-error-codes"]),
        schemas="".join(
            _schema(name, schema) for name, schema in document["components"]["schemas"].items()
        ),
    )


def _operations(document: dict[str, Any]) -> Iterator[tuple[_Operation, list[_Operation]]]:
    """Each operation with its other names: those that openapi.py numbers."""
    found: dict[str, list[_Operation]] = {}
    for path, item in document["paths"].items():
        for method, operation in item.items():
            name = operation["operationId"]
            stem = _NUMBER.sub("", name)
            found.setdefault(stem if stem in found else name, []).append((method, path, operation))
    return ((first, others) for first, *others in found.values())


def _prose(text: str) -> str:
    parts = escape(text).split("`")
    return "".join(f"<code>{part}</code>" if odd % 2 else part for odd, part in enumerate(parts))


def _entry(method: str, path: str, operation: dict[str, Any]) -> str:
    faded = ' class="old"' if operation.get("deprecated") else ""
    name = escape(operation["operationId"])
    return f'<li{faded}><a href="#{name}"><b>{method.upper()}</b> {escape(path)}</a></li>'


def _section(method: str, path: str, operation: dict[str, Any], others: list[_Operation]) -> str:
    name = escape(operation["operationId"])
    note = " <small>legacy</small>" if operation.get("deprecated") else ""
    parts = [
        f'<section id="{name}"><h3><b>{method.upper()}</b> {escape(path)}{note}</h3>',
        f"<p>{_prose(operation['summary'])}. {_prose(operation.get('description', ''))}</p>",
    ]
    if others:
        names = ", ".join(f"<code>{escape(other)}</code>" for _, other, _ in others)
        parts.append(f"<p>Other names: {names}.</p>")
    if "security" in operation:
        parts.append("<p>Needs a key.</p>")
    rows = [
        (item["name"], f"{item['in']}: {_kind(item['schema'])}", item["description"])
        for item in operation["parameters"]
    ]
    if rows:
        parts.append(_table(("parameter", "type", "meaning"), rows))
    if "requestBody" in operation:
        body = operation["requestBody"]["content"]["application/json"]["schema"]
        parts.append(f"<p>Body: {_kind(body)}</p>")
    parts.append(_table(("status", "body", "when"), _answers(operation)))
    return "".join(parts) + "</section>"


def _answers(operation: dict[str, Any]) -> list[tuple[str, str, str]]:
    rows = []
    for status, response in operation["responses"].items():
        content = response.get("content", {})
        shown = ", ".join(
            _kind(item["schema"]) if "schema" in item else f"<code>{escape(media)}</code>"
            for media, item in content.items()
        )
        rows.append((status, shown, response["description"]))
    return rows


def _codes(codes: list[dict[str, Any]]) -> str:
    rows = [
        (item["code"], f"{_statuses(item)}, {escape(item['error_type'])}", item["meaning"])
        for item in codes
    ]
    return _table(("error_code", "status of a synchronous call, error_type", "meaning"), rows)


def _statuses(item: dict[str, Any]) -> str:
    return " or ".join(map(str, item["statuses"])) or "none"


def _schema(name: str, schema: dict[str, Any]) -> str:
    required = schema.get("required", ())
    rows = [
        (
            field + (" *" if field in required else ""),
            _kind(rule),
            rule.get("description", "") + _default(rule),
        )
        for field, rule in schema.get("properties", {}).items()
    ]
    return (
        f'<section id="schema-{escape(name)}"><h3>{escape(name)}</h3>'
        f"<p>{_prose(schema.get('description', ''))}</p>"
        f"{_table(('field', 'type', 'meaning'), rows)}</section>"
    )


def _default(rule: dict[str, Any]) -> str:
    return f" Default: `{json.dumps(rule['default'])}`." if "default" in rule else ""


def _kind(schema: dict[str, Any]) -> str:
    """A schema in a few words of HTML."""
    if "$ref" in schema:
        name = escape(schema["$ref"].removeprefix(_REF))
        return f'<a href="#schema-{name}">{name}</a>'
    if "anyOf" in schema:
        return " or ".join(_kind(branch) for branch in schema["anyOf"])
    if "enum" in schema:
        values = schema["enum"]
        shown = " ".join(f"<code>{escape(str(value))}</code>" for value in values[:30])
        return shown + (f" … ({len(values)} values)" if len(values) > 30 else "")
    text = escape(str(schema.get("type", "anything")))
    if "items" in schema:
        text += f" of {_kind(schema['items'])}"
    if isinstance(schema.get("additionalProperties"), dict):
        text += f" of {_kind(schema['additionalProperties'])}"
    return text + _bounds(schema)


def _bounds(schema: dict[str, Any]) -> str:
    signs = {
        "minimum": "≥",
        "exclusiveMinimum": "&gt;",
        "maximum": "≤",
        "maxLength": "length ≤",
        "maxItems": "items ≤",
        "maxProperties": "names ≤",
    }
    told = [f"{sign} {schema[name]}" for name, sign in signs.items() if name in schema]
    return f" <small>{', '.join(told)}</small>" if told else ""


def _table(head: tuple[str, str, str], rows: list[tuple[str, str, str]]) -> str:
    """A table; the middle column is HTML already, the others are text."""
    if not rows:
        return ""
    top = "".join(f"<th>{cell}</th>" for cell in head)
    body = "".join(
        f"<tr><td><code>{escape(first)}</code></td><td>{middle}</td><td>{_prose(last)}</td></tr>"
        for first, middle, last in rows
    )
    return f"<table><tr>{top}</tr>{body}</table>"
