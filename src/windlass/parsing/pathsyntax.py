"""The grammar of recipes' JSONPath: text to steps. Used by jsonpath.py, which follows them.

A leading `$.` may be left out. Filters have `==`, `!=`, `<`, `<=`, `>`, `>=`, `=~ /regex/i`, `&&`,
`||`, `!` and parentheses; `@` is the value in question, `$` the top.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from windlass.parsing.patterns import Expression, expression, pattern_fault

MAX_PATH = 2000
"""Characters of one path."""
_MAX_DEPTH = 16
"""Parentheses and filters in filters."""


class PathSyntaxError(ValueError):
    """A text is no path; says what is wrong and where."""


@dataclass(frozen=True, slots=True)
class Name:
    """A member of an object."""

    name: str


@dataclass(frozen=True, slots=True)
class Index:
    """An item of a list."""

    index: int


@dataclass(frozen=True, slots=True)
class Slice:
    """Some items of a list."""

    places: slice


@dataclass(frozen=True, slots=True)
class Every:
    """All that is in a value."""


@dataclass(frozen=True, slots=True)
class Filter:
    """What is in a value and passes a test."""

    test: Test


Choice = Name | Index | Slice | Every | Filter


@dataclass(frozen=True, slots=True)
class Step:
    """One step down, after any number of steps if `deep`."""

    choices: tuple[Choice, ...]
    deep: bool = False


@dataclass(frozen=True, slots=True)
class Path:
    """Steps from a value."""

    steps: tuple[Step, ...]

    @property
    def definite(self) -> bool:
        """Whether it leads to one value at most."""
        return all(
            not step.deep and len(step.choices) == 1 and isinstance(step.choices[0], Name | Index)
            for step in self.steps
        )


@dataclass(frozen=True, slots=True)
class Nested:
    """A path in a filter."""

    path: Path
    from_top: bool


@dataclass(frozen=True, slots=True)
class Literal:
    """A value in a filter."""

    value: Any


Operand = Nested | Literal


@dataclass(frozen=True, slots=True)
class Compare:
    """Two values compared."""

    left: Operand
    sign: str
    right: Operand


@dataclass(frozen=True, slots=True)
class Pattern:
    """A value in which an expression is looked for."""

    left: Operand
    expression: Expression


@dataclass(frozen=True, slots=True)
class Not:
    """The opposite of a test."""

    test: Test


@dataclass(frozen=True, slots=True)
class Logic:
    """Several tests: `every` one must hold, or any."""

    parts: tuple[Test, ...]
    every: bool


Test = Compare | Pattern | Not | Logic | Nested | Literal


def parse_path(text: str) -> Path:
    """The steps of a path. Raises PathSyntaxError."""
    if len(text) > MAX_PATH:
        raise PathSyntaxError(
            f"the path has {len(text)} characters, at most {MAX_PATH} are allowed"
        )
    reader = _Reader(text.strip())
    path = reader.path()
    reader.end()
    return path


_SIGNS = ("==", "!=", "<=", ">=", "<", ">", "=")
_WORDS = {"true": True, "false": False, "null": None}
_NO_NAME = frozenset(".[]()'\"*,?!<>=&|/~ \t\n\r")


class _Reader:
    """Reads a path from left to right."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._depth = 0

    def path(self) -> Path:
        """The whole text."""
        if self._peek() == "$" and self._text[1:2] in ("", ".", "["):
            self._at = 1
            return Path(self._steps())
        if not self._text:
            return Path(())
        first: tuple[Step, ...] = ()
        if self._peek() not in (".", "["):
            first = (self._dotted(deep=False),)
        return Path(first + self._steps())

    def end(self) -> None:
        """Raises PathSyntaxError if something is left."""
        if self._at < len(self._text):
            raise self._wrong(f"unexpected {self._text[self._at :][:12]!r}")

    # ------------------------------------------------------------ steps

    def _steps(self) -> tuple[Step, ...]:
        steps: list[Step] = []
        while True:
            if self._take(".."):
                bracket = self._peek() == "["
                steps.append(self._bracket(deep=True) if bracket else self._dotted(deep=True))
            elif self._take("."):
                if self._peek() == "[":  # `a.['b']`, which some write
                    continue
                steps.append(self._dotted(deep=False))
            elif self._peek() == "[":
                steps.append(self._bracket(deep=False))
            else:
                return tuple(steps)

    def _dotted(self, *, deep: bool) -> Step:
        if self._take("*"):
            return Step((Every(),), deep)
        begin = self._at
        while self._at < len(self._text) and self._text[self._at] not in _NO_NAME:
            self._at += 1
        if begin == self._at:
            raise self._wrong("expected a name")
        return Step((Name(self._text[begin : self._at]),), deep)

    def _bracket(self, *, deep: bool) -> Step:
        self._expect("[")
        choices = [self._choice()]
        while self._take_spaced(","):
            choices.append(self._choice())
        self._expect_spaced("]")
        return Step(tuple(choices), deep)

    def _choice(self) -> Choice:
        self._space()
        here = self._peek()
        if here in ("'", '"'):
            return Name(self._string())
        if self._take("*"):
            return Every()
        if self._take("?"):
            return Filter(self._nested_test())
        number = self._number_text(signed=True)
        self._space()
        if self._peek() == ":":
            return self._slice(number)
        if number:
            return Index(int(number))
        begin = self._at
        while self._at < len(self._text) and self._text[self._at] not in _NO_NAME:
            self._at += 1
        if begin == self._at:
            raise self._wrong("expected an index, a name in quotes, '*' or '?'")
        return Name(self._text[begin : self._at])

    def _slice(self, first: str) -> Slice:
        parts = [first]
        while len(parts) < 3 and self._take_spaced(":"):
            self._space()
            parts.append(self._number_text(signed=True))
        numbers = [int(part) if part else None for part in parts]
        if len(numbers) == 3 and numbers[2] == 0:
            raise self._wrong("the step of a slice must not be 0")
        return Slice(slice(*numbers))

    # ------------------------------------------------------------ filters

    def _nested_test(self) -> Test:
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise self._wrong(f"filters are nested deeper than {_MAX_DEPTH}")
        test = self._any_of()
        self._depth -= 1
        return test

    def _any_of(self) -> Test:
        parts = [self._all_of()]
        while self._take_spaced("||"):
            parts.append(self._all_of())
        return parts[0] if len(parts) == 1 else Logic(tuple(parts), every=False)

    def _all_of(self) -> Test:
        parts = [self._one()]
        while self._take_spaced("&&"):
            parts.append(self._one())
        return parts[0] if len(parts) == 1 else Logic(tuple(parts), every=True)

    def _one(self) -> Test:
        self._space()
        if self._peek() == "!" and not self._text.startswith("!=", self._at):
            self._at += 1
            self._depth += 1
            if self._depth > _MAX_DEPTH:
                raise self._wrong(f"filters are nested deeper than {_MAX_DEPTH}")
            test = self._one()
            self._depth -= 1
            return Not(test)
        if self._take("("):
            test = self._nested_test()
            self._expect_spaced(")")
            return test
        left = self._operand()
        self._space()
        if self._take("=~"):
            return Pattern(left, self._regex())
        for sign in _SIGNS:
            if self._take(sign):
                return Compare(left, "==" if sign == "=" else sign, self._operand())
        if isinstance(left, Literal):
            raise self._wrong("expected a comparison")
        return left

    def _operand(self) -> Operand:
        self._space()
        here = self._peek()
        if here in ("@", "$"):
            self._at += 1
            return Nested(Path(self._steps()), from_top=here == "$")
        if here in ("'", '"'):
            return Literal(self._string())
        for word, value in _WORDS.items():
            if self._take(word):
                return Literal(value)
        number = self._number_text(signed=True, real=True)
        if number:
            try:
                return Literal(json.loads(number))
            except ValueError:
                raise self._wrong(f"{number!r} is no number") from None
        raise self._wrong("expected '@', '$', a text in quotes, a number, true, false or null")

    def _regex(self) -> Expression:
        self._space()
        begin = self._at
        if self._peek() in ("'", '"'):
            pattern, flags = self._string(), ""
        else:
            self._expect("/")
            pattern = self._until("/", keep_escapes=True)
            flags_at = self._at
            while self._peek().isalpha():
                self._at += 1
            flags = self._text[flags_at : self._at]
        unknown = set(flags) - set("ims")
        if unknown:
            raise self._wrong(f"unknown flag {min(unknown)!r} of a regex; known: i, m, s")
        if flags:
            pattern = f"(?{flags}){pattern}"
        if wrong := pattern_fault(pattern):
            raise PathSyntaxError(f"{wrong} (of the regex at position {begin})")
        return expression(pattern)

    # ------------------------------------------------------------ characters

    def _peek(self) -> str:
        return self._text[self._at : self._at + 1]

    def _space(self) -> None:
        while self._peek() in (" ", "\t", "\n", "\r"):
            self._at += 1

    def _take(self, what: str) -> bool:
        found = self._text.startswith(what, self._at)
        self._at += len(what) if found else 0
        return found

    def _take_spaced(self, what: str) -> bool:
        self._space()
        return self._take(what)

    def _expect(self, what: str) -> None:
        if not self._take(what):
            raise self._wrong(f"expected {what!r}")

    def _expect_spaced(self, what: str) -> None:
        self._space()
        self._expect(what)

    def _number_text(self, *, signed: bool, real: bool = False) -> str:
        begin = self._at
        if signed:
            self._take("-")
        while self._peek().isdigit() or (real and self._peek() and self._peek() in ".eE+-"):
            self._at += 1
        text = self._text[begin : self._at]
        if text == "-" or len(text) > 18 or not text.isascii():
            raise self._wrong("expected a number")
        return text

    def _string(self) -> str:
        quote = self._peek()
        self._at += 1
        return self._until(quote, keep_escapes=False)

    def _until(self, end: str, *, keep_escapes: bool) -> str:
        """The text up to `end`, which a backslash makes an ordinary character."""
        read: list[str] = []
        while (here := self._peek()) != end:
            if not here:
                raise self._wrong(f"expected {end!r}")
            if here == "\\" and self._at + 1 < len(self._text):
                self._at += 1
                escaped = self._peek()
                here = here + escaped if keep_escapes and escaped != end else escaped
            read.append(here)
            self._at += 1
        self._at += 1
        return "".join(read)

    def _wrong(self, what: str) -> PathSyntaxError:
        return PathSyntaxError(f"{what}, at position {self._at}")
