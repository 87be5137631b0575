"""One fetched body as formats see it: what kind of thing it is, its text, its tree.

Made by formats/reading.py, in the worker for what is evident and in page-reading processes for
the rest. Everything is worked out on first use; nothing heavy is imported before.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from windlass.html.charset import Encoding, decode, evidently_utf_8, sniff
from windlass.html.media import Kind, essence, kind_of

if TYPE_CHECKING:
    from windlass.html.tree import Tree


class Source(NamedTuple):
    """A body and how to read it."""

    body: bytes
    encoding: Encoding
    url: str
    kind: Kind

    @property
    def text(self) -> str:
        """The body decoded."""
        return decode(self.body, self.encoding)


class Document:
    """A body with the URL it came from and its Content-Type header ("" if none was sent)."""

    def __init__(self, body: bytes, content_type: str, url: str) -> None:
        self.body = body
        self.content_type = content_type
        self.url = url

    @property
    def media_type(self) -> str:
        """The declared type without parameters, "" if none or malformed."""
        return essence(self.content_type)

    @cached_property
    def kind(self) -> Kind:
        """How the body is read."""
        return kind_of(self.content_type, self.body)

    @cached_property
    def encoding(self) -> Encoding:
        """How the body is encoded."""
        markup = self.kind is Kind.HTML
        xml = self.kind in (Kind.XHTML, Kind.XML)
        return sniff(self.body, self.content_type, markup=markup, xml=xml)

    @cached_property
    def source(self) -> str:
        """The body as text."""
        return decode(self.body, self.encoding)

    @cached_property
    def tree(self) -> Tree:
        """The parsed page; only for markup kinds."""
        from windlass.html.tree import Tree

        return Tree(Source(self.body, self.encoding, self.url, self.kind))

    @property
    def evident(self) -> bool:
        """Whether kind and text can be had at once, without parser and detection."""
        if self.kind is Kind.BINARY:
            return True
        markup = self.kind is Kind.HTML
        return evidently_utf_8(self.body, self.content_type, markup=markup)
