"""What a page of files on disk must give, computed without Windlass and without its parser.

Reads HTML with lexbor and our Markdown with markdown-it, after deciding the charset as a browser
does from BOM, then meta, then the fallback. Used by tests/e2e; must not import windlass.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise
from urllib.parse import quote, urldefrag, urljoin, urlsplit

from markdown_it import MarkdownIt
from markdown_it.token import Token
from selectolax.lexbor import LexborHTMLParser

_META = re.compile(
    rb"""<meta[^>]+charset\s*=\s*["']?\s*([a-zA-Z0-9_:.-]+)""", re.IGNORECASE | re.DOTALL
)
_BROWSER_NAMES = {"iso-8859-1": "windows-1252", "ascii": "windows-1252", "us-ascii": "windows-1252"}
_KEPT_IN_PATHS = "!$%&'()*+,/:;=@[]|~"
_KEPT_IN_QUERIES = _KEPT_IN_PATHS + "?^`{}"
_UNSEEN = "script, style, head, noscript, template"


@dataclass(frozen=True)
class Expected:
    """Facts about one file. `headings` hold letters and digits only."""

    text: str
    headings: tuple[str, ...]
    links: tuple[str, ...]
    words: frozenset[str]


def declared_charset(body: bytes) -> str:
    """The charset a browser reads these bytes with when HTTP names none."""
    for mark, name in ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16-le")):
        if body.startswith(mark):
            return name
    found = _META.search(body[:1024])
    name = found[1].decode().lower() if found else "windows-1252"
    return _BROWSER_NAMES.get(name, name)


def expected(body: bytes, url: str) -> Expected:
    """What the page at `url` with these bytes must give."""
    text = body.decode(declared_charset(body), errors="replace").removeprefix("\ufeff")
    tree = LexborHTMLParser(text)
    headings = [letters(title.text()) for title in tree.css("h1, h2, h3, h4, h5, h6")]
    links = _links(tree, url)
    for unseen in tree.css(_UNSEEN):
        unseen.decompose()
    shown = tree.root.text(separator=" ") if tree.root is not None else ""
    words = frozenset(re.findall(r"\w+", shown))
    return Expected(text, tuple(one for one in headings if one), links, words)


def _links(tree: LexborHTMLParser, url: str) -> tuple[str, ...]:
    bases = [base.attributes["href"] for base in tree.css("base[href]")]
    base = urljoin(url, bases[0] or "") if bases else url
    hrefs = (link.attributes["href"] or "" for link in tree.css("a[href], area[href]"))
    found = (urldefrag(_resolved(base, href.strip())).url for href in hrefs)
    web = (one for one in found if urlsplit(one).scheme in ("http", "https"))
    return tuple(dict.fromkeys(as_browsers_write(one) for one in web))


def _resolved(base: str, href: str) -> str:
    # urljoin takes a semicolon for something else and loses it at the end of a path.
    return urljoin(base, href.replace(";", "\ue000")).replace("\ue000", ";")


def as_browsers_write(url: str) -> str:
    """An absolute URL as a browser shows it: host in lower case, a path, no raw letters."""
    parts = urlsplit(url)
    path = quote(parts.path or "/", _KEPT_IN_PATHS)
    query = quote(parts.query, _KEPT_IN_QUERIES).replace("'", "%27")
    return parts._replace(netloc=parts.netloc.lower(), path=path, query=query).geturl()


def letters(text: str) -> str:
    """Only letters and digits, so that markup, escapes and spaces do not matter."""
    return "".join(char for char in text if char.isalnum())


def headings_of_markdown(markdown: str) -> tuple[str, ...]:
    """Headings that a Markdown reader finds, reduced like `Expected.headings`."""
    tokens = MarkdownIt("commonmark").enable("table").parse(markdown)
    titles = [
        letters(_shown(after.children or []))
        for token, after in pairwise(tokens)
        if token.type == "heading_open"
    ]
    return tuple(one for one in titles if one)


def _shown(tokens: list[Token]) -> str:
    return "".join(token.content for token in tokens if token.type in ("text", "code_inline"))
