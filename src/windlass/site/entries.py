"""Makes entries of the tags or lines of a sitemap.

Used by sitemaps.py. Tolerant: what matters is inside what, not whether all of it is right.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator
from enum import StrEnum

import ada_url
import msgspec

from windlass.site.tags import MAX_TAG, Tag

MAX_URL = 8_192
"""Longest address believed, in characters; the protocol allows 2,048."""
MAX_TEXT = 1_000
"""Characters kept of a title or description."""
MAX_STAMP = 64


class SitemapKind(StrEnum):
    """What was served as a sitemap. NONE: something else, a page for example."""

    NONE = "none"
    PAGES = "pages"
    INDEX = "index"
    FEED = "feed"
    TEXT = "text"


class Entry(msgspec.Struct, frozen=True, omit_defaults=True):
    """One address that a sitemap names, absolute. `leads_on`: it is another sitemap, no page.

    `lastmod` is as written. `title` and `description` come from feeds and from the news and video
    extensions, as plain text.
    """

    url: str
    leads_on: bool = False
    lastmod: str = ""
    priority: float | None = None
    title: str = ""
    description: str = ""


_ROOTS = {
    "urlset": SitemapKind.PAGES,
    "sitemapindex": SitemapKind.INDEX,
    "rss": SitemapKind.FEED,
    "feed": SitemapKind.FEED,
    "rdf": SitemapKind.FEED,
}
_MEMBERS = {
    "url": SitemapKind.PAGES,
    "sitemap": SitemapKind.INDEX,
    "item": SitemapKind.FEED,
    "entry": SitemapKind.FEED,
}
_ASIDES = frozenset({"image", "video", "news", "source"})
"""What an entry may hold that has an address or a date of its own."""
_TOLD_ASIDE = {
    ("news", "title"): "title",
    ("video", "title"): "title",
    ("video", "description"): "description",
}
_OF_FEEDS = {
    "link": "link",
    "guid": "guid",
    "updated": "lastmod",
    "published": "lastmod",
    "pubdate": "lastmod",
    "date": "lastmod",
    "title": "title",
    "description": "description",
    "summary": "description",
}
_OF_SITEMAPS = {name: name for name in ("loc", "lastmod", "priority")}
_FIELDS = {
    SitemapKind.NONE: {**_OF_FEEDS, **_OF_SITEMAPS},
    SitemapKind.PAGES: _OF_SITEMAPS,
    SitemapKind.INDEX: _OF_SITEMAPS,
    SitemapKind.FEED: _OF_FEEDS,
}
"""Which value of an entry an element is."""
_BEGINNINGS = _ASIDES | _ROOTS.keys() | _FIELDS[SitemapKind.NONE].keys()
_LINK = re.compile(
    r"""(?<![\w:-])(href|rel|ispermalink)\s*=\s*(?:"([^"]*)"|'([^']*)')""", re.IGNORECASE
)


class Entries:
    """Makes the entries of one sitemap."""

    def __init__(self, url: str) -> None:
        self.kind = SitemapKind.NONE
        self._base = url
        self._member = ""
        """The element that is the entry at hand; "" for a <loc> that stands alone."""
        self._prefix: str | None = None
        self._aside = ""
        self._field = ""
        self._text = ""
        self._values: dict[str, str] = {}
        self._fields = _FIELDS[SitemapKind.NONE]

    def of_tags(self, tags: Iterable[Tag]) -> Iterator[Entry]:
        """The entries of a sitemap in XML."""
        for tag in tags:
            name = tag.name
            if not name:
                if len(self._text) < MAX_TAG:
                    self._text += tag.text
                continue
            if self._field:
                self._keep()
            if tag.whole and name in _OF_SITEMAPS and self._may_hold(tag):
                self._values.setdefault(name, tag.text)  # the most frequent by far
                continue
            if name in _MEMBERS:
                entry = self._turn(tag)
            elif name in _BEGINNINGS:
                entry = self._begin(tag)
            else:
                continue
            if entry is not None:
                yield entry
        self._keep()
        if entry := self._entry():
            yield entry

    def of_lines(self, lines: Iterable[str]) -> Iterator[Entry]:
        """The entries of a plain list; lines that are no absolute URLs are passed over."""
        for line in lines:
            if url := _absolute("", line):
                self.kind = SitemapKind.TEXT
                yield Entry(url)

    # ------------------------------------------------------------ tags

    def _may_hold(self, tag: Tag) -> bool:
        return self._member != "" and self._aside == "" and tag.prefix == self._prefix

    def _turn(self, tag: Tag) -> Entry | None:
        """An entry begins or ends: the one before it, if there was one."""
        kind = _MEMBERS[tag.name]
        feeds = SitemapKind.FEED
        if self.kind is not SitemapKind.NONE and (kind is feeds) is not (self.kind is feeds):
            return None  # <url> in the image of a feed
        entry = self._entry()
        ends = tag.closes or tag.whole or tag.attributes.endswith("/")
        self._member = "" if ends else tag.name
        self._prefix = tag.prefix
        self._aside = ""
        return entry

    def _begin(self, tag: Tag) -> Entry | None:
        """Something within an entry, or around all of them."""
        name = tag.name
        if name in _ASIDES or name in _ROOTS:
            self._around(tag)
            return None
        if tag.closes:
            return None
        if self._aside:
            self._field = _TOLD_ASIDE.get((self._aside, name), "")
        elif tag.prefix == self._prefix or name == "date":
            self._field = self._fields.get(name, "")
        entry = None
        if not self._member and self._field:
            entry = self._alone(tag)
        self._text = tag.text
        if self._field in ("link", "guid"):
            self._look_at_attributes(tag)
        if tag.whole and self._field:
            self._keep()
        return entry

    def _around(self, tag: Tag) -> None:
        name = tag.name
        if name in _ROOTS:
            if self.kind is SitemapKind.NONE and not tag.closes:
                self.kind = _ROOTS[name]
                self._prefix = tag.prefix
                self._fields = _FIELDS[self.kind]
        elif tag.closes:
            self._aside = "" if name == self._aside else self._aside
        elif not tag.whole and not tag.attributes.endswith("/"):
            self._aside = name

    def _alone(self, tag: Tag) -> Entry | None:
        """A field outside of all entries: a <loc> makes one by itself, others mean something
        else there. The entry before it, if there was one."""
        if self._field == "loc" and not self._aside:
            return self._entry() if "loc" in self._values else None
        if not self._values:
            self._field = ""
        return None

    def _look_at_attributes(self, tag: Tag) -> None:
        found = {name.lower(): one or other for name, one, other in _LINK.findall(tag.attributes)}
        if (
            found.get("rel", "alternate").lower() != "alternate"
            or found.get("ispermalink", "true").lower() != "true"
        ):
            self._field = ""
        elif "href" in found:
            self._text = found["href"]

    def _keep(self) -> None:
        if self._field:
            if self._text.strip():
                self._values.setdefault(self._field, self._text)
            self._field = ""

    def _entry(self) -> Entry | None:
        """The entry that the values so far make, which are then gone."""
        values = self._values
        if not values:
            return None
        self._values = {}
        kind = _MEMBERS.get(self._member, self.kind)
        if kind is SitemapKind.NONE:
            kind = SitemapKind.PAGES
        written = values.get("loc") or values.get("link") or values.get("guid") or ""
        url = _absolute(self._base, written)
        if not url:
            return None
        if self.kind is SitemapKind.NONE:
            self.kind = kind
        return Entry(
            url,
            kind is SitemapKind.INDEX,
            values["lastmod"].strip()[:MAX_STAMP] if "lastmod" in values else "",
            _priority(values["priority"]) if "priority" in values else None,
            _plain(values["title"]) if "title" in values else "",
            _plain(values["description"]) if "description" in values else "",
        )


# ---------------------------------------------------------------- values

_REFERENCE = re.compile(r"&(?:(amp|lt|gt|quot|apos)|#(?:([0-9]{1,7})|[xX]([0-9A-Fa-f]{1,6})));")
_UNKNOWN_REFERENCE = re.compile(r"&[A-Za-z_][\w.-]*;")
_NAMED = {"amp": "&", "lt": "<", "gt": ">", "quot": '"', "apos": "'"}
_WEB = re.compile(r"https?://", re.IGNORECASE)
_BREAKS = str.maketrans("", "", "\t\n\r")
_MARKUP = re.compile(r"<[^<>]*>")


def _absolute(base: str, written: str) -> str:
    """The http(s) URL that an address means, "" if none. `base` "": it must be absolute."""
    text = written.strip("\ufeff\u00a0\t\n\x0c\r ")
    if "&" in text:
        # Only what XML knows: "&copy=1" and "&para=2" are parameters whose "&" was not escaped.
        text = _REFERENCE.sub(_character, text)
    if not text or len(text) > MAX_URL:
        return ""
    if not text.isprintable():
        text = _mended(text).translate(_BREAKS)
    if _WEB.match(text):
        return text
    if not base or _UNKNOWN_REFERENCE.match(text):
        return ""
    try:
        url = str(ada_url.join_url(base, text))
    except ValueError:
        return ""
    return url if url.startswith(("http://", "https://")) else ""


def _character(reference: re.Match[str]) -> str:
    if reference[1]:
        return _NAMED[reference[1]]
    number = int(reference[2]) if reference[2] else int(reference[3], 16)
    return chr(number) if 0 < number < 0x110000 and not 0xD800 <= number < 0xE000 else ""


def _mended(text: str) -> str:
    """Text whose bytes were not all UTF-8, read as the next likely encoding."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raw = text.encode("utf-8", "surrogateescape")
        return raw.decode("cp1252", "replace")
    return text


def _priority(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if 0.0 <= number <= 1.0 else None


def _plain(markup: str) -> str:
    """A title as plain text on one line."""
    text = html.unescape(_MARKUP.sub(" ", html.unescape(markup)))
    return " ".join(_mended(text).split())[:MAX_TEXT]
