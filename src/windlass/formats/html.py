"""The `html` format: the body as text (contract 7.2). A body that is no text is base64."""

from __future__ import annotations

from base64 import b64encode

from windlass.formats import DocumentFormat, Wish
from windlass.html.document import Document
from windlass.html.media import Kind


def html_of(document: Document, wish: Wish, warnings: list[str]) -> str:
    """The body decoded as a browser decodes it, otherwise untouched."""
    if document.kind is not Kind.BINARY:
        return document.source
    warnings.append(f"html is base64: the body is {document.media_type or 'binary'}, not text")
    return b64encode(document.body).decode("ascii")


HTML = DocumentFormat("html", "source", html_of)
