"""The `links` format: where a page leads (contract 7.2). Only pages have links."""

from __future__ import annotations

from windlass.formats import DocumentFormat, Wish
from windlass.html.document import Document


def links_of(document: Document, wish: Wish, warnings: list[str]) -> list[str]:
    """Absolute http(s) URLs without fragments, once each, in document order."""
    if document.kind.markup:
        return document.tree.links()
    warnings.append(f"links is empty: the body is {document.media_type or document.kind}, no page")
    return []


LINKS = DocumentFormat("links", "tree", links_of)
