"""Dialect v1's map: what its body means, which are refused, what is answered (section 11)."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import msgspec
import pytest

from windlass.errors import DnsFailed, InvalidRequest
from windlass.model.map import MapLink, MapWish
from windlass.model.page import Failure
from windlass.wire.v1_maps import map_body, read_map

TASK = UUID(int=7)


def read(asynchronous: bool = False, **body: Any) -> MapWish:
    return read_map(msgspec.json.encode(body), now=0.0, asynchronous=asynchronous)


def refused(**body: Any) -> dict[str, str]:
    with pytest.raises(InvalidRequest) as raised:
        read(**body)
    return {problem.path: problem.keyword for problem in raised.value.problems}


def test_defaults_are_the_contracts() -> None:
    plan = read(url="https://x.test/a#b").plan
    assert plan.request.url == "https://x.test/a"
    assert (plan.sitemap, plan.domain_filter, plan.limit) == ("include", "all", 5000)
    assert plan.warnings == () and plan.answered_in_s is None


def test_a_whole_number_may_be_written_with_a_point() -> None:
    body = b'{"url": "https://x.test/", "limit": 20.0}'
    assert read_map(body, now=0.0, asynchronous=False).plan.limit == 20
    assert refused(url="https://x.test/", limit=20.5) == {"/limit": "type"}
    with pytest.raises(InvalidRequest, match="number out of range"):
        read_map(b'{"url": "https://x.test/", "limit": 1e999}', now=0.0, asynchronous=False)


def test_every_option_is_read() -> None:
    wish = read(
        url="https://ann:pw@x.test/", sitemap="only", domain_filter="subdomain", limit=100_000,
        country="de", locale="de-DE", colour="blue", callback_url="https://hooks.test/",
    )  # fmt: skip
    request = wish.plan.request
    assert request.url == "https://x.test/"
    assert request.headers == {"Authorization": "Basic YW5uOnB3"}
    assert (request.place.country, request.locale) == ("DE", "de-DE")
    assert (wish.plan.sitemap, wish.plan.domain_filter) == ("only", "subdomain")
    assert wish.plan.limit == 100_000 and wish.delivery is None
    assert wish.plan.warnings == (
        "unknown field 'colour' is ignored",
        "callback_url is ignored: synchronous calls answer directly",
    )
    assert b"pw" not in wish.input


def test_an_asynchronous_map_is_delivered() -> None:
    wish = read(asynchronous=True, url="https://x.test/", callback_url="https://hooks.test/")
    assert wish.delivery is not None and wish.delivery.webhook is not None
    assert wish.plan.warnings == ()


@pytest.mark.parametrize(("body", "expected"), [
    ({}, {"": "required"}),
    ({"url": "nothing"}, {"/url": "format"}),
    ({"url": "ftp://x.test/"}, {"/url": "format"}),
    ({"url": 3}, {"/url": "type"}),
    ({"url": "https://x.test/", "limit": 0}, {"/limit": "minimum"}),
    ({"url": "https://x.test/", "limit": 100_001}, {"/limit": "maximum"}),
    ({"url": "https://x.test/", "limit": "many"}, {"/limit": "type"}),
    ({"url": "https://x.test/", "limit": 1.5}, {"/limit": "type"}),
    ({"url": "https://x.test/", "sitemap": "maybe"}, {"/sitemap": "enum"}),
    ({"url": "https://x.test/", "domain_filter": "host"}, {"/domain_filter": "enum"}),
    ({"url": "https://x.test/", "country": "XX"}, {"/country": "enum"}),
    ({"url": "https://x.test/", "locale": "!"}, {"/locale": "pattern"}),
    ({"url": f"https://x.test/{'a' * 9000}"}, {"/url": "maxLength"}),
    (
        {"url": "x", "limit": 0, "sitemap": "y", "domain_filter": 1},
        {"/url": "format", "/limit": "minimum", "/sitemap": "enum", "/domain_filter": "type"},
    ),
])  # fmt: skip
def test_wrong_fields_are_all_named(body: dict[str, Any], expected: dict[str, str]) -> None:
    assert refused(**body) == expected


def test_an_answer_has_no_other_fields_than_the_published_ones() -> None:
    links = (MapLink("https://x.test/", "X", "All of X"), MapLink("https://x.test/a"))
    assert json.loads(map_body(TASK, links)) == {
        "task_id": str(TASK),
        "success": True,
        "links": [
            {"url": "https://x.test/", "title": "X", "description": "All of X"},
            {"url": "https://x.test/a"},
        ],
    }


def test_warnings_and_failures_are_told() -> None:
    body = json.loads(map_body(TASK, (), ["late"], Failure.of(DnsFailed())))
    assert (body["success"], body["links"], body["warnings"]) == (False, [], ["late"])
    assert (body["error_code"], body["error_type"]) == ("dns_failed", "connection_error")
    assert body["error"]
