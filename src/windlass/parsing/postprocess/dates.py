"""Post-processor date: a moment told in any language, as ISO 8601 or strftime.

What machines write is read here; the rest by dateparser, in the recipe's or the page's language and
English. A moment without a time zone stays without one; relative ones are in UTC.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import TYPE_CHECKING

from windlass.model.recipe import Date
from windlass.parsing.faults import Spot
from windlass.parsing.postprocess import Apply, PostProcess, Setting, Value
from windlass.parsing.postprocess.locales import check_locale

if TYPE_CHECKING:
    from dateparser.date import DateDataParser

MAX_TEXT = 100
"""Characters that a date may have: what dateparser does takes 0.1 s at worst for so many."""
MAX_FORMAT = 200
_COST = 1_000
"""What dateparser counts for, in values met."""

_DIRECTIVE = re.compile(r"%(?P<name>-?[a-zA-Z%]|.|$)", re.DOTALL)
_DIRECTIVES = frozenset("aAbBcdDeFfGgHIjmMnprRSstTuUVwWxXyYzZ%") - {"s"}
_PADDED = frozenset("deHIjmMSUWVyuwG")
"""Those that `-` may take the zeros from."""

_ISO = re.compile(
    r"(?P<date>\d{4}-\d\d-\d\d)"
    r"(?:[T ](?P<hour>\d\d?)(?P<rest>[\d:.,]*)\s*(?P<zone>Z|UTC|GMT|[+-].*)?)?",
    re.IGNORECASE,
)
_COMPACT = re.compile(r"(?:19|20)\d{6}")
_EAST_ASIAN = re.compile(
    "(\\d{4}) ?[\u5e74\ub144] ?(\\d{1,2}) ?[\u6708\uc6d4] ?(\\d{1,2}) ?[\u65e5\uc77c]"
)
_RFC822 = re.compile(r"(?:[A-Z][a-z]{2},? )?\d{1,2} [A-Z][a-z]{2} \d{2,4} \d\d?:\d\d(?::\d\d)? \S+")
_EPOCH = re.compile(r"\d{10}(?:\d{3})?")
_NUMERIC = re.compile(
    r"\d{4}(?: ?[-/.] ?\d{1,2}){0,2}\.?|\d{1,2}[-/. ]+\d{1,2}[-/. ]+(?:\d\d){1,2}|\d{1,2}/\d{4}"
    r"|(?:[\d./-]{5,10},?\s+)?\d{1,2}:\d\d(?::\d\d)?(?:[.,]\d+)?"
)
_LETTER = re.compile(r"[^\W\d_]")
_NOT_IN_DATES = re.compile("[$\u00a3\u20ac\u00a5%#@=<>{}]")
_MONTHS = {
    name: month
    for month, names in enumerate(
        [
            ("jan", "january"),
            ("feb", "february"),
            ("mar", "march"),
            ("apr", "april"),
            ("may",),
            ("jun", "june"),
            ("jul", "july"),
            ("aug", "august"),
            ("sep", "sept", "september"),
            ("oct", "october"),
            ("nov", "november"),
            ("dec", "december"),
        ],
        start=1,
    )
    for name in names
}
_ENGLISH = re.compile(
    r"(?:[a-z]{3,9},? )?"
    r"(?:(?P<m1>[a-z]{3,9})\.? (?P<d1>\d\d?)(?:st|nd|rd|th)?"
    r"|(?P<d2>\d\d?)(?:st|nd|rd|th)?(?: of)?[ -](?P<m2>[a-z]{3,9})\.?)"
    r"(?:, ?| |-)(?P<year>\d{4})"
)
_INVISIBLE = dict.fromkeys(map(ord, "\u200b\u200e\u200f\u061c\u2060\ufeff"))


def _compile(spec: Date, spot: Spot) -> Apply:
    _check_format(spec.format, spot / "format")
    check_locale(spec.locale, spot / "locale")
    written = _writer(spec.format)
    locale = spec.locale

    def apply(value: Value, setting: Setting) -> Value:
        found = _epoch(value) if isinstance(value, int | float) else None
        if isinstance(value, str) and len(value) <= 10 * MAX_TEXT:
            found = _told(value, locale, setting)
        return None if found is None else written(found)

    return apply


def _check_format(form: str, spot: Spot) -> None:
    if len(form) > MAX_FORMAT:
        message = f"must NOT have more than {MAX_FORMAT} characters"
        spot.wrong(message, "maxLength", {"limit": MAX_FORMAT})
        return
    for found in _DIRECTIVE.finditer(form):
        name = found["name"]
        allowed = _PADDED if name[:1] == "-" and len(name) > 1 else _DIRECTIVES
        if name[-1:] not in allowed:
            known = " ".join(f"%{each}" for each in sorted(_DIRECTIVES))
            message = f"must NOT have {found.group()!r}; accepted: {known}, and %-d for %d bare"
            spot.wrong(message, "format", {"format": "strftime"})
            return
    if "\0" in form:
        spot.wrong("must NOT have the character U+0000", "format", {"format": "strftime"})


def _writer(form: str) -> Callable[[datetime], str]:
    return (lambda moment: moment.strftime(form)) if form else datetime.isoformat


# --------------------------------------------------------------------- what machines write


def _told(text: str, locale: str, setting: Setting) -> datetime | None:
    text = " ".join(_ascii_digits(text).split())
    if not text or len(text) > MAX_TEXT:
        return None
    found = _by_machine(text) or _english(text.casefold())
    if found is not None or not _like_a_date(text):
        return found
    setting.spend(_COST)
    return _spoken(
        text, locale or setting.language, setting.now.replace(tzinfo=None, microsecond=0)
    )


def _ascii_digits(text: str) -> str:
    if text.isascii():
        return text
    text = unicodedata.normalize("NFKC", text.translate(_INVISIBLE))
    return "".join(str(unicodedata.decimal(each)) if each.isdecimal() else each for each in text)


def _by_machine(text: str) -> datetime | None:
    if iso := _ISO.fullmatch(text):
        return _of_iso(iso)
    if _EPOCH.fullmatch(text):
        return _epoch(int(text))
    if _RFC822.fullmatch(text):
        return parsedate_to_datetime(text)
    if _COMPACT.fullmatch(text):
        return datetime.fromisoformat(text)
    if named := _EAST_ASIAN.fullmatch(text):
        year, month, day = map(int, named.groups())
        return datetime(year, month, day)
    return None


def _of_iso(iso: re.Match[str]) -> datetime:
    date, hour, rest, zone = iso.group("date", "hour", "rest", "zone")
    if hour is None:
        return datetime.fromisoformat(date)
    zone = (zone or "").replace(" ", "")
    if zone.upper() in ("Z", "UTC", "GMT"):
        zone = "+00:00"
    return datetime.fromisoformat(f"{date}T{hour.zfill(2)}{rest}{zone}")


def _epoch(seconds: float) -> datetime | None:
    """A moment of Unix time, in seconds or, if it has 13 digits, milliseconds."""
    if isinstance(seconds, bool) or not 1e8 <= seconds < 1e13:
        return None
    if seconds >= 1e11:
        seconds /= 1000
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)


def _english(text: str) -> datetime | None:
    found = _ENGLISH.fullmatch(text)
    if found is None:
        return None
    month = _MONTHS.get(found["m1"] or found["m2"])
    day = int(found["d1"] or found["d2"])
    return None if month is None else datetime(int(found["year"]), month, day)


def _like_a_date(text: str) -> bool:
    """Whether dateparser may read it, which takes "$17.31" for a time and "12" for a month."""
    if _NOT_IN_DATES.search(text):
        return False
    return bool(_LETTER.search(text) or _NUMERIC.fullmatch(text))


# --------------------------------------------------------------------- what people write


@lru_cache(maxsize=2048)
def _spoken(text: str, language: str, now: datetime) -> datetime | None:
    found = _parser(language, now).get_date_data(text)
    moment: datetime | None = found.date_obj
    if moment is not None and found.period == "year":  # else of the month that it is now
        return moment.replace(month=1, day=1)
    return moment


@lru_cache(maxsize=16)
def _parser(language: str, now: datetime) -> DateDataParser:
    from dateparser.date import DateDataParser

    return DateDataParser(
        locales=list(_languages(language)),
        use_given_order=True,
        try_previous_locales=False,
        settings={
            "RELATIVE_BASE": now,
            "PREFER_DAY_OF_MONTH": "first",
            "PARSERS": ["relative-time", "absolute-time"],
        },
    )


@lru_cache(maxsize=256)
def _languages(tag: str) -> tuple[str, ...]:
    """Names that dateparser has for a locale, and for English unless it is English."""
    from dateparser.data.languages_info import language_locale_dict, language_order

    from windlass.parsing.postprocess.locales import locale_of_page

    locale = locale_of_page(tag) if tag else None
    if locale is None:
        return ("en",)
    language = "nb" if locale.language == "no" else locale.language
    names = [f"{language}-{locale.script}", language]
    known = next((name for name in names if name in language_order), None)
    if known is None:
        return ("en",)
    regional = f"{known}-{locale.territory}"
    first = regional if regional in language_locale_dict[known] else known
    return (first,) if known == "en" else (first, "en")


DATE = PostProcess(_compile)
