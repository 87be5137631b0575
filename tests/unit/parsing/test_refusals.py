"""A wrong recipe is refused: every mistake at its place, with what is accepted."""

from __future__ import annotations

import time
from typing import Any

import pytest

from windlass.errors import InvalidRequest
from windlass.parsing.reading import MAX_DEPTH, MAX_NODES
from windlass.parsing.recipes import compile_recipe


def wrong(value: Any) -> dict[str, str]:
    """Keyword by place."""
    with pytest.raises(InvalidRequest) as caught:
        compile_recipe(value, "/parser")
    return {problem.path: problem.keyword for problem in caught.value.problems}


def css(selector: Any) -> dict[str, Any]:
    return {"type": "terminal", "selector": {"type": "css", "css_selector": selector}}


def post(spec: Any) -> dict[str, Any]:
    return {"type": "terminal", "extractor": {"type": "text", "post_processor": spec}}


REFUSED: list[tuple[Any, dict[str, str]]] = [
    ([], {"/parser": "type"}),
    (None, {"/parser": "type"}),
    ({}, {"/parser": "minProperties"}),
    ("{", {"/parser": "parse"}),
    ('"h1"', {"/parser": "type"}),
    ({"a": 1}, {"/parser/a": "type"}),
    ({"a": {}}, {"/parser/a": "required"}),
    ({"a": {"css_selector": "h1"}}, {"/parser/a": "required"}),
    ({"a": {"type": 5}}, {"/parser/a/type": "enum"}),
    ({"a": {"type": "terminl"}}, {"/parser/a/type": "enum"}),
    ({"a": {"selector": "h1", "type": "numbr"}}, {"/parser/a/type": "enum"}),
    ({"a/b": {"type": "x"}}, {"/parser/a~1b/type": "enum"}),
    ({"type": "terminal", "selctor": "h1"}, {"/parser": "additionalProperties"}),
    ({"type": "terminal", "selector": {"css": "h1"}}, {"/parser/selector": "required"}),
    ({"type": "terminal", "selector": {"type": "css"}}, {"/parser/selector": "required"}),
    ({"type": "terminal", "selector": 5}, {"/parser/selector": "type"}),
    ({"type": "terminal", "selector": {"type": "id"}}, {"/parser/selector/type": "enum"}),
    (css(5), {"/parser/selector/css_selector": "type"}),
    (css("h1["), {"/parser/selector/css_selector": "format"}),
    (css("h1:first"), {"/parser/selector/css_selector": "format"}),
    (css("h1::text"), {"/parser/selector/css_selector": "format"}),
    (css(":-soup-contains()"), {"/parser/selector/css_selector": "format"}),
    (css(":is(" * 20 + "a" + ")" * 20), {"/parser/selector/css_selector": "format"}),
    (css("a" * 3000), {"/parser/selector/css_selector": "format"}),
    ({"a": "h1["}, {"/parser/a": "format"}),
    ({"a": {"selector": "h1["}}, {"/parser/a/selector": "format"}),
    (
        {"a": {"selector": "h1", "type": "text", "locale": "de"}},
        {"/parser/a": "additionalProperties"},
    ),
    ({"type": "schema"}, {"/parser": "required"}),
    ({"type": "schema", "fields": []}, {"/parser/fields": "type"}),
    ({"type": "schema", "fields": {"a": "h1["}}, {"/parser/fields/a": "format"}),
    ({"type": "or"}, {"/parser": "required"}),
    ({"type": "or", "parsers": []}, {"/parser/parsers": "minItems"}),
    ({"type": "or", "parsers": {}}, {"/parser/parsers": "type"}),
    ({"type": "or", "parsers": ["h1", 5]}, {"/parser/parsers/1": "type"}),
    ({"type": "const"}, {"/parser": "required"}),
    (
        {"type": "schema_list", "fields": {}, "position": {"start_from": 1}},
        {"/parser/position": "required"},
    ),
    (
        {"type": "schema_list", "fields": {}, "position": {"field_name": "n", "start_from": "1"}},
        {"/parser/position/start_from": "type"},
    ),
    ({"type": "schema_list", "fields": {}, "position": 1}, {"/parser/position": "type"}),
    (
        {"type": "terminal", "selector": {"type": "parent", "times": 0}},
        {"/parser/selector/times": "minimum"},
    ),
    (
        {"type": "terminal", "selector": {"type": "parent", "times": 9999}},
        {"/parser/selector/times": "maximum"},
    ),
    (
        {"type": "terminal", "selector": {"type": "sequence", "sequence": []}},
        {"/parser/selector/sequence": "minItems"},
    ),
    (
        {"type": "terminal", "selector": {"type": "xpath", "path": "//p["}},
        {"/parser/selector/path": "format"},
    ),
    (
        {"type": "terminal", "selector": {"type": "xpath", "path": "//p/text()"}},
        {"/parser/selector/path": "format"},
    ),
    (
        {"type": "terminal", "selector": {"type": "xpath", "path": "//a/@href"}},
        {"/parser/selector/path": "format"},
    ),
    (
        {"type": "terminal", "selector": {"type": "xpath", "path": "count(//p)"}},
        {"/parser/selector/path": "format"},
    ),
    (
        {"type": "terminal", "selector": {"type": "xpath", "path": "//p[$x]"}},
        {"/parser/selector/path": "format"},
    ),
    (
        {"type": "terminal", "selector": {"type": "json", "path": "a["}},
        {"/parser/selector/path": "format"},
    ),
    (
        {"type": "terminal", "selector": {"type": "json", "path": "a", "coercion_filter": "$[?"}},
        {"/parser/selector/coercion_filter": "format"},
    ),
    (
        {"type": "terminal", "selector": {"type": "json", "path": "a[?(@ =~ /(?=x)/)]"}},
        {"/parser/selector/path": "format"},
    ),
    ({"type": "terminal", "extractor": {"type": "txt"}}, {"/parser/extractor/type": "enum"}),
    ({"type": "terminal", "extractor": {"type": "attr"}}, {"/parser/extractor": "required"}),
    (
        {"type": "terminal", "extractor": {"type": "text", "strip": "yes"}},
        {"/parser/extractor/strip": "type"},
    ),
    (
        {"type": "terminal", "extractor": {"type": "text", "regex": "("}},
        {"/parser/extractor/regex": "format"},
    ),
    (post({"type": "numbr"}), {"/parser/extractor/post_processor/type": "enum"}),
    (post([]), {"/parser/extractor/post_processor": "minItems"}),
    (post([{"type": "x"}]), {"/parser/extractor/post_processor/0/type": "enum"}),
    (
        {
            "a": {"type": "x"},
            "b": css("["),
            "c": {"type": "terminal", "extractor": {"type": "json", "path": "["}},
        },
        {
            "/parser/a/type": "enum",
            "/parser/b/selector/css_selector": "format",
            "/parser/c/extractor/path": "format",
        },
    ),
]


@pytest.mark.parametrize(("recipe", "places"), REFUSED)
def test_mistakes_are_named_at_their_places(recipe: Any, places: dict[str, str]) -> None:
    assert wrong(recipe) == places


def test_what_is_accepted_is_told() -> None:
    with pytest.raises(InvalidRequest) as caught:
        compile_recipe({"a": {"type": "terminal", "selctor": "h1"}, "b": {"type": "nope"}})
    unknown, key = sorted(caught.value.problems, key=lambda problem: problem.path, reverse=True)
    assert unknown.params["allowedValues"][:2] == ["terminal", "terminal_list"]
    assert key.message == "must NOT have additional property 'selctor'; known: selector, extractor"


def test_look_around_is_named_as_what_it_is() -> None:
    with pytest.raises(InvalidRequest) as caught:
        compile_recipe({"type": "terminal", "extractor": {"type": "text", "regex": "(?<=a)b"}})
    assert "look-around" in caught.value.problems[0].message


def test_depth_is_limited() -> None:
    recipe: Any = "h1"
    for _ in range(MAX_DEPTH + 1):
        recipe = {"type": "schema", "fields": {"a": recipe}}
    assert list(wrong(recipe).values()) == ["maxDepth"]


def test_number_of_nodes_is_limited() -> None:
    field = {"type": "terminal"}
    assert "maxNodes" in wrong({str(n): field for n in range(MAX_NODES + 1)}).values()


def test_size_is_limited() -> None:
    recipe = {"a": {"type": "const", "value": "x" * 300_000}}
    assert wrong(recipe) == {"/parser": "maxLength"}


def test_a_recipe_of_costly_regexes_is_refused_in_time() -> None:
    def costly(number: int) -> dict[str, Any]:
        pattern = r"\w" * 40 + str(number)
        return {"type": "terminal", "extractor": {"type": "text", "regex": pattern}}

    began = time.thread_time()
    assert wrong({str(n): costly(n) for n in range(500)}) == {"/parser": "maxCost"}
    assert time.thread_time() - began < 3


def test_a_regex_that_needs_too_much_memory_is_refused() -> None:
    extractor = {"type": "text", "regex": r"(\w{20}){20}"}
    assert wrong({"type": "terminal", "extractor": extractor}) == {
        "/parser/extractor/regex": "format"
    }
