"""What kind of thing a body is: by its declared type first, by its first bytes where that is vague.

Used by document.py. Follows the WHATWG MIME Sniffing standard as far as pages need it.
"""

from __future__ import annotations

import re
from enum import StrEnum

SNIFFED_BYTES = 1445
"""Length of the resource header (MIME Sniffing, section 5.2)."""


class Kind(StrEnum):
    """How a body is read."""

    HTML = "html"
    XHTML = "xhtml"
    XML = "xml"
    JSON = "json"
    MARKDOWN = "markdown"
    TEXT = "text"
    BINARY = "binary"

    @property
    def markup(self) -> bool:
        """Whether it is a page: something with links and headings."""
        return self in (Kind.HTML, Kind.XHTML)


_EXACT = {
    "text/html": Kind.HTML,
    "application/xhtml+xml": Kind.XHTML,
    "application/json": Kind.JSON,
    "text/json": Kind.JSON,
    "application/json5": Kind.JSON,
    "application/xml": Kind.XML,
    "text/xml": Kind.XML,
    "text/markdown": Kind.MARKDOWN,
    "text/x-markdown": Kind.MARKDOWN,
}
_TEXTUAL = re.compile(
    r"application/(?:x-)?(?:javascript|ecmascript|typescript|ndjson|jsonl|jsonlines|yaml|toml|sql"
    r"|graphql|sh|httpd-php|www-form-urlencoded|subrip|tex|latex|csv|pgp-signature)"
)
_BINARY_TREES = ("image/", "audio/", "video/", "font/", "model/")
_VAGUE = frozenset(
    {"", "unknown/unknown", "application/unknown", "*/*", "application/octet-stream"}
)

_BYTE_ORDER_MARKS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")
_BINARY_BYTES = re.compile(rb"[\x00-\x08\x0b\x0e-\x1a\x1c-\x1f]")
"""Bytes that no text holds (MIME Sniffing, section 3, "binary data byte")."""
_MAGIC = (
    b"%PDF-",
    b"\x89PNG",
    b"GIF8",
    b"\xff\xd8\xff",
    b"PK\x03\x04",
    b"\x1f\x8b",
    b"RIFF",
    b"%!PS",
)
_HTML_START = re.compile(
    rb"[\t\n\x0c\r ]*<(?:!doctype html|html|head|script|iframe|h1|div|font|table|a|style|title|b"
    rb"|body|br|p|!--)[ >]",
    re.IGNORECASE,
)
_XML_START = re.compile(rb"[\t\n\x0c\r ]*<\?xml")
_XHTML_ROOT = re.compile(
    rb"<(?:[\w.-]+:)?html\b[^>]{0,2000}http://www\.w3\.org/1999/xhtml", re.IGNORECASE
)


def essence(content_type: str) -> str:
    """The media type of a Content-Type header without parameters, lower case, "" if malformed."""
    name = content_type.partition(";")[0].partition(",")[0].strip().lower()
    return name if name.count("/") == 1 else ""


_PAGES = frozenset({Kind.HTML, Kind.XHTML, Kind.XML, Kind.MARKDOWN})


def may_be_page(content_type: str) -> bool:
    """Whether a body with this Content-Type header ("" = none was sent) may be something to read:
    markup or plain text, not a file that programs open."""
    name = essence(content_type)
    if name in ("", "text/plain"):
        return True
    return _EXACT.get(name) in _PAGES or (name in _VAGUE and name != "application/octet-stream")


def kind_of(content_type: str, body: bytes) -> Kind:
    """How to read a body with this Content-Type header ("" = none was sent)."""
    name = essence(content_type)
    kind = _EXACT.get(name)
    if kind is Kind.XML or (kind is None and name.endswith("+xml")):
        return Kind.XHTML if _XHTML_ROOT.search(body, 0, 4096) else Kind.XML
    if kind is not None:
        return kind
    if name.endswith("+json"):
        return Kind.JSON
    if _TEXTUAL.fullmatch(name):
        return Kind.TEXT
    if name.startswith("text/"):
        return Kind.BINARY if _looks_binary(body) else Kind.TEXT
    if name in _VAGUE:
        return _sniffed(body, markup=name != "application/octet-stream")
    if name.startswith(_BINARY_TREES):
        return Kind.BINARY
    return _sniffed(body, markup=False)


def _sniffed(body: bytes, *, markup: bool) -> Kind:
    """The kind by the first bytes; `markup` False never makes a page of a download."""
    if _looks_binary(body):
        return Kind.BINARY
    start = body.removeprefix(_BYTE_ORDER_MARKS[0])
    if _XML_START.match(start):
        if _XHTML_ROOT.search(start, 0, 4096):
            return Kind.XHTML
        return Kind.HTML if markup and re.search(rb"(?i)<html[\s>]", start[:4096]) else Kind.XML
    # Nothing at all is an empty page rather than an empty text.
    if markup and (not body or _HTML_START.match(start)):
        return Kind.HTML
    return Kind.TEXT


def _looks_binary(body: bytes) -> bool:
    if body.startswith(_BYTE_ORDER_MARKS):
        return False
    return body.startswith(_MAGIC) or _BINARY_BYTES.search(body, 0, SNIFFED_BYTES) is not None
