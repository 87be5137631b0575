"""Listing: what one sitemap says, as far as it may be believed.

Used by kinds that crawl and map. Bytes in; fetching, and what becomes of the entries, is theirs.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from windlass.site.discovery import Source, below
from windlass.site.entries import Entry, SitemapKind
from windlass.site.sitemaps import MAX_SITEMAPS, Sitemap

_ENTRIES = 100_000
"""What is read of one sitemap; the protocol allows half of it."""


class Listing:
    """The pages that a sitemap lists, for one iteration over them: in memory is one at a time."""

    def __init__(self, source: Source, url: str, body: bytes) -> None:
        self.below: list[Source] = []
        """Sitemaps that it leads on to; complete at the end."""
        self._source = source
        self._sitemap = Sitemap(url, [body])
        self._read = 0

    @property
    def is_sitemap(self) -> bool:
        """Whether anything in it belonged to a sitemap; known at the end."""
        return self._sitemap.kind is not SitemapKind.NONE

    @property
    def cut(self) -> bool:
        """Whether it is longer than what was read of it; known at the end."""
        return self._sitemap.cut or self._read >= _ENTRIES

    def __iter__(self) -> Iterator[Entry]:
        for entry in islice(self._sitemap, _ENTRIES):
            self._read += 1
            if not entry.leads_on:
                if self._source.speaks_for(entry.url):
                    yield entry
            elif len(self.below) < MAX_SITEMAPS and (more := below(self._source, entry)):
                self.below.append(more)
