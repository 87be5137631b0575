"""What a page says of itself and where it leads, for crawls and maps; no part of the API."""

from __future__ import annotations

import msgspec

from windlass.formats import DocumentFormat, Wish
from windlass.frontier.likeness import fingerprint
from windlass.html.document import Document
from windlass.html.media import Kind
from windlass.model.outline import Outline
from windlass.model.visit import Sighting

# On its way between processes it is read once, straight into what it is.
_packer = msgspec.msgpack.Encoder()
_unpacker = msgspec.msgpack.Decoder(Sighting)


def outline_of(document: Document, wish: Wish, warnings: list[str]) -> Outline:
    """The outline of a page; an empty one of anything else."""
    return document.tree.outline() if document.kind.markup else Outline()


OUTLINE = DocumentFormat("outline", "tree", outline_of)


def sighting_of(document: Document, wish: Wish, warnings: list[str]) -> bytes:
    """What a crawl wants of a page, packed: without the words of its links; of other files the text
    alone, if they have any."""
    return _packer.encode(_sighting(document, words=False))


def survey_of(document: Document, wish: Wish, warnings: list[str]) -> bytes:
    """The same with the words of the links, for maps."""
    return _packer.encode(_sighting(document, words=True))


def unpack(packed: bytes) -> Sighting:
    """What one of these has packed. Raises msgspec.DecodeError."""
    return _unpacker.decode(packed)


def _sighting(document: Document, *, words: bool) -> Sighting:
    if document.kind.markup:
        outline = document.tree.outline(words=words)
        text = f"{outline.title}\n{document.tree.strings()}"
        return Sighting(outline, fingerprint(text, document.url))
    if document.kind is Kind.BINARY:
        return Sighting(Outline())
    return Sighting(Outline(), fingerprint(document.source, document.url))


SIGHTING = DocumentFormat("sighting", "tree", sighting_of)
SURVEY = DocumentFormat("survey", "tree", survey_of)
