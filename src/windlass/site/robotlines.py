"""The lines of a robots.txt: groups, rules, delays, sitemaps, as tolerant as the field is.

Used by robots.py only; what the lines mean for a URL is decided there.
"""

from __future__ import annotations

import codecs
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

MAX_LINE = 16_663
"""Characters read of a line: eight times the longest URL that browsers took, as Google has it."""
MAX_SITEMAPS = 1_000
EVERYBODY = "*"

_BREAK = re.compile(r"\r\n?|\n")
_NAMES = {
    "user-agent": "agent",
    "useragent": "agent",
    "user agent": "agent",
    "allow": "allow",
    "disallow": "disallow",
    "dissallow": "disallow",
    "dissalow": "disallow",
    "disalow": "disallow",
    "diasllow": "disallow",
    "disallaw": "disallow",
    "crawl-delay": "delay",
    "crawl delay": "delay",
    "crawldelay": "delay",
    "request-rate": "rate",
    "request rate": "rate",
    "sitemap": "sitemap",
    "sitemaps": "sitemap",
    "site-map": "sitemap",
}
"""What a line is about, by its name in lower case; the usual misspellings among them."""
_WORDS = re.compile(
    r"(" + "|".join(re.escape(name).replace(r"\ ", r"\s+") for name in _NAMES) + r")(?:\s+|$)",
    re.IGNORECASE,
)
_TOKEN = re.compile(r"[^\s/;,()]*")
_RATE = re.compile(r"(\d{1,9})/(\d{1,9})([smhd]?)", re.IGNORECASE)
_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400}


class Line(NamedTuple):
    """An Allow or Disallow line as it was written, without surrounding space."""

    pattern: str
    allow: bool


@dataclass
class Group:
    """What is said to one name."""

    lines: list[Line] = field(default_factory=list)
    delay_s: float | None = None
    """The longest delay asked for, in seconds."""


class Groups:
    """A robots.txt by the names it speaks to, in lower case. Takes in its lines one by one."""

    def __init__(self) -> None:
        self._groups: dict[str, Group] = {}
        self._sitemaps: dict[str, None] = {}
        self._current: list[Group] = []
        self._open = False
        """Whether another User-agent line joins the current group rather than begins the next."""

    @property
    def sitemaps(self) -> tuple[str, ...]:
        """Values of Sitemap lines, once each, at most MAX_SITEMAPS."""
        return tuple(self._sitemaps)

    def obeyed_by(self, agent: str) -> str:
        """Name of the group that holds for a product token.

        The group of that name, else of the longest name that the token extends ("shop-bot" obeys
        "shop"), else everybody's (RFC 9309, section 2.2.1).
        """
        wanted = agent.strip().lower()
        named = (name for name in self._groups if _extends(wanted, name))
        return max(named, key=len, default=EVERYBODY)

    def of(self, name: str) -> Group:
        """The group of a name, an empty one if it has none; all of one name are one."""
        return self._groups.get(name) or Group()

    def take(self, about: str, value: str) -> None:
        """Takes in a line."""
        if about == "agent":
            self._take_agent(value)
        elif about in ("allow", "disallow"):
            self._open = False
            if value:
                for one in self._current:
                    one.lines.append(Line(value, about == "allow"))
        elif about == "sitemap":
            if value and len(self._sitemaps) < MAX_SITEMAPS:
                self._sitemaps[value] = None
        elif (delay := _delay(about, value)) is not None:
            # No part of the protocol, so it ends no group (RFC 9309, section 2.2.4), but it is
            # meant for the names above it only.
            for one in self._current:
                one.delay_s = max(one.delay_s or 0.0, delay)

    def _take_agent(self, value: str) -> None:
        if not self._open:
            self._current = []
        self._open = True
        if token := _token(value):
            self._current.append(self._groups.setdefault(token, Group()))


def read_groups(body: bytes, limit_bytes: int) -> Groups:
    """What a robots.txt says; whatever is no line of one is passed over. Never raises."""
    groups = Groups()
    for about, value in _fields(_text(body, limit_bytes)):
        groups.take(about, value)
    return groups


def _text(body: bytes, limit_bytes: int) -> str:
    """The text; bytes that are no UTF-8 stay in it as lone surrogates."""
    if len(body) > limit_bytes:
        # A line cut in two would be another rule.
        body = body[:limit_bytes]
        body = body[: max(body.rfind(b"\n"), body.rfind(b"\r")) + 1]
    for mark, encoding in ((codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be")):
        if body.startswith(mark):
            rest = body[len(mark) :]
            # Some programs put the mark in front of plain bytes.
            wide = rest[:64].count(0) >= len(rest[:64]) // 4 > 0
            return rest.decode(encoding, "replace") if wide else _utf_8(rest)
    for length in (3, 2, 1):
        if body.startswith(codecs.BOM_UTF8[:length]):
            return _utf_8(body[length:])
    return _utf_8(body)


def _utf_8(body: bytes) -> str:
    return body.decode("utf-8", "surrogateescape")


def _fields(text: str) -> Iterator[tuple[str, str]]:
    """What each line is about and its value, for the lines that are about something."""
    for line in _BREAK.split(text):
        content = line[:MAX_LINE].partition("#")[0].strip().strip("\0")
        if not content:
            continue
        name, colon, value = content.partition(":")
        about = _NAMES.get(" ".join(name.lower().split())) if colon else None
        if about is not None:
            yield about, value.strip()
        elif (not colon or value[:1].strip()) and (words := _WORDS.match(content)):
            # No colon, or only one that belongs to a value such as a URL.
            known = " ".join(words[1].lower().split())
            yield _NAMES[known], content[words.end() :].strip()


def _token(value: str) -> str:
    """The product token of a User-agent line: what stands before a version or a second word."""
    found = _TOKEN.match(value.lower())
    token = found[0] if found else ""
    return token.replace("*", "") or (EVERYBODY if token else "")


def _extends(agent: str, name: str) -> bool:
    if not agent.startswith(name):
        return False
    return len(agent) == len(name) or agent[len(name)] in "-_0123456789"


def _delay(name: str, value: str) -> float | None:
    """Seconds between two fetches, None if the value says none."""
    if name == "rate":
        rate = _RATE.fullmatch(value)  # with a time of day behind it, it is not meant for all day
        if rate is None or not int(rate[1]):
            return None
        return int(rate[2]) * _UNITS[rate[3].lower()] / int(rate[1]) or None
    try:
        seconds = float(value.replace(",", "."))
    except ValueError:
        return None
    return seconds if math.isfinite(seconds) and seconds >= 0 else None
