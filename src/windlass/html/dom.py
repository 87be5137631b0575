"""One page to select from: CSS, XPath, text and markup of one parsed tree (contract 7.8).

Used by parsing/ inside page-reading processes; `css` and `xpath` also where recipes are
checked. The tree is as the page has it: views for readers (tree.py) change theirs and keep their
own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cached_property, lru_cache

import turbohtml
from turbohtml import CData, Document, Element, HTMLParseError, Node, Text

from windlass.html.css import MARK, Css, CssError, css
from windlass.html.document import Source
from windlass.html.media import Kind
from windlass.html.urls import is_web, resolve

__all__ = ["Css", "CssError", "Dom", "Element", "Node", "XPathError", "XPathQuery", "css", "xpath"]

_NOT_READ = ("script", "style", "template")
_IN_MARKS = re.compile(rf' {MARK}[0-9a-f]+-\d+=""')
_MOST_MARKED = 50_000_000
"""Characters looked at for one pseudo-class of ours on one page."""


class Dom:
    """A parsed page, made of a Source, or of markup met inside a page."""

    def __init__(self, document: Document | Element, url: str = "", *, xml: bool = False) -> None:
        self.document = document
        self._url = url
        self._marked: set[str] = set()
        self.xml = xml

    @classmethod
    def of(cls, source: Source) -> Dom:
        """The page. Broken XML is read as HTML, which makes something of everything."""
        if source.kind is Kind.XHTML:
            from windlass.html.tree import from_xhtml

            return cls(_parse_html(from_xhtml(source.text)), source.url)
        if source.kind is Kind.XML:
            try:
                return cls(_parse_xml(source.text), source.url, xml=True)
            except HTMLParseError:
                return cls(_parse_html(source.text), source.url)
        # As with scripts off: what is in <noscript> is there to be selected.
        document = turbohtml.parse(
            source.body, encoding=source.encoding.name, scripting=False, positions=False
        )
        return cls(document, source.url)

    @classmethod
    def fragment(cls, markup: str, url: str) -> Dom:
        """Markup found in a page, in JSON for example."""
        return cls(_parse_html(markup), url)

    # ------------------------------------------------------------ selecting

    def select(self, node: Node, selector: Css) -> list[Element]:
        """Elements below a node that match, in document order."""
        if selector.marks:
            self._mark(selector)
        return node.select(selector.native)

    def first(self, node: Node, selector: Css) -> Element | None:
        """The first of them."""
        if selector.marks:
            self._mark(selector)
        return node.select_one(selector.native)

    def _mark(self, selector: Css) -> None:
        """Sets the attributes that stand for pseudo-classes, once for the whole page."""
        if selector.source in self._marked:
            return
        left = _MOST_MARKED
        for mark in selector.marks:
            for element in self.document.select(mark.among):
                if mark.deep and (left := left - len(element.text)) < 0:
                    raise ValueError(f"{selector.source!r} looks at too much of this page")
                if mark.holds(element):
                    element.attrs[mark.name] = ""
        self._marked.add(selector.source)

    # ------------------------------------------------------------ what is found

    def where(self, node: Node) -> str:
        """The way from the top, as a selector: `html > body > p:nth-of-type(2)`."""
        if not isinstance(node, Element):
            return ""
        steps = node.xpath_path().strip("/").split("/")
        return " > ".join(_as_css(step) for step in steps)

    @cached_property
    def base(self) -> str:
        """What references are relative to (HTML, section 2.4.1, "document base URL")."""
        own = resolve(self._url, "") or self._url
        element = None if self.xml else self.document.select_one("base[href]")
        if element is None:
            return own
        found = resolve(own, element.attr("href") or "")
        return found if found is not None and is_web(found) else own

    @cached_property
    def language(self) -> str:
        """The language that the page's root claims, "" if none."""
        root = self.document.select_one(":root")
        if root is None:
            return ""
        return (root.attr("lang") or root.attr("xml:lang") or "").strip()


def _as_css(step: str) -> str:
    name, _, count = step.partition("[")
    return f"{name}:nth-of-type({count[:-1]})" if count else name


def markup_of(node: Node) -> str:
    """The node itself as HTML, without our marks."""
    html = node.html
    return _IN_MARKS.sub("", html) if MARK in html else html


def text_of(node: Node) -> str:
    """All text in a node; of scripts, styles and templates only if it is one itself."""
    if next(node.iter_elements(_NOT_READ), None) is None:
        return node.text
    return "".join(pieces_of(node))


def pieces_of(node: Node) -> Iterator[str]:
    """The pieces of that text, one for each run of it between tags."""
    if next(node.iter_elements(_NOT_READ), None) is None:
        yield from node.strings
        return
    waiting = list(reversed(node.children))
    while waiting:
        child = waiting.pop()
        if isinstance(child, Text):
            yield child.data
        elif isinstance(child, Element) and child.tag not in _NOT_READ:
            waiting.extend(reversed(child.children))


def attribute_of(element: Element, name: str) -> str | None:
    """An attribute's value, lists joined by a space; "" for one that is merely there."""
    value = element.attrs.get(name)
    if value is None:
        return "" if name in element.attrs else None
    return value if isinstance(value, str) else " ".join(value)


def parent_of(node: Node) -> Element | None:
    """The element that a node is in."""
    parent = node.parent
    return parent if isinstance(parent, Element) else None


def _parse_html(markup: str) -> Document:
    return turbohtml.parse(markup, scripting=False, positions=False)


def _parse_xml(text: str) -> Document:
    document = turbohtml.parse_xml(text)
    for node in list(document.descendants):
        if isinstance(node, CData):  # text that the parser does not count as such
            node.replace_with(Text(node.data))
    return document


# --------------------------------------------------------------------- XPath

MAX_XPATH = 2000
"""Characters of one path."""
_MAX_NESTING = 24

_LITERAL = r"""(?P<literal>"[^"]*"|'[^']*')"""
_LOCAL_NAME = r"(?P<local>local-name\(\s*\))"
_PREFIXED = r"(?P<axis>[\w.-]+::)?(?P<name>[A-Za-z_][\w.-]*:[A-Za-z_][\w.-]*)(?!\s*\()(?!:)"
_XML_PARTS = re.compile(f"{_LITERAL}|{_LOCAL_NAME}|(?<![\\w@:.-]){_PREFIXED}")
_AFTER_COLON = "substring-after(concat(substring(':',1 div not(contains(name(),':'))),name()),':')"
_NO_ELEMENT = re.compile(
    r"(?:^|/|\|)\s*(?P<what>@[\w:*.-]+|attribute::[\w:*.-]+|text\(\)|comment\(\)|"
    r"processing-instruction\([^)]*\))\s*(?:\[[^\]]*\]\s*)*(?=\||$)"
)


class XPathError(ValueError):
    """A text is no path to elements; says why."""


class XPathQuery:
    """A compiled path. It leads to elements; whatever else it meets does not count."""

    def __init__(self, html: Callable[[Node], object], xml: Callable[[Node], object]) -> None:
        self._html = html
        self._xml = xml

    def select(self, dom: Dom, node: Node) -> list[Element]:
        """The elements that the path leads to from a node, in document order. Raises XPathError
        for what cannot be done on this page."""
        try:
            found = self._xml(node) if dom.xml else self._html(node)
        except TypeError as error:  # what only some pages show
            raise XPathError(str(error).removeprefix("xpath: ")) from error
        if not isinstance(found, list):
            return []
        return [each for each in found if isinstance(each, Element)]


@lru_cache(maxsize=1024)
def xpath(path: str) -> XPathQuery:
    """The path that a text means. Raises XPathError."""
    if len(path) > MAX_XPATH:
        raise XPathError(f"the path has {len(path)} characters, at most {MAX_XPATH} are allowed")
    bare = re.sub(_LITERAL, "''", path)
    if _nesting(bare) > _MAX_NESTING:
        raise XPathError(f"brackets are nested deeper than {_MAX_NESTING}")
    if found := _NO_ELEMENT.search(bare):
        way = "attr" if found["what"][0] in "@a" else "text"
        message = f"must lead to elements, not {found['what']}: the extractor {way!r} reads that"
        raise XPathError(message)
    if "$" in bare:
        raise XPathError("there are no variables")
    parts = {match.lastgroup for match in _XML_PARTS.finditer(path)}
    for_xml = _compiled(_XML_PARTS.sub(_for_xml, path)) if parts - {"literal"} else _compiled(path)
    # Only a prefix needs other words for HTML, too.
    return XPathQuery(for_xml if "name" in parts else _compiled(path), for_xml)


def _nesting(path: str) -> int:
    depth = deepest = 0
    for character in path:
        if character in "([":
            depth += 1
            deepest = max(deepest, depth)
        elif character in ")]":
            depth -= 1
    return deepest


def _for_xml(match: re.Match[str]) -> str:
    """The parser keeps `dc:title` as one name: what asks for a part of it is put in its words."""
    if match["literal"]:
        return match[0]
    if match["local"]:
        return _AFTER_COLON
    return f"{match['axis'] or ''}*[name()='{match['name']}']"


def _compiled(path: str) -> Callable[[Node], object]:
    from turbohtml._html import XPath

    try:
        query = XPath(path)
        found = query(_sample())
    except (ValueError, TypeError) as error:
        raise XPathError(str(error).removeprefix("xpath: ")) from error
    if not isinstance(found, list):
        kind = {bool: "a boolean", float: "a number", str: "a text"}.get(type(found), "a value")
        raise XPathError(f"must lead to elements, this is {kind}")
    return query


@lru_cache(maxsize=1)
def _sample() -> Document:
    return turbohtml.parse("<p>", positions=False)
