"""CSS selectors as soupsieve reads them, in the words of the parser that finds elements.

Used by dom.py. What the parser knows is passed on; classes and ids are always told apart by case,
as soupsieve does; what it lacks (`:-soup-contains()` and a few more) becomes a *mark*: an attribute
that dom.py sets on the elements for which the pseudo-class holds.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from turbohtml import Element, SelectorSyntaxError, Text, parse

MAX_SELECTOR = 2000
"""Characters of one selector."""
_MAX_DEPTH = 12
"""Pseudo-classes in pseudo-classes."""
_MAX_MARKS = 32

Holds = Callable[[Element], bool]


@dataclass(frozen=True, slots=True)
class Mark:
    """A pseudo-class of ours. `name` is the attribute that stands for it, `among` a selector for
    all elements that it may hold for, `text` bounds what `holds` looks at: all in an element, or
    nothing worth counting."""

    name: str
    among: str
    holds: Holds
    deep: bool


@dataclass(frozen=True, slots=True)
class Css:
    """A selector. `native` is what the parser understands once the marks are set."""

    source: str
    native: str
    marks: tuple[Mark, ...]


class CssError(ValueError):
    """A text is no selector; says why."""


@lru_cache(maxsize=2048)
def css(source: str) -> Css:
    """The selector that a text means. Raises CssError."""
    if len(source) > MAX_SELECTOR:
        message = f"the selector has {len(source)} characters, at most {MAX_SELECTOR} are allowed"
        raise CssError(message)
    reader = _Reader(source)
    native = reader.whole()
    try:
        _probe().matches(native)
    except SelectorSyntaxError as error:
        raise CssError(_reason(error)) from error
    return Css(source, native, tuple(reader.marks))


@lru_cache(maxsize=1)
def _probe() -> Element:
    root = parse("<p>").root
    if root is None:
        raise AssertionError("a document without a root")
    return root


def _reason(error: SelectorSyntaxError) -> str:
    """What the parser says, without the selector as it was passed on and places in that."""
    said = str(error).rpartition('": ')[2]
    return said.rpartition(" at position ")[0] or said


# --------------------------------------------------------------------- reading

_NAME = re.compile(r"(?:[\w-]|[^\x00-\x7f]|\\[0-9a-fA-F]{1,6}\s?|\\[^\n0-9a-fA-F])+")
_COMMENT = re.compile(r"/\*.*?\*/", re.S)
_NOT_EQUAL = re.compile(r"\[\s*((?:[\w-]|[^\x00-\x7f]|\\.)+)\s*!=")
_NEVER = ":not(*)"
_REPLACED = {
    "host": _NEVER,
    "local-link": _NEVER,
    "open": ":is(details,dialog)[open]",
    "matches": ":is",
}
_STRING = re.compile(
    r"""\s*(?:"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)'|([^"',]+?))\s*(?:,|$)""", re.S
)
_ESCAPE = re.compile(r"\\(?:([0-9a-fA-F]{1,6})\s?|(\n)|(.))", re.S)


class _Reader:
    """Writes a selector anew from left to right, remembering where the current compound began."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._at = 0
        self._written: list[str] = []
        self._compound = 0
        self._depth = 0
        self.marks: list[Mark] = []
        self._parts: dict[str, Callable[[], None]] = {
            ".": lambda: self._named("class~"),
            "#": lambda: self._named("id"),
            ":": self._pseudo,
            "[": self._attribute,
            "&": lambda: self._take(":scope", 1),
        }

    def whole(self) -> str:
        """The selector in the parser's words. Raises CssError."""
        self._read(closing="")
        if not "".join(self._written).strip():
            raise CssError("expected a selector")
        return "".join(self._written)

    def _read(self, closing: str) -> None:
        while self._at < len(self._source):
            here = self._source[self._at]
            if here == closing:
                return
            if self._source.startswith("/*", self._at):
                self._skip_comment()
            elif read := self._parts.get(here):
                read()
            elif here in "\\_-" or here.isalnum() or here > "\x7f":
                self._take(self._name(), 0)
            else:
                self._take(here, 1)
                if here in " \t\n\r\f>+~,(":
                    self._compound = len(self._written)
        if closing:
            raise CssError(f"expected {closing!r}")

    def _take(self, written: str, length: int) -> None:
        self._written.append(written)
        self._at += length

    def _skip_comment(self) -> None:
        match = _COMMENT.match(self._source, self._at)
        if match is None:
            raise CssError("a comment does not end")
        self._at = match.end()

    def _name(self) -> str:
        match = _NAME.match(self._source, self._at)
        if match is None:
            raise CssError(f"expected a name, at position {self._at}")
        self._at = match.end()
        return match[0]

    def _named(self, attribute: str) -> None:
        """A class or id, as an attribute: by itself the parser takes it in any case on pages
        without a doctype."""
        self._at += 1
        self._written.append(f"[{attribute}={_quoted(unescape(self._name()))}]")

    def _attribute(self) -> None:
        begin = self._at
        end = self._end_of("]")
        text = self._source[begin:end]
        if unequal := _NOT_EQUAL.match(text):
            self._written.append(f":not([{unequal[1]}={text[unequal.end() :]})")
        else:
            self._written.append(text)
        self._at = end

    # ------------------------------------------------------------ pseudo-classes

    def _pseudo(self) -> None:
        if self._source.startswith("::", self._at):
            raise CssError(f"a pseudo-element is no element, at position {self._at}")
        begin = self._at
        self._at += 1
        name = self._name().lower()
        takes = self._source[self._at : self._at + 1] == "("
        if takes and name in _CONTAINS:
            self._contains(name)
        elif not takes and name in _STATES:
            among, holds = _STATES[name]
            self._mark(among, holds, deep=False)
        elif name in _REPLACED:
            self._written.append(_REPLACED[name])
        elif takes:
            self._function(begin, name)
        else:
            self._written.append(":" + name)

    def _function(self, begin: int, name: str) -> None:
        if name not in _SELECTING:
            end = self._end_of(")", "(")
            self._written.append(self._source[begin:end])
            self._at = end
            return
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise CssError(f"pseudo-classes are nested deeper than {_MAX_DEPTH}")
        outer = self._compound
        self._take(f":{name}(", 1)
        self._compound = len(self._written)
        self._read(closing=")")
        self._take(")", 1)
        self._compound = outer
        self._depth -= 1

    def _end_of(self, closing: str, opening: str = "") -> int:
        """Where what opens here closes again; what opens in it counts if it is named."""
        quote, depth, place = "", 1, self._at + 1
        while place < len(self._source):
            here = self._source[place]
            if here == "\\":
                place += 1
            elif quote:
                quote = "" if here == quote else quote
            elif here in "\"'":
                quote = here
            elif here == opening:
                depth += 1
            elif here == closing:
                depth -= 1
                if not depth:
                    return place + 1
            place += 1
        raise CssError(f"expected '{closing}'")

    def _contains(self, name: str) -> None:
        end = self._end_of(")", "(")
        texts = _texts(self._source[self._at + 1 : end - 1])
        if not texts:
            raise CssError(f":{name}() needs a text in quotes, or several with commas between")
        self._at = end
        if name == "-soup-contains-own":
            self._mark("", lambda element: _own_text_has(element, texts), deep=False)
        else:
            self._mark("", lambda element: _text_has(element, texts), deep=True)

    def _mark(self, among: str, holds: Holds, *, deep: bool) -> None:
        if len(self.marks) == _MAX_MARKS:
            raise CssError(f"more than {_MAX_MARKS} pseudo-classes like :-soup-contains()")
        compound = "".join(self._written[self._compound :]).strip()
        among = compound + among or "*"
        name = f"{MARK}{_serial(self._source, len(self.marks))}"
        self.marks.append(Mark(name, among, holds, deep))
        self._written.append(f"[{name}]")


MARK = "wl7q4m9x-"
"""How the names of marks begin: no page has such an attribute by accident."""
_CONTAINS = frozenset({"-soup-contains", "-soup-contains-own", "contains"})
_SELECTING = frozenset({"is", "where", "not", "has", "matches"})


@lru_cache(maxsize=4096)
def _serial(source: str, number: int) -> str:
    """Different for different marks of different selectors, whatever else is in the cache."""
    from hashlib import blake2b

    return blake2b(source.encode("utf-8", "replace"), digest_size=8).hexdigest() + f"-{number}"


def _texts(arguments: str) -> tuple[str, ...]:
    """The texts between commas, quoted or not."""
    found: list[str] = []
    place = 0
    while place < len(arguments):
        match = _STRING.match(arguments, place)
        if match is None:
            return ()
        found.append(unescape(next(group for group in match.groups() if group is not None)))
        place = match.end()
    return tuple(found)


def unescape(text: str) -> str:
    """CSS escapes undone (CSS Syntax 3, section 4.3.7)."""
    if "\\" not in text:
        return text
    return _ESCAPE.sub(_character, text)


def _character(match: re.Match[str]) -> str:
    if match[1]:
        code = int(match[1], 16)
        return chr(code) if 0 < code < 0x110000 and not 0xD800 <= code < 0xE000 else "\ufffd"
    return "" if match[2] else match[3]


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\a ")
    return f'"{escaped}"'


# --------------------------------------------------------------------- what marks say


def _text_has(element: Element, texts: tuple[str, ...]) -> bool:
    text = element.text
    return any(wanted in text for wanted in texts)


def _own_text_has(element: Element, texts: tuple[str, ...]) -> bool:
    own = [child.data for child in element.children if isinstance(child, Text)]
    return any(wanted in piece for wanted in texts for piece in own)


def _number(element: Element, name: str) -> float | None:
    try:
        return float(element.attr(name) or "")
    except ValueError:
        return None


def _in_range(element: Element) -> bool:
    value = _number(element, "value")
    least, most = _number(element, "min"), _number(element, "max")
    if value is None:
        return True
    return (least is None or value >= least) and (most is None or value <= most)


def _out_of_range(element: Element) -> bool:
    return not _in_range(element)


def _shows_placeholder(element: Element) -> bool:
    if element.tag == "textarea":
        return element.text in ("", "\n")
    return not element.attr("value")


def _undecided(element: Element) -> bool:
    """A radio button of a group in which none is chosen, or something without a value."""
    if element.tag == "progress":
        return element.attr("value") is None
    if element.attr("indeterminate") is not None:
        return True
    name = element.attr("name")
    if (element.attr("type") or "").lower() != "radio" or not name:
        return False
    form = element.closest("form") or element.closest(":root")
    if form is None:
        return False
    group = f'input[type="radio"][name={_quoted(name)}][checked]'
    return form.select_one(group) is None


_RANGED = ':is(input[type="number"],input[type="range"]):is([min],[max])'
_STATES: dict[str, tuple[str, Holds]] = {
    "in-range": (_RANGED, _in_range),
    "out-of-range": (_RANGED, _out_of_range),
    "placeholder-shown": (":is(input,textarea)[placeholder]", _shows_placeholder),
    "indeterminate": (":is(input,progress)", _undecided),
}
