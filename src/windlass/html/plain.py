"""The visible text of a tree. Used by tree.py."""

from __future__ import annotations

import re

import turbohtml
from turbohtml import Element, Node, PlainText, Text

# The renderer pads cells to columns; a tab says the same and wide tables stay short.
_OPTIONS = PlainText(bullet="- ", table_cell_separator="\t")
_PADDING = re.compile(r" +\t")
_AT_HOME_IN_LISTS = frozenset({"li", "ul", "ol"})
_GAPS = re.compile(r"\n{3,}")


def render(document: turbohtml.Document) -> str:
    """Text in reading order: blocks with blank lines between, cells with tabs between."""
    _keep_strays(document)
    text = document.to_text(_OPTIONS)
    if "\t" in text:
        text = _PADDING.sub("\t", text)
    if " \n" in text or "\t\n" in text:
        text = "\n".join([line.rstrip(" \t") for line in text.split("\n")])
    return _GAPS.sub("\n\n", text).strip("\n")


def _keep_strays(document: turbohtml.Document) -> None:
    """Puts what stands in a list outside its items into items: the renderer would drop it.

    An <a id="x"/> before a list is enough, because HTML carries the open <a> into the list.
    """
    for found in list(document.iter_elements(("ul", "ol"))):
        pending = list(found.children)
        while pending:
            child = pending.pop()
            if isinstance(child, Element) and child.find("li") is not None and not _at_home(child):
                pending.extend(child.children)
                child.unwrap()
            elif not _at_home(child):
                child.wrap(Element("li"))


def _at_home(child: Node) -> bool:
    """Whether a list's child is an item, or nothing that shows."""
    if isinstance(child, Element):
        return child.tag in _AT_HOME_IN_LISTS
    return not (isinstance(child, Text) and child.data.strip())
