"""Random recipes on random pages never crash and never take more than they may."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from windlass.errors import InvalidRequest
from windlass.formats import Wish
from windlass.formats.parsing import parsing_of
from windlass.html.css import CssError
from windlass.html.document import Document
from windlass.html.dom import XPathError, css, xpath
from windlass.parsing.jsonpath import Item, PathSyntaxError, json_path
from windlass.parsing.recipes import compile_recipe, evaluator
from windlass.parsing.run import Limits, RecipeStopped, Run

quick = settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])

TAGS = st.sampled_from(["div", "p", "a", "b", "ul", "li", "table", "td", "script", "svg", "br"])
WORDS = st.sampled_from(["x", "y 1", "9,5 €", '{"k": [1, {"v": "z"}]}', "<", "é", ""])


def _element(tag: str, attribute: str, children: list[str]) -> str:
    return f'<{tag} class="{attribute}" id={attribute}>{"".join(children)}</{tag}>'


MARKUP = st.recursive(
    WORDS,
    lambda inner: st.builds(
        _element, TAGS, st.sampled_from(["k", "v", "K v"]), st.lists(inner, max_size=4)
    ),
    max_leaves=25,
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 2**70) | st.floats() | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abk"), inner, max_size=3)
    ),
    max_leaves=12,
)
CSS = st.sampled_from(
    ["p", ".k", "#v", "div > *", "li:nth-child(2)", ":not(p)", "b:-soup-contains('x')", "*:has(a)"]
)
XPATHS = st.sampled_from(["//p", ".//*", "..", "//li[2]", "ancestor::div", "//*[contains(.,'x')]"])
PATHS = st.sampled_from(["$", "k", "k[*]", "..v", "a.b[0]", "$..*", "k[?(@.v =~ /z/)]", "[::-1]"])
SELECTORS = st.recursive(
    st.builds(lambda s: {"type": "css", "css_selector": s}, CSS)
    | st.builds(lambda p: {"type": "xpath", "path": p}, XPATHS)
    | st.builds(lambda p: {"type": "json", "path": p}, PATHS)
    | st.builds(lambda p, c: {"type": "json", "path": p, "coercion_filter": c}, PATHS, PATHS)
    | st.builds(lambda n: {"type": "parent", "times": n}, st.integers(1, 4))
    | st.just({"type": "root"}),
    lambda inner: (
        st.builds(
            lambda s: {"type": "sequence", "sequence": s}, st.lists(inner, min_size=1, max_size=3)
        )
        | st.builds(
            lambda s: {"type": "or", "selectors": s}, st.lists(inner, min_size=1, max_size=3)
        )
    ),
    max_leaves=5,
)
EXTRACTORS = (
    st.builds(lambda s: {"type": "text", "strip": s}, st.booleans())
    | st.just({"type": "text", "separator": "|", "regex": "[a-z]+"})
    | st.just({"type": "attr", "attr": "class"})
    | st.builds(lambda p: {"type": "json", "path": p}, PATHS)
    | st.just({"type": "raw"})
)


def _with(kind: str, **parts: Any) -> dict[str, Any]:
    return {"type": kind} | {name: part for name, part in parts.items() if part is not None}


RECIPES = st.recursive(
    st.builds(
        lambda kind, s, e: _with(kind, selector=s, extractor=e),
        st.sampled_from(["terminal", "terminal_list"]),
        st.none() | SELECTORS,
        EXTRACTORS,
    )
    | st.builds(lambda v: {"type": "const", "value": v}, VALUES.filter(lambda v: v == v)),
    lambda inner: (
        st.builds(
            lambda kind, s, f: _with(kind, selector=s, fields=f),
            st.sampled_from(["schema", "schema_list"]),
            st.none() | SELECTORS,
            st.dictionaries(st.sampled_from("abc"), inner, min_size=1, max_size=3),
        )
        | st.builds(
            lambda kind, p: {"type": kind, "parsers": p},
            st.sampled_from(["or", "and"]),
            st.lists(inner, min_size=1, max_size=3),
        )
    ),
    max_leaves=8,
)
LIMITS = Limits(seconds=5, values=3_000, output=20_000)


def _run(recipe: Any, document: Document, limits: Limits = LIMITS) -> Any:
    text = compile_recipe(recipe).text
    run = Run(document, (), limits)
    return evaluator(text)(run.start, run)


@quick
@given(RECIPES, st.lists(MARKUP, max_size=3).map("".join))
def test_any_recipe_on_any_page_gives_json_or_says_what_was_too_much(
    recipe: Any, body: str
) -> None:
    document = Document(body.encode(), "text/html; charset=utf-8", "http://s.test/")
    with contextlib.suppress(RecipeStopped):
        value = _run(recipe, document)
        assert len(json.dumps(value)) < 20 * LIMITS.output + 10_000


@quick
@given(RECIPES, VALUES)
def test_any_recipe_on_any_json_gives_what_can_be_sent(recipe: Any, value: Any) -> None:
    document = Document(json.dumps(value).encode(), "application/json", "http://s.test/")
    warnings: list[str] = []
    made = parsing_of(document, Wish(recipe=compile_recipe(recipe).text), warnings)
    sent = msgspec.msgpack.decode(msgspec.msgpack.encode(made))
    msgspec.json.encode(sent)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.sampled_from(["h1", "$."]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["type", "selector", "fields", "extractor", "parsers", "path", "css_selector"]
            ),
            inner | st.sampled_from(["css", "terminal", "schema", "text", "or", "regex", "json"]),
            max_size=4,
        )
    ),
    max_leaves=20,
)


@quick
@given(JSON)
def test_any_json_is_a_recipe_or_refused_with_places(value: Any) -> None:
    try:
        recipe = compile_recipe(value, "/parser")
    except InvalidRequest as error:
        assert error.problems
        assert all(problem.path.startswith("/parser") for problem in error.problems)
    else:
        assert compile_recipe(msgspec.json.decode(recipe.text)).text == recipe.text


@quick
@given(st.text(alphabet="abp.#:[]()'\"=~^$*|>+, \\-&/@1éx", max_size=24))
def test_any_text_is_a_selector_or_says_why_not(text: str) -> None:
    with contextlib.suppress(CssError):
        css(text)
    with contextlib.suppress(XPathError):
        xpath(text)
    with contextlib.suppress(PathSyntaxError):
        json_path(text).find(Item({"a": [1, {"b": "x"}]}), lambda _: None)


def test_time_is_limited() -> None:
    body = json.dumps([[list(range(30))] * 30] * 300).encode()
    document = Document(body, "application/json", "http://s.test/")
    recipe = {
        "type": "terminal_list",
        "selector": {"type": "sequence", "sequence": [{"type": "json", "path": "$..*"}] * 4},
    }
    with pytest.raises(RecipeStopped, match=r"longer than 0\.2 s"):
        _run(recipe, document, Limits(seconds=0.2))


def test_values_met_are_limited() -> None:
    document = Document(b"<p>" * 2_000, "text/html", "http://s.test/")
    recipe = {"type": "schema_list", "selector": "p", "fields": {"a": {"type": "terminal_list"}}}
    with pytest.raises(RecipeStopped, match="more than 3000 values"):
        _run(recipe, document, LIMITS)


def test_output_is_limited() -> None:
    document = Document(b"<div>" * 500 + b"x" * 500, "text/html", "http://s.test/")
    with pytest.raises(RecipeStopped, match="more than 20000 characters"):
        _run({"type": "terminal_list", "selector": "div"}, document)


@pytest.mark.parametrize("pattern", ["(x+x+)+y", "(a|aa)+$", "(.*)*=", "([a-z]+)*1"])
def test_a_catastrophic_regex_takes_no_time(pattern: str) -> None:
    body = f"<p>{'xa' * 200_000}</p>".encode()
    document = Document(body, "text/html", "http://s.test/")
    recipe = {"type": "terminal", "selector": "p", "extractor": {"type": "text", "regex": pattern}}
    _run(recipe, document, Limits(seconds=5))


def test_a_result_nested_too_deep_is_an_error_with_a_warning() -> None:
    document = Document(b"[" * 300 + b"]" * 300, "application/json", "http://s.test/")
    warnings: list[str] = []
    recipe = compile_recipe({"type": "terminal", "selector": {"type": "json", "path": "$"}})
    value = parsing_of(document, Wish(recipe=recipe.text), warnings)
    assert value == {
        "status": "error",
        "error": "the recipe failed: the result is nested deeper than 200 levels",
    }
    assert warnings == ["parsing: the recipe failed: the result is nested deeper than 200 levels"]
