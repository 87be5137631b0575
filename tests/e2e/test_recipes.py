"""Recipes on pages in their killable processes: with formats, in time, and at nobody's cost."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from windlass.formats.reader import Read, Reader
from windlass.model.page import Page, Rendering
from windlass.model.render import CapturedCall
from windlass.model.request import ExtractRequest
from windlass.parsing.recipes import compile_recipe
from windlass.settings import Settings

HTML = "text/html; charset=utf-8"
BODY = b"<h1>Blue <b>mug</b></h1><p><a href=x>y</a></p>"


@pytest.fixture
async def reader() -> AsyncIterator[Reader]:
    made = Reader(Settings())
    yield made
    await made.aclose()


@pytest.fixture
async def hasty() -> AsyncIterator[Reader]:
    made = Reader(replace(Settings(), parse_timeout=1.0))
    yield made
    await made.aclose()


async def read(
    reader: Reader,
    recipe: Any,
    *formats: str,
    body: bytes = BODY,
    content_type: str = HTML,
    rendering: Rendering | None = None,
) -> Read:
    headers = (("Content-Type", content_type),)
    page = Page(
        url="http://site.test/p", status=200, headers=headers, body=body, rendering=rendering
    )
    text = compile_recipe(recipe).text if recipe is not None else ""
    return await reader.read(page, ExtractRequest(url=page.url, formats=formats, recipe=text))


def every(path: str) -> dict[str, Any]:
    return {"type": "terminal_list", "selector": {"type": "xpath", "path": path}}


async def test_recipe_is_followed_beside_the_formats(reader: Reader) -> None:
    got = await read(reader, {"t": "h1", "x": ".nope"}, "html", "markdown", "links")
    assert got == Read(
        {
            "parsing": {"t": "Blue mug", "x": None},
            "html": BODY.decode(),
            "markdown": "# Blue **mug**\n\n[y](http://site.test/x)",
            "links": ["http://site.test/x"],
        }
    )


async def test_recipe_alone_needs_no_format(reader: Reader) -> None:
    assert (await read(reader, {"t": "h1"})).values == {"parsing": {"t": "Blue mug"}}


async def test_calls_of_the_page_are_in_its_root_view(reader: Reader) -> None:
    call = CapturedCall(
        resource_type="fetch",
        method="GET",
        url="http://site.test/api",
        status=200,
        body='{"items":[1,2]}',
    )
    rendering = Rendering(calls=(call,))
    path = {"type": "json", "path": "network_capture[0].response_body.items[*]"}
    recipe = {
        "type": "terminal_list",
        "selector": {"type": "sequence", "sequence": [{"type": "root"}, path]},
    }
    assert (await read(reader, recipe, rendering=rendering)).values == {"parsing": [1, 2]}


async def test_a_body_that_is_no_text_gives_nulls(reader: Reader) -> None:
    got = await read(reader, {"t": "h1"}, body=b"\x89PNG\x00", content_type="image/png")
    assert got.values == {"parsing": {"t": None}}


async def test_explained_says_where_things_were(reader: Reader) -> None:
    got = await read(reader, {"t": "h1", "x": ".nope"}, "explained")
    assert got.values["explained"] == {
        "value": {"t": "Blue mug", "x": None},
        "sighted": [{"field": "/t", "at": "html > body > h1"}],
    }


async def test_exploding_xpath_costs_the_recipe_and_not_the_formats(hasty: Reader) -> None:
    body = b"<p>x</p>" * 60_000
    got = await read(hasty, every("//p[count(preceding::p) > 5]"), "links", body=body)
    assert got.failure is None
    assert got.values["links"] == []
    assert got.values["parsing"]["status"] == "error"
    assert "took longer than 1 s" in got.values["parsing"]["error"]
    assert [note for note in got.warnings if note.startswith("parsing: ")]


@pytest.mark.alone
async def test_slow_recipe_is_stopped_before_its_process(hasty: Reader) -> None:
    body = b"[" + b",".join([b"[[1,2],[3,4],[5,6]]"] * 20_000) + b"]"
    steps = [{"type": "json", "path": "$..*"}] * 3
    recipe = {"type": "terminal_list", "selector": {"type": "sequence", "sequence": steps}}
    got = await read(hasty, recipe, "html", body=body, content_type="application/json")
    assert got.values["parsing"]["status"] == "error"
    assert "longer than 0.5 s" in got.values["parsing"]["error"]
    assert got.failure is None


@pytest.mark.parametrize(
    "recipe",
    [
        {"t": "div:-soup-contains('x')"},
        {"type": "terminal_list", "selector": "div"},
        {"type": "terminal_list", "selector": "div", "extractor": {"type": "text"}},
        every("//div//div//div//div"),
        {"t": "div div div div div p"},
        {"type": "terminal", "selector": {"type": "xpath", "path": "//div[last()]/ancestor::*"}},
    ],
)
async def test_100_000_nested_elements_are_answered(reader: Reader, recipe: Any) -> None:
    got = await read(reader, recipe, "html", body=b"<div>" * 100_000 + b"x")
    assert "parsing" in got.values
    assert got.failure is None


async def test_pages_without_recipes_do_not_wait_for_hostile_ones(reader: Reader) -> None:
    body = b"<p>x</p>" * 60_000
    hostile = [
        asyncio.create_task(read(reader, every("//p[count(preceding::p) > 5]"), body=body))
        for _ in range(4)
    ]
    await read(reader, None, "markdown")
    began = time.monotonic()
    for _ in range(20):
        got = await read(reader, None, "markdown")
        assert got.values["markdown"] == "# Blue **mug**\n\n[y](http://site.test/x)"
    assert time.monotonic() - began < 5
    assert not any(task.done() for task in hostile)
    for task in hostile:
        task.cancel()
    await asyncio.gather(*hostile, return_exceptions=True)
