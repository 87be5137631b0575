"""Locales as recipes and pages write them, told to CLDR. Used by numbers, dates and countries.

Babel is imported when the first locale is looked up, and no earlier.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from windlass.parsing.faults import Spot

if TYPE_CHECKING:
    from babel import Locale

_LONGEST = 32


@lru_cache(maxsize=256)
def locale_of(tag: str) -> Locale | None:
    """The locale of a BCP 47 tag, `_` for `-` allowed, extensions left out; None if unknown."""
    from babel import Locale, UnknownLocaleError

    if len(tag) > _LONGEST or not tag.isascii():
        return None
    subtags = tag.replace("_", "-").split("-")
    plain = next((at for at, each in enumerate(subtags) if len(each) == 1), len(subtags))
    try:
        return Locale.parse("_".join(subtags[:plain]))
    except (ValueError, UnknownLocaleError):
        return None


def locale_of_page(tag: str) -> Locale | None:
    """The locale that a page claims, at least its language; None if that is unknown."""
    return locale_of(tag) or locale_of(tag.replace("_", "-").partition("-")[0])


def check_locale(tag: str, spot: Spot) -> None:
    """Notes at the spot if a recipe's locale is unknown. "" is none."""
    if tag and locale_of(tag) is None:
        message = (
            "must be a locale that is known: a language with or without script and country, "
            "such as 'de', 'de-CH', 'pt_BR' or 'zh-Hant-TW'"
        )
        spot.wrong(message, "format", {"format": "locale"})
