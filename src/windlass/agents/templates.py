"""URL templates of agents: a part of RFC 6570 in which no parameter can leave its place.

`{name}` is percent-encoded but for unreserved characters; `{?a,b}` and `{&a,b}` are query
parameters, left out when absent; `{+name}` alone is a whole URL. The scheme is always literal.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote

import msgspec

from windlass.parsing.faults import Spot

_PART = re.compile(r"\{([^{}]*)\}")
_EXPRESSION = re.compile(r"([+?&]?)([A-Za-z_]\w*(?:,[A-Za-z_]\w*)*)", re.ASCII)
_SCHEME = re.compile(r"https?://", re.IGNORECASE)
_LITERAL = re.compile(r"[!#-;=?-\[\]_a-z~%\x80-\U0010ffff]*")
"""What may stand outside braces: no spaces, quotes, backslashes, carets, backticks or bars."""


class UnfitError(ValueError):
    """Values that make no URL of the kind that the template means; `name` is the parameter."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(message)
        self.name = name


@dataclass(frozen=True)
class _Expression:
    operator: str
    names: tuple[str, ...]


@dataclass(frozen=True)
class Template:
    """A compiled template: literal texts and expressions in turn."""

    parts: tuple[str | _Expression, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The parameters that it uses, in order."""
        inside = [part.names for part in self.parts if isinstance(part, _Expression)]
        return tuple(dict.fromkeys(name for names in inside for name in names))

    @property
    def whole(self) -> str:
        """The parameter that is the whole URL, "" if it is built of several parts."""
        first = self.parts[0] if len(self.parts) == 1 else ""
        return first.names[0] if isinstance(first, _Expression) else ""

    @property
    def needed(self) -> tuple[str, ...]:
        """The parameters without which there is no URL."""
        inside = [p for p in self.parts if isinstance(p, _Expression) and p.operator in ("", "+")]
        return tuple(dict.fromkeys(name for part in inside for name in part.names))

    def expand(self, values: Mapping[str, Any]) -> str:
        """The URL. Raises UnfitError."""
        if self.whole:
            return str(values[self.whole])
        texts: list[str] = []
        for part in self.parts:
            texts.append(part if isinstance(part, str) else _expanded(part, values, texts))
        self._forbid_dots(texts)
        return "".join(texts)

    def _forbid_dots(self, texts: list[str]) -> None:
        """A path segment "." or ".." would be gone, with the one before it, from the URL."""
        path = re.split(r"[?#]", "".join(texts), maxsplit=1)[0]
        if not any(unquote(part) in (".", "..") for part in path.split("/")):
            return
        name = next(iter(self.names), "")
        for part, text in zip(self.parts, texts, strict=True):
            if isinstance(part, _Expression) and set(unquote(text)) == {"."}:
                name = part.names[0]
        raise UnfitError(name, 'must NOT be "." or ".." in the path of a URL')


def _expanded(part: _Expression, values: Mapping[str, Any], before: list[str]) -> str:
    if not part.operator:
        return _encoded(values[part.names[0]])
    pairs = [f"{name}={_encoded(values[name])}" for name in part.names if name in values]
    begin = "&" if any("?" in text for text in before) else "?"
    return begin + "&".join(pairs) if pairs else ""


def _encoded(value: Any) -> str:
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return quote(text.encode("utf-8", "replace"), safe="")


def compile_template(text: str, known: Collection[str], spot: Spot) -> Template | None:
    """The template; None, with everything wrong noted at the spot, if it is none. `known` are the
    parameters that there are."""
    problems = len(spot.problems)
    parts: list[str | _Expression] = []
    for number, piece in enumerate(_PART.split(text)):
        if number % 2 == 0:
            if not _LITERAL.fullmatch(piece):
                spot.wrong("must be a URL with {name} for each parameter", "format", {})
            if piece:
                parts.append(piece)
        elif expression := _read_expression(piece, known, spot):
            parts.append(expression)
    template = Template(tuple(parts))
    if len(spot.problems) == problems:
        _check(template, spot)
    return template if len(spot.problems) == problems else None


def _read_expression(text: str, known: Collection[str], spot: Spot) -> _Expression | None:
    found = _EXPRESSION.fullmatch(text)
    names = tuple(found[2].split(",")) if found else ()
    if found is None or (found[1] in ("", "+") and len(names) != 1):
        message = (
            f"must have {{name}}, {{?a,b}}, {{&a,b}} or {{+name}} in braces, not {text[:64]!r}"
        )
        spot.wrong(message, "format", {"format": "uri-template"})
        return None
    for name in names:
        if name not in known:
            message = f"must name parameters of input_properties, not {name!r}"
            spot.wrong(message, "enum", {"allowedValues": sorted(known)})
    return _Expression(found[1], names)


def _check(template: Template, spot: Spot) -> None:
    operators = [part.operator for part in template.parts if isinstance(part, _Expression)]
    if template.whole and operators == ["+"]:
        return
    if "+" in operators:
        spot.wrong("must be {+name} and nothing else: it is the whole URL", "format", {})
        return
    first = template.parts[0] if template.parts else ""
    if not isinstance(first, str) or not _SCHEME.match(first):
        message = "must begin with http:// or https://, or be {+name} alone"
        spot.wrong(message, "format", {"format": "uri"})
        return
    if "@" in _authority(template)[0]:
        spot.wrong("must NOT hold a user or password: extract.headers can", "format", {})
    _check_order(template, spot)


def _check_order(template: Template, spot: Spot) -> None:
    """What is in a fragment is never sent."""
    fragment = False
    for part in template.parts:
        if isinstance(part, str):
            fragment = fragment or "#" in part
        elif fragment and part.operator:
            spot.wrong("must NOT have {?…} or {&…} after #", "format", {"format": "uri-template"})


def _authority(template: Template) -> tuple[str, tuple[str, ...]]:
    """The literal text between "//" and the path, and the parameters in it."""
    text, names = "", []
    for part in template.parts:
        if isinstance(part, _Expression):
            if part.operator:
                break
            names.append(part.names[0])
            continue
        rest = part.split("//", 1)[1] if not text and "//" in part and not names else part
        head = re.split(r"[/?#]", rest, maxsplit=1)[0]
        text += head
        if head != rest:
            break
    return text, tuple(names)


def in_host(template: Template) -> tuple[str, ...]:
    """The parameters that take part in the name of the host."""
    return () if template.whole else _authority(template)[1]
