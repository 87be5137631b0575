"""Selectors are judged as a browser's querySelector judges them."""

from __future__ import annotations

import pytest

from windlass.html.browser_selectors import LONGEST, selector_fault

GOOD = [
    "h1",
    " h1 ",
    "*",
    "#a .b > c ~ d + e",
    "a, b",
    "a:not(:has(img))",
    "li:nth-child(2n+1 of .x)",
    "[data-x='1' i]",
    "[href='#1']",
    'a[href$=".5"]',
    "dialog:modal",
    "details:open > p",
    "[popover]:popover-open",
    "input:checked:disabled",
    "#ünïcode",
    r"#\31 a",
    ":is(h1, h2):hover",
]
BAD = [
    "",
    "   ",
    "a[",
    "a >> b",
    "//div[@id='x']",
    "text=Send",
    "p:contains('x')",
    "div:visible",
    "#1a",
    ".5x",
    "p::before",
    "a,,b",
    "{}",
    "a" * (LONGEST + 1),
]


@pytest.mark.parametrize("selector", GOOD)
def test_a_selector_that_browsers_understand_has_no_fault(selector: str) -> None:
    assert selector_fault(selector) == ""


@pytest.mark.parametrize("selector", BAD, ids=lambda text: text[:20])
def test_a_selector_that_browsers_refuse_is_told_what_is_wrong(selector: str) -> None:
    assert selector_fault(selector)


def test_hostile_selectors_are_judged_at_once() -> None:
    for part in (":not(", ":is(", "[", "a ", "a,", "\x00"):
        selector_fault(part * (LONGEST // len(part)))
