"""The `markdown` format: the page for people and models to read (contract 7.2)."""

from __future__ import annotations

import re

from windlass.formats import DocumentFormat, Wish
from windlass.html.document import Document
from windlass.html.media import Kind

_LANGUAGES = {
    Kind.JSON: "json",
    Kind.XML: "xml",
    "text/css": "css",
    "text/csv": "csv",
    "text/javascript": "javascript",
    "application/javascript": "javascript",
    "application/x-javascript": "javascript",
    "application/yaml": "yaml",
    "application/x-yaml": "yaml",
    "text/yaml": "yaml",
}


def markdown_of(document: Document, wish: Wish, warnings: list[str]) -> str:
    """A page rendered; other text as one code block, which is what keeps it as it is."""
    kind = document.kind
    if kind.markup:
        if wish.main_content:
            return document.tree.main_content(warnings).markdown()
        return document.tree.markdown()
    if kind is Kind.MARKDOWN:
        return document.source
    if kind is Kind.BINARY:
        warnings.append(f"markdown is empty: the body is {document.media_type or 'binary'}")
        return ""
    return _fenced(document.source, _LANGUAGES.get(kind) or _LANGUAGES.get(document.media_type, ""))


def _fenced(text: str, language: str) -> str:
    """A code block whose fence is longer than any run of backticks in it (CommonMark 4.5)."""
    if not text.strip():
        return ""
    longest = max(map(len, re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text.rstrip()}\n{fence}"


MARKDOWN = DocumentFormat("markdown", "tree", markdown_of)
