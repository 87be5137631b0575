"""The visible text of a tree. Used by tree.py."""

from __future__ import annotations

import re

import turbohtml
from turbohtml import PlainText

# The renderer pads cells to columns; a tab says the same and wide tables stay short.
_OPTIONS = PlainText(bullet="- ", table_cell_separator="\t")
_PADDING = re.compile(r" +\t")
_GAPS = re.compile(r"\n{3,}")


def render(document: turbohtml.Document) -> str:
    """Text in reading order: blocks with blank lines between, cells with tabs between."""
    text = document.to_text(_OPTIONS)
    if "\t" in text:
        text = _PADDING.sub("\t", text)
    if " \n" in text or "\t\n" in text:
        text = "\n".join([line.rstrip(" \t") for line in text.split("\n")])
    return _GAPS.sub("\n\n", text).strip("\n")
