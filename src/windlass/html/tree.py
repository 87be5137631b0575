"""The parsed page: what formats may ask of it, whatever parser is behind it (turbohtml today).

Used by formats inside page-reading processes only. Hostile input may crash or stall the parser:
never call this in a process that does anything else.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from html.entities import html5

import turbohtml
from turbohtml import HTMLParseError

from windlass.html import markdown, plain
from windlass.html.document import Source
from windlass.html.main_content import choose, keep_only
from windlass.html.media import Kind
from windlass.html.outline import outline_of, texts_of, words_of
from windlass.html.shape import clean, find, shape
from windlass.html.urls import Resolver, is_web, page_of, resolve
from windlass.model.outline import Outline, PageLink

_XML_ENTITIES = frozenset({"amp", "lt", "gt", "quot", "apos"})


class Tree:
    """One page. Its views change the tree; each brings it into the state that it needs."""

    def __init__(self, origin: Source, main_only: str = "") -> None:
        self._origin = origin
        self._main_only = main_only
        self._main: Tree | None = None
        self._leads: dict[str, bool] | None = None
        self._narrowed = False
        self._parse()

    def links(self) -> list[str]:
        """Where the page leads: absolute http(s) URLs without fragments, once each, in order.

        Counts <a>, <area> and <frame>, resolved as a browser does, <base> honoured.
        """
        return list(self._resolved())

    def outline(self, *, words: bool = True) -> Outline:
        """What the page says of itself and where it leads, with the `words` of the links."""
        if self._cleaned:
            self._parse()
        leads = self._resolved()
        texts = texts_of(self._linking()) if words else {}
        links = tuple(PageLink(url, not to, texts.get(url, "")) for url, to in leads.items())
        return outline_of(self._document, self._resolver, links)

    def strings(self) -> str:
        """The visible text, one line for each run of it: the cheapest to compare pages by."""
        self._prepare(shaped=False)
        return "\n".join(self._document.stripped_strings)

    def text(self) -> str:
        """The visible text, blocks on lines of their own."""
        self._prepare(shaped=False)
        return plain.render(self._document)

    def markdown(self) -> str:
        """The visible page as GitHub-flavoured Markdown with absolute links."""
        self._prepare(shaped=True)
        return markdown.render(self._document)

    def main_content(self, warnings: list[str]) -> Tree:
        """The page with its main content only; itself, with a warning, if none is found."""
        if self._main is None:
            choice = choose(self._origin.text)
            self._main = Tree(self._origin, choice.text)
            self._main._prepare(shaped=False)
            if choice.note:
                warnings.append(choice.note)
            if not self._main._narrowed:
                warnings.append("no main content was found: the whole page is given")
        return self._main

    # ------------------------------------------------------------ states of the tree

    def _parse(self) -> None:
        origin = self._origin
        # As with scripts on: <noscript> is then no content, which is what a reader sees. The
        # parser decodes faster than Python, and by the same standard.
        if origin.kind is Kind.XHTML:
            source = from_xhtml(origin.text)
            self._document = turbohtml.parse(source, scripting=True, positions=False)
        else:
            self._document = turbohtml.parse(
                origin.body, encoding=origin.encoding.name, scripting=True, positions=False
            )
        self._found = find(self._document)
        self._resolver = Resolver(self._base())
        self._leads = None
        self._cleaned = False
        self._shaped = False

    def _prepare(self, *, shaped: bool) -> None:
        if self._shaped and not shaped:
            self._parse()
        if not self._cleaned:
            self._resolved()
            clean(self._document, self._found)
            self._narrowed = bool(self._main_only) and keep_only(self._document, self._main_only)
            self._cleaned = True
        if shaped and not self._shaped:
            shape(self._found)
            self._shaped = True

    def _resolved(self) -> dict[str, bool]:
        """Where the page leads, with whether one of its links lets robots follow; from then on
        links and images are absolute in the tree."""
        if self._leads is None:
            leads: dict[str, bool] = {}
            for name, elements in self._linking():
                _absolutize(elements, name, self._resolver, leads)
            for image in self._found.get("img", ()):
                _show(image, self._resolver)
            self._leads = leads
        return self._leads

    def _linking(self) -> Iterator[tuple[str, Iterable[turbohtml.Element]]]:
        """Elements that lead somewhere, with the attribute that says where to."""
        if "area" in self._found:  # rare, and to be counted between the links around it
            yield "href", self._document.iter_elements(("a", "area"))
        else:
            yield "href", self._found.get("a", ())
        yield "src", self._found.get("frame", ())

    def _base(self) -> str:
        """What references are relative to (HTML, section 2.4.1, "document base URL")."""
        own = page_of(self._origin.url) or self._origin.url
        for element in self._found.get("base", ()):
            reference = element.attr("href")
            if reference is not None:
                base = resolve(own, reference)
                return base if base is not None and is_web(base) else own
        return own


def _absolutize(
    links: Iterable[turbohtml.Element], name: str, resolver: Resolver, leads: dict[str, bool]
) -> None:
    """Gives links their whole address, and adds to `leads` where they lead."""
    for link in links:
        reference = link.attr(name)
        if reference is None:
            continue
        target, page = resolver(reference)
        if page:
            relation = link.attr("rel")
            if not relation or "nofollow" not in words_of(relation):
                leads[page] = True
            else:
                leads.setdefault(page, False)
        if not target:
            del link.attrs[name]
        elif target != reference:
            link.attrs[name] = target


def _show(image: turbohtml.Element, resolver: Resolver) -> None:
    """Gives an image the address it is loaded from in the end, none if it has none of its own."""
    for name in ("src", "data-src", "data-original", "data-lazy-src", "srcset", "data-srcset"):
        reference = image.attr(name)
        if not reference:
            continue
        if name.endswith("srcset"):
            reference = reference.strip().partition(" ")[0].rstrip(",")
        target = resolver(reference)
        if target.page:
            image.attrs["src"] = target.url
            return
    if image.attr("src") is not None:
        del image.attrs["src"]


# ---------------------------------------------------------------- XHTML

_ENTITY = re.compile(r"&([A-Za-z][A-Za-z0-9]*);")


def from_xhtml(source: str) -> str:
    """XHTML as the HTML that parses to the same tree; unchanged where it is not well-formed.

    Only an XML parser knows that `<script src="x"/>` or `<div/>` is over. A browser shows an error
    page for what is not well-formed; the HTML parser makes more of it.
    """
    for attempt in (source, _ENTITY.sub(_entity, source)):
        try:
            document = turbohtml.parse_xml(attempt)
        except HTMLParseError:
            continue
        for node in list(document.descendants):
            if isinstance(node, turbohtml.CData):
                node.replace_with(turbohtml.Text(node.data))
        return document.html
    return source


def _entity(match: re.Match[str]) -> str:
    if match[1] in _XML_ENTITIES or (characters := html5.get(match[1] + ";")) is None:
        return match[0]
    return "".join(f"&#{ord(character)};" for character in characters)
