"""Meta refresh by cases: when a page sends its reader on at once."""

from __future__ import annotations

import time

import pytest

from windlass.drivers.refresh import refresh_target

URL = "https://example.com/dir/page"


def meta(content: str) -> str:
    return f'<html><head><meta http-equiv="refresh" content="{content}"></head></html>'


# markup, the target or None
DOCUMENTS: dict[str, tuple[str, str | None]] = {
    "five seconds": (meta("5; url=/next"), "https://example.com/next"),
    "none": (meta("0;url=/next"), "https://example.com/next"),
    "fraction": (meta("5.9; url=/next"), "https://example.com/next"),
    "only a fraction": (meta(".5; url=/next"), "https://example.com/next"),
    "six seconds": (meta("6; url=/next"), None),
    "a thousand seconds": (meta("1000; url=/next"), None),
    "no number": (meta("url=/next"), None),
    "no url": (meta("0"), None),
    "empty": (meta(""), None),
    "comma": (meta("0, url=/next"), "https://example.com/next"),
    "space only": (meta("0 url=/next"), "https://example.com/next"),
    "without url=": (meta("0; /next"), "https://example.com/next"),
    "no separator": (meta("0x; url=/next"), None),
    "capitals and spaces": (meta(" 1 ;  URL =  /next "), "https://example.com/next"),
    "quoted url": (meta("0; url='/next' junk"), "https://example.com/next"),
    "entities": (meta("0; url=/next?a=1&amp;b=2"), "https://example.com/next?a=1&b=2"),
    "relative": (meta("0; url=next"), "https://example.com/dir/next"),
    "unquoted": ("<META HTTP-EQUIV=Refresh CONTENT=0;URL=/next>", "https://example.com/next"),
    "attributes the other way round": (
        "<meta content='0; url=/next' http-equiv='REFRESH' />",
        "https://example.com/next",
    ),
    "after other metas": (
        '<meta charset=utf-8><meta name="refresh" content="0; url=/no">' + meta("0; url=/next"),
        "https://example.com/next",
    ),
    "the first counts": (meta("0; url=/one") + meta("0; url=/two"), "https://example.com/one"),
    "a slow one before": (meta("9; url=/one") + meta("0; url=/two"), "https://example.com/two"),
    "in noscript": (f"<noscript>{meta('0; url=/next')}</noscript>", None),
    "in unclosed noscript": (f"<noscript>{meta('0; url=/next')}", None),
    "after noscript": (f"<noscript>x</noscript>{meta('0; url=/next')}", "https://example.com/next"),
    "in a comment": (f"<!-- {meta('0; url=/next')} -->", None),
    "in a script": (f"<script>'{meta('0; url=/next')}'</script>", None),
    "in a title": (f"<title>{meta('0; url=/next')}</title>", None),
    "in a textarea": (f"<textarea>{meta('0; url=/next')}</textarea>", None),
    "in a template": (f"<template>{meta('0; url=/next')}</template>", None),
    "with a base": (
        '<base href="/other/">' + meta("0; url=next"),
        "https://example.com/other/next",
    ),
    "two bases": ("<base href=/a/><base href=/b/>" + meta("0; url=x"), "https://example.com/a/x"),
    "elsewhere": (meta("0; url=https://other.test/x"), "https://other.test/x"),
    "no address": (meta("0; url=http://["), None),
    "nothing": ("<p>please refresh this page</p>", None),
    "script scheme stays to be judged": (meta("0; url=javascript:x()"), "javascript:x()"),
}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_document_sends_on_as_in_browsers(name: str) -> None:
    markup, expected = DOCUMENTS[name]
    assert refresh_target(URL, "text/html; charset=utf-8", "", markup.encode()) == expected


def test_header_counts_too_and_first() -> None:
    page = meta("0; url=/document").encode()
    assert refresh_target(URL, "text/html", "3; url=/header", page) == "https://example.com/header"
    assert refresh_target(URL, "text/html", "30; url=/h", page) == "https://example.com/document"
    assert refresh_target(URL, "image/png", "0;url=/header", b"") == "https://example.com/header"


@pytest.mark.parametrize("kind", ["text/plain", "application/json", "application/xml"])
def test_only_html_is_looked_into(kind: str) -> None:
    assert refresh_target(URL, kind, "", meta("0; url=/next").encode()) is None
    assert refresh_target(URL, "", "", meta("0; url=/next").encode()) is not None


def test_far_down_is_not_looked_at() -> None:
    page = b" " * 70_000 + meta("0; url=/next").encode()
    assert refresh_target(URL, "text/html", "", page) is None


@pytest.mark.parametrize(
    "unit",
    [
        b"<meta ",
        b"<meta http-equiv=refresh content='5;",
        b"<!--",
        b"<noscript>",
        b"<script",
        b"<title></title",
        b"<base href='",
        b"<meta a=",
        b"<meta refresh" + b" a" * 2000 + b">",
    ],
)
def test_hostile_markup_takes_no_time(unit: bytes) -> None:
    page = b"refresh" + unit * (65_536 // len(unit))
    began = time.process_time()
    refresh_target(URL, "text/html", "", page)
    assert time.process_time() - began < 0.2
