"""Finds the tags that matter to sitemaps in text that comes in pieces.

Used by sitemaps.py. A scanner rather than an XML parser: half of what is served as a sitemap is
not well-formed, and what expands no entities, opens no files and keeps no stack cannot be
attacked through them. Linear in the text, whatever that is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

import msgspec

MAX_TAG = 65_536
"""Characters of a tag, or of the text behind it, beyond which they are passed over."""

# An element that holds nothing but text is one match, which saves half of all matches; what is
# left of its end tag means nothing then.
_TAG = re.compile(
    r"<(?:(?:([A-Za-z_][\w.-]*):)?([A-Za-z]+)>([^<]*)</"
    r"|(/?)(?:([A-Za-z_][\w.-]*):)?([A-Za-z]+)((?:[\s/][^<>]*)?)>([^<]*)"
    r"|!(--|\[CDATA\[|ENTITY))"
)
_WHOLE, _SECTION = 3, 9
"""Which group of it tells what was found."""
_TEXT = re.compile(r"[^<]*")
_CDATA_END = "]]>"
_ENDS = {"--": "-->", "[CDATA[": _CDATA_END, "ENTITY": ">"}


class Tag(msgspec.Struct, frozen=True, gc=False):
    """A tag and the text up to the next. `name` is in lower case, "" for text alone."""

    prefix: str | None
    name: str
    text: str
    whole: bool = False
    """Whether it is an element with all that it holds: its end is no tag of its own."""
    closes: bool = False
    attributes: str = ""


class Tags:
    """The tags of one text, in order, for one iteration. What the end cuts off is left out."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._texts = texts
        self._buffer = ""
        self._place = 0
        self._end = ""
        """How the section that the text is in ends, "" if it is in none."""
        self._counts = False
        """Whether that section is text."""
        self._loose = False
        """Whether text without a tag of its own comes next, because a section is over."""

    def __iter__(self) -> Iterator[Tag]:
        for text in self._texts:
            self._buffer = self._buffer[self._place :] + text
            self._place = 0
            yield from self._complete()
        last = _TAG.match(self._buffer, self._place)
        if last is not None and not self._end and (last[4] or (last[7] or "").endswith("/")):
            yield _tag(last)

    def _complete(self) -> Iterator[Tag]:
        """All that is complete in the buffer."""
        while True:
            yield from self._section()
            if self._end or self._loose:
                return
            yield from self._until_section()
            if not self._end:
                return

    def _until_section(self) -> Iterator[Tag]:
        """Tags up to the next section, which is then open, or to the end of the buffer."""
        buffer = self._buffer
        length = len(buffer)
        for found in _TAG.finditer(buffer, self._place):
            end = found.end()
            if found.lastindex == _WHOLE:
                self._place = end
                yield Tag(found[1], found[2].lower(), found[3], True)
                continue
            if end >= length - 1 and not self._overflows(found.start()):
                self._place = found.start()
                return
            self._place = end
            if found.lastindex == _SECTION:
                self._end = _ENDS[found[_SECTION]]
                self._counts = self._end == _CDATA_END
                return
            yield _tag(found)
        unfinished = buffer.rfind("<", self._place)
        self._place = length if unfinished < 0 else unfinished
        if self._overflows(self._place):
            self._place = length

    def _section(self) -> Iterator[Tag]:
        """The open section, if any and if its end is there, and the text behind it."""
        if self._end:
            found = self._buffer.find(self._end, self._place)
            if found < 0:
                self._wait_in_section()
                return
            if self._counts:
                yield Tag(None, "", self._buffer[self._place : found])
            self._place = found + len(self._end)
            self._end = ""
            self._loose = True
        if self._loose:
            text = _TEXT.match(self._buffer, self._place)
            assert text is not None  # it matches nothing at all, too
            if text.end() == len(self._buffer) and not self._overflows(self._place):
                return
            self._place = text.end()
            self._loose = False
            yield Tag(None, "", text[0])

    def _wait_in_section(self) -> None:
        if self._counts and not self._overflows(self._place):
            return
        self._counts = False
        self._place = max(self._place, len(self._buffer) - len(self._end) + 1)

    def _overflows(self, start: int) -> bool:
        return len(self._buffer) - start > MAX_TAG


def _tag(found: re.Match[str]) -> Tag:
    slash, prefix, name, attributes, text = found.group(4, 5, 6, 7, 8)
    return Tag(prefix, name.lower(), text, False, slash != "", attributes)
