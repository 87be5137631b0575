"""Recipes as callers write them (contract 7.8) read into ours, shorthands resolved.

Used by recipes.py. Driven by the structs of model/recipe.py: a key is a field, its type says what
may stand there. Everything wrong is noted, with its place and what is accepted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from types import NoneType, UnionType
from typing import Any, Literal, get_args, get_origin

import msgspec
from msgspec import NODEFAULT

from windlass.model import recipe
from windlass.model.recipe import (
    Const,
    Css,
    Extractor,
    Parser,
    Position,
    PostProcessor,
    RawOf,
    Schema,
    Selector,
    Spec,
    Steps,
    Terminal,
    TextOf,
)
from windlass.parsing.faults import Spot

MAX_DEPTH = 24
"""Nodes in nodes."""
MAX_NODES = 5_000
"""Nodes of one recipe."""

Family = dict[str, type[Spec]]


def family(union: Any) -> Family:
    """The classes of a tagged union by their `type`."""
    return {str(kind.__struct_config__.tag): kind for kind in get_args(union)}


PARSERS = family(Parser)
SELECTORS = family(Selector)
EXTRACTORS = family(Extractor)
POST_PROCESSORS = family(PostProcessor)
_ALIASES = {recipe.Regex: {"pattern": "regex"}}
_IGNORED = frozenset({"type", "description"})
_ABSENT = object()


class RecipeReader:
    """Reads one recipe. `aliases` say where a node of ours stands in what the caller wrote: a JSON
    pointer for each one that is not where it would be without shorthands."""

    def __init__(self) -> None:
        self.aliases: dict[str, str] = {}
        self._nodes = 0
        self._depth = 0

    def whole(self, value: Any, spot: Spot) -> Parser:
        """The parser at the top: a map of fields, or one parser."""
        if not isinstance(value, dict):
            _mistyped(spot, "object")
            return Const(value=None)
        if _type(value) in PARSERS:
            return self._parser(value, spot, "")
        if not value:
            _too_few(spot, "properties")
        self.aliases["/fields"] = spot.path
        return Schema(fields=self._fields(value, spot, "/fields"))

    # ------------------------------------------------------------ the four families

    def _parser(self, value: Any, spot: Spot, ours: str) -> Parser:
        if isinstance(value, str):
            self.aliases[f"{ours}/selector/css_selector"] = spot.path
            return Terminal(selector=Css(css_selector=value), extractor=TextOf())
        if isinstance(value, dict) and _type(value) not in PARSERS and "selector" in value:
            return self._short(value, spot, ours)
        made = self._node(PARSERS, "parser", value, spot, ours)
        return Const(value=None) if made is None else made

    def _short(self, value: dict[str, Any], spot: Spot, ours: str) -> Parser:
        """A selector with the name of what is made of its text (the quickstart's form)."""
        kind = value.get("type")
        selector = self._selector(value["selector"], spot / "selector", f"{ours}/selector")
        rest = {key: item for key, item in value.items() if key != "selector"}
        if kind is None or kind == "text":
            rest["type"] = "text"
            if "extractor" not in rest:
                self.aliases[f"{ours}/extractor"] = spot.path
                extractor = self._node(EXTRACTORS, "extractor", rest, spot, f"{ours}/extractor")
            elif extra := sorted(rest.keys() - {"extractor", *_IGNORED}):
                extractor = None
                _additional(spot, extra[0], ["selector", "extractor"])
            else:
                extractor = self._extractor(
                    rest["extractor"], spot / "extractor", f"{ours}/extractor"
                )
            return Terminal(selector=selector, extractor=extractor or RawOf())
        if not isinstance(kind, str) or kind not in POST_PROCESSORS:
            _unknown(spot / "type", "type", [*PARSERS, "text", *POST_PROCESSORS])
            return Const(value=None)
        self.aliases[f"{ours}/extractor/post_processor"] = spot.path
        post = self._post(rest, spot, f"{ours}/extractor/post_processor")
        return Terminal(selector=selector, extractor=TextOf(post_processor=post))

    def _selector(self, value: Any, spot: Spot, ours: str) -> Selector | None:
        if isinstance(value, str):
            self.aliases[f"{ours}/css_selector"] = spot.path
            return Css(css_selector=value)
        made: Selector | None = self._node(SELECTORS, "selector", value, spot, ours)
        return made

    def _extractor(self, value: Any, spot: Spot, ours: str) -> Extractor:
        return self._node(EXTRACTORS, "extractor", value, spot, ours) or RawOf()

    def _post(self, value: Any, spot: Spot, ours: str) -> PostProcessor | None:
        if isinstance(value, list):
            self.aliases[f"{ours}/sequence"] = spot.path
            made: PostProcessor | None = self._deeper(
                spot,
                lambda: Steps(sequence=self._list(self._post, value, spot, f"{ours}/sequence")),
            )
        else:
            made = self._node(POST_PROCESSORS, "post-processor", value, spot, ours)
        return made

    def _fields(self, value: Any, spot: Spot, ours: str) -> dict[str, Parser]:
        if not isinstance(value, dict):
            _mistyped(spot, "object")
            return {}
        pointer = Spot([], ours)
        return {
            name: self._parser(item, spot / name, (pointer / name).path)
            for name, item in value.items()
        }

    def _list(
        self, read: Callable[[Any, Spot, str], Any], value: Any, spot: Spot, ours: str
    ) -> tuple[Any, ...]:
        if not isinstance(value, list):
            _mistyped(spot, "array")
            return ()
        if not value:
            _too_few(spot, "items")
        made = [read(item, spot / at, f"{ours}/{at}") for at, item in enumerate(value)]
        return tuple(item for item in made if item is not None)

    # ------------------------------------------------------------ a node

    def _node(self, members: Family, noun: str, value: Any, spot: Spot, ours: str) -> Any:
        """A member of a family; None, and problems, if it is none."""
        if not isinstance(value, dict):
            _mistyped(spot, "object")
            return None
        kind = value.get("type")
        if kind is None:
            names = ", ".join(members)
            message = f"must have required property 'type', the kind of {noun}: one of {names}"
            spot.wrong(message, "required", {"missingProperty": "type"})
            return None
        if not isinstance(kind, str) or kind not in members:
            _unknown(spot / "type", noun, list(members))
            return None
        return self._deeper(spot, lambda: self._struct(members[kind], value, spot, ours))

    def _deeper(self, spot: Spot, read: Callable[[], Any]) -> Any:
        """What `read` reads inside another node; None, and a problem, where that is too much."""
        self._nodes += 1
        if self._nodes > MAX_NODES:
            if self._nodes == MAX_NODES + 1:
                message = f"must NOT have more than {MAX_NODES} nodes"
                spot.wrong(message, "maxNodes", {"limit": MAX_NODES})
            return None
        if self._depth == MAX_DEPTH:
            message = f"must NOT be nested deeper than {MAX_DEPTH} nodes"
            spot.wrong(message, "maxDepth", {"limit": MAX_DEPTH})
            return None
        self._depth += 1
        made = read()
        self._depth -= 1
        return made

    def _struct(self, kind: Any, value: dict[str, Any], spot: Spot, ours: str) -> Any:
        aliases: Mapping[str, str] = _ALIASES.get(kind, {})
        fields = _fields_of(kind)
        known = [*fields, *aliases]
        for key in value:
            if key not in fields and key not in aliases and key not in _IGNORED:
                _additional(spot, key, known)
        given: dict[str, Any] = {}
        whole = True
        for name, field in fields.items():
            keys = (name, *(alias for alias, meant in aliases.items() if meant == name))
            at = next((key for key in keys if value.get(key) is not None), name)
            item = value.get(at, _ABSENT)
            if item is _ABSENT or (item is None and field.type is not Any):
                if field.required:
                    message = f"must have required property '{name}'"
                    spot.wrong(message, "required", {"missingProperty": name})
                    whole = False
                continue
            if at != name:
                self.aliases[f"{ours}/{name}"] = (spot / at).path
            read = self._value(field.type, item, spot / at, f"{ours}/{name}")
            if read is not _ABSENT:
                given[field.encode_name] = read
            whole = whole and (read is not _ABSENT or not field.required)
        return kind(**{fields[name].name: item for name, item in given.items()}) if whole else None

    def _value(self, kind: Any, value: Any, spot: Spot, ours: str) -> Any:
        """What stands in a field, _ABSENT if it is wrong."""
        if kind is Any:
            return value
        if reader := self._readers().get(kind):
            return reader(value, spot, ours)
        if kind == Position:
            if not isinstance(value, dict):
                _mistyped(spot, "object")
                return _ABSENT
            made = self._struct(Position, value, spot, ours)
            return _ABSENT if made is None else made
        return _scalar(kind, value, spot)

    def _readers(self) -> dict[Any, Callable[[Any, Spot, str], Any]]:
        return {
            Selector: self._selector,
            Extractor: self._extractor,
            PostProcessor: self._post,
            dict[str, Parser]: self._fields,
            tuple[Parser, ...]: lambda *at: self._list(self._parser, *at),
            tuple[Selector, ...]: lambda *at: self._list(self._selector, *at),
            tuple[PostProcessor, ...]: lambda *at: self._list(self._post, *at),
        }


class _Field(msgspec.Struct, frozen=True):
    """A key of a node: our name, its name in JSON, what may stand there."""

    name: str
    encode_name: str
    type: Any
    required: bool


@cache
def _fields_of(kind: Any) -> dict[str, _Field]:
    return {
        field.encode_name: _Field(
            field.name,
            field.encode_name,
            _without_none(field.type),
            field.default is NODEFAULT and field.default_factory is NODEFAULT,
        )
        for field in msgspec.structs.fields(kind)
    }


def _without_none(kind: Any) -> Any:
    """The type without None: null stands for what was left out."""
    if isinstance(kind, UnionType) and NoneType in get_args(kind):
        rest = [one for one in get_args(kind) if one is not NoneType]
        joined = rest[0]
        for one in rest[1:]:
            joined = joined | one
        return joined
    return kind


def _type(value: dict[str, Any]) -> str:
    kind = value.get("type")
    return kind if isinstance(kind, str) else ""


# --------------------------------------------------------------------- what is said

_JSON_TYPES = {str: "string", int: "integer", bool: "boolean", float: "number"}


def _scalar(kind: Any, value: Any, spot: Spot) -> Any:
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError:
        bare = get_args(kind)[0] if hasattr(kind, "__metadata__") else kind
        if get_origin(bare) is Literal:
            _unknown(spot, "value", [each for each in get_args(bare) if each])
        elif isinstance(bare, UnionType):
            _mistyped(spot, ",".join(_JSON_TYPES.get(one, "value") for one in get_args(bare)))
        elif isinstance(value, bool) or not isinstance(value, bare):
            _mistyped(spot, _JSON_TYPES.get(bare, "value"))
        else:
            _out_of_range(kind.__metadata__[0], value, spot)
        return _ABSENT


def _out_of_range(limits: msgspec.Meta, value: float, spot: Spot) -> None:
    low = limits.ge is not None and value < limits.ge
    sign, limit, word = (">=", limits.ge, "minimum") if low else ("<=", limits.le, "maximum")
    spot.wrong(f"must be {sign} {limit}", word, {"comparison": sign, "limit": limit})


def _mistyped(spot: Spot, kind: str) -> None:
    spot.wrong(f"must be {kind}", "type", {"type": kind})


def _too_few(spot: Spot, of: str) -> None:
    word = "minProperties" if of == "properties" else "minItems"
    spot.wrong(f"must NOT have fewer than 1 {of}", word, {"limit": 1})


def _unknown(spot: Spot, noun: str, allowed: list[str]) -> None:
    message = f"must be equal to one of the allowed values, the known {noun}s: {', '.join(allowed)}"
    spot.wrong(message, "enum", {"allowedValues": allowed})


def _additional(spot: Spot, key: str, known: list[str]) -> None:
    message = f"must NOT have additional property {key[:64]!r}; known: {', '.join(known)}"
    spot.wrong(message, "additionalProperties", {"additionalProperty": key[:64]})
