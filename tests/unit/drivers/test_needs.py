"""Whether a plain page needs a browser: one row per kind of page."""

from __future__ import annotations

import time

import pytest

from windlass.drivers.needs import SCANNED_BYTES, needs_browser
from windlass.model.page import Page

APP = '<script src="/app.js"></script>'
WORDS = "<p>" + "Words that a reader came for. " * 40 + "</p>"
FEW = "<p>" + "Some words. " * 20 + "</p>"


def page(body: str, kind: str = "text/html; charset=utf-8") -> Page:
    headers = (("Content-Type", kind),) if kind else ()
    return Page(url="http://site.test/", status=200, headers=headers, body=body.encode())


@pytest.mark.parametrize(
    "body",
    [
        f'<!doctype html><title>App</title><div id="root"></div>{APP}',
        f"<div id=app>\n <!-- mounted here --> </div>{APP}",
        f'<div class="x" id="__next" data-y></div>{FEW}{APP}',
        f"<body><app-root></app-root>{APP}",
        f"<body><my-app class=a>Loading...</my-app>{APP}",
        f"<noscript>You need to enable JavaScript to run this app.</noscript><b></b>{APP}",
        f"<noscript>Please turn on your JavaScript.</noscript>{FEW}{APP}",
        f"<noscript><p>JavaScript is required.</p></noscript>{FEW}{APP}",
        "<body><script>document.write('<p>hello')</script>",
        f"<body><script>{'x=1;' * 200}</script>",
        f'<head><title>{"A long title " * 50}</title></head><div id="root"></div>{APP}',
    ],
)
def test_a_shell_needs_a_browser(body: str) -> None:
    assert needs_browser(page(body))


@pytest.mark.parametrize(
    "body",
    [
        "",
        "<p>Short, but all there is.</p>",
        WORDS,
        f"{WORDS}{APP}",
        f'{WORDS}<div id="app"></div>{APP}',
        f"<noscript>Enable JavaScript for comments.</noscript>{WORDS}{APP}",
        f"{FEW}{APP}",
        '<div id="root"></div>',
        '<h1>Moved</h1><script type="application/ld+json">{"a": 1}</script>',
        "<h1>Hello</h1><script>count()</script>",
    ],
)
def test_a_page_with_text_of_its_own_or_no_script_does_not(body: str) -> None:
    assert not needs_browser(page(body))


def test_what_is_no_page_does_not() -> None:
    assert not needs_browser(page(f'<div id="root"></div>{APP}', "text/plain"))
    assert needs_browser(page(f'<div id="root"></div>{APP}', ""))


@pytest.mark.parametrize(
    "piece",
    ["<script", "<!--", "<noscript>x javascript ", "<div id=", "<a-b>", "<noscript>enable "],
)
def test_hostile_bytes_take_no_time(piece: str) -> None:
    body = piece * (SCANNED_BYTES // len(piece)) + APP
    started = time.process_time()
    needs_browser(page(body))
    assert time.process_time() - started < 2.0
