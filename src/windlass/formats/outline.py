"""What a page says of itself and where it leads, for crawls and maps; no part of the API."""

from __future__ import annotations

from windlass.formats import DocumentFormat, Wish
from windlass.html.document import Document
from windlass.model.outline import Outline


def outline_of(document: Document, wish: Wish, warnings: list[str]) -> Outline:
    """The outline of a page; an empty one of anything else."""
    return document.tree.outline() if document.kind.markup else Outline()


OUTLINE = DocumentFormat("outline", "tree", outline_of)
