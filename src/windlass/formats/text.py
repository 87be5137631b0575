"""The `text` format: what a reader sees (contract 7.2, also called plain_text)."""

from __future__ import annotations

from windlass.formats import DocumentFormat, Wish
from windlass.html.document import Document
from windlass.html.media import Kind


def text_of(document: Document, wish: Wish, warnings: list[str]) -> str:
    """The visible text of a page; anything else that is text, as it is."""
    if document.kind.markup:
        if wish.main_content:
            return document.tree.main_content(warnings).text()
        return document.tree.text()
    if document.kind is Kind.BINARY:
        warnings.append(f"text is empty: the body is {document.media_type or 'binary'}")
        return ""
    return document.source


TEXT = DocumentFormat("text", "tree", text_of)
