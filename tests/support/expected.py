"""What a page of files on disk must give, computed without Windlass and without its parser.

Reads with lxml after deciding the charset as a browser does from BOM, then meta, then the
fallback. Used by tests/e2e; must not import windlass.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urldefrag, urljoin, urlsplit

import lxml.html

_META = re.compile(
    rb"""<meta[^>]+charset\s*=\s*["']?\s*([a-zA-Z0-9_:.-]+)""", re.IGNORECASE | re.DOTALL
)
_BROWSER_NAMES = {"iso-8859-1": "windows-1252", "ascii": "windows-1252", "us-ascii": "windows-1252"}
_URL_IN_MARKDOWN = re.compile(r"\]\(<?[^()\s]*(?:\([^()\s]*\))?[^()\s]*>?(?:\s+\"[^\"]*\")?\)")


@dataclass(frozen=True)
class Expected:
    """Facts about one file. `headings` and `words` hold letters and digits only."""

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
    # lxml refuses text that names an encoding in an XML prologue.
    tree = lxml.html.document_fromstring(re.sub(r"^\s*<\?xml[^>]*\?>", "", text) or "<p>")
    headings = [
        letters(node.text_content()) for node in tree.xpath("//h1|//h2|//h3|//h4|//h5|//h6")
    ]
    links = _links(tree, url)
    for hidden in tree.xpath("//script|//style|//head|//noscript|//template"):
        hidden.drop_tree()
    words = frozenset(re.findall(r"\w+", tree.text_content()))
    return Expected(text, tuple(one for one in headings if one), links, words)


def _links(tree: lxml.html.HtmlElement, url: str) -> tuple[str, ...]:
    bases = tree.xpath("//base/@href")
    base = urljoin(url, bases[0]) if bases else url
    found = (
        urldefrag(urljoin(base, str(href).strip())).url
        for href in tree.xpath("//a/@href|//area/@href")
    )
    return tuple(dict.fromkeys(one for one in found if urlsplit(one).scheme in ("http", "https")))


def letters(text: str) -> str:
    """Only letters and digits, so that markup, escapes and spaces do not matter."""
    return "".join(char for char in text if char.isalnum())


def headings_of_markdown(markdown: str) -> tuple[str, ...]:
    """Headings of a Markdown text outside fenced code, reduced like `Expected.headings`."""
    found: list[str] = []
    fence = ""
    for line in markdown.splitlines():
        mark = re.match(r"\s*(`{3,}|~{3,})", line)
        if mark and not fence:
            fence = mark[1]
        elif mark and fence and mark[1].startswith(fence):
            fence = ""
        elif not fence and re.match(r"#{1,6}\s", line):
            found.append(letters(_URL_IN_MARKDOWN.sub("]", line.lstrip("#"))))
    return tuple(one for one in found if one)
