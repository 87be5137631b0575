"""Makes all document formats of one page at once. `read` is what page-reading processes run.

Shared by both ends of a process boundary: keep its imports as few as the smaller end needs.
"""

from __future__ import annotations

from functools import lru_cache
from importlib import import_module
from typing import Any

import msgspec

from windlass.formats import DocumentFormat, Wish
from windlass.html.document import Document


class ReadRequest(msgspec.Struct, frozen=True, array_like=True):
    """A body to read. `formats` are "module:attribute" paths, in the order to make them."""

    url: str
    content_type: str
    formats: tuple[str, ...]
    wish: Wish
    body: bytes


class Reading(msgspec.Struct, frozen=True, array_like=True):
    """What came of it: values by format name, and what the caller should know about them."""

    values: dict[str, Any]
    warnings: tuple[str, ...] = ()


_decoder = msgspec.msgpack.Decoder(ReadRequest)
_encoder = msgspec.msgpack.Encoder()


def read(request: bytes) -> bytes:
    """The Reading of a ReadRequest, both as msgpack."""
    asked = _decoder.decode(request)
    document = Document(asked.body, asked.content_type, asked.url)
    return _encoder.encode(make(document, tuple(map(_format, asked.formats)), asked.wish))


def make(document: Document, formats: tuple[DocumentFormat, ...], wish: Wish) -> Reading:
    """The values of these formats, in this order."""
    warnings: list[str] = []
    values = {one.name: one.make(document, wish, warnings) for one in formats}
    return Reading(values, tuple(dict.fromkeys(warnings)))


@lru_cache(maxsize=64)
def _format(path: str) -> DocumentFormat:
    module, _, attribute = path.partition(":")
    found = getattr(import_module(module), attribute)
    if not isinstance(found, DocumentFormat):
        raise TypeError(f"{path} is no document format")
    return found
