"""Whether a page that plain HTTP brought is nothing without a browser. Pure; for `render: auto`.

Looks at the first bytes only and runs in linear time. It would rather miss a page than send every
site to the browser: what has text of its own is taken as it is.
"""

from __future__ import annotations

import re

from windlass.model.page import Page

SCANNED_BYTES = 524_288
_WORDS_ENOUGH = 120
"""Visible characters above which only an empty application root speaks for a browser."""
_SHELL_ENOUGH = 600
"""Visible characters above which nothing does: a page may well have an empty <div>."""
_SCRIPT_BYTES = 400
"""Inline script that may write a page; less is a counter or a banner."""

_HIDDEN = re.compile(
    rb"<!--(?s:.*?)(?:-->|\Z)"
    rb"|<(script|style|noscript|template|svg|head|textarea|select)\b[^<>]*>(?s:.*?)"
    rb"(?:</\1\s*>|\Z)",
    re.IGNORECASE,
)
_TAG = re.compile(rb"<[^<>]{0,4096}>")
_SPACE = re.compile(rb"(?:\s|&nbsp;|&#160;)+")
_SCRIPT = re.compile(rb"<script\b([^<>]{0,4096})>((?s:.*?))(?:</script\s*>|\Z)", re.IGNORECASE)
_DATA = re.compile(rb"type\s*=\s*[\"']?(?:application/(?:ld\+)?json|text/template|text/x-)", re.I)
_SOURCE = re.compile(rb"\bsrc\s*=", re.IGNORECASE)
_ROOT = re.compile(
    rb"<(?:div|main|section)\b[^<>]{0,1024}\bid\s*=\s*[\"']?"
    rb"(?:root|app|main|application|__next|__nuxt|___gatsby|svelte|ember-root|react-root|"
    rb"app-root|app-mount|mount|q-app|reactapp|vue-app)[\"']?(?:\s[^<>]{0,1024})?>"
    rb"(?:\s|<!--[^<>]{0,256}-->)*</",
    re.IGNORECASE,
)
_ELEMENT = re.compile(
    rb"<([a-z][a-z0-9]{0,32}(?:-[a-z0-9]{1,32}){1,4})\b[^<>]{0,1024}>\s*(?:loading[^<>]{0,64})?</\1\s*>",
    re.IGNORECASE,
)
_DEMANDS = re.compile(
    rb"<noscript\b[^<>]*>(?:(?!</noscript)(?s:.)){0,2000}?"
    rb"(?:enable|need|requires?|turn on|activate|without|support)\W+(?:\w+\W+){0,6}?javascript"
    rb"|<noscript\b[^<>]*>(?:(?!</noscript)(?s:.)){0,2000}?"
    rb"javascript\W+(?:\w+\W+){0,6}?(?:enable|disabled|required|needed|turned|off)",
    re.IGNORECASE,
)
_HTML = ("text/html", "application/xhtml+xml")


def needs_browser(page: Page) -> str:
    """Why a browser would bring more of the page; "" if there is no sign of it."""
    kind = (page.header("content-type") or "").strip().lower()
    if kind and not kind.startswith(_HTML):
        return ""
    start = page.body[:SCANNED_BYTES]
    if b"<script" not in start[:SCANNED_BYTES].lower():
        return ""
    visible = len(_SPACE.sub(b" ", _TAG.sub(b"", _HIDDEN.sub(b"", start))).strip())
    if visible > _SHELL_ENOUGH or not _is_written_by_script(start):
        return ""
    bare = _without_scripts(start)
    if _ROOT.search(bare):
        return "its application root is empty"
    if visible <= _WORDS_ENOUGH:
        if _ELEMENT.search(bare):
            return "its application element is empty"
        return "it has scripts and no text"
    return "it asks for JavaScript" if _DEMANDS.search(start) else ""


def _is_written_by_script(start: bytes) -> bool:
    """Whether there is a script that may make a page."""
    return any(
        _SOURCE.search(found[1]) or len(found[2]) >= _SCRIPT_BYTES or b"document." in found[2]
        for found in _SCRIPT.finditer(start)
        if not _DATA.search(found[1])
    )


def _without_scripts(start: bytes) -> bytes:
    return _SCRIPT.sub(b"", start)
