"""Agent documents read and checked: everything wrong with one is told at once, by path.

`read_agent` is for whoever takes a document from a caller, `compiled` for whoever runs one.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import msgspec

from windlass.agents.rules import Rule, compile_rules, has_type
from windlass.agents.templates import Template, compile_template, in_host
from windlass.errors import Problem
from windlass.model.agent import AgentDocument, InputProperty, Sample, SamplePage, SearchSource
from windlass.parsing.faults import Spot
from windlass.parsing.recipes import read_recipe
from windlass.wire import ajv
from windlass.wire.document import refusal, unexplained
from windlass.wire.v1_agents import SHARED_PARAMS, AgentCall
from windlass.wire.v1_body import DeliveryFields, ExtractBody
from windlass.wire.v1_reading import Reading

MAX_SIZE = 4_000_000
"""Bytes of a document, its sample's page included."""
SEARCH_PARAMS = {
    "query": "string",
    "num_results": "integer",
    "page": "integer",
    "time": "string",
}
"""The parameters that a search agent can have, and their types."""
RESERVED_NAMES = frozenset(("run", "async", "batch", "generations"))
"""Names whose paths are calls of their own."""
_NOT_PARAMS = SHARED_PARAMS | frozenset(DeliveryFields.__struct_fields__)
_NOT_OPTIONS = frozenset(
    ("url", "parse", "parser", "parsing", "browser_actions", *DeliveryFields.__struct_fields__)
)
_BOUND = frozenset(
    ("", "input_properties", "url", "extract", "browser_actions", "search", "sample")
)
"""What has to be right before the document can be tried with its sample."""
_PARTS: tuple[tuple[str, type], ...] = (
    ("input_properties", InputProperty),
    ("search", SearchSource),
    ("sample", Sample),
)


@dataclass(frozen=True)
class Compiled:
    """A document that is known to be right, ready to be bound. No `template`: a search agent.
    `recipe` is canonical JSON."""

    document: AgentDocument
    properties: dict[str, InputProperty]
    rules: dict[str, tuple[Rule, ...]]
    template: Template | None
    recipe: str


@lru_cache(maxsize=128)
def compiled(text: bytes) -> Compiled:
    """The document that a stored text is. Raises InvalidRequest if this version cannot use it."""
    problems: list[Problem] = []
    made = _compile(msgspec.json.decode(text, type=AgentDocument), Spot(problems))
    if problems:
        raise refusal(problems)
    return made


def read_agent(value: Any) -> AgentDocument:
    """The document that decoded JSON is. Raises InvalidRequest naming everything wrong."""
    problems = ajv.problems(AgentDocument, value)
    if isinstance(value, dict):
        _forbid_unknown(value, Spot(problems))
    bad = _parts(problems)
    document = _without(value, bad, problems)
    spot = Spot(problems)
    made = _compile(document, spot, bad)
    if _parts(problems).isdisjoint(_BOUND):
        _check_runs(made, spot)
    if len(msgspec.json.encode(document)) > MAX_SIZE:
        spot.wrong(f"must NOT be larger than {MAX_SIZE} bytes", "maxLength", {"limit": MAX_SIZE})
    if problems:
        raise refusal(problems)
    return document


def _parts(problems: Iterable[Problem]) -> frozenset[str]:
    """The parts of a document that something is wrong with, "" for the whole."""
    return frozenset(problem.path.partition("/")[2].partition("/")[0] for problem in problems)


def _without(value: Any, bad: frozenset[str], problems: list[Problem]) -> AgentDocument:
    """The document without its bad parts, to see what else is wrong. Raises InvalidRequest if there
    is nothing to look at."""
    if not isinstance(value, dict):
        raise refusal(problems)
    rest = {name: part for name, part in value.items() if name not in bad}
    try:
        return msgspec.convert({"name": "unnamed", **rest}, AgentDocument)
    except msgspec.ValidationError as error:  # of so many, not all were noted
        raise refusal(problems or [unexplained(str(error))]) from error


def _forbid_unknown(value: dict[str, Any], spot: Spot) -> None:
    """A misspelt name must not pass silently."""
    _forbid(value, AgentDocument, spot)
    for name, kind in _PARTS:
        part = value.get(name)
        for number, one in enumerate(part) if isinstance(part, list) else ((None, part),):
            place = spot / name if number is None else spot / name / number
            if isinstance(one, dict):
                _forbid(one, kind, place)
    sample = value.get("sample")
    if isinstance(sample, dict) and isinstance(sample.get("page"), dict):
        _forbid(sample["page"], SamplePage, spot / "sample" / "page")


def _forbid(value: dict[str, Any], kind: Any, spot: Spot) -> None:
    known = kind.__struct_fields__
    for key in value:
        if key not in known:
            message = f"must NOT have additional property {key[:64]!r}; known: {', '.join(known)}"
            params = {"additionalProperty": key[:64]}
            spot.wrong(message, "additionalProperties", params)


# ---------------------------------------------------------------- one document


def _compile(document: AgentDocument, spot: Spot, bad: frozenset[str] = frozenset()) -> Compiled:
    """Everything that runs need, of no use if something wrong is noted. `bad` parts were wrong
    before and are not there: what needs them is not judged."""
    if document.name in RESERVED_NAMES:
        spot_name = spot / "name"
        spot_name.wrong("must NOT be the name of a call", "not", {"names": sorted(RESERVED_NAMES)})
    rules = _properties(document, spot / "input_properties")
    template, recipe = None, ""
    searches = document.search is not None or "search" in bad
    if searches == bool(document.url or "url" in bad):
        spot.wrong("must have either url and parser, or search", "oneOf")
    elif not searches:
        template, recipe = _compile_page(document, rules, spot, bad)
    elif "input_properties" not in bad:
        _check_search(document, spot)
    _check_output(document, spot / "output_schema")
    properties = {each.name: each for each in document.input_properties}
    return Compiled(document, properties, rules, template, recipe)


def _properties(document: AgentDocument, spot: Spot) -> dict[str, tuple[Rule, ...]]:
    rules: dict[str, tuple[Rule, ...]] = {}
    for number, each in enumerate(document.input_properties):
        place = spot / number
        if each.name in rules:
            (place / "name").wrong("must NOT be there twice", "uniqueItems", {"name": each.name})
        if each.name in _NOT_PARAMS:
            message = "must NOT be a name that every agent takes, or an option of delivery"
            (place / "name").wrong(message, "not", {"names": sorted(_NOT_PARAMS)})
        rules[each.name] = compile_rules(each, place / "rules")
        examples = [(place / "examples" / at, one) for at, one in enumerate(each.examples)]
        defaults = [] if each.default is None else [(place / "default", each.default)]
        for where, value in (*examples, *defaults):
            if not has_type(value, each.type):
                where.wrong(f"must be {each.type}", "type", {"type": each.type})
            elif fault := broken(value, rules[each.name]):
                where.wrong(*fault)
    return rules


def broken(value: Any, rules: Iterable[Rule]) -> tuple[str, str, dict[str, Any]] | None:
    """The first rule that a value of the right type breaks: message, keyword and params."""
    for rule in rules:
        if message := rule.check(value):
            return message, rule.keyword, rule.params
    return None


def _compile_page(
    document: AgentDocument,
    rules: dict[str, tuple[Rule, ...]],
    spot: Spot,
    bad: frozenset[str],
) -> tuple[Template | None, str]:
    properties = {each.name: each for each in document.input_properties}
    template, recipe = None, None
    if bad.isdisjoint(("url", "input_properties")):
        template = compile_template(document.url, properties, spot / "url")
    if template is not None:
        _check_template(template, properties, rules, spot / "url")
    if document.parser is None:
        spot.wrong(
            "must have required property 'parser'", "required", {"missingProperty": "parser"}
        )
    else:
        recipe = read_recipe(document.parser, spot / "parser")
    for name in document.extract:
        if name in _NOT_OPTIONS:
            (spot / "extract" / name).wrong("must NOT be here: the agent says it elsewhere", "not")
        elif name not in ExtractBody.__struct_fields__:
            (spot / "extract" / name).wrong("must be an option of an extract", "enum")
    for name in placeholders([document.extract, document.browser_actions]):
        if name not in properties and "input_properties" not in bad:
            message = f"must name parameters of input_properties in $param, not {name[:64]!r}"
            (spot / "extract").wrong(message, "enum", {"allowedValues": sorted(properties)})
    return template, "" if recipe is None else recipe.text


def _check_template(
    template: Template,
    properties: dict[str, InputProperty],
    rules: dict[str, tuple[Rule, ...]],
    spot: Spot,
) -> None:
    for name in template.needed:
        each = properties[name]
        if not each.required and each.default is None:
            message = f"must have {name!r} required, with a default, or in {{?…}}"
            spot.wrong(message, "required", {"missingProperty": name})
    for name in in_host(template):
        if "enum" not in {rule.keyword for rule in rules[name]}:
            message = f"must have a rule enum for {name!r}: it decides about the host"
            spot.wrong(message, "enum", {"name": name})


def _check_search(document: AgentDocument, spot: Spot) -> None:
    for name in ("parser", "extract", "browser_actions"):
        if getattr(document, name):
            (spot / name).wrong("must NOT be there: a search has no page", "not")
    by_name = {each.name: each for each in document.input_properties}
    if "query" not in by_name or not by_name["query"].required:
        message = "must have a parameter 'query' that is required"
        (spot / "input_properties").wrong(message, "contains", {"name": "query"})
    for number, each in enumerate(document.input_properties):
        wanted = SEARCH_PARAMS.get(each.name)
        place = spot / "input_properties" / number
        if wanted is None:
            message = f"must be one of {', '.join(SEARCH_PARAMS)}"
            (place / "name").wrong(message, "enum", {"allowedValues": list(SEARCH_PARAMS)})
        elif each.type != wanted:
            (place / "type").wrong(f"must be {wanted}", "const", {"allowedValue": wanted})


def _check_output(document: AgentDocument, spot: Spot) -> None:
    for name, schema in document.output_schema.items():
        if not isinstance(schema, dict):
            (spot / name).wrong("must be a JSON Schema, an object", "type", {"type": "object"})


def placeholders(value: Any) -> Iterable[str]:
    """The parameters that options refer to with {"$param": name}."""
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            if one.keys() == {"$param"} and isinstance(one["$param"], str):
                yield one["$param"]
            else:
                waiting.extend(one.values())
        elif isinstance(one, list | tuple):
            waiting.extend(one)


# ---------------------------------------------------------------- whether it runs


def _check_runs(made: Compiled, spot: Spot) -> None:
    """Binds the document to its sample, or to values that its rules allow as far as known."""
    from windlass.agents.binding import bind

    sample = made.document.sample
    params = _made_up(made) if sample is None else sample.params
    localization = sample.localization if sample else _is_local(made)
    reading = Reading(time.time())
    bind(
        made, AgentCall(agent=made.document.name, params=params, localization=localization), reading
    )
    for problem in reading.problems:
        path = problem.path.removeprefix("/params") or problem.path
        if problem.path.startswith("/params") and sample is not None:
            Spot(spot.problems, f"/sample{problem.path}").wrong(
                problem.message, problem.keyword, problem.params
            )
        elif not problem.path.startswith("/params"):
            Spot(spot.problems, path).wrong(problem.message, problem.keyword, problem.params)


def _is_local(made: Compiled) -> bool:
    return any(each.is_localization_param for each in made.properties.values())


_ANY = {"string": "x", "integer": 1, "number": 1, "boolean": True}


def _made_up(made: Compiled) -> dict[str, Any]:
    whole = made.template.whole if made.template else ""
    values: dict[str, Any] = {}
    for name, each in made.properties.items():
        allowed = [
            rule.params["allowedValues"] for rule in made.rules[name] if rule.keyword == "enum"
        ]
        usual = "http://placeholder.invalid/" if name == whole else _ANY[each.type]
        known = (*each.examples, *(() if each.default is None else (each.default,)))
        values[name] = next(iter((*known, *(allowed[0] if allowed else ()))), usual)
    return values
