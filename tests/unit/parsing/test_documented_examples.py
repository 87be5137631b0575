"""What docs/recipes.md shows is what comes out."""

from __future__ import annotations

import re
from typing import Any

import msgspec
import pytest

from tests.support.documents import ROOT
from windlass.formats import Wish
from windlass.formats.parsing import parsing_of
from windlass.html.document import Document
from windlass.parsing.recipes import compile_recipe

TEXT = (ROOT / "docs" / "recipes.md").read_text(encoding="utf-8")
PAGE = re.findall(r"```html\n(.*?)```", TEXT, re.S)[0]
EXAMPLES = re.findall(r"```json\n(.*?)```\n```json\n(.*?)```", TEXT, re.S)


@pytest.mark.parametrize(("recipe", "expected"), EXAMPLES)
def test_example_gives_what_is_shown(recipe: str, expected: str) -> None:
    document = Document(PAGE.encode(), "text/html", "https://shop.test/p/1")
    warnings: list[str] = []
    made: Any = parsing_of(document, Wish(recipe=compile_recipe(recipe).text), warnings)
    assert warnings == []
    sent = msgspec.msgpack.decode(msgspec.msgpack.encode(made))
    assert sent == msgspec.json.decode(expected)


def test_every_json_of_the_page_is_an_example() -> None:
    assert TEXT.count("```json") == 2 * len(EXAMPLES) >= 16
