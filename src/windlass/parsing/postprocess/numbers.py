"""Post-processor number: the first number that a text tells, in any script, with its multiplier.

How it is punctuated is seen from its shape; only where that leaves two readings ("1.500", "2,100")
does the locale decide, English without one.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from decimal import Decimal
from typing import Literal

import msgspec

from windlass.model.recipe import Number
from windlass.parsing.faults import Spot
from windlass.parsing.postprocess import Apply, PostProcess, Setting, Value
from windlass.parsing.postprocess.locales import check_locale
from windlass.parsing.postprocess.multipliers import Multipliers, multipliers_of

MAX_TEXT = 100_000
"""Characters looked at for a number."""
MAX_DIGITS = 64
"""Digits and separators of one number."""

_SPACES = "\u00a0\u2007\u2009\u202f"
_GROUPS = dict.fromkeys(_SPACES + " ", " ") | dict.fromkeys("'\u2019\u02bc\uff07", "'")
_WIDE = str.maketrans({"\uff0e": ".", "\uff0c": ",", "\u066c": "\u2019"})
_INVISIBLE = dict.fromkeys(map(ord, "\u200b\u200e\u200f\u061c\u2060\ufeff"))

_SEPARATORS = rf".,\u066b'\u2019\u02bc\uff07{_SPACES}"
_RUN = re.compile(rf"[0-9]+(?:[{_SEPARATORS}][0-9]+)*|(?<!\w)[.,\u066b][0-9]+")
_RUN_WITH_BLANKS = re.compile(rf"[0-9]+(?:[{_SEPARATORS} ][0-9]+)*|(?<!\w)[.,\u066b][0-9]+")
_SEPARATOR = re.compile(rf"[{_SEPARATORS} ]")
_EXPONENT = re.compile(r"[eE]([+-]?[0-9]{1,3})(?![\w])")

_SIGN = "$\u00a2-\u00a5\u060b\u0e3f\u20a0-\u20cf\ufdfc\uff04\uffe0\uffe1\uffe5"
_CURRENCY = rf"\s?(?:[A-Z]{{1,3}}[{_SIGN}]?|[{_SIGN}])\s?"
_MINUS = re.compile(rf"(?<!\w)[-\u2212\u2013\uff0d\ufe63](?:{_CURRENCY})?$")
_OPENED = re.compile(rf"\((?P<currency>{_CURRENCY})?$")
_CLOSED = re.compile(rf"(?P<currency>{_CURRENCY})?\)")
_MINUS_BEHIND = re.compile(r"[-\u2212]\s*$")
_BEFORE = 12
"""Characters before a number that may belong to it."""


class _Reading(msgspec.Struct, frozen=True):
    """How texts are read in a locale: its decimal sign, whether blanks group, its multipliers."""

    decimal: str
    blanks: bool
    multipliers: Multipliers


def _compile(spec: Number, spot: Spot) -> Apply:
    check_locale(spec.locale, spot / "locale")
    force, locale = spec.force_type, spec.locale
    reading: _Reading | None = None

    def apply(value: Value, setting: Setting) -> Value:
        nonlocal reading
        if isinstance(value, str):
            if reading is None:
                reading = _reading(locale)
            setting.spend(1 + min(len(value), MAX_TEXT) // 500)
            value = _told(value[:MAX_TEXT], reading)
        elif isinstance(value, bool) or not isinstance(value, int | float):
            return None
        return _forced(value, force)

    return apply


def _reading(tag: str) -> _Reading:
    from windlass.parsing.postprocess.locales import locale_of

    locale = locale_of(tag) if tag else None
    if locale is None:
        return _Reading(".", True, multipliers_of(None))
    symbols = locale.number_symbols["latn"]
    blanks = _GROUPS.get(symbols.get("group", ",")) == " "
    return _Reading(symbols.get("decimal", "."), blanks, multipliers_of(locale))


def _forced(value: int | float | None, force: Literal["int", "float", ""]) -> int | float | None:
    if value is None or not force:
        return value
    return int(value) if force == "int" else float(value)


# --------------------------------------------------------------------- a number in a text


def _told(text: str, reading: _Reading) -> int | float | None:
    text = _plain(text)
    run = (_RUN_WITH_BLANKS if reading.blanks else _RUN).search(text)
    if run is None:
        return None
    number, length = _longest(run.group(), reading.decimal)
    if number is None:
        return None
    end = run.start() + length
    if exponent := _EXPONENT.match(text, end):
        number, end = number.scaleb(int(exponent.group(1))), exponent.end()
    else:
        number, end = reading.multipliers.applied(number, text, end)
    if _negative(text, run.start(), end):
        number = -number
    return _of_python(number)


def _plain(text: str) -> str:
    """The text with ASCII digits, and without what is not seen."""
    if text.isascii():
        return text
    text = text.translate(_WIDE).translate(_INVISIBLE)
    return "".join(
        str(unicodedata.decimal(each)) if each.isdecimal() and each > "9" else each for each in text
    )


def _longest(run: str, decimal: str) -> tuple[Decimal | None, int]:
    """The number that the run begins with, taking as much of it as makes one, and its length."""
    if run[0] in ".,\u066b":
        return (Decimal(f"0.{run[1:]}"), len(run)) if len(run) <= MAX_DIGITS else (None, 0)
    parts, separators = _SEPARATOR.split(run[: MAX_DIGITS + 1]), _SEPARATOR.findall(run)
    if len(parts[0]) > MAX_DIGITS:
        return None, 0
    if len(run) > MAX_DIGITS:
        parts.pop()  # perhaps cut
    while parts:
        separators = separators[: len(parts) - 1]
        number = _number(parts, separators, decimal)
        if number is not None:
            return number, sum(map(len, parts)) + len(separators)
        parts.pop()
    return None, 0


def _number(parts: Sequence[str], separators: Sequence[str], decimal: str) -> Decimal | None:
    if not separators:
        return Decimal(parts[0])
    last = separators[-1]
    fraction = last in ".,\u066b" and last not in separators[:-1]
    if fraction and len(separators) == 1 and last not in (decimal, "\u066b"):
        fraction = not _grouped(parts)
    whole, between = (parts[:-1], separators[:-1]) if fraction else (parts, separators)
    if between and not (_alike(between) and _grouped(whole)):
        return None
    return Decimal("".join(whole) + (f".{parts[-1]}" if fraction else ""))


def _alike(separators: Sequence[str]) -> bool:
    return len({_GROUPS.get(each, each) for each in separators}) == 1


def _grouped(parts: Sequence[str]) -> bool:
    """Whether digits stand in groups: of three, or as in India of two before the last three."""
    first, middle, last = parts[0], parts[1:-1], parts[-1]
    if len(last) != 3 or first[0] == "0":
        return False
    if all(len(part) == 3 for part in middle):
        return len(first) <= 3
    return len(first) <= 2 and all(len(part) == 2 for part in middle)


def _negative(text: str, start: int, end: int) -> bool:
    """Whether a minus or, as in accounts, parentheses with a currency say so."""
    before = text[max(start - _BEFORE, 0) : start]
    if _MINUS.search(before) or _MINUS_BEHIND.match(text, end):
        return True
    opened = _OPENED.search(before)
    closed = opened and _CLOSED.match(text, end)
    return bool(opened and closed and (opened["currency"] or closed["currency"]))


def _of_python(number: Decimal) -> int | float:
    """An int if it is whole. What no float can hold is no number: raises OverflowError."""
    if number.adjusted() > 300:
        raise OverflowError(number)
    return int(number) if number == number.to_integral_value() else float(number)


NUMBER = PostProcess(_compile)
