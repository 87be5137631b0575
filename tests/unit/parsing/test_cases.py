"""A folder per case: a page and a recipe in, a value out. Folders above it are constructs.

A case without a page is about the page that most share.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from windlass.formats import Wish
from windlass.formats.parsing import parsing_of
from windlass.html.document import Document
from windlass.model.page import CallRecord
from windlass.parsing.recipes import compile_recipe

CASES = Path(__file__).with_name("cases")
URL = "https://shop.test/p/1"
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".json": "application/json",
    ".xml": "application/xml",
    ".txt": "text/plain; charset=utf-8",
}


def _names() -> list[str]:
    return sorted(str(file.parent.relative_to(CASES)) for file in CASES.glob("*/*/expected.json"))


def _calls(folder: Path) -> tuple[CallRecord, ...]:
    file = folder / "calls.json"
    if not file.exists():
        return ()
    return tuple(CallRecord(**call) for call in msgspec.json.decode(file.read_bytes()))


def _made(folder: Path) -> tuple[Any, list[str]]:
    (page,) = list(folder.glob("page.*")) or [CASES / "page.html"]
    recipe = compile_recipe(msgspec.json.decode((folder / "recipe.json").read_bytes()))
    document = Document(page.read_bytes(), TYPES[page.suffix], URL)
    warnings: list[str] = []
    wish = Wish(recipe=recipe.text, calls=_calls(folder))
    value = parsing_of(document, wish, warnings)
    return msgspec.msgpack.decode(msgspec.msgpack.encode(value)), warnings


@pytest.mark.parametrize("name", _names())
def test_recipe_gives_what_the_case_expects(name: str) -> None:
    folder = CASES / name
    expected = msgspec.json.decode((folder / "expected.json").read_bytes())
    assert _made(folder) == (expected, [])


def test_there_are_cases_of_every_construct() -> None:
    assert len(_names()) >= 150
