"""Reads the outline of a parsed page. Used by tree.py, before anything changes the tree."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

import turbohtml
from turbohtml import Element

from windlass.html.urls import Resolver
from windlass.model.outline import Outline, PageLink
from windlass.net.refresh import parse_refresh

MAX_TEXT = 1_000
"""Characters kept of a title or description."""
MAX_LINK_TEXT = 200
"""Characters kept of the words of a link."""
MAX_SAID = 100
"""Canonical links and robots elements that are looked at."""

_ASKING = re.compile(r"(?<![\w-])(?:noindex|nofollow|none)(?![\w-])")

Linking = Iterable[tuple[str, Iterable[Element]]]


def outline_of(
    document: turbohtml.Document, resolver: Resolver, links: tuple[PageLink, ...]
) -> Outline:
    """The outline of a page that leads to `links`."""
    head = document.find("head")
    found = list(head.iter_elements(("title", "meta", "link"))) if head is not None else []
    metas = dict(_metas(found))
    return Outline(
        title=_first_title(found) or metas.get("og:title", ""),
        description=metas.get("description", "") or metas.get("og:description", ""),
        canonicals=tuple(_canonicals(found, resolver)),
        refresh=_refresh(found, resolver),
        robots=tuple(_robots(found)),
        links=links,
    )


def _first_title(head: Iterable[Element]) -> str:
    return next((_line(one.text, MAX_TEXT) for one in head if one.tag == "title"), "")


def _metas(head: Iterable[Element]) -> Iterator[tuple[str, str]]:
    """Values by name, the first of a name last, so that it is the one that stays."""
    for one in reversed(list(head)):
        if one.tag == "meta" and (content := one.attr("content")):
            name = one.attr("name") or one.attr("property") or ""
            yield name.strip().lower(), _line(content, MAX_TEXT)


def _canonicals(head: Iterable[Element], resolver: Resolver) -> Iterator[str]:
    seen: set[str] = set()
    for one in head:
        if one.tag != "link" or "canonical" not in words_of(one.attr("rel")):
            continue
        reference = one.attr("href")
        page = resolver(reference).page if reference else ""
        if page and page not in seen and len(seen) < MAX_SAID:
            seen.add(page)
            yield page


def _refresh(head: Iterable[Element], resolver: Resolver) -> str:
    for one in head:
        if one.tag == "meta" and (one.attr("http-equiv") or "").strip().lower() == "refresh":
            said = parse_refresh(one.attr("content") or "")
            if said is not None:
                return resolver(said.reference).page
    return ""


def _robots(head: Iterable[Element]) -> list[tuple[str, str]]:
    """Named meta elements that ask something of robots; which names count depends on the robot."""
    said = [
        ((one.attr("name") or "").strip().lower(), content.strip().lower())
        for one in head
        if one.tag == "meta" and (content := one.attr("content"))
    ]
    asked = [(name, content) for name, content in said if name and _ASKING.search(content)]
    return asked[:MAX_SAID]


def texts_of(linking: Linking) -> dict[str, str]:
    """The first that a link to a page shows, by the page's URL.

    `linking` names the attribute and the elements that lead somewhere by it, made absolute.
    """
    texts: dict[str, str] = {}
    for attribute, elements in linking:
        for one in elements:
            url = (one.attr(attribute) or "").partition("#")[0]
            if url and not texts.get(url):
                texts[url] = _text(one)
    return texts


def _text(link: Element) -> str:
    """What a link shows, or else is called."""
    shown = _line(link.text, MAX_LINK_TEXT)
    if not shown:
        named = link.attr("aria-label") or link.attr("title") or link.attr("alt")
        if not named and (image := link.find("img")) is not None:
            named = image.attr("alt")
        shown = _line(named or "", MAX_LINK_TEXT)
    return shown


def words_of(value: str | None) -> list[str]:
    """What an attribute lists, in lower case."""
    return value.lower().split() if value else []


def _line(text: str, limit: int) -> str:
    return " ".join(text.split())[:limit]
