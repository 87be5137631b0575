"""Where a site's sitemaps may be, and for which hosts a sitemap may speak.

Used by kinds that crawl and map. Order and trust only: fetching and counting are the caller's.
"""

from __future__ import annotations

import re

import ada_url
import msgspec

from windlass.site.entries import Entry
from windlass.site.robots import Robots
from windlass.site.sitemaps import MAX_INDEX_DEPTH

USUAL_NAMES = (
    "sitemap.xml",
    "sitemap_index.xml",
    "sitemap-index.xml",
    "wp-sitemap.xml",
    "sitemap.xml.gz",
    "sitemap.txt",
)
"""Names under which sitemaps lie that robots.txt does not tell of, the most usual first."""

_AUTHORITY = re.compile(r"(https?)://(?:[^/?#@\\]*@)?([^/?#\\]*)", re.IGNORECASE)
_DEFAULT_PORTS = {"http": ":80", "https": ":443"}


class Source(msgspec.Struct, frozen=True):
    """A sitemap to fetch. `hosts` are those whose pages it may name (with a port that is not the
    default); `depth` counts the indexes above it."""

    url: str
    hosts: tuple[str, ...]
    depth: int = 0

    def speaks_for(self, url: str) -> bool:
        """Whether it may name this page or sitemap."""
        return site_host(url) in self.hosts


def listed(robots_url: str, robots: Robots) -> tuple[Source, ...]:
    """The sitemaps that a robots.txt names, in its order, addresses resolved.

    They may speak for the robots.txt's host wherever they lie themselves: naming them there is
    what proves it (sitemaps.org, "Sitemaps & Cross Submits").
    """
    found: dict[str, Source] = {}
    for written in robots.sitemaps:
        url = _joined(robots_url, written)
        if written.strip() and url and url not in found:
            found[url] = Source(url, _distinct(site_host(robots_url), site_host(url)))
    return tuple(found.values())


def allowed_guesses(start_url: str, robots: Robots) -> tuple[Source, ...]:
    """Those of `guessed` that robots.txt lets us ask for."""
    return tuple(one for one in guessed(start_url) if robots.allows(one.url))


def guessed(start_url: str) -> tuple[Source, ...]:
    """Where sitemaps of the site of this page usually lie: at its root, then in its folder.

    Worth trying, one after the other until one is a sitemap, where robots.txt names none.
    """
    host = site_host(start_url)
    folders = _distinct(_joined(start_url, "/"), _joined(start_url, "."))
    return tuple(
        Source(url, (host,))
        for folder in folders
        for name in (USUAL_NAMES if folder == folders[0] else USUAL_NAMES[:1])
        if (url := _joined(folder, name))
    )


def below(source: Source, entry: Entry) -> Source | None:
    """The sitemap that an entry of `source` leads on to, None if it must not be followed.

    It may speak for the same hosts as `source`. One on a host that `source` does not speak for is
    as foreign as a page there; one too far below (MAX_INDEX_DEPTH) is a loop or might be.
    """
    if not entry.leads_on or source.depth >= MAX_INDEX_DEPTH or entry.url == source.url:
        return None
    trusted = source.speaks_for(entry.url)
    return Source(entry.url, source.hosts, source.depth + 1) if trusted else None


def site_host(url: str) -> str:
    """The host that a sitemap must speak for to name this http(s) URL, with a port that is not the
    default; "" of anything else.

    Sites that moved to https left their sitemaps as they were, so the scheme does not count.
    """
    match = _AUTHORITY.match(url)
    if match is None:
        return ""
    return match[2].lower().removesuffix(_DEFAULT_PORTS[match[1].lower()])


def _joined(base: str, written: str) -> str:
    try:
        url = str(ada_url.join_url(base, written))
    except ValueError:
        return ""
    return url if site_host(url) else ""


def _distinct(*values: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(value for value in values if value))
