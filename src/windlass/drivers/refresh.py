"""Whether a page sends its reader elsewhere by itself (a meta refresh or a Refresh header).

Used by the drivers that do not render. Looks at the first bytes only and runs in linear time.
"""

from __future__ import annotations

import re
from html import unescape

from windlass.drivers.redirects import resolved
from windlass.net.refresh import parse_refresh

SCANNED_BYTES = 65_536
MAX_DELAY_S = 5.0
"""Longest delay that counts as a redirect; beyond it the page is meant to be read."""

# Comments and elements whose content is no markup for us, then the two tags that matter. Each
# alternative either consumes what it looked at or looks at no more than 4 kB.
_TOKEN = re.compile(
    rb"<!--(?s:.*?)(?:-->|\Z)"
    rb"|<(noscript|script|style|textarea|title|template|xmp|iframe|noframes)\b[^<>]*>"
    rb"(?s:.*?)(?:</\1\b|\Z)"
    rb"|<(meta|base)\b([^<>]{0,4096})>",
    re.IGNORECASE,
)
_ATTRIBUTE = re.compile(
    r"""([^\s"'<>/=]+)\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))""",
)
_HTML_TYPES = ("text/html", "application/xhtml+xml")


def refresh_target(url: str, content_type: str, header: str, body: bytes) -> str | None:
    """The absolute URL that a page at `url` moves on to within MAX_DELAY_S seconds, or None.

    `header` is its Refresh header, "" if it has none; the header goes before the document. A
    refresh inside <noscript> does not count, nor one that only reloads the page.
    """
    if header and (found := _parse(header)) is not None:
        return resolved(url, found)
    if content_type and not content_type.strip().lower().startswith(_HTML_TYPES):
        return None
    start = body[:SCANNED_BYTES]
    if b"refresh" not in start.lower():
        return None
    return _in_document(url, start)


def _in_document(url: str, start: bytes) -> str | None:
    base = url
    for token in _TOKEN.finditer(start):
        if token[2] is None:
            continue
        attributes = _attributes(token[3])
        if token[2].lower() == b"base":
            if base == url and "href" in attributes:
                base = resolved(url, attributes["href"]) or url
        elif attributes.get("http-equiv", "").strip().lower() == "refresh":
            target = _parse(attributes.get("content", ""))
            if target is not None:
                return resolved(base, target)
    return None


def _attributes(text: bytes) -> dict[str, str]:
    try:
        decoded = text.decode()
    except UnicodeDecodeError:
        decoded = text.decode("latin-1")
    attributes: dict[str, str] = {}
    for name, *values in _ATTRIBUTE.findall(decoded):
        attributes.setdefault(name.lower(), unescape("".join(values)))
    return attributes


def _parse(content: str) -> str | None:
    """The URL of a refresh, None without one or with too long a delay."""
    refresh = parse_refresh(content)
    return refresh.reference if refresh and refresh.delay_s <= MAX_DELAY_S else None
