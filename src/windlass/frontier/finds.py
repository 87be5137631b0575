"""Finds: the URLs that a map has found, once each, and what is known of the pages there.

Used by outward.py and the map kind. Bounded by the map's limit and in bytes; it fetches nothing and
knows no rules of what belongs to a site.
"""

from __future__ import annotations

from enum import IntEnum

from windlass.frontier.identity import Identity
from windlass.model.map import MapLink

MOST_CHARACTERS = 40_000_000
"""Of all URLs, titles and descriptions together; more is no answer that anybody can use."""
_GONE_REMEMBERED = 200_000


class Place(IntEnum):
    """Where a URL stands in the answer."""

    SITE = 0
    DOUBTED = 1
    """Perhaps of a trap: its turn to be read has not come."""
    ELSEWHERE = 2
    """On a host that is not the site's own."""


class Source(IntEnum):
    """Who said what a page is called; a higher one is believed before a lower."""

    LINK = 1
    SITEMAP = 2
    PAGE = 3


class _Find:
    __slots__ = ("described_by", "description", "listed", "place", "title", "titled_by", "url")

    def __init__(self, url: str, place: Place) -> None:
        self.url = url
        self.place = place
        self.title = self.description = ""
        self.titled_by = self.described_by = 0
        self.listed = False


class Finds:
    """The URLs of one map, at most `limit` of each place."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._finds: dict[bytes, _Find] = {}
        self._gone: set[bytes] = set()
        self._counts = [0 for _ in Place]
        self._characters = 0

    def __len__(self) -> int:
        return len(self._finds)

    @property
    def full(self) -> bool:
        """Whether the answer can hold no more URLs of the site."""
        return self._counts[Place.SITE] >= self._limit or self.too_large

    @property
    def too_large(self) -> bool:
        """Whether it holds so much text that it takes no more."""
        return self._characters >= MOST_CHARACTERS

    def __contains__(self, key: bytes) -> bool:
        return key in self._finds

    def dropped(self, key: bytes) -> bool:
        """Whether the page of this key was found and taken out."""
        return key in self._gone

    def listed(self, key: bytes) -> bool:
        """Whether a sitemap lists it."""
        find = self._finds.get(key)
        return find is not None and find.listed

    def add(self, page: Identity, place: Place) -> None:
        """Enters a page; one that is there moves to a better place. Dropped ones stay out."""
        find = self._finds.get(page.key)
        if find is not None:
            if place < find.place and self._has_room(place):
                self._move(find, place)
        elif page.key not in self._gone and self._has_room(place):
            self._finds[page.key] = _Find(page.url, place)
            self._counts[place] += 1
            self._characters += len(page.url)

    def enlist(self, page: Identity) -> None:
        """Enters a page of the site that a sitemap lists."""
        self.add(page, Place.SITE)
        if page.key in self._finds:
            self._finds[page.key].listed = True

    def all_listed(self) -> list[str]:
        """URLs that sitemaps list, in the order in which they were found."""
        return [find.url for find in self._finds.values() if find.listed]

    def drop(self, key: bytes) -> None:
        """Takes a page out for good: it is another's address, or not there."""
        find = self._finds.pop(key, None)
        if find is not None:
            self._counts[find.place] -= 1
            self._characters -= len(find.url) + len(find.title) + len(find.description)
        if len(self._gone) < _GONE_REMEMBERED:
            self._gone.add(key)

    def tell(self, key: bytes, source: Source, title: str = "", description: str = "") -> None:
        """What a source says of a page, if it is there; the first of equal ones stays."""
        find = self._finds.get(key)
        if find is None:
            return
        if title and source > find.titled_by:
            self._characters += len(title) - len(find.title)
            find.title, find.titled_by = title, source
        if description and source > find.described_by:
            self._characters += len(description) - len(find.description)
            find.description, find.described_by = description, source

    def links(self) -> tuple[MapLink, ...]:
        """The answer: the site's own first, each in the order in which they were found."""
        ordered = sorted(self._finds.values(), key=lambda find: find.place)
        return tuple(
            MapLink(find.url, find.title, find.description) for find in ordered[: self._limit]
        )

    def _has_room(self, place: Place) -> bool:
        return self._counts[place] < self._limit and not self.too_large

    def _move(self, find: _Find, place: Place) -> None:
        self._counts[find.place] -= 1
        self._counts[place] += 1
        find.place = place
