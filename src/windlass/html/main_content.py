"""Which part of a page is its main content: extractors choose text, the tree keeps what said it.

Used by tree.py in page-reading processes. The extractors lose code, lists and links on the way,
so only their choice of words is taken; the page's own markup around these words is what stays.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable
from typing import NamedTuple

import turbohtml
from turbohtml import Element, Node, Text

LARGEST = 2_000_000
"""Characters of source beyond which no main content is looked for: the extractors have no time
limit of their own and took 13 to 21 s for 8 MB."""
_ENOUGH = 0.7
"""Share of the second extractor's words below which the first has lost too much."""
_LONG = 24
_NEAR = 60

_SPACE = re.compile(r"[\W_]+")
_BLOCKS = frozenset(
    {
        *("address", "article", "aside", "blockquote", "body", "button", "caption", "center"),
        *("dd", "details", "dialog", "div", "dl", "dt", "fieldset", "figcaption", "figure"),
        *("footer", "form", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hr", "html", "legend"),
        *("li", "main", "menu", "nav", "ol", "option", "p", "pre", "section", "summary"),
        *("table", "tbody", "td", "tfoot", "th", "thead", "tr", "ul"),
    }
)
_RICH = ("pre", "table", "ul", "ol", "dl", "figure", "blockquote", "h2", "h3", "h4", "h5", "h6")
Homes = set[Element | turbohtml.Document | turbohtml.DocumentFragment | None]
"""What kept blocks are children of."""
_NEVER_EMPTY = frozenset({"img", "br", "hr", "td", "th"})
_APART = frozenset({"nav", "aside", "footer", "form", "button", "header", "dialog", "menu"})


class Choice(NamedTuple):
    """The words of the main content, "" if none was found; `note` is for the caller."""

    text: str
    note: str = ""


def choose(source: str) -> Choice:
    """The text that the extractors take for the main content of a page."""
    if len(source) > LARGEST:
        return Choice(
            "", f"the page is too large to look for main content ({LARGEST:,} characters)"
        )
    from resiliparse.extract.html2text import extract_plain_text

    second = extract_plain_text(source, main_content=True, alt_texts=False, list_bullets=False)
    try:
        from trafilatura import extract
    except ModuleNotFoundError:
        return Choice(
            second,
            "main content was found by a simple method; "
            "pip install 'windlass[main-content]' finds it better",
        )
    first = extract(source, fast=True, include_comments=False, include_formatting=False) or ""
    if len(first.split()) < _ENOUGH * len(second.split()):
        return Choice(second)
    return Choice(first)


# ---------------------------------------------------------------- back onto the tree


class _Run:
    """Text nodes in a row that belong to one block: the unit that is kept or not."""

    __slots__ = ("block", "kept", "nodes", "words")

    def __init__(self, block: Node) -> None:
        self.block = block
        self.nodes: list[Text] = []
        self.words = ""
        self.kept = False


def keep_only(document: turbohtml.Document, chosen: str) -> bool:
    """Removes from the page what does not say the chosen text; False (and no change) if nothing
    of the page says it."""
    body = document.find("body")
    if body is None:
        return False
    runs = _runs(body)
    _match(runs, _words(chosen))
    kept = [index for index, run in enumerate(runs) if run.kept]
    if not kept:
        return False
    _take_title(runs, kept[0])
    homes = {run.block.parent for run in runs if run.kept}
    _take_between(runs, kept, homes)
    _prune(body, runs, homes)
    return True


def _words(text: str) -> str:
    """Letters and digits only: what extractors do to spaces and punctuation does not matter."""
    return _SPACE.sub("", text).lower()


def _runs(body: Element) -> list[_Run]:
    runs: list[_Run] = []
    for node in body.descendants:
        if not isinstance(node, Text) or not node.data.strip():
            continue
        block = _block_of(node)
        if not runs or runs[-1].block != block:
            runs.append(_Run(block))
        runs[-1].nodes.append(node)
    for run in runs:
        run.words = _words("".join(node.data for node in run.nodes))
    return runs


def _block_of(node: Node) -> Node:
    parent: Node = node
    for parent in node.ancestors:
        if isinstance(parent, Element) and parent.tag in _BLOCKS:
            return parent
    return parent


def _match(runs: list[_Run], chosen: str) -> None:
    """Marks the runs that the chosen text consists of.

    Long ones are found anywhere, they hardly occur twice; short ones ("Share", "Home") only right
    where the text has got to.
    """
    position = 0
    for run in runs:
        words = run.words
        if not words:
            continue
        if len(words) < _LONG:
            found = chosen.find(words, position, position + _NEAR + len(words))
            if found >= 0 and _stands_alone(run):
                run.kept = True
                position = found + len(words)
            continue
        found = chosen.find(words, position)
        if found >= 0:
            position = found + len(words)
        run.kept = found >= 0 or words in chosen or _mostly_in(words, chosen)


def _stands_alone(run: _Run) -> bool:
    return not any(
        isinstance(ancestor, Element) and ancestor.tag in _APART
        for ancestor in (run.block, *run.block.ancestors)
    )


def _mostly_in(words: str, chosen: str) -> bool:
    """Whether most pieces of a run are there: extractors drop a link or a note in the middle."""
    if len(words) < 2 * _LONG:
        return False
    pieces = [words[start : start + _LONG] for start in range(0, len(words) - _LONG + 1, _LONG)]
    return sum(piece in chosen for piece in pieces) * 2 > len(pieces)


def _take_title(runs: list[_Run], first: int) -> None:
    """The page's heading belongs to its content, though extractors often count it as metadata."""
    titles = [
        run for run in runs[:first] if isinstance(run.block, Element) and run.block.tag == "h1"
    ]
    if len(titles) == 1 and not any(
        run.kept and isinstance(run.block, Element) and run.block.tag == "h1" for run in runs
    ):
        titles[0].kept = True


def _take_between(runs: list[_Run], kept: list[int], homes: Homes) -> None:
    """Code, tables, lists and headings that stand among kept blocks, which extractors lose."""
    for index in range(kept[0], kept[-1] + 1):
        run = runs[index]
        if run.kept or kept[bisect_left(kept, index) - 1] == index:
            continue
        outer = _outermost_rich(run.block, homes)
        if outer is not None and _link_share(outer) < 0.5:
            run.kept = True


def _outermost_rich(block: Node, homes: Homes) -> Element | None:
    """The code block, table or list around `block` that is a neighbour of kept blocks."""
    for ancestor in (block, *block.ancestors):
        if not isinstance(ancestor, Element) or ancestor.tag in _APART:
            return None
        if ancestor.tag in _RICH and ancestor.parent in homes:
            return ancestor
    return None


def _link_share(element: Element) -> float:
    """How much of an element's text is links: lists of links are navigation."""
    total = len(element.text)
    linked = sum(len(link.text) for link in element.iter_elements("a"))
    return linked / total if total else 1.0


def _prune(body: Element, runs: Iterable[_Run], homes: Homes) -> None:
    """Removes the text of runs that are not kept and whatever holds nothing then."""
    wanted = {run.block for run in runs if run.kept}
    for image in list(body.iter_elements("img")):
        if not _is_among(image, homes, wanted):
            image.decompose()
    for run in runs:
        if not run.kept:
            for node in run.nodes:
                node.decompose()
    for element in reversed(list(body.iter_elements())):
        if not _holds_something(element):
            element.decompose()


def _holds_something(element: Element) -> bool:
    if element.tag in _NEVER_EMPTY or element.text.strip():
        return True
    return element.find(["img", "hr"]) is not None


def _is_among(image: Element, homes: Homes, wanted: set[Node]) -> bool:
    for ancestor in image.ancestors:
        if isinstance(ancestor, Element) and ancestor.tag in _APART:
            return False
        if ancestor in wanted or ancestor in homes:
            return True
    return False
