"""Visit: what the fetch of one page says about its crawl; Candidate: a URL before its fetch.

The frontier's rules make and judge them; kinds hand them to storage with an Outcome.
"""

from __future__ import annotations

import msgspec

from windlass.model.outline import Outline
from windlass.model.request import ExtractRequest


class Bounds(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """How far the caller lets a crawl go: the options of the contract, under its names."""

    crawl_entire_domain: bool = False
    allow_subdomains: bool = False
    allow_external_links: bool = False
    max_discovery_depth: int = 5
    include_paths: tuple[str, ...] = ()
    exclude_paths: tuple[str, ...] = ()


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """A URL in scope that a page, a sitemap or the caller named, before it is fetched."""

    url: str
    key: bytes
    depth: int
    families: tuple[str, ...]
    turn: int = 0
    """Until its families prove themselves it waits for all of a lower turn (families.py)."""
    lineage: int = 0
    """0: named from outside its families; else 1 and the barren pages in a row that led to it."""
    listed: bool = False
    """Named by the caller or a sitemap: never held back, and no trap."""


class PageRequest(ExtractRequest, frozen=True, omit_defaults=True, kw_only=True):
    """What a page's task is asked to do: an ordinary extraction, and which page it is."""

    page: Candidate


class Fingerprint(msgspec.Struct, frozen=True):
    """What is kept of a text, most of it only as long as its page is being weighed."""

    digest: bytes
    """Equal for equal texts (16 bytes)."""
    likeness: int
    """Signed 64 bits, equal for texts with the same units in any order, numbers apart."""
    size: int
    """Bytes of the text."""
    units: bytes
    """At most 1,024 units, those with the smallest hashes: bytes and hash in turns, array("I")."""
    sketch: bytes = b""
    """The same of at most 64 units with their numbers; kept as long as the crawl."""


class Sighting(msgspec.Struct, frozen=True):
    """What a page-reading process sees for a crawl: where the page leads, and its text's print."""

    outline: Outline
    fingerprint: Fingerprint | None = None


class Visit(msgspec.Struct, frozen=True, kw_only=True):
    """What the fetch of a page, or of sitemaps, says about its crawl.

    `aliases` are the keys and URLs under which it was met besides its own, the one that decides
    last; `canonical` is the key of the page that it names as the one that counts. `found` are
    candidates, `excluded` those that robots.txt keeps from us. `refused` says that this page is one
    of these itself, or asks to be none. `moved_to` is where a start page redirected to.
    """

    aliases: tuple[tuple[bytes, str], ...] = ()
    canonical: bytes = b""
    fingerprint: Fingerprint | None = None
    found: tuple[Candidate, ...] = ()
    excluded: tuple[Candidate, ...] = ()
    refused: bool = False
    moved_to: str = ""
