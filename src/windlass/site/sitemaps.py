"""Reads sitemaps piece by piece: XML of both kinds, feeds, plain text, each perhaps gzipped.

Used by kinds that crawl and map. Bytes in, entries out, in memory that does not grow with the
file. tags.py finds the tags, entries.py makes entries of them. Must not fetch.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Iterator
from itertools import chain

from windlass.site.entries import Entries, Entry, SitemapKind
from windlass.site.gunzip import gunzipped
from windlass.site.tags import Tags

MAX_BYTES = 52_428_800
"""What is read of a sitemap, after decompression (sitemaps.org: 50 MB)."""
MAX_INDEX_DEPTH = 3
"""Indexes below indexes that are worth following; the protocol knows one level, sites use two."""
MAX_SITEMAPS = 1_000
"""Sitemaps of one site that are worth fetching."""

_SNIFFED = 4_096
_PIECE = 65_536
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
    (b"<\0", "utf-16-le"),
    (b"\0<", "utf-16-be"),
)
_DECLARED = re.compile(rb"""<\?xml[^>]{0,200}?\bencoding\s{0,9}=\s{0,9}["']([\w.:-]{1,40})["']""")
_ENCODINGS = frozenset(
    {
        *(f"iso8859-{number}" for number in range(1, 17)),
        *(f"cp125{number}" for number in range(9)),
        *("big5", "euc_jp", "euc_kr", "gb18030", "gb2312", "gbk", "koi8-r", "koi8-u", "shift_jis"),
    }
)
"""Declared encodings that are believed, by Python's names; all else is read as UTF-8."""
_BREAK = re.compile(r"[\r\n]+")
_XML_START = re.compile(
    r"<\?xml|<(?:[\w.-]+:)?(?:urlset|sitemapindex|rss|feed|rdf|url|sitemap)\b", re.IGNORECASE
)


class Sitemap:
    """The entries of the sitemap at `url`, for one iteration over them.

    `chunks` are its bytes, whole or in pieces of any size; they are taken as entries are. Relative
    addresses are resolved, what is no http(s) URL is left out. Never raises for what a site sent:
    damage costs the entries that it hits.
    """

    def __init__(self, url: str, chunks: Iterable[bytes], limit_bytes: int = MAX_BYTES) -> None:
        self.cut = False
        """Whether it is longer than what was read of it; known at the end."""
        self._entries = Entries(url)
        self._chunks = chunks
        self._limit = limit_bytes

    @property
    def kind(self) -> SitemapKind:
        """What it turned out to be so far; NONE as long as nothing in it belongs to a sitemap."""
        return self._entries.kind

    def __iter__(self) -> Iterator[Entry]:
        texts = _decoded(self._pieces(gunzipped(self._chunks)))
        start = next(texts, "")
        if start.lstrip().startswith("<") or _XML_START.search(start, 0, _SNIFFED):
            return self._of_markup(start, texts)
        return self._of_lines(start, texts)

    def _pieces(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """The same bytes up to the limit, in pieces of a useful size."""
        waiting = bytearray()
        left = self._limit
        for chunk in chunks:
            self.cut = len(chunk) > left
            waiting += chunk[:left]
            left -= len(chunk)
            if len(waiting) >= _PIECE:
                yield bytes(waiting)
                waiting.clear()
            if self.cut:
                break
        yield bytes(waiting)

    def _of_markup(self, start: str, texts: Iterator[str]) -> Iterator[Entry]:
        return self._entries.of_tags(Tags(chain((start,), texts)))

    def _of_lines(self, start: str, texts: Iterator[str]) -> Iterator[Entry]:
        last = ""
        for text in chain((start,), texts):
            *lines, rest = _BREAK.split(last + text)
            yield from self._entries.of_lines(lines)
            last = rest if len(rest) < _PIECE else ""
        if not self.cut:
            yield from self._entries.of_lines((last,))


def _decoded(pieces: Iterator[bytes]) -> Iterator[str]:
    """The text of each piece; bytes that are not UTF-8 stay in it as lone surrogates."""
    start = next(pieces, b"")
    encoding, skipped = _encoding(start)
    errors = "surrogateescape" if encoding == "utf-8" else "replace"
    decoder = codecs.getincrementaldecoder(encoding)(errors)
    yield decoder.decode(start[skipped:])
    for piece in pieces:
        yield decoder.decode(piece)
    yield decoder.decode(b"", final=True)


def _encoding(start: bytes) -> tuple[str, int]:
    """Python's name of the encoding and the length of the byte-order mark."""
    for mark, name in _MARKS:
        if start.startswith(mark):
            return name, 0 if b"<" in mark else len(mark)
    declared = _DECLARED.search(start[:_SNIFFED])
    if declared is None:
        return "utf-8", 0
    try:
        name = codecs.lookup(declared[1].decode("ascii")).name
    except (LookupError, UnicodeDecodeError):
        return "utf-8", 0
    return name if name in _ENCODINGS else "utf-8", 0
