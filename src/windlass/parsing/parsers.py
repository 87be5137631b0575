"""Parsers (contract 7.8.1): one compile function each, from a spec to a function.

Used by recipes.py. To add one: its Spec in model/recipe.py, a function here, a line in PARSERS.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from windlass.model.recipe import (
    And,
    Const,
    Or,
    Parser,
    Position,
    Schema,
    SchemaList,
    Spec,
    Terminal,
    TerminalList,
)
from windlass.parsing.extractors import compile_extractor
from windlass.parsing.faults import Spot
from windlass.parsing.run import Context, Run
from windlass.parsing.selectors import compile_selector

Evaluate = Callable[[Context, Run], Any]
"""The value that a parser makes of a context. Raises RecipeStopped."""


def compile_parser(spec: Parser, spot: Spot, field: str = "") -> Evaluate:
    """`field` is where its value will stand in the result, as a JSON pointer."""
    if spot.overdue:
        return lambda context, run: None
    return PARSERS[type(spec)](spec, spot, field)


def _terminal(spec: Terminal, spot: Spot, field: str) -> Evaluate:
    first = compile_selector(spec.selector, spot / "selector").first
    extract = compile_extractor(spec.extractor, spot / "extractor")

    def evaluate(context: Context, run: Run) -> Any:
        found = first(context, run)
        if run.sighted is not None and found is not None:
            run.note(field, [found])
        return extract(found, run)

    return evaluate


def _terminal_list(spec: TerminalList, spot: Spot, field: str) -> Evaluate:
    every = compile_selector(spec.selector, spot / "selector").every
    extract = compile_extractor(spec.extractor, spot / "extractor")

    def evaluate(context: Context, run: Run) -> Any:
        found = every(context, run)
        run.note(field, found)
        values = []
        for each in found:
            run.spend(1)
            value = extract(each, run)
            if value is not None:
                values.append(value)
        return values

    return evaluate


Fields = list[tuple[str, Evaluate]]


def _fields(fields: dict[str, Parser], spot: Spot, field: str) -> Fields:
    where = spot / "fields"
    return [
        (name, compile_parser(parser, where / name, (Spot([], field) / name).path))
        for name, parser in fields.items()
    ]


def _schema(spec: Schema, spot: Spot, field: str) -> Evaluate:
    first = compile_selector(spec.selector, spot / "selector").first
    fields = _fields(spec.fields, spot, field)

    def evaluate(context: Context, run: Run) -> Any:
        found = first(context, run)
        if found is None:
            return None
        return {name: read(found, run) for name, read in fields}

    return evaluate


def _schema_list(spec: SchemaList, spot: Spot, field: str) -> Evaluate:
    every = compile_selector(spec.selector, spot / "selector").every
    fields = _fields(spec.fields, spot, f"{field}/*")
    position = spec.position

    def evaluate(context: Context, run: Run) -> Any:
        objects = []
        for each in every(context, run):
            run.spend(1)
            objects.append({name: read(each, run) for name, read in fields})
        if position is not None:
            _number(objects, position)
        return objects

    return evaluate


def _number(objects: list[dict[str, Any]], position: Position) -> None:
    for number, one in enumerate(objects, position.start_from):
        one[position.field_name] = number


def _or(spec: Or, spot: Spot, field: str) -> Evaluate:
    ways = _each(spec.parsers, spot, field)

    def evaluate(context: Context, run: Run) -> Any:
        for way in ways:
            value = way(context, run)
            if value is not None and value != [] and value != {}:
                return value
        return None

    return evaluate


def _and(spec: And, spot: Spot, field: str) -> Evaluate:
    parts = _each(spec.parsers, spot, field)

    def evaluate(context: Context, run: Run) -> Any:
        merged: dict[str, Any] | None = None
        for part in parts:
            value = part(context, run)
            if not isinstance(value, dict):
                continue
            if merged is None:
                merged = {}
            for name, member in value.items():
                if merged.get(name) is None:
                    merged[name] = member
        return merged

    return evaluate


def _each(parsers: tuple[Parser, ...], spot: Spot, field: str) -> list[Evaluate]:
    where = spot / "parsers"
    return [compile_parser(parser, where / number, field) for number, parser in enumerate(parsers)]


def _const(spec: Const, spot: Spot, field: str) -> Evaluate:
    value = spec.value
    return lambda context, run: value


PARSERS: dict[type[Spec], Callable[[Any, Spot, str], Evaluate]] = {
    Terminal: _terminal,
    TerminalList: _terminal_list,
    Schema: _schema,
    SchemaList: _schema_list,
    Or: _or,
    And: _and,
    Const: _const,
}
"""The compile function of each parser."""
