"""What a page says of itself to robots: its real address, and whether to keep or follow it.

Used by kinds that crawl, with the page's outline and headers. Facts only: what they change in a
crawl is the caller's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

import ada_url
import msgspec

from windlass.model.outline import Outline

_LINK = re.compile(
    r"<([^<>]*)>((?:\s*;\s*[\w!#$%&'*+.^`|~-]+(?:\s*=\s*(?:\"[^\"]*\"|[^\s\",;]*))?)*)"
)
_REL = re.compile(r";\s*rel\s*=\s*(?:\"([^\"]*)\"|([^\s\",;]*))", re.IGNORECASE)
_FOR_SOMEBODY = re.compile(r"\s*([a-z0-9_*-]+)\s*:(?!\s*$)\s*")
_WITH_VALUES = frozenset(
    {"max-snippet", "max-image-preview", "max-video-preview", "unavailable_after"}
)
_EVERYBODY = "robots"


class Directives(msgspec.Struct, frozen=True):
    """What a page asks of one robot."""

    noindex: bool = False
    nofollow: bool = False


def canonical_url(page_url: str, outline: Outline | None, links: Iterable[str] = ()) -> str:
    """The address under which the page at `page_url` wants to be known, "" if it names no other.

    From its rel=canonical and its Link headers (`links`: their values; RFC 6596, RFC 8288). Only
    an address of the same origin is believed, and only if all that it names agree: who claims two
    says nothing. Never raises.
    """
    named = set(outline.canonicals if outline else ())
    for header in links:
        named.update(_resolved(page_url, target) for target in _canonical_targets(header))
    targets = {target.partition("#")[0] for target in named if target}
    if len(targets) != 1:
        return ""
    target = _resolved(page_url, targets.pop())
    own = _resolved(page_url, "").partition("#")[0]
    return target if target != own and _origin(target) == _origin(own) != "" else ""


def directives_for(agent: str, outline: Outline | None, headers: Iterable[str] = ()) -> Directives:
    """What a page's robots meta elements and X-Robots-Tag headers (their values) ask of a robot.

    Words for everybody and words for `agent` add up; the strictest wins.
    """
    words: set[str] = set()
    names = {_EVERYBODY, agent.lower()}
    for name, content in outline.robots if outline else ():
        if name in names:
            words.update(_words(content))
    for header in headers:
        words.update(_header_words(header.lower(), agent.lower()))
    return Directives(
        noindex=not words.isdisjoint(("noindex", "none")),
        nofollow=not words.isdisjoint(("nofollow", "none")),
    )


def _words(content: str) -> Iterator[str]:
    return (word.strip() for word in content.replace(";", ",").split(","))


def _header_words(header: str, agent: str) -> Iterator[str]:
    """The words of a header that are for this agent: "bot: a, b" holds up to the next name."""
    meant = True
    for part in header.split(","):
        named = _FOR_SOMEBODY.match(part)
        if named and named[1] not in _WITH_VALUES:
            meant = named[1] in (agent, "*", _EVERYBODY)
            part = part[named.end() :]
        if meant:
            yield part.strip()


def _canonical_targets(header: str) -> Iterator[str]:
    for target, parameters in _LINK.findall(header):
        relation = _REL.search(parameters)
        if relation and "canonical" in (relation[1] or relation[2]).lower().split():
            yield target


def _resolved(base: str, reference: str) -> str:
    try:
        return str(ada_url.join_url(base, reference))
    except ValueError:
        return ""


def _origin(url: str) -> str:
    scheme, separator, rest = url.partition("://")
    if not separator or scheme not in ("http", "https"):
        return ""
    return f"{scheme}://{rest.partition('/')[0].rpartition('@')[2]}"
