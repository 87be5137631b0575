"""Brings a page into the form that Markdown can say. Used by tree.py.

The renderer is faithful to the tree; what pages hide in it (scripts, permalinks, layout tables,
definition lists, spans of cells) is put right here, in the tree, before it renders.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from itertools import islice

import turbohtml
from turbohtml import Element, Text

from windlass.html.markdown import RAW_TAGS
from windlass.html.tables import shape_table

_UNSEEN = (
    "script",
    "style",
    "noscript",
    "template",
    "iframe",
    "noframes",
    "svg",
    "canvas",
    "audio",
    "video",
    "select",
    "datalist",
    "annotation",
    "annotation-xml",
)
_HIDDEN = (
    '[hidden],[style*="display:none" i],[style*="display: none" i],'
    # Columns of line numbers beside code.
    "td.linenos,td.lineno,td.gutter,td.rouge-gutter"
)
# All that `_HIDDEN` may mean has one of these. Each is one quick pass, a list of selectors is not.
_MAY_BE_HIDDEN = ("[hidden]", '[style*="none" i]', "td[class]")
_HEADINGS = ("h1", "h2", "h3", "h4", "h5", "h6")
_SELF_LINKS = frozenset({"¶", "#", "§", "🔗", "⚓", "\uf0c1", "permalink", "link"})
_EMPHATIC = frozenset({"b", "strong", "em", "i"})
_BLOCKS = frozenset(
    {"p", "div", "ul", "ol", "dl", "table", "pre", "blockquote", "section", "article", *_HEADINGS}
)


Found = Mapping[str, list[Element]]
"""Elements of a page by tag. What is found once serves all steps: looking costs more than most of
them do. It may hold what has been removed since, which then has no parent."""


def find(document: turbohtml.Document) -> Found:
    """Everything that `clean`, `shape` and the links of a page look at, in document order."""
    found: dict[str, list[Element]] = defaultdict(list)
    for element in document.iter_elements(_LOOKED_AT):
        found[element.tag].append(element)
    return found


def clean(document: turbohtml.Document, found: Found) -> None:
    """Leaves what a reader of the rendered page reads: for any view of it as text."""
    for tag in _UNSEEN:
        for element in found.get(tag, ()):
            element.decompose()
    for element in _hidden(document):
        item = element.parent
        element.decompose()
        if isinstance(item, Element) and item.tag == "li" and not _says_something(item):
            item.decompose()
    for tag in ("dt", *_HEADINGS):
        for element in found.get(tag, ()):
            _drop_permalinks(element)
    for table in reversed(found.get("table", ())):  # inner before outer
        shape_table(table)


def _hidden(document: turbohtml.Document) -> list[Element]:
    if any(document.select_one(one) is not None for one in _MAY_BE_HIDDEN):
        return document.select(_HIDDEN)
    return []


def shape(found: Found) -> None:
    """Makes everything that Markdown has a form for take that form; after `clean`."""
    for tag, shaper in _SHAPERS.items():
        if elements := found.get(tag):
            shaper([element for element in elements if element.parent is not None])


def _drop_permalinks(element: Element) -> None:
    """Removes the link to itself that documentation tools hang on headings and terms."""
    for link in list(element.iter_elements("a")):
        text = link.text.strip().lower()
        if "#" in (link.attr("href") or "") and (
            text in _SELF_LINKS or (not text and link.find("img") is None)
        ):
            link.decompose()


# ---------------------------------------------------------------- headings, links, images


def _shape_headings(headings: Iterable[Element]) -> None:
    for heading in headings:
        if "\u00a0" in heading.text:
            _space_plainly(heading)
        if not _says_something(heading):
            heading.unwrap()


def _space_plainly(heading: Element) -> None:
    """The renderer writes these spaces as entities in headings, where no line can break anyway."""
    for node in heading.descendants:
        if isinstance(node, Text):
            node.data = node.data.replace("\u00a0", " ")


def _shape_links(links: Iterable[Element]) -> None:
    for link in links:
        target = link.attr("href")
        if target is None:
            continue
        if target[:11].lower() == "javascript:" or not _named(link):
            del link.attrs["href"]
        elif link.find() is not None and (heading := link.find(list(_HEADINGS))) is not None:
            _link_heading_instead(link, heading, target)


def _named(link: Element) -> bool:
    """Whether a link has something to show; an icon's accessible name is put in its place."""
    if _says_something(link):
        return True
    name = (link.attr("aria-label") or link.attr("title") or "").strip()
    if name:
        link.append(Text(name))
    return bool(name)


def _link_heading_instead(link: Element, heading: Element, target: str) -> None:
    """A link around a whole card would flatten it; its heading carries the link as well."""
    heading.wrap_children(Element("a", {"href": target}))
    link.unwrap()


def _drop_empty(items: Iterable[Element]) -> None:
    """Items whose content was invisible leave no bullet behind."""
    for item in items:
        if not item.text.strip() and item.find(["img", "hr"]) is None and item.find() is not None:
            item.decompose()


def _shape_images(images: Iterable[Element]) -> None:
    for image in images:
        tiny = image.attr("width") in ("0", "1") and image.attr("height") in ("0", "1")
        if tiny:
            image.decompose()
        elif image.attr("src") is None:
            image.replace_with(Text(image.attr("alt") or ""))


def _says_something(element: Element) -> bool:
    return bool(element.text.strip()) or element.find("img") is not None


# ---------------------------------------------------------------- code


def _shape_code(blocks: Iterable[Element]) -> None:
    for block in blocks:
        if block.find() is not None:
            block.remove(".linenos,.lineno,.linenodiv,.line-numbers-rows,.gutter")
        language = _language(block)
        if language:
            code = block.find("code") or block
            code.attrs["class"] = f"language-{language}"


def _language(block: Element) -> str:
    """The language of a code block as one of the usual highlighters notes it, "" if unknown."""
    candidates = [*block.iter_elements("code")][:1]
    candidates.append(block)
    wrappers = (node for node in block.ancestors if isinstance(node, Element))
    candidates.extend(islice(wrappers, 2))
    for element in candidates:
        noted = [element.attr("data-lang"), element.attr("data-language")]
        noted.extend(_LANGUAGE_CLASS.findall(element.attr("class") or ""))
        for name in noted:
            if name and (language := _known_name(name)):
                return language
    return ""


_LANGUAGE_CLASS = re.compile(
    r"(?<!\S)(?:language-|lang-|highlight-source-|highlight-text-|highlight-|brush:\s*)([\w#+.-]+)"
)
_LANGUAGE = re.compile(r"[a-z][a-z0-9#+.-]{0,29}")


def _known_name(name: str) -> str:
    name = name.strip().lower()
    if name in _NO_LANGUAGE or not _LANGUAGE.fullmatch(name):
        return ""
    return _ALIASES.get(name, name)


_ALIASES = {"python3": "python", "py3": "python", "html-basic": "html"}
_NO_LANGUAGE = frozenset({"default", "none", "text", "plain", "plaintext", "notranslate", "source"})


def _as_code(elements: Iterable[Element]) -> None:
    for element in elements:
        element.tag = "code"


# ---------------------------------------------------------------- definition lists


def _shape_definitions(lists: Iterable[Element]) -> None:
    """Terms become list items with their definitions below: Markdown has no other form that
    nests, and the hierarchy of an API reference is in the nesting."""
    for definitions in lists:
        definitions.tag = "ul"
        members = [child for child in definitions.children if isinstance(child, Element)]
        if any(member.tag == "div" for member in members):
            definitions.strip_tags(":scope > div")
            members = [child for child in definitions.children if isinstance(child, Element)]
        _set_off_terms(members)
        _to_items(members)


def _to_items(members: list[Element]) -> None:
    """Makes an item of each term, with its definitions in it."""
    item: Element | None = None
    for member in members:
        if member.tag == "dt" or (member.tag == "dd" and item is None):
            member.tag = "li"
            item = member
        elif member.tag == "dd" and item is not None:
            if len(item):
                item.append(Element("br"))
            item.extend(list(member.children))
            member.decompose()


def _set_off_terms(members: list[Element]) -> None:
    """Makes terms that are defined bold."""
    defined = False
    for member in reversed(members):
        if member.tag == "dd":
            defined = True
        elif member.tag == "dt" and defined and _may_be_bold(member):
            member.wrap_children(Element("strong"))


def _may_be_bold(term: Element) -> bool:
    """Whether bold says something: not on a mere link, as in a table of contents, nor on what is
    emphatic already."""
    only = term[0] if len(term) == 1 else None
    if isinstance(only, Element) and only.tag in _EMPHATIC:
        return False
    text = term.text.strip()
    if not text or next(term.iter_elements(_BLOCKS), None) is not None:
        return False
    link = term.find("a")
    return link is None or link.text.strip() != text


# ---------------------------------------------------------------- inline odds and ends


def _shape_scripts(elements: Iterable[Element]) -> None:
    """Raised text keeps its position, 10<sup>6</sup> is not 106; a footnote mark is just a link."""
    for element in elements:
        plain = element.find("a") is not None or not element.text.strip()
        if not plain and element.closest("code,pre") is None:
            element.insert(0, Text(RAW_TAGS[f"<{element.tag}>"]))
            element.append(Text(RAW_TAGS[f"</{element.tag}>"]))
        element.unwrap()


def _keep_parentheses(elements: Iterable[Element]) -> None:
    for element in elements:
        element.tag = "span"


_SHAPERS: dict[str, Callable[[Iterable[Element]], None]] = {
    **dict.fromkeys(_HEADINGS, _shape_headings),
    "img": _shape_images,
    "a": _shape_links,
    "li": _drop_empty,
    "pre": _shape_code,
    "tt": _as_code,
    "sup": _shape_scripts,
    "sub": _shape_scripts,
    "rp": _keep_parentheses,
    "dl": _shape_definitions,
}
_LINKING = ("base", "a", "area", "frame", "img")
_LOOKED_AT = (*_LINKING, *_UNSEEN, *_SHAPERS, "dt", "table")
