"""Markdown tables and headings for the made files."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

NOTE = "<!-- Made by `make docs` from the code. Changes made here are lost. -->"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table, with a newline at its end."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(map(_cell, line))} |\n" for line in lines)


def code(text: str) -> str:
    """Text as code, whatever it holds."""
    return f"`` {text} ``" if "`" in text else f"`{text}`"


def anchor(heading: str) -> str:
    """What a link to a heading ends with, as the usual readers of Markdown make it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def titled(title: str, intro: str) -> str:
    """The head of a made file."""
    return f"{NOTE}\n\n# {title}\n\n{intro}\n"


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())
