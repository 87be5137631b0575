"""Dialect v1's crawls: every accepted option, every refusal, and what answers and webhooks show."""

from __future__ import annotations

import json
import typing
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
import pytest
from nimble_python.types import (
    CrawlListResponse,
    CrawlRunResponse,
    CrawlStatusResponse,
)
from nimble_python.types import crawl_run_params as sdk

from tests.support.made_tasks import made_task
from windlass.errors import InvalidRequest
from windlass.model.crawl import Crawl, CrawlNotes, CrawlPage, Holdup, StoppedFamily
from windlass.model.delivery import Folder, Webhook
from windlass.model.page import Failure
from windlass.model.request import Place
from windlass.model.task import State
from windlass.model.visit import Bounds
from windlass.wire.v1_crawl_body import CrawlBody, CrawlWish, read_crawl
from windlass.wire.v1_crawls import (
    CrawlCollection,
    CrawlDetail,
    CrawlQuery,
    CrawlView,
    CrawlWebhookBody,
    crawl_detail,
    crawl_item,
    crawl_list,
    crawl_reply,
    crawl_webhook_body,
    page_slice,
)

URL = "https://docs.test/start"
AT = datetime(2026, 3, 1, 9, 0, 4, 1000, tzinfo=UTC)
CRAWL = UUID(int=1)
PAGE = UUID(int=2)


def read(fields: dict[str, Any]) -> CrawlWish:
    return read_crawl(json.dumps({"url": URL} | fields).encode(), now=1_700_000_000.0)


def wrong(fields: dict[str, Any]) -> dict[str, str]:
    """Keyword by place of a refused body."""
    with pytest.raises(InvalidRequest) as refused:
        read(fields)
    return {problem.path: problem.keyword for problem in refused.value.problems}


def echoed(fields: dict[str, Any]) -> dict[str, Any]:
    shown: dict[str, Any] = json.loads(read(fields).input)
    return shown


# ---------------------------------------------------------------- reading


def test_a_url_alone_has_the_documented_defaults() -> None:
    wish = read({})
    assert (wish.name, wish.delivery) == (None, None)
    assert (wish.plan.url, wish.plan.sitemap, wish.plan.limit) == (URL, "include", 5000)
    assert wish.plan.bounds == Bounds(max_discovery_depth=5)
    assert not wish.plan.ignore_query
    assert wish.plan.request.formats == ("html",)
    assert echoed({}) == {
        "url": URL,
        "crawl_options": {
            "sitemap": "include",
            "crawl_entire_domain": False,
            "limit": 5000,
            "max_discovery_depth": 5,
            "ignore_query_parameters": False,
            "allow_external_links": False,
            "allow_subdomains": False,
        },
        "extract_options": None,
        "warnings": [],
    }


def test_every_option_arrives() -> None:
    fields = {
        "name": "docs",
        "sitemap": "only",
        "crawl_entire_domain": True,
        "limit": 10_000,
        "max_discovery_depth": 20,
        "include_paths": ["/a", "/b"],
        "exclude_paths": ["x$"],
        "ignore_query_parameters": True,
        "allow_external_links": True,
        "allow_subdomains": True,
    }
    wish = read(fields)
    assert (wish.name, wish.plan.sitemap, wish.plan.limit) == ("docs", "only", 10_000)
    assert wish.plan.ignore_query
    assert wish.plan.bounds == Bounds(
        crawl_entire_domain=True,
        allow_subdomains=True,
        allow_external_links=True,
        max_discovery_depth=20,
        include_paths=("/a", "/b"),
        exclude_paths=("x$",),
    )
    shown = echoed(fields)["crawl_options"]
    assert shown == {name: value for name, value in fields.items() if name != "name"}


def test_the_sdk_can_send_nothing_that_is_not_read() -> None:
    sent = set(typing.get_type_hints(sdk.CrawlRunParams))
    assert sent <= set(CrawlBody.__struct_fields__)


def test_null_stands_for_what_may_be_left_out() -> None:
    names = ("name", "include_paths", "exclude_paths", "callback", "extract_options")
    assert read(dict.fromkeys(names)).plan == read({}).plan


def test_extract_options_are_those_of_every_page() -> None:
    request = read(
        {
            "country": "FR",
            "locale": "fr-FR",
            "extract_options": {
                "url": "https://ignored.test/",
                "formats": ["markdown", "links"],
                "country": "de",
                "headers": {"X-Team": "seo"},
            },
        }
    ).plan.request
    assert request.formats == ("markdown", "links")
    assert request.headers == {"X-Team": "seo"}
    assert (request.place, request.locale) == (Place(country="DE"), "fr-FR")


def test_what_is_ignored_is_told() -> None:
    notes = echoed(
        {"colour": 1, "extract_options": {"callback_url": "https://a.test/", "tint": 2}}
    )["warnings"]
    assert notes == [
        "unknown field 'colour' is ignored",
        "extract_options.callback_url is ignored: a crawl has callback",
    ]
    assert "tint" in str(read({"extract_options": {"tint": 2}}).plan.request.warnings)


def test_storage_beside_extract_options_goes_before_storage_inside() -> None:
    inside = {"storage_url": "s3://lake/inside/", "storage_compress": True}
    delivery = read({"extract_options": inside}).delivery
    assert delivery is not None
    assert delivery.folder == Folder(url="s3://lake/inside/", compress=True)
    both = {"storage_url": "s3://lake/beside/", "extract_options": inside}
    delivery = read(both).delivery
    assert delivery is not None and delivery.folder is not None
    assert (delivery.folder.url, delivery.folder.compress) == ("s3://lake/beside/", True)


def test_an_objects_name_gets_the_ids_of_pages_added() -> None:
    delivery = read(
        {"extract_options": {"storage_url": "s3://lake/", "storage_object_name": "site"}}
    ).delivery
    assert delivery is not None and delivery.folder is not None
    assert delivery.folder.upload_of(PAGE).url == f"s3://lake/site-{PAGE}.json"


def test_a_callback_is_read_and_its_secrets_are_not_shown() -> None:
    callback = {
        "url": "https://u:pw@hooks.test/in?key=k1&team=a",
        "headers": {"Authorization": "Bearer s3cret"},
        "metadata": {"team": "seo"},
        "events": ["page", "completed", "page"],
    }
    wish = read({"callback": callback})
    assert wish.delivery is not None
    assert wish.delivery.webhook == Webhook(
        url="https://hooks.test/in?key=k1&team=a",
        headers={"Authorization": "Bearer s3cret"},
        metadata={"team": "seo"},
        events=("page", "completed"),
    )
    assert echoed({"callback": callback})["crawl_options"]["callback"] == {
        "url": "https://***@hooks.test/in?key=***&team=a",
        "headers": {"Authorization": "***"},
        "metadata": {"team": "seo"},
        "events": ["page", "completed", "page"],
    }


def test_a_callback_may_be_only_a_url() -> None:
    wish = read({"callback": "https://hooks.test/in"})
    assert wish.delivery is not None
    assert wish.delivery.webhook == Webhook(url="https://hooks.test/in")
    shown = echoed({"callback": "https://hooks.test/in"})["crawl_options"]
    assert shown["callback"] == "https://hooks.test/in"


def test_secrets_of_pages_are_not_shown() -> None:
    options = {"headers": {"Cookie": "sid=1"}, "cookies": "a=1", "formats": ["html"]}
    shown = echoed({"extract_options": options})["extract_options"]
    assert shown == {"headers": {"Cookie": "***"}, "cookies": "***", "formats": ["html"]}


def test_a_password_in_the_url_becomes_a_header_that_stays_on_the_site() -> None:
    fields = {"url": "https://me:pw@docs.test/a#top"}
    plan = read(fields).plan
    assert plan.url == "https://docs.test/a"
    assert plan.request.headers == {"Authorization": "Basic bWU6cHc="}
    assert "pw" not in read(fields).input.decode().replace("***@", "")
    assert wrong({**fields, "allow_external_links": True}) == {"/url": "not"}


REFUSED: list[tuple[str, dict[str, Any], dict[str, str]]] = [
    ("url type", {"url": 5}, {"/url": "type"}),
    ("url scheme", {"url": "ftp://a.test/"}, {"/url": "format"}),
    ("url length", {"url": "https://a.test/" + "x" * 9000}, {"/url": "maxLength"}),
    ("name", {"name": "a\x00b"}, {"/name": "pattern"}),
    ("limit low", {"limit": 0}, {"/limit": "minimum"}),
    ("limit high", {"limit": 10_001}, {"/limit": "maximum"}),
    ("limit type", {"limit": 1.5}, {"/limit": "type"}),
    ("depth low", {"max_discovery_depth": 0}, {"/max_discovery_depth": "minimum"}),
    ("depth high", {"max_discovery_depth": 21}, {"/max_discovery_depth": "maximum"}),
    ("sitemap", {"sitemap": "always"}, {"/sitemap": "enum"}),
    ("bool", {"allow_subdomains": "yes"}, {"/allow_subdomains": "type"}),
    ("pattern", {"include_paths": ["/ok", "("]}, {"/include_paths/1": "format"}),
    ("look-ahead", {"exclude_paths": ["(?=a)"]}, {"/exclude_paths/0": "format"}),
    ("pattern length", {"include_paths": ["a" * 1001]}, {"/include_paths/0": "maxLength"}),
    ("patterns", {"include_paths": ["a"] * 101}, {"/include_paths": "maxItems"}),
    ("pattern alone", {"include_paths": "/a"}, {"/include_paths": "type"}),
    ("callback", {"callback": "hooks.test"}, {"/callback": "format"}),
    ("callback url", {"callback": {"headers": {}}}, {"/callback": "required"}),
    (
        "event",
        {"callback": {"url": "https://a.test", "events": ["end"]}},
        {"/callback/events/0": "enum"},
    ),
    (
        "reserved header",
        {"callback": {"url": "https://a.test", "headers": {"Host": "x"}}},
        {"/callback/headers": "propertyNames"},
    ),
    (
        "metadata",
        {"callback": {"url": "https://a.test", "metadata": {"a": "b" * 17_000}}},
        {"/callback/metadata": "maxLength"},
    ),
    ("format", {"extract_options": {"formats": ["docx"]}}, {"/extract_options/formats/0": "enum"}),
    ("options type", {"extract_options": []}, {"/extract_options": "type"}),
    (
        "state",
        {"extract_options": {"country": "DE", "state": "NY"}},
        {"/extract_options/state": "dependentSchemas"},
    ),
    (
        "storage",
        {"extract_options": {"storage_url": "file:///x"}},
        {"/extract_options/storage_url": "pattern"},
    ),
    (
        "storage beside",
        {"storage_type": "gs", "storage_url": "s3://lake/"},
        {"/storage_url": "pattern"},
    ),
    ("country", {"country": "XX"}, {"/country": "enum"}),
    (
        "many",
        {"limit": 0, "include_paths": ["("], "extract_options": {"country": "DE", "state": "NY"}},
        {
            "/limit": "minimum",
            "/include_paths/0": "format",
            "/extract_options/state": "dependentSchemas",
        },
    ),
]


@pytest.mark.parametrize(
    ("fields", "expected"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED]
)
def test_what_is_wrong_is_named_where_it_stands(
    fields: dict[str, Any], expected: dict[str, str]
) -> None:
    assert wrong(fields) == expected


def test_a_body_without_a_url_says_so() -> None:
    with pytest.raises(InvalidRequest) as refused:
        read_crawl(b"{}", now=0)
    (problem,) = refused.value.problems
    assert (problem.path, problem.keyword, problem.params) == (
        "",
        "required",
        {"missingProperty": "url"},
    )


# ---------------------------------------------------------------- answers


def crawl(**changes: Any) -> Crawl:
    wish = read(
        {
            "name": "docs",
            "callback": {"url": "https://a.test", "metadata": {"team": "seo"}},
            "extract_options": {"formats": ["markdown"]},
        }
    )
    made = Crawl(
        id=CRAWL,
        account_id=1,
        account="main",
        name=wish.name,
        input=wish.input.decode(),
        plan=wish.plan,
        delivery=wish.delivery and msgspec.structs.replace(wish.delivery, base="http://here"),
        state=State.RUNNING,
        created_at=AT,
        updated_at=AT,
        total=3,
        pending=1,
        completed=1,
        failed=1,
    )
    return msgspec.structs.replace(made, **changes)


def test_a_crawl_that_ends_without_a_page_says_why() -> None:
    none = {"total": 0, "pending": 0, "completed": 0, "failed": 0}
    ended = json.loads(crawl_item(crawl(state=State.FAILED, **none), None))
    assert ended["warnings"] == [
        "no page was let in: the start page, or all that it leads to, is left out by the patterns "
        "of paths or kept from us by robots.txt (see excluded)"
    ]
    assert json.loads(crawl_item(crawl(state=State.FAILED), None))["warnings"] == []


def page(**changes: Any) -> CrawlPage:
    made = CrawlPage(
        task_id=PAGE,
        url=URL,
        state=State.SUCCEEDED,
        depth=1,
        created_at=AT,
        modified_at=AT,
        finished_at=AT,
        status_code=200,
    )
    return msgspec.structs.replace(made, **changes)


@pytest.mark.parametrize(("state", "status", "of_page"), [
    (State.QUEUED, "queued", "pending"),
    (State.RUNNING, "running", "pending"),
    (State.SUCCEEDED, "succeeded", "completed"),
    (State.FAILED, "failed", "failed"),
    (State.CANCELLED, "canceled", "failed"),
])  # fmt: skip
def test_states_have_the_vendors_words(state: State, status: str, of_page: str) -> None:
    slices = [page_slice([page(state=state)])]
    shown = json.loads(crawl_item(crawl(state=state), slices))
    assert (shown["status"], shown["tasks"][0]["status"]) == (status, of_page)


def test_a_new_crawl_is_queued_and_empty_whatever_happened_since() -> None:
    body = json.loads(crawl_reply(crawl(state=State.SUCCEEDED, finished_at=AT)))
    assert (body["status"], body["completed_at"], body["tasks"]) == ("queued", None, [])
    assert {body[name] for name in ("total", "pending", "completed", "failed")} == {0}
    assert body["extract_options"] == {"formats": ["markdown"]}
    CrawlRunResponse.model_validate(body, strict=True)
    msgspec.convert(body, CrawlView)


def test_a_crawl_is_shown_flat_and_again_as_crawl() -> None:
    failed = page(
        state=State.FAILED,
        status_code=None,
        failure=Failure("dns_failed", "no such host"),
        found_on=PAGE,
        copy_of=PAGE,
    )
    notes = CrawlNotes(
        aliases=1,
        excluded=2,
        held=3,
        beyond=4,
        holdups=(Holdup(URL, "host_busy", datetime(2026, 3, 1, tzinfo=UTC)),),
        stopped=(StoppedFamily("/cal/", "nothing new", 8, 90),),
    )
    body = json.loads(crawl_detail(crawl(), [page_slice([page()]), page_slice([failed])], notes))
    copy = body.pop("crawl")
    assert copy == body
    assert body["crawl_id"] == str(CRAWL)
    assert [task["status"] for task in body["tasks"]] == ["completed", "failed"]
    assert body["tasks"][0]["id"] == body["tasks"][0]["task_id"] == str(PAGE)
    assert body["tasks"][1]["error_type"] == "connection_error"
    assert body["tasks"][1]["parent_task_id"] == body["tasks"][1]["copy_of"] == str(PAGE)
    assert (body["aliases"], body["excluded"], body["held"], body["beyond"]) == (1, 2, 3, 4)
    assert body["stopped"] == [
        {"family": "/cal/", "reason": "nothing new", "fetched": 8, "refused": 90}
    ]
    assert body["waiting_for"] == [URL]
    (holdup,) = body["holdups"]
    assert (holdup["url"], holdup["reason"]) == (URL, "host_busy")
    assert holdup["until"].endswith("Z")
    CrawlStatusResponse.model_validate(body, strict=True)
    msgspec.convert(body | {"crawl": copy}, CrawlDetail)


def test_empty_slices_make_an_empty_list() -> None:
    assert json.loads(crawl_item(crawl(), [page_slice([])]))["tasks"] == []


def test_a_list_has_both_spellings_of_its_pagination() -> None:
    body = json.loads(crawl_list([crawl_item(crawl(), []), crawl_item(crawl(), None)], "next", 9))
    assert body["pagination"] == {
        "has_next": True,
        "next_cursor": "next",
        "total": 9,
        "hasNext": True,
        "nextCursor": "next",
    }
    assert body["data"][0]["tasks"] == []
    assert "tasks" not in body["data"][1]
    CrawlListResponse.model_validate(body, strict=True)
    msgspec.convert(body, CrawlCollection)


@pytest.mark.parametrize(("word", "state"), [
    ("all", None),
    ("queued", State.QUEUED),
    ("pending", State.QUEUED),
    ("running", State.RUNNING),
    ("in_progress", State.RUNNING),
    ("succeeded", State.SUCCEEDED),
    ("completed", State.SUCCEEDED),
    ("failed", State.FAILED),
    ("canceled", State.CANCELLED),
    ("cancelled", State.CANCELLED),
])  # fmt: skip
def test_lists_are_filtered_by_the_words_of_all_sources(word: str, state: State | None) -> None:
    assert msgspec.convert({"status": word}, CrawlQuery).state is state


# ---------------------------------------------------------------- webhooks


def test_a_page_event_carries_its_task() -> None:
    task = made_task(
        id=PAGE,
        kind="crawl_page",
        state=State.SUCCEEDED,
        input=json.dumps({"url": URL}),
        lane="web:docs.test",
        created_at=AT,
        modified_at=AT,
        status_code=200,
        group_id=CRAWL,
    )
    body = json.loads(crawl_webhook_body("page", crawl(), AT, task))
    msgspec.convert(body, CrawlWebhookBody)
    assert (body["event"], body["type"], body["status"]) == ("page", "page", "running")
    assert (body["crawl_id"], body["metadata"]) == (str(CRAWL), {"team": "seo"})
    assert body["timestamp"] == "2026-03-01T09:00:04.001Z"
    assert body["crawl"] == {
        "crawl_id": str(CRAWL),
        "name": "docs",
        "url": URL,
        "status": "running",
        "total": 3,
        "pending": 1,
        "completed": 1,
        "failed": 1,
    }
    seen = body["task"]
    assert seen["id"] == seen["task_id"] == str(PAGE)
    assert (seen["url"], seen["state"], seen["status"]) == (URL, "success", "completed")
    assert seen["download_url"] == f"http://here/v1/tasks/{PAGE}/results"
    assert "batch_id" not in seen


def test_other_events_have_no_task() -> None:
    ended = crawl(state=State.SUCCEEDED, pending=0, total=2)
    body = json.loads(crawl_webhook_body("completed", ended, AT))
    assert (body["event"], body["status"]) == ("completed", "succeeded")
    assert "task" not in body
