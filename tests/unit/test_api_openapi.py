"""/openapi.json and /docs: complete, valid, and about nothing but this API."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator

from tests.support.verbs import FakeVerbs, client_for
from windlass.api.openapi import describe
from windlass.api.operations import OPERATIONS
from windlass.wire.ajv import schema_of
from windlass.wire.v1_body import AsyncExtractBody


def references(node: Any) -> set[str]:
    if isinstance(node, dict):
        own = {node["$ref"]} if isinstance(node.get("$ref"), str) else set()
        return own.union(*(references(value) for value in node.values()))
    if isinstance(node, list):
        return set().union(*(references(value) for value in node))
    return set()


def test_every_path_and_alias_is_described() -> None:
    paths = describe()["paths"]
    for operation in OPERATIONS:
        for path in (operation.path, *operation.aliases):
            assert operation.method.lower() in paths[path]


def test_references_lead_somewhere_and_operation_ids_are_unique() -> None:
    document = describe()
    schemas = document["components"]["schemas"]
    for reference in references(document):
        assert reference.removeprefix("#/components/schemas/") in schemas
    ids = [item["operationId"] for path in document["paths"].values() for item in path.values()]
    assert len(ids) == len(set(ids))


def test_schemas_are_valid_json_schema() -> None:
    for schema in describe()["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)


def test_every_parameter_of_a_path_is_described() -> None:
    for path, item in describe()["paths"].items():
        for operation in item.values():
            named = {each["name"] for each in operation["parameters"] if each["in"] == "path"}
            assert named == set(re.findall(r"\{(\w+)\}", path))


def test_guarded_operations_say_so() -> None:
    paths = describe()["paths"]
    assert paths["/v1/extract"]["post"]["security"] == [{"key": []}]
    assert "401" in paths["/v1/extract"]["post"]["responses"]
    assert "security" not in paths["/healthz"]["get"]


def test_the_published_body_is_the_one_that_is_checked() -> None:
    published = describe()["components"]["schemas"]["AsyncExtractBody"]
    assert set(published["properties"]) == set(AsyncExtractBody.__struct_fields__)
    checked = schema_of(AsyncExtractBody)
    assert published["properties"]["tag"] == checked["properties"]["tag"]
    assert published["required"] == checked["required"] == ["url"]


@pytest.fixture
def client() -> httpx.AsyncClient:
    return client_for(FakeVerbs(), key="")


async def test_the_description_is_served_without_a_key(client: httpx.AsyncClient) -> None:
    answer = await client.get("/openapi.json")
    assert answer.json() == describe()


async def test_the_page_names_every_path_and_loads_nothing(client: httpx.AsyncClient) -> None:
    answer = await client.get("/docs")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    for path in describe()["paths"]:
        assert path in answer.text
    assert not re.search(r"<script|<link|<img|url\(|@import|\ssrc=", answer.text)
    targets = set(re.findall(r'href="#([^"]+)"', answer.text))
    assert targets <= set(re.findall(r'id="([^"]+)"', answer.text))


async def test_the_page_tells_each_operation_once(client: httpx.AsyncClient) -> None:
    text = (await client.get("/docs")).text
    assert text.count("Extract a page now.") == 1
    assert "Other names: <code>/v2/extract</code>, <code>/v1/realtime/web</code>." in text
    told = set(re.findall(r'<section id="(\w+)"><h3><b>(\w+)', text))
    numbered = re.compile(r"_[0-9]+$")
    items = [each for path in describe()["paths"].values() for each in path.items()]
    names = {(item["operationId"], method.upper()) for method, item in items}
    assert told == {one for one in names if not numbered.search(one[0])}


async def test_error_codes_are_documented(client: httpx.AsyncClient) -> None:
    codes = {item["code"]: item for item in describe()["x-error-codes"]}
    assert codes["dns_failed"]["statuses"] == [500]
    assert codes["unexpected_status"]["statuses"] == [200]
    assert codes["request_timeout"]["statuses"] == [555, 200]
    assert codes["storage_denied"]["statuses"] == []
    assert codes["dns_failed"]["error_type"] == "connection_error"
    assert all(item["meaning"] for item in codes.values())
    text = (await client.get("/docs")).text
    assert all(f"<code>{code}</code>" in text for code in codes)
