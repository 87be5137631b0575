"""The project's Markdown files: their links and the snippets in them. Used by tests of the docs.

A fence of language `sh` or `python` is run unless the word `show` follows the language. A fence
`text output` right after it holds lines that the run must print, in that order.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

ROOT = Path(__file__).parents[2]
LANGUAGES = ("sh", "python")

_FENCE = re.compile(r"^```(?P<info>[^\n`]*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"(?<!\\)!?\[(?:[^\]\\]|\\.)*\]\(([^()\s]+)\)")
_HEADING = re.compile(r"^#{1,6} +(.+?) *$", re.MULTILINE)
_CODE = re.compile(r"(`+)(?:(?!\1).)+\1")


@dataclass(frozen=True)
class Snippet:
    """One fence that is run. `line` is where it begins; `output` what it must print."""

    document: str
    line: int
    language: str
    text: str
    output: tuple[str, ...] = ()


def documents() -> list[Path]:
    """Every Markdown file of the project: those at its root and below docs/."""
    return sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def snippets(path: Path) -> list[Snippet]:
    """The snippets of a file that are run, in order."""
    text = path.read_text(encoding="utf-8")
    found: list[Snippet] = []
    fences = list(_FENCE.finditer(text))
    for fence, after in zip_longest(fences, fences[1:]):
        language, _, rest = fence["info"].strip().partition(" ")
        if language not in LANGUAGES or rest == "show":
            continue
        assert not rest, f"{path}: what is {fence['info']!r}?"
        output: tuple[str, ...] = ()
        if after is not None and after["info"] == "text output":
            output = tuple(line for line in after["text"].splitlines() if line.strip())
        line = text.count("\n", 0, fence.start()) + 1
        name = str(path.relative_to(ROOT))
        found.append(Snippet(name, line, language, fence["text"], output))
    return found


def fenced(path: Path, info: str) -> str:
    """The text of the one fence with this info string."""
    (text,) = [
        fence["text"]
        for fence in _FENCE.finditer(path.read_text(encoding="utf-8"))
        if fence["info"] == info
    ]
    return text


def relative_links(path: Path) -> list[str]:
    """Targets of a file's links that lie in the project, with their anchors."""
    text = _CODE.sub("", _FENCE.sub("", path.read_text(encoding="utf-8")))
    # Links of tables have code as their text, which is gone by now: "[](…)".
    return [link for link in _LINK.findall(text) if not re.match(r"[a-z]+:", link)]


def anchors(path: Path) -> set[str]:
    """What links into a file may end with, as GitHub makes it of headings."""
    found: set[str] = set()
    for heading in _HEADING.findall(_FENCE.sub("", path.read_text(encoding="utf-8"))):
        slug = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        number, one = 0, slug
        while one in found:
            number += 1
            one = f"{slug}-{number}"
        found.add(one)
    return found
