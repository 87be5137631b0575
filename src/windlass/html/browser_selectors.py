"""Whether a browser will understand a CSS selector, before a page is there to try it on.

Called by dialects at the door; it parses nothing but the selector, so it may run anywhere. The
selectors of recipes are css.py's.
"""

from __future__ import annotations

import re

LONGEST = 2000
"""Characters of a selector."""

# Pseudo-classes that browsers know and the parser does not: what they mean is of no interest here.
_OF_BROWSERS = re.compile(
    r":(?:-webkit-autofill|autofill|fullscreen|host|modal|muted|open|paused|picture-in-picture"
    r"|playing|popover-open|target-current|user-invalid|user-valid)(?![\w(-])"
)
_STRINGS = re.compile(r"\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*'|\[[^\]]*\]|\([^()]*\)")
_DIGIT_FIRST = re.compile(r"[#.]-?[0-9]")


def selector_fault(selector: str) -> str:
    """What is wrong with a selector (Selectors Level 4), "" if nothing is.

    Pseudo-elements count as wrong: no element is ever matched by one.
    """
    import turbohtml  # a few MB that only those pay who are given selectors

    if len(selector) > LONGEST:
        return f"is longer than {LONGEST} characters"
    try:
        turbohtml.parse("").select(_OF_BROWSERS.sub(":hover", selector))
    except turbohtml.SelectorSyntaxError as error:
        return str(error).partition('": ')[2] or "is no selector"
    found = _DIGIT_FIRST.search(_STRINGS.sub("", selector))
    return f"has a name that starts with a digit: {found[0]}" if found else ""
