"""Agent documents: everything wrong with one is named by path; what is right runs."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from windlass.agents.builtins import builtins
from windlass.agents.documents import compiled, read_agent
from windlass.errors import InvalidRequest

TITLE = {
    "type": "terminal",
    "selector": {"type": "css", "css_selector": "h1"},
    "extractor": {"type": "text"},
}
SHOP: dict[str, Any] = {
    "name": "shop_pdp",
    "display_name": "Shop product page",
    "vertical": "Ecommerce",
    "entity_type": "Product Detail Page (PDP)",
    "domain": "shop.test",
    "input_properties": [
        {"name": "sku", "required": True, "rules": ["minLength: 1"], "examples": ["a1"]},
        {"name": "page", "type": "integer", "default": 1, "is_pagination_param": True},
    ],
    "url": "https://shop.test/p/{sku}{?page}",
    "extract": {"headers": {"X-Sku": {"$param": "sku"}}},
    "parser": {"title": TITLE},
    "output_schema": {"title": {"type": "string"}},
    "sample": {"params": {"sku": "a1"}, "expected": {"title": "Mug"}},
}


def mistakes(**changes: Any) -> dict[str, str]:
    """Path → message of what is wrong with the shop's document after changes."""
    with pytest.raises(InvalidRequest) as caught:
        read_agent({**SHOP, **changes})
    return {problem.path: problem.message for problem in caught.value.problems}


def prop(**changes: Any) -> list[dict[str, Any]]:
    """The shop's parameters, the first one changed."""
    first, second = SHOP["input_properties"]
    return [{**first, **changes}, second]


def test_a_right_document_comes_back_as_it_was_written() -> None:
    document = read_agent(SHOP)
    assert document.name == "shop_pdp"
    again = msgspec.json.decode(msgspec.json.encode(document))
    assert read_agent(again) == document


def test_compiling_is_done_once_for_a_text() -> None:
    text = msgspec.json.encode(read_agent(SHOP))
    assert compiled(text) is compiled(bytes(text))


@pytest.mark.parametrize(
    ("changes", "path", "message"),
    [
        ({"name": "a b"}, "/name", "must match pattern"),
        ({"name": "batch"}, "/name", "must NOT be the name of a call"),
        ({"colour": 1}, "", "must NOT have additional property 'colour'"),
        ({"input_properties": prop(nmae=1)}, "/input_properties/0", "additional property 'nmae'"),
        ({"input_properties": prop(type="date")}, "/input_properties/0/type", "allowed values"),
        ({"input_properties": prop(name="tag")}, "/input_properties/0/name", "every agent takes"),
        (
            {"input_properties": prop(name="callback_url")},
            "/input_properties/0/name",
            "option of delivery",
        ),
        ({"input_properties": prop(name="page")}, "/input_properties/1/name", "must NOT be there"),
        (
            {"input_properties": prop(rules=["minLenght: 1"])},
            "/input_properties/0/rules/0",
            'must be "keyword: value" with one of the keywords minLength',
        ),
        (
            {"input_properties": prop(rules=["minLength: x"])},
            "/input_properties/0/rules/0",
            "must have a number after minLength",
        ),
        (
            {"input_properties": prop(rules=["minimum: 1"])},
            "/input_properties/0/rules/0",
            "must suit the type string",
        ),
        (
            {"input_properties": prop(rules=["pattern: (a"])},
            "/input_properties/0/rules/0",
            "",
        ),
        (
            {"input_properties": prop(rules=["enum: 1"], type="integer", examples=["x"])},
            "/input_properties/0/examples/0",
            "must be integer",
        ),
        (
            {"input_properties": prop(rules=["enum: b, c"])},
            "/input_properties/0/examples/0",
            "must be equal to one of the allowed values",
        ),
        (
            {"input_properties": prop(required=False)},
            "/url",
            "must have 'sku' required, with a default, or in {?…}",
        ),
        ({"url": "ftp://shop.test/{sku}"}, "/url", "must begin with http:// or https://"),
        ({"url": "https://{sku}.test/"}, "/url", "must have a rule enum for 'sku'"),
        ({"url": "https://shop.test/{nope}"}, "/url", "not 'nope'"),
        ({"url": ""}, "", "must have either url and parser, or search"),
        ({"search": {"engine": "x"}}, "", "must have either url and parser, or search"),
        ({"parser": None}, "", "must have required property 'parser'"),
        ({"parser": {"a": {"type": "terminl"}}}, "/parser/a/type", "terminal"),
        ({"parser": {"a": "p["}}, "/parser/a", ""),
        ({"extract": {"url": "http://x.test"}}, "/extract/url", "elsewhere"),
        ({"extract": {"callback_url": "http://x.test"}}, "/extract/callback_url", "elsewhere"),
        ({"extract": {"rendr": True}}, "/extract/rendr", "must be an option of an extract"),
        ({"extract": {"method": "TRACE"}}, "/extract/method", "allowed values"),
        ({"extract": {"body": {"$param": "no"}}}, "/extract", "in $param, not 'no'"),
        ({"output_schema": {"title": "string"}}, "/output_schema/title", "an object"),
        ({"sample": {"params": {}}}, "/sample/params", "required property 'sku'"),
        ({"sample": {"params": {"sku": 7}}}, "/sample/params/sku", "must be string"),
        ({"sample": {"params": {"sku": ".."}}}, "/sample/params/sku", 'must NOT be "." or ".."'),
        ({"sample": {"params": {"sku": "a"}, "pages": 1}}, "/sample", "property 'pages'"),
        ({"input_properties": 5}, "/input_properties", "must be array"),
    ],
)
def test_a_mistake_is_named_by_its_path(changes: dict[str, Any], path: str, message: str) -> None:
    found = mistakes(**changes)
    assert path in found, found
    assert message in found[path]


def test_all_mistakes_are_told_at_once() -> None:
    found = mistakes(
        name="run",
        url="https://shop.test/{nope}",
        parser={"a": {"type": "x"}},
        extract={"url": "x"},
    )
    assert {"/name", "/url", "/parser/a/type", "/extract/url"} <= found.keys()


def test_what_is_of_the_wrong_type_hides_no_other_mistake() -> None:
    found = mistakes(
        vertical=5,
        input_properties=prop(type="date", requird=True),
        parser={"a": {"type": "x"}},
        extract={"url": "x"},
        output_schema={"title": "string"},
        colour="red",
    )
    assert found.keys() == {
        "",
        "/vertical",
        "/input_properties/0",
        "/input_properties/0/type",
        "/parser/a/type",
        "/extract/url",
        "/output_schema/title",
    }
    assert "'colour'" in found[""]
    assert mistakes(url=7, input_properties=prop(examples=[5])).keys() == {
        "/url",
        "/input_properties/0/examples/0",
    }


def test_a_sample_is_tried_whatever_else_is_wrong_with_the_result() -> None:
    found = mistakes(parser={"a": {"type": "x"}}, sample={"params": {"sku": 7}})
    assert found.keys() == {"/parser/a/type", "/sample/params/sku"}


def test_a_missing_name_hides_no_other_mistake() -> None:
    with pytest.raises(InvalidRequest) as caught:
        read_agent({**{k: v for k, v in SHOP.items() if k != "name"}, "parser": {"a": "p["}})
    assert {one.path for one in caught.value.problems} == {"", "/parser/a"}


@pytest.mark.parametrize("value", [None, [], "x", 5, {}])
def test_what_is_no_document_is_refused(value: Any) -> None:
    with pytest.raises(InvalidRequest):
        read_agent(value)


def test_a_search_agent_has_no_page() -> None:
    search: dict[str, Any] = {
        "name": "duck_search",
        "search": {"engine": "duckduckgo"},
        "input_properties": [{"name": "query", "required": True}],
    }
    assert read_agent(search).search is not None
    with pytest.raises(InvalidRequest) as caught:
        read_agent({**search, "parser": {"a": "h1"}, "input_properties": [{"name": "q"}]})
    paths = {problem.path for problem in caught.value.problems}
    assert paths == {"/parser", "/input_properties", "/input_properties/0/name"}


@pytest.mark.parametrize("name", sorted(builtins()))
def test_built_in_documents_are_right(name: str) -> None:
    agent = builtins()[name]
    assert read_agent(msgspec.json.decode(agent.text)) == agent.document
    assert agent.document.name == name
    assert agent.document.description and agent.document.output_schema


def test_built_in_documents_cover_what_works_anywhere() -> None:
    pages = {"article", "links", "tables", "product", "sitemap", "feed"}
    assert builtins().keys() == pages | {"google_search", "bing_search"}
