"""A shaped tree as GitHub-flavoured Markdown. Used by tree.py after shape.py."""

from __future__ import annotations

import re

import turbohtml

RAW_TAGS = {"<sup>": "\ufdd0", "</sup>": "\ufdd1", "<sub>": "\ufdd2", "</sub>": "\ufdd3"}
"""What shape.py writes for tags that Markdown has no form for: Unicode's noncharacters, which the
renderer does not escape. (A converter per tag makes it fall back to HTML for emphasis as well.)"""

# The lookbehinds stand behind the literals, from which a search can start: it is ten times as fast.
_INSIDE_A_WORD = re.compile(r"\\_(?<=[^\W_]\\_)(?=[^\W_])")
# Neither a list item nor anything else: a marker has white space behind it.
_DECIMAL = re.compile(r"\\\.(?<=[0-9]\\\.)(?=[^\s\\])")
_SPACE = "&#160;"
_GAP = re.compile(r"\n{3,}")
_FENCED = re.compile(
    r"^[ \t>*+\-.\d]*(`{3,})[^`\n]*\n(?:.*?\n)?[ \t>]*\1[ \t]*$", re.MULTILINE | re.DOTALL
)


def render(node: turbohtml.Node) -> str:
    """Markdown of a document or element, without escapes and gaps that no reader of it needs."""
    text = node.to_markdown()
    if "\\_" in text or "\\." in text or _SPACE in text:
        # Code is not escaped: where the page says the same thing itself, leave all as it is.
        said = node.text
        if "\\_" not in said:
            text = _INSIDE_A_WORD.sub("_", text)
        if "\\." not in said:
            text = _DECIMAL.sub(".", text)
        if _SPACE not in said:
            text = text.replace(_SPACE, "\u00a0")
    if "\n\n\n" in text:
        text = _without_gaps(text)
    if not text.isascii():
        for tag, mark in RAW_TAGS.items():
            if mark in text:
                text = text.replace(mark, tag)
    return text


def _without_gaps(text: str) -> str:
    """At most one empty line in a row, but for code."""
    pieces: list[str] = []
    position = 0
    for code in _FENCED.finditer(text):
        pieces += (_GAP.sub("\n\n", text[position : code.start()]), code[0])
        position = code.end()
    pieces.append(_GAP.sub("\n\n", text[position:]))
    return "".join(pieces)
