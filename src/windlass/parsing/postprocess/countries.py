"""Post-processor country: ISO 3166 codes of names in English and in the page's language.

The names are CLDR's; below are those of everyday English that it has not.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from windlass.model.recipe import Country
from windlass.parsing.faults import Spot
from windlass.parsing.postprocess import Apply, PostProcess, Setting, Value
from windlass.parsing.postprocess.locales import locale_of_page

MAX_NAME = 100
"""Characters that a country's name may have."""

_NO_COUNTRIES = re.compile("AC|CP|CQ|DG|EA|EU|EZ|IC|QO|TA|UN|XA|XB|ZZ|[0-9]+")
"""Codes that CLDR names and ISO 3166 gives to no country."""

_EVERYDAY = {
    "AE": "uae|emirates",
    "BO": "plurinational state of bolivia",
    "BN": "brunei darussalam",
    "CD": "democratic republic of the congo|democratic republic of congo|dr congo|drc|zaire",
    "CG": "congo|republic of the congo|republic of congo",
    "CI": "ivory coast",
    "CN": "prc|peoples republic of china|mainland china",
    "CV": "cabo verde",
    "CZ": "czech republic",
    "DE": "federal republic of germany",
    "FK": "falklands",
    "FM": "federated states of micronesia",
    "GB": "great britain|britain|england|scotland|wales|northern ireland|u k"
    "|united kingdom of great britain and northern ireland",
    "GM": "gambia",
    "HK": "hong kong",
    "IE": "republic of ireland|eire",
    "IR": "islamic republic of iran",
    "KP": "dprk|democratic peoples republic of korea",
    "KR": "korea|republic of korea|korea republic of",
    "LA": "lao peoples democratic republic|lao pdr",
    "MD": "republic of moldova",
    "MK": "macedonia|republic of north macedonia",
    "MM": "burma|myanmar",
    "MO": "macau|macao",
    "NL": "holland|the netherlands",
    "PS": "palestine|state of palestine",
    "RU": "russian federation",
    "ST": "sao tome and principe",
    "SY": "syrian arab republic",
    "SZ": "swaziland",
    "TL": "east timor",
    "TR": "turkey",
    "TW": "taiwan province of china|republic of china",
    "TZ": "united republic of tanzania",
    "US": "usa|u s|u s a|united states of america|america",
    "VA": "vatican|holy see",
    "VE": "bolivarian republic of venezuela",
    "VN": "viet nam",
}
_MARKS = re.compile("[\u0300-\u036f\u200b-\u200f\u2060]")
_SIGNS = re.compile(r"[^\w\s]+")
_SAINT = re.compile(r"\bsaint\b")


def _compile(spec: Country, spot: Spot) -> Apply:
    return _apply


def _apply(value: Value, setting: Setting) -> Value:
    if not isinstance(value, str) or len(value) > MAX_NAME:
        return None
    setting.spend(10)
    return country_of(value, setting.language)


@lru_cache(maxsize=1024)
def country_of(text: str, language: str) -> str | None:
    """The code of the country that a text names or is the code of, None if none."""
    code = text.strip().upper()
    if (found := _codes().get(code)) is not None:
        return found
    name = _folded(text)
    return _names("en").get(name) or _names(language).get(name)


@lru_cache(maxsize=1)
def _codes() -> dict[str, str]:
    """Two and three letters, and the numbers, of every country."""
    from babel.core import get_global

    own = {code: code for code in _territories("en")}
    aliases = get_global("territory_aliases").items()
    return {
        alias: codes[0] for alias, codes in aliases if len(codes) == 1 and codes[0] in own
    } | own


@lru_cache(maxsize=8)
def _names(language: str) -> dict[str, str]:
    names = {_folded(name): code for code, name in _territories(language).items()}
    if language != "en":
        return names
    every = {each: code for code, some in _EVERYDAY.items() for each in some.split("|")}
    return names | every


def _territories(language: str) -> dict[str, str]:
    locale = locale_of_page(language) if language else None
    named = {} if locale is None else dict(locale.territories.items())
    return {code: name for code, name in named.items() if not _NO_COUNTRIES.fullmatch(code)}


def _folded(name: str) -> str:
    """A name without case, accents, signs and "the", saints short."""
    bare = _MARKS.sub("", unicodedata.normalize("NFKD", name.casefold()))
    words = _SIGNS.sub(" ", bare.replace("&", " and ").replace("\u2019", "").replace("'", ""))
    return _SAINT.sub("st", " ".join(words.split())).removeprefix("the ")


COUNTRY = PostProcess(_compile)
