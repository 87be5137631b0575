"""Parsing schemas through the unmodified SDK (contract 7.8): alone, in batches and in crawls."""

from __future__ import annotations

import json
from typing import Any

import pytest
from nimble_python import BadRequestError, Nimble

from tests.support.origin import Origin
from tests.support.sdk import finished
from tests.support.waiting import eventually

TITLE = {
    "type": "terminal",
    "selector": {"type": "css", "css_selector": "h1"},
    "extractor": {"type": "text"},
}


def refusal(client: Nimble, **body: Any) -> list[dict[str, Any]]:
    with pytest.raises(BadRequestError) as caught:
        client.extract(**body)
    answer: Any = caught.value.body
    assert answer["error"] == "PARAMETERS_FAILED_JSON_SCHEMA_VALIDATION_ERROR"
    errors: list[dict[str, Any]] = answer["details"]["schema_validation_errors"]
    return errors


def test_fields_are_in_data_parsing_beside_the_html(client: Nimble, origin: Origin) -> None:
    parser = {"title": TITLE, "none": ".nope"}
    result: Any = client.extract(url=origin.page("fields"), parse=True, parser=parser)
    assert result.status == "success"
    assert result.data.parsing == {"title": "Page fields", "none": None}
    assert "<h1>Page fields</h1>" in result.data.html
    assert result.warnings == []


def test_a_single_parser_gives_its_value_itself(client: Nimble, origin: Origin) -> None:
    url = origin.page("single")
    result: Any = client.extract(url=url, parse=True, parser=TITLE, formats=["links"])
    assert result.data.parsing == "Page single"
    assert result.data.html is None


def test_a_parser_may_be_json_text(client: Nimble, origin: Origin) -> None:
    text = json.dumps({"title": TITLE})
    result: Any = client.extract(url=origin.page("text"), parse=True, parser=text)
    assert result.data.parsing == {"title": "Page text"}


def test_parsing_is_another_name_for_parser(client: Nimble, origin: Origin) -> None:
    body = {"parsing": {"title": {"selector": "h1"}}}
    result: Any = client.extract(url=origin.page("alias"), parse=True, extra_body=body)
    assert result.data.parsing == {"title": "Page alias"}


def test_without_parse_nothing_is_parsed(client: Nimble, origin: Origin) -> None:
    result: Any = client.extract(url=origin.page("off"), parser={"title": TITLE})
    assert result.data.parsing is None
    assert result.warnings == ["parser is ignored: parse is not true"]


def test_every_mistake_in_a_recipe_is_named(client: Nimble, origin: Origin) -> None:
    parser = {"a": {"type": "terminl"}, "b": {"type": "schema", "fields": {"c": "p["}}}
    errors = refusal(client, url=origin.page("wrong"), parse=True, parser=parser)
    assert [error["instancePath"] for error in errors] == ["/parser/a/type", "/parser/b/fields/c"]
    assert errors[0]["schemaPath"] == "#/properties/parser/enum"
    assert errors[0]["params"]["allowedValues"][0] == "terminal"


def test_a_recipe_is_refused_in_a_batch_at_its_input(client: Nimble, origin: Origin) -> None:
    inputs: Any = [
        {"url": origin.page("1")},
        {"url": origin.page("2"), "parse": True, "parser": {"a": {"type": "x"}}},
    ]
    with pytest.raises(BadRequestError) as caught:
        client.extract_batch(inputs=inputs)
    answer: Any = caught.value.body
    (error,) = answer["details"]["schema_validation_errors"]
    assert error["instancePath"] == "/inputs/1/parser/a/type"


def test_a_batch_shares_its_recipe(client: Nimble, origin: Origin) -> None:
    urls = [origin.page(f"shared{n}") for n in range(3)]
    shared: Any = {"parse": True, "parser": {"title": TITLE}, "formats": ["links"]}
    batch: Any = client.extract_batch(inputs=[{"url": url} for url in urls], shared_inputs=shared)
    for number, task in enumerate(batch.tasks):
        assert finished(client, task.id).state == "success"
        result: Any = client.tasks.results(task.id)
        assert result["data"]["parsing"] == {"title": f"Page shared{number}"}


def test_a_crawl_parses_its_pages(client: Nimble, origin: Origin) -> None:
    options: Any = {"parse": True, "parser": {"title": TITLE}}
    crawl: Any = client.crawl.run(url=origin.page("crawled"), limit=1, extract_options=options)

    def page() -> Any:
        seen: Any = client.crawl.status(crawl.crawl_id)
        done = [task for task in seen.tasks if task.status == "completed"]
        return done[0] if done else None

    task = eventually(page, "the crawled page", within_s=20)
    result: Any = client.tasks.results(task.task_id)
    assert result["data"]["parsing"] == {"title": "Page crawled"}


def test_a_page_that_answers_404_is_parsed_all_the_same(client: Nimble, origin: Origin) -> None:
    result: Any = client.extract(url=f"{origin.base}/status/404", parse=True, parser={"b": "body"})
    assert result.status == "failed"
    assert isinstance(result.data.parsing["b"], str)
