"""What stands behind a number and multiplies it: "1.5M", "3 Mrd.", "2 lakh", "1億2000万".

Used by numbers.py. English and East Asian ones are always known; CLDR has those of a locale, which
come first.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from babel import Locale

_ENGLISH = {
    "k": 3,
    "K": 3,
    "M": 6,
    "B": 9,
    "T": 12,
    "thousand": 3,
    "mn": 6,
    "mln": 6,
    "million": 6,
    "millions": 6,
    "bn": 9,
    "billion": 9,
    "billions": 9,
    "tn": 12,
    "trillion": 12,
    "trillions": 12,
    "lakh": 5,
    "lakhs": 5,
    "crore": 7,
    "crores": 7,
}
_EAST_ASIAN = {
    "\u5343": 3,
    "\u4e07": 4,
    "\u842c": 4,
    "\u5104": 8,
    "\u4ebf": 8,
    "\u5146": 12,
    "\ucc9c": 3,
    "\ub9cc": 4,
    "\uc5b5": 8,
    "\uc870": 12,
}
_SPACE = "[ \u00a0\u2009\u202f]"
_DIGITS = re.compile(r"[0-9]{1,8}")
_PATTERN = re.compile(rf"(?P<zeros>0+)(?P<space>{_SPACE}?)(?P<word>[^0;]*)")


class Multipliers:
    """The multipliers of one language. `spaced` letters may stand apart from the number."""

    def __init__(self, powers: dict[str, int], spaced: frozenset[str]) -> None:
        self._powers = {_key(word): power for word, power in powers.items()}
        self._glued = _either(word for word in powers if len(word) == 1 and word not in spaced)
        words = [word for word in powers if len(word) > 1 or word in spaced]
        self._words = _either(words)
        self._expression = re.compile(
            f"(?P<asian>{_either(_EAST_ASIAN)})"
            rf"|(?P<glued>{self._glued})(?![^\W_])"
            rf"|{_SPACE}?(?P<word>(?i:{self._words}))\.?(?![^\W_])"
        )

    def applied(self, number: Decimal, text: str, end: int) -> tuple[Decimal, int]:
        """The number, which ends there in the text, multiplied, and where that ends."""
        found = self._expression.match(text, end)
        if found is None:
            return number, end
        if found["asian"]:
            return _east_asian(number, found["asian"], text, found.end())
        power = self._powers[_key(found["glued"] or found["word"])]
        return number.scaleb(power), found.end()


def _east_asian(number: Decimal, sign: str, text: str, end: int) -> tuple[Decimal, int]:
    """Sums of falling multiples: 1億2000万 and 1万5000."""
    power = _EAST_ASIAN[sign]
    number = number.scaleb(power)
    while power and (digits := _DIGITS.match(text, end)):
        end = digits.end()
        following = _EAST_ASIAN.get(text[end : end + 1], 0)
        if following >= power:
            return number, digits.start()
        number += Decimal(digits.group()).scaleb(following)
        end += bool(following)
        power = following
    return number, end


def multipliers_of(locale: Locale | None) -> Multipliers:
    """Those of a locale; of none, of English."""
    powers, spaced = dict(_ENGLISH), set()
    for word, power, apart in _of_cldr(locale) if locale is not None else ():
        powers[word] = power
        if apart:
            spaced.add(word)
    return Multipliers(powers, frozenset(spaced))


def _of_cldr(locale: Locale) -> Iterator[tuple[str, int, bool]]:
    """Word, power of ten and whether a space goes before it."""
    for power, pattern in _patterns(locale):
        found = _PATTERN.fullmatch(pattern)
        word = found and found["word"].strip("\u200f\u200e ").removesuffix(".")
        if found and word and word not in _EAST_ASIAN:
            yield word, len(power) - len(found["zeros"]), bool(found["space"])


def _patterns(locale: Locale) -> Iterator[tuple[str, str]]:
    """Powers of ten, written out, and how numbers of that size are shortened."""
    styles = locale.compact_decimal_formats
    for plurals in (plural for style in styles for plural in styles[style].values()):
        for power, pattern in plurals.items():
            text = str(getattr(pattern, "pattern", pattern)).replace("'", "")
            yield power, text.split(";")[0].strip()


def _key(word: str) -> str:
    """Letters are told apart by case (M is no m), words are not."""
    return word if len(word) == 1 else word.casefold()


def _either(words: Iterator[str] | list[str] | dict[str, int]) -> str:
    longest_first = sorted(set(words), key=len, reverse=True)
    return "|".join(map(re.escape, longest_first)) or r"(?!)"
