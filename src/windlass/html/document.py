"""One fetched body as formats see it: what kind of thing it is, its text, its tree.

Made by formats/reading.py, in the worker for what is evident and in page-reading processes for
the rest. Everything is worked out on first use; nothing heavy is imported before.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from windlass.html.charset import Decoded, decode, evidently_utf_8
from windlass.html.media import Kind, essence, kind_of

if TYPE_CHECKING:
    from windlass.html.tree import Tree


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
    def decoded(self) -> Decoded:
        """The body as text and the encoding that it was read with."""
        markup = self.kind is Kind.HTML
        xml = self.kind in (Kind.XHTML, Kind.XML)
        return decode(self.body, self.content_type, markup=markup, xml=xml)

    @property
    def source(self) -> str:
        """The body as text."""
        return self.decoded.text

    @cached_property
    def tree(self) -> Tree:
        """The parsed page; only for markup kinds."""
        from windlass.html.tree import Tree

        return Tree(self.source, self.url, xml=self.kind is Kind.XHTML)

    @property
    def evident(self) -> bool:
        """Whether kind and text can be had at once, without parser and detection."""
        if self.kind is Kind.BINARY:
            return True
        markup = self.kind is Kind.HTML
        return evidently_utf_8(self.body, self.content_type, markup=markup)
