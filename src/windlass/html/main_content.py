"""Which part of a page is its main content: extractors choose text, the tree keeps what said it.

Used by tree.py in page-reading processes. The extractors lose code, lists and links on the way,
so only their choice of words is taken; the page's own markup around these words is what stays.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

import turbohtml
from turbohtml import Element, Node, Text

LARGEST = 2_000_000
"""Characters of source beyond which no main content is looked for: the extractors have no time
limit of their own and took 13 to 21 s for 8 MB."""
_ENOUGH = 0.5
"""Share of the second extractor's words below which the first has lost too much. Measured on the
181 articles of article-extraction-benchmark: F1 0.957 at 0.5, 0.950 at 0.7."""
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
_HEADINGS = ("h2", "h3", "h4", "h5", "h6")
_RICH = ("pre", "table", "ul", "ol", "dl", "figure", "blockquote", *_HEADINGS)
_CONTAINERS = (*_RICH, "div", "section", "nav", "aside", "footer", "form", "header", "menu", "td")
Homes = set[Element | turbohtml.Document | turbohtml.DocumentFragment | None]
"""What kept blocks are children of."""
_NEVER_EMPTY = frozenset({"hr", "td", "th"})
_APART = frozenset({"nav", "aside", "footer", "form", "button", "dialog", "menu"})
_APART_ROLES = frozenset({"navigation", "complementary", "contentinfo", "search", "banner"})
_APART_NAME = re.compile(
    r"[\s_-](?:nav|menu|sidebar|breadcrumb|footer|share|sharing|social|related|newsletter|promo"
    r"|comments?\b|cookie|pagination|pager|sphinxsidebar)",
    re.IGNORECASE,
)


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

    __slots__ = ("apart", "block", "kept", "nodes", "words")

    def __init__(self, block: Node, *, apart: bool) -> None:
        self.block = block
        self.apart = apart
        """Whether it is in a part of the page that leads around rather than says something."""
        self.nodes: list[Text] = []
        self.words = ""
        self.kept = False

    @property
    def tag(self) -> str:
        return self.block.tag if isinstance(self.block, Element) else ""


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
    homes: Homes = {run.block.parent for run in runs if run.kept}
    _take_between(runs, kept, homes)
    _prune(body, runs, homes)
    return True


def _words(text: str) -> str:
    """Letters and digits only: what extractors do to spaces and punctuation does not matter."""
    return _SPACE.sub("", text).lower()


def _runs(body: Element) -> list[_Run]:
    apart = _parts_apart(body)
    runs: list[_Run] = []
    for node in body.descendants:
        if not isinstance(node, Text) or not node.data.strip():
            continue
        block = _block_of(node)
        if not runs or runs[-1].block != block:
            inside = any(part in apart for part in (block, *block.ancestors))
            runs.append(_Run(block, apart=inside))
        runs[-1].nodes.append(node)
    for run in runs:
        run.words = _words("".join(node.data for node in run.nodes))
    return runs


def _parts_apart(body: Element) -> set[Node]:
    """Elements that by their tag, role, class or id are navigation and the like.

    Not what holds a good part of the page: some sites put everything into one form or header.
    """
    most = len(body.text) / 3
    return {
        element
        for element in body.iter_elements(_CONTAINERS)
        if (
            element.tag in _APART
            or element.attr("role") in _APART_ROLES
            or _APART_NAME.search(f" {element.attr('class') or ''} {element.attr('id') or ''}")
        )
        and len(element.text) < most
    }


def _block_of(node: Node) -> Node:
    parent: Node = node
    for parent in node.ancestors:
        if isinstance(parent, Element) and parent.tag in _BLOCKS:
            return parent
    return parent


def _match(runs: list[_Run], chosen: str) -> None:
    """Marks the runs that the chosen text consists of.

    Long ones are found anywhere, they hardly occur twice in earnest; short ones ("Share", "Home")
    only right where the text has got to.
    """
    position = 0
    seen = {run.words for run in runs if run.apart}
    seen.intersection_update(run.words for run in runs if not run.apart)
    for run in runs:
        words = run.words
        if not words or (run.apart and (len(words) < _LONG or words in seen)):
            continue
        near = position + _NEAR + len(words) if len(words) < _LONG else len(chosen)
        found = chosen.find(words, position, near)
        if found >= 0:
            position = found + len(words)
            run.kept = True
        elif len(words) >= _LONG:
            run.kept = (words not in seen or not run.apart) and _says(chosen, words)
            seen.add(words)


def _says(chosen: str, words: str) -> bool:
    """Whether a run or most pieces of it are there: extractors drop a link or a note within."""
    if words in chosen:
        return True
    if len(words) < 2 * _LONG:
        return False
    pieces = [words[start : start + _LONG] for start in range(0, len(words) - _LONG + 1, _LONG)]
    return sum(piece in chosen for piece in pieces) * 2 > len(pieces)


def _take_title(runs: list[_Run], first: int) -> None:
    """The page's heading belongs to its content, though extractors often count it as metadata."""
    if not any(run.kept and run.tag == "h1" for run in runs):
        titles = [run for run in runs[:first] if run.tag == "h1"]
        if len(titles) == 1:
            titles[0].kept = True


def _take_between(runs: list[_Run], kept: list[int], homes: Homes) -> None:
    """What stands among kept blocks and extractors lose: code, tables, lists, a heading or line
    that introduces what is kept."""
    follows = False
    for index in range(kept[-1], kept[0] - 1, -1):
        run = runs[index]
        if run.kept:
            follows = True
            continue
        if run.apart:
            continue
        outer = _outermost_rich(run.block, homes)
        leads_in = runs[index - 1].kept and run.block.parent in homes
        introduces = follows and (run.tag in _HEADINGS or leads_in)
        if outer is None and introduces and isinstance(run.block, Element):
            outer = run.block
        run.kept = outer is not None and _link_share(outer) < 0.5
        follows = run.kept


def _outermost_rich(block: Node, homes: Homes) -> Element | None:
    """The code block, table or list around `block` that is a neighbour of kept blocks."""
    for ancestor in (block, *block.ancestors):
        if not isinstance(ancestor, Element):
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
    """Removes the text of runs that are not kept and the blocks that hold nothing then."""
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
    if element.tag not in _BLOCKS or element.tag in _NEVER_EMPTY or element.text.strip():
        return True
    return element.find(["img", "hr"]) is not None


def _is_among(image: Element, homes: Homes, wanted: set[Node]) -> bool:
    for ancestor in image.ancestors:
        if isinstance(ancestor, Element) and ancestor.tag in _APART:
            return False
        if ancestor in wanted or ancestor in homes:
            return True
    return False
