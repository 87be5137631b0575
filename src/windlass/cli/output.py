"""How commands show things: results, tables, progress.

stdout carries the answer, stderr everything else.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from windlass.errors import SettingsError

PATIENCE_S = 1.0
"""Commands that are done by then show no progress."""


@dataclass(frozen=True)
class Target:
    """Where a result goes and whether as the whole JSON answer."""

    out: Path | None
    as_json: bool


def print_json(value: Any) -> None:
    """A value as indented JSON on stdout."""
    write_text(_pretty(value))


def write_text(text: str, out: Path | None = None) -> None:
    """Text to stdout, or to a file that is whole or not there."""
    if out is None:
        sys.stdout.write(text if text.endswith("\n") else text + "\n")
        sys.stdout.flush()
        return
    fresh = out.with_name(f".{out.name}.{os.getpid()}")
    try:
        fresh.write_text(text, encoding="utf-8")
        fresh.replace(out)
    except OSError as error:
        fresh.unlink(missing_ok=True)
        raise SettingsError(f"--out {out}: {error.strerror}") from error
    note(f"{out}: {out.stat().st_size} bytes")


def write_result(answer: dict[str, Any], target: Target) -> None:
    """An extraction result: one text as it is, other formats as JSON; its warnings on stderr."""
    for warning in answer.get("warnings") or ():
        note(f"warning: {warning}")
    data = answer.get("data") or {}
    values = {name: value for name, value in data.items() if name != "redirects"}
    if target.as_json:
        text = _pretty(answer)
    elif len(values) == 1:
        (value,) = values.values()
        text = value if isinstance(value, str) else _pretty(value)
    else:
        text = _pretty(values)
    write_text(text, target.out)


def note(text: str) -> None:
    """One line for people, on stderr."""
    sys.stderr.write(f"{text}\n")


def note_more(answer: dict[str, Any]) -> None:
    """How to see what comes after this page of a list, if anything does."""
    if answer["pagination"]["has_next"]:
        note(f"more: --cursor {answer['pagination']['next_cursor']}")


def print_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table: drawn on a terminal, tab-separated in a pipe."""
    if not sys.stdout.isatty():
        for row in rows:
            sys.stdout.write("\t".join(row) + "\n")
        return
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(*headings, box=box.SIMPLE_HEAD, pad_edge=False)
    for row in rows:
        table.add_row(*[Text(cell) for cell in row])
    Console().print(table)


@asynccontextmanager
async def progress(what: str, *, quiet: bool) -> AsyncIterator[Callable[[str], None]]:
    """Shows on a terminal that `what` still goes on, once it has taken PATIENCE_S seconds; what
    it gives takes the words for it anew."""
    words = [what]

    def say(text: str) -> None:
        words[0] = text

    if quiet or not sys.stderr.isatty():
        yield say
        return
    showing = asyncio.create_task(_show(words))
    try:
        yield say
    finally:
        showing.cancel()
        await asyncio.wait({showing})


async def _show(words: Sequence[str]) -> None:
    began = time.monotonic()
    await asyncio.sleep(PATIENCE_S)
    from rich.console import Console

    with Console(stderr=True).status(words[0]) as status:
        while True:
            status.update(f"{words[0]} ({time.monotonic() - began:.0f} s)")
            await asyncio.sleep(1)


def _pretty(value: Any) -> str:
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()
