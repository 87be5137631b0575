"""What a robots.txt says to one robot (RFC 9309): which URLs it may fetch, how slowly, sitemaps.

Used by kinds that crawl. Bytes in, facts out: fetching, caching and waiting are the caller's.
Where the RFC is silent, Google's published matcher is the reference; robotlines.py reads lines.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cached_property
from typing import Literal, NamedTuple
from urllib.parse import urlsplit

import msgspec

from windlass.errors import RobotsDenied
from windlass.model.page import Failure
from windlass.site.robotlines import read_groups

MAX_BYTES = 512_000
"""What is read of a robots.txt (500 KiB: RFC 9309, section 2.5); the rest is ignored."""
MAX_CRAWL_DELAY_S = 60.0
"""Longest Crawl-delay that is obeyed; sites that ask for more get this."""
MAX_LIFETIME_S = 86_400.0
"""Longest time an answer may be used (RFC 9309, section 2.4)."""
MIN_LIFETIME_S = 300.0
"""Shortest time an answer is used, whatever Cache-Control says: a crawl asks once, not per page."""
UNREACHABLE_LIFETIME_S = 300.0
"""Time after which a robots.txt that could not be had is worth asking for again."""
GIVEN_UP_AFTER_S = 30 * 86_400.0
"""Time without a readable robots.txt after which there is none (RFC 9309, section 2.3.1.4)."""

_TOO_MANY_REQUESTS = 429
_MAX_AGE = re.compile(r"(?:^|[\s,])(s-maxage|max-age)\s*=\s*\"?(\d{1,10})", re.IGNORECASE)
_STALE = re.compile(r"(?:^|[\s,])(?:no-store|no-cache)(?:$|[\s,=;])", re.IGNORECASE)


def robots_url(url: str) -> str:
    """Where the rules for an http(s) URL lie (RFC 9309, section 2.3)."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}/robots.txt"


class Rule(msgspec.Struct, frozen=True, array_like=True):
    """One Allow or Disallow line. `pattern` is in the form that `canonical` gives URLs.

    `octets` is its rank: the rule with the most octets decides.
    """

    pattern: str
    allow: bool
    octets: int


class Robots(msgspec.Struct, frozen=True, dict=True, omit_defaults=True):
    """What a site lets one robot do. Stored as JSON or msgpack; `agent` tells whom it is for.

    `standing`: "rules" = a robots.txt was read; "absent" = there is none, all is allowed;
    "unreachable" = it could not be had, nothing is allowed for now. `rules` are in order of
    precedence; `sitemaps` are as written, perhaps relative.
    """

    agent: str
    standing: Literal["rules", "absent", "unreachable"]
    rules: tuple[Rule, ...] = ()
    crawl_delay_s: float | None = None
    """Time between two fetches, at most MAX_CRAWL_DELAY_S; None if the file asks for none."""
    sitemaps: tuple[str, ...] = ()
    cause: Failure | None = None
    """Why it could not be had, where nobody answered at all."""

    def allows(self, url: str) -> bool:
        """Whether the robot may fetch this URL (absolute, or from its path on)."""
        if not self.rules and self.standing != "unreachable":
            return True
        path = path_of(url)
        if path == "/robots.txt":
            return True
        return self.standing != "unreachable" and self._matcher.allows(canonical(path))

    @cached_property
    def _matcher(self) -> _Matcher:
        return _Matcher(self.rules)


def denial(robots: Robots) -> Failure:
    """Why these rules keep a page from us: where nothing answers, that is the reason."""
    if robots.standing != "unreachable":
        return Failure.of(RobotsDenied())
    text = "The site's robots.txt cannot be read: nothing may be fetched for now."
    return robots.cause or Failure.of(RobotsDenied(text))


def rules_of(status: int, body: bytes, agent: str) -> Robots:
    """What an answer to GET /robots.txt means for the product token `agent`.

    2xx is read; 3xx that led nowhere and 4xx mean that there are no rules; 5xx, 429 (as Google
    holds it: who is told to slow down is not told to go ahead) and 0, which stands for no answer
    at all, mean that nothing may be fetched for now (RFC 9309, section 2.3.1). Never raises.
    """
    if 200 <= status < 300:
        return _read(body, agent)
    if 300 <= status < 500 and status != _TOO_MANY_REQUESTS:
        return Robots(agent, "absent")
    return Robots(agent, "unreachable")


def in_force(fresh: Robots, last: Robots | None, unreachable_s: float) -> Robots:
    """The rules to go by when `fresh` is the newest answer.

    While robots.txt is unreachable, the `last` answer that was reached stays in force; after
    GIVEN_UP_AFTER_S of that, there are no rules (RFC 9309, section 2.3.1.4). `last` for another
    agent is no answer.
    """
    if fresh.standing != "unreachable":
        return fresh
    if unreachable_s >= GIVEN_UP_AFTER_S:
        return Robots(fresh.agent, "absent")
    if last is None or last.agent != fresh.agent:
        return fresh
    return last


def lifetime_s(robots: Robots, cache_control: str) -> float:
    """Seconds for which an answer with this Cache-Control header ("" = none) may be used."""
    if robots.standing == "unreachable":
        return UNREACHABLE_LIFETIME_S
    if _STALE.search(cache_control):
        return MIN_LIFETIME_S
    ages = {name.lower(): float(seconds) for name, seconds in _MAX_AGE.findall(cache_control)}
    age = ages.get("s-maxage", ages.get("max-age", MAX_LIFETIME_S))
    return min(max(age, MIN_LIFETIME_S), MAX_LIFETIME_S)


def _read(body: bytes, agent: str) -> Robots:
    groups = read_groups(body, MAX_BYTES)
    group = groups.of(groups.obeyed_by(agent))
    rules = {rule for line in group.lines for rule in _rules(line.pattern, line.allow)}
    delay = group.delay_s
    return Robots(
        agent,
        "rules",
        tuple(sorted(rules, key=lambda rule: (-rule.octets, not rule.allow, rule.pattern))),
        None if delay is None else min(delay, MAX_CRAWL_DELAY_S),
        groups.sitemaps,
    )


# ---------------------------------------------------------------- URLs and patterns

_AUTHORITY = re.compile(r"(?:[A-Za-z][A-Za-z0-9+.-]*:)?(?://)?[^/?#;]*")
# Of the reserved characters those that mean the same written out and as an escape stay as they
# are. "*" and "$" are special in patterns, "/" and "#" in URLs: their escapes stay escapes.
_PLAIN = frozenset(
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~:?@!&'()+,;=[]"
)
_UNLIKE = re.compile(r"%[0-9A-Fa-f]{2}|[^A-Za-z0-9\-._~:?@!&'()+,;=\[\]/]")
_UNLIKE_IN_PATTERN = re.compile(r"%[0-9A-Fa-f]{2}|[^A-Za-z0-9\-._~:?@!&'()+,;=\[\]/*]")


def path_of(url: str) -> str:
    """Path and query of a URL, "/" if it has neither; the fragment is dropped."""
    if not url.startswith("/") or url.startswith("//"):
        match = _AUTHORITY.match(url)
        url = url[match.end() :] if match else url
    url = url.partition("#")[0]
    return url if url.startswith("/") else "/" + url


def canonical(path: str) -> str:
    """A path and query in the one spelling that patterns have too (RFC 9309, section 2.2.2).

    Characters that need no escape have none, all others have one in upper case. In a query, a
    slash and its escape are the same.
    """
    return _spelled(path, _UNLIKE)


def _spelled(path: str, unlike: re.Pattern[str]) -> str:
    if unlike.search(path) is None:
        return path
    start, mark, query = path.partition("?")
    start = unlike.sub(_escape, start)
    return f"{start}?{unlike.sub(_escape, query).replace('%2F', '/')}" if mark else start


def _escape(match: re.Match[str]) -> str:
    found = match[0]
    if len(found) == 3 and found[0] == "%":
        meant = chr(int(found[1:], 16))
        return meant if meant in _PLAIN else found.upper()
    # What was not UTF-8 in the file is there as lone surrogates: its own bytes again.
    return "".join(f"%{byte:02X}" for byte in found.encode("utf-8", "surrogateescape"))


def _rules(written: str, allow: bool) -> Iterable[Rule]:
    """The rules that one line stands for."""
    if written.startswith(("http://", "https://")):
        written = "/" + written  # a path with a URL in it is all that it can match
    pattern, anchor = (written[:-1], "$") if written.endswith("$") else (written, "")
    pattern = re.sub(r"\*{2,}", "*", _spelled(pattern, _UNLIKE_IN_PATTERN))
    octets = len(pattern) + len(anchor)
    yield Rule(pattern + anchor, allow, octets)
    if anchor:  # the character itself may be meant as well
        yield Rule(pattern + "%24", allow, octets)
    if "%2F" in pattern.partition("*")[2] and "?" not in pattern:
        # What the star stands for may begin the query, where it is the same as a slash.
        before, star, rest = pattern.partition("*")
        yield Rule(before + star + rest.replace("%2F", "/") + anchor, allow, octets)
    if allow and pattern.endswith("/index.html") and not anchor:
        folder = pattern.removesuffix("index.html")
        yield Rule(folder + "$", allow, len(folder) + 1)


# ---------------------------------------------------------------- matching


class _Pattern(NamedTuple):
    """A rule that is more than a prefix: pieces to be found one behind the other."""

    start: str
    middle: tuple[str, ...]
    end: str
    anchored: bool
    rank: int

    def matches(self, path: str) -> bool:
        """In time linear in the length of the path: the first place that fits is always right."""
        if not path.startswith(self.start):
            return False
        place = len(self.start)
        for piece in self.middle:
            found = path.find(piece, place)
            if found < 0:
                return False
            place = found + len(piece)
        if self.anchored:
            return len(path) - len(self.end) >= place and path.endswith(self.end)
        return path.find(self.end, place) >= 0


class _Matcher:
    """Rules made ready. A path is looked up, not compared with every rule, where that can be."""

    def __init__(self, rules: tuple[Rule, ...]) -> None:
        self._rules = rules
        self._whole: dict[str, int] = {}
        """Rank of the rules that name one path, by that path."""
        self._starts: dict[str, int] = {}
        """Rank of the rules that name how paths start."""
        self._patterns: list[_Pattern] = []
        for rank, rule in enumerate(rules):
            pattern = rule.pattern.removesuffix("$")
            anchored = pattern != rule.pattern
            if "*" in pattern:
                start, *middle, end = pattern.split("*")
                self._patterns.append(_Pattern(start, tuple(middle), end, anchored, rank))
            else:
                (self._whole if anchored else self._starts).setdefault(pattern, rank)
        self._lengths = sorted({len(start) for start in self._starts}, reverse=True)

    def allows(self, path: str) -> bool:
        """Whether the first rule that matches this canonical path, if any, allows it."""
        none = len(self._rules)
        best = min(self._whole.get(path, none), self._start(path))
        for pattern in self._patterns:
            if pattern.rank >= best:
                break
            if pattern.matches(path):
                best = pattern.rank
                break
        return best == none or self._rules[best].allow

    def _start(self, path: str) -> int:
        """Rank of the longest start that the path has, the number of rules if it has none."""
        for length in self._lengths:
            if length <= len(path) and (rank := self._starts.get(path[:length])) is not None:
                return rank
        return len(self._rules)
