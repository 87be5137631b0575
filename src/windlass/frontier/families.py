"""Families: which URLs look as if one program made them, judged by the URL alone.

Used by traps.py (what a family may still cost) and links.py. A family is named by what its URLs
have in common: "shop.test/list?color&size", "shop.test/calendar/{n}/{n}".
"""

from __future__ import annotations

import re
from enum import Enum
from functools import lru_cache

from windlass.frontier.parts import take_apart

_MAX_SEGMENT = 60
_MAX_SEGMENTS = 12
_MAX_NAMES = 12

# A number, a date, a version; at the end of a path also a name that is counted ("page-3.html").
# "base64" as a folder is a name.
_NUMBERS = re.compile(r"[\d._:-]*\d[\d._:-]*\Z")
_NUMBER = re.compile(r"\d+")
_COUNTED = re.compile(r"(.*?\D)?\d+(\.[A-Za-z]{1,5})?\Z")
# Drawn by a machine: letters and digits in turns.
_TOKEN = re.compile(r"(?=(?:[0-9-]*[A-Za-z]+[0-9]){2})[A-Za-z0-9-]{8,}\Z")
_ENCODED_NAME = re.compile(r"%5B.*?(?:%5D|\Z)|\[.*?(?:\]|\Z)", re.IGNORECASE)


class Shape(Enum):
    """What kind of variety a family has."""

    FOLDER = "folder"
    """Pages below a folder, each with a name of its own."""
    NUMBERS = "numbers"
    TOKENS = "ids"
    REPEATS = "repeated path parts"
    PARAMETERS = "query parameters"


@lru_cache(maxsize=4096)
def shape_of(family: str) -> Shape:
    """The kind of variety that a family's name says."""
    if "?" in family:
        return Shape.PARAMETERS
    if "/{*}" in family:
        return Shape.REPEATS
    if "{x}" in family:
        return Shape.TOKENS
    return Shape.NUMBERS if "{n}" in family else Shape.FOLDER


@lru_cache(maxsize=4096)
def families_of(url: str) -> tuple[str, ...]:
    """The families of a normalised URL, the widest first, at most five.

    The first folder, or the host for what lies in none; then, for a path that varies, all below
    the place where it begins to, and its exact pattern; for a query, its parameters anywhere below
    the first folder, the path with any parameters, and the path with just these.
    """
    parts = take_apart(url)
    if parts is None:
        return ()
    segments = [_general(segment) for segment in parts.path.split("/")[1 : _MAX_SEGMENTS + 1]]
    segments[-1] = _last(segments[-1])
    top = f"{parts.host}/"
    if len(segments) > 1 and "{" not in segments[0]:
        top = f"{top}{segments[0]}/"
    path = _of_path(parts.host, segments, parts.path)
    if not parts.query:
        return tuple(dict.fromkeys((top, *path)))
    page = f"{parts.host}/{'/'.join(segments)}?"
    names = _parameters(parts.query)
    return tuple(dict.fromkeys((top, *path[:1], f"{top}*?{names}", page, page + names)))


def _general(segment: str) -> str:
    """A part of a path, or a parameter's name, with what varies in it left out."""
    if not segment or segment.isalpha():
        return segment
    if _NUMBERS.match(segment):
        return _NUMBER.sub("{n}", segment)
    return "{x}" if _TOKEN.match(segment) else segment[:_MAX_SEGMENT]


def _last(segment: str) -> str:
    counted = _COUNTED.match(segment) if "{" not in segment else None
    return f"{counted[1] or ''}{{n}}{counted[2] or ''}" if counted else segment


def _of_path(host: str, segments: list[str], path: str) -> tuple[str, ...]:
    """The families of a path that varies, none of one that does not."""
    if _repeats(path):
        return (f"{host}/{{*}}",)
    varying = [place for place, segment in enumerate(segments) if "{" in segment]
    if not varying:
        return ()
    widest = f"{host}/{'/'.join(segments[: varying[0] + 1])}"
    rest = "/*" if any(segments[varying[-1] + 1 :]) else ""
    return (widest, f"{host}/{'/'.join(segments[: varying[-1] + 1])}{rest}")


def _repeats(path: str) -> bool:
    """Whether a part of the path comes again; numbers may ("/05/05/")."""
    names = [one for one in path.split("/") if one and not one.isdigit()]
    return len(set(names)) < len(names)


def _parameters(query: str) -> str:
    """The names of a query's parameters, sorted, each once; "filter[a]" and "filter[b]" are one."""
    names = {_ENCODED_NAME.sub("", part.partition("=")[0]) for part in query.split("&")}
    return "&".join(sorted(_general(name) for name in names if name)[:_MAX_NAMES])


_PAGING = frozenset(
    ["page", "p", "pg", "paged", "pagenum", "pageno", "page_no", "offset", "start", "from", "skip"]
)


def turn_of(url: str) -> int:
    """How long a URL waits while its families have proved nothing: 0 not at all, else by turns.

    The turn of one is over when nothing of a lower turn is under way. What only rearranges pages
    is then seen after the pages themselves, and has nothing new to offer.
    """
    families = families_of(url)
    if not families:
        return 0
    shape = shape_of(families[-1])
    if shape in (Shape.FOLDER, Shape.NUMBERS):
        return 0
    if shape is Shape.TOKENS:
        return 1
    if shape is Shape.REPEATS:
        return 9
    names = families[-1].rpartition("?")[2].split("&")
    if len(names) == 1:
        return 1 if names[0].lower() in _PAGING else 2
    return min(1 + len(names), 8)


def varieties(families: tuple[str, ...]) -> frozenset[str]:
    """Those of a URL's families that vary, as far as they are about one place of a site."""
    return frozenset(
        one for one in families if shape_of(one) is not Shape.FOLDER and "*?" not in one
    )
