"""Dialect v1's answers: results, task objects, error envelopes, and that no error lacks one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, get_args
from uuid import UUID

import msgspec
import pytest

import windlass.errors as errors
from tests.support.made_tasks import made_task
from windlass.errors import (
    AddressRefused,
    DatabaseUnavailable,
    EngineError,
    InvalidRequest,
    MethodNotAllowed,
    Problem,
    RateLimited,
    ResultsNotReady,
    StorageFull,
    TaskNotFound,
    Unauthorized,
    WindlassError,
)
from windlass.model.page import Extraction, Failure, Redirect
from windlass.model.request import Cookie, ExtractRequest
from windlass.model.task import ListPage, State, Task
from windlass.wire.v1_errors import (
    HTTP_STATUS,
    Error400,
    Error429,
    Error500,
    ErrorText,
    envelope,
    failure_envelope,
)
from windlass.wire.v1_extract import read_extract
from windlass.wire.v1_results import (
    ExtractResult,
    LegacyResult,
    TaskResult,
    empty_result,
    legacy_result,
    result_body,
    with_task,
)
from windlass.wire.v1_tasks import (
    LISTED_BYTES,
    CreationReply,
    LegacyTaskList,
    TaskList,
    TaskReply,
    creation_reply,
    legacy_task_list,
    task_list,
    task_reply,
)
from windlass.wire.v1_terms import ERROR_TYPES, ErrorType, timestamp

ID = UUID("5f0c0000-0000-4000-8000-000000000001")
NOW = datetime(2026, 3, 1, 8, 15, 30, 120000, tzinfo=UTC)
LATER = datetime(2026, 3, 1, 8, 15, 33, 871999, tzinfo=UTC)
BASE = "http://windlass.test"
REQUEST = ExtractRequest(url="https://shop.test/p/1", tag="nightly", warnings=("careful",))
PAGE = Extraction(
    url="https://shop.test/p/2",
    status=200,
    values={"html": "<p>", "headers": {"content-type": "text/html"}, "links": ["https://a/"]},
    redirects=(Redirect("https://shop.test/p/1", 301),),
    driver="vx6",
    warnings=("mind", "careful"),
)


def task(state: State = State.SUCCEEDED, **changes: Any) -> Task:
    made = made_task(
        id=ID,
        state=state,
        lane="web:shop.test:443",
        input='{"url":"https://shop.test/p/1"}',
        request=msgspec.json.encode(REQUEST).decode(),
        created_at=NOW,
        modified_at=LATER,
    )
    return msgspec.structs.replace(made, **changes)


def rendered(extraction: Extraction | None, failure: Failure | None = None) -> bytes:
    return result_body(
        extraction=extraction,
        failure=failure,
        task_id=ID,
        request=REQUEST,
        received_at=NOW,
        duration_ms=412,
    )


# ---------------------------------------------------------------- results


def test_a_result_has_the_documented_shape() -> None:
    assert json.loads(rendered(PAGE)) == {
        "url": "https://shop.test/p/2",
        "task_id": str(ID),
        "status": "success",
        "status_code": 200,
        "data": {
            "html": "<p>",
            "headers": {"content-type": "text/html"},
            "links": ["https://a/"],
            "redirects": [{"url": "https://shop.test/p/1", "status_code": 301}],
        },
        "metadata": {
            "query_time": "2026-03-01T08:15:30.120Z",
            "query_duration": 412,
            "response_parameters": {"input_url": "https://shop.test/p/1"},
            "input_url": "https://shop.test/p/1",
            "driver": "vx6",
            "tag": "nightly",
        },
        "warnings": ["careful", "mind"],
    }
    msgspec.json.decode(rendered(PAGE), type=ExtractResult)


def test_an_unexpected_status_is_a_failed_result_with_its_data() -> None:
    failure = Failure("unexpected_status", "Unexpected status code 404")
    result = json.loads(rendered(msgspec.structs.replace(PAGE, status=404, failure=failure)))
    assert (result["status"], result["status_code"]) == ("failed", 404)
    assert result["error"] == "Unexpected status code 404"
    assert result["data"]["html"] == "<p>"
    assert result["metadata"]["error_code"] == "unexpected_status"
    assert result["metadata"]["error_type"] == "http_error"
    assert "partial" not in result["metadata"]


def test_a_partial_page_is_never_passed_off_as_whole() -> None:
    failure = Failure("body_truncated", "The target's answer ended before it was complete.")
    page = msgspec.structs.replace(PAGE, failure=failure, partial=True, egress="de-1")
    result = json.loads(rendered(page))
    assert result["status"] == "failed"
    assert result["metadata"]["partial"] is True
    assert result["debug"] == {"egress": "de-1"}


def test_a_result_without_a_page_says_why() -> None:
    result = json.loads(rendered(None, Failure("dns_failed", "No such host")))
    assert (result["status"], result["status_code"], result["data"]) == ("failed", 0, {})
    assert (result["url"], result["error"]) == ("https://shop.test/p/1", "No such host")


def test_captured_cookies_can_be_sent_back() -> None:
    cookie = Cookie(
        name="sid",
        value="1",
        domain="shop.test",
        expires=1893456000.0,
        secure=True,
        http_only=True,
        host_only=False,
        same_site="lax",
    )
    session = Cookie(name="s", value="2", domain="shop.test")
    page = msgspec.structs.replace(PAGE, values={"cookies": (cookie, session)})
    shown = json.loads(rendered(page))["data"]["cookies"]
    assert shown[0]["expires"] == "2030-01-01T00:00:00.000Z"
    assert shown[0]["sameSite"] == "lax"
    assert "expires" not in shown[1]
    again = json.dumps({"url": "https://shop.test/", "cookies": shown}).encode()
    read = read_extract(again, now=NOW.timestamp(), asynchronous=False).request
    assert read.cookies == (cookie, session)


def test_a_cookie_may_claim_to_outlive_the_calendar() -> None:
    page = msgspec.structs.replace(
        PAGE, values={"cookies": [Cookie(name="a", value="", expires=1e20)]}
    )
    assert json.loads(rendered(page))["data"]["cookies"][0]["expires"].startswith("9999-12-31")


def test_half_a_surrogate_pair_does_not_lose_the_result() -> None:
    page = msgspec.structs.replace(PAGE, values={"html": "a\ud800b", "links": ["\udfff"]})
    data = json.loads(rendered(page))["data"]
    assert data["html"] == "a\ufffdb"
    assert data["links"] == ["\ufffd"]


def test_the_task_is_added_to_stored_bytes_without_changing_them() -> None:
    stored = rendered(PAGE)
    joined = with_task(stored, task(status_code=200))
    assert joined.startswith(stored[:-1])
    assert json.loads(joined)["task"] == {
        "id": str(ID),
        "state": "success",
        "created_at": "2026-03-01T08:15:30.120Z",
        "modified_at": "2026-03-01T08:15:33.871Z",
        "account_name": "main",
        "status_code": 200,
    }
    msgspec.json.decode(joined, type=TaskResult)


@pytest.mark.parametrize(
    ("ended", "error", "code"),
    [
        (task(State.FAILED, failure=Failure("worker_lost", "gone")), "gone", "worker_lost"),
        (task(State.FAILED), "Internal error", "internal_error"),
        (task(State.CANCELLED), "canceled", "canceled"),
    ],
)
def test_a_task_that_stored_nothing_still_has_a_result(ended: Task, error: str, code: str) -> None:
    # Only a claim reads the request back; what a reader gets is made of the input.
    given = '{"url":"https://shop.test/p/1","tag":"nightly"}'
    ended = msgspec.structs.replace(ended, input=given, request="{}")
    result = json.loads(with_task(empty_result(ended), ended))
    assert (result["status"], result["status_code"], result["data"]) == ("failed", 0, {})
    assert result["url"] == "https://shop.test/p/1"
    assert result["metadata"]["tag"] == "nightly"
    assert result["metadata"]["query_duration"] == 3752
    assert result["error"] == result["task"]["error"] == error
    assert result["task"]["error_code"] == code
    assert result["task"]["state"] == "error"


def test_legacy_readers_find_their_flat_keys() -> None:
    result = msgspec.json.decode(legacy_result(rendered(PAGE)), type=LegacyResult)
    assert result.html_content == "<p>"
    assert result.query_time == result.metadata.query_time
    assert result.driver == "vx6"


# ---------------------------------------------------------------- task objects


def test_the_creation_reply_is_always_pending() -> None:
    reply = json.loads(creation_reply(task(State.RUNNING), BASE))
    assert reply["status"] == "success"
    assert reply["task_id"] == reply["task"]["id"] == str(ID)
    assert (reply["task"]["state"], reply["task"]["status"]) == ("pending", "pending")
    assert reply["task"]["status_url"] == f"{BASE}/v1/tasks/{ID}"
    assert reply["task"]["download_url"] == f"{BASE}/v1/tasks/{ID}/results"
    assert reply["task"]["input"] == {"url": "https://shop.test/p/1"}
    assert reply["task"]["_query"]["formats"] == ["html"]
    assert reply["task"]["api_type"] == "extract"


@pytest.mark.parametrize(
    ("state", "word", "status"),
    [
        (State.QUEUED, "pending", "pending"),
        (State.RUNNING, "in_progress", "processing"),
        (State.SUCCEEDED, "success", "completed"),
        (State.FAILED, "error", "failed"),
        (State.CANCELLED, "error", "failed"),
    ],
)
def test_every_state_has_its_word(state: State, word: str, status: str) -> None:
    view = json.loads(task_reply(task(state), BASE))["task"]
    assert (view["state"], view["status"]) == (word, status)
    assert bool(view.get("error")) == (word == "error")


def test_a_failed_task_names_error_type_and_code() -> None:
    failed = task(State.FAILED, failure=Failure("read_timeout", "Silence"), status_code=200)
    view = json.loads(task_reply(failed, BASE))["task"]
    assert view["error"] == "Silence"
    assert view["error_type"] == "timeout_error"
    assert view["error_code"] == "read_timeout"
    assert view["status_code"] == 200


def test_a_task_carries_its_result_only_if_asked() -> None:
    assert "result" not in json.loads(task_reply(task(), BASE))["task"]
    assert json.loads(task_reply(task(), BASE, b'{"a":1}'))["task"]["result"] == {"a": 1}


LISTED = {
    *("id", "state", "output_url", "status_url", "download_url", "error", "error_type"),
    *("created_at", "modified_at", "account_name", "input", "_query", "batch_id"),
    *("status_code", "api_type"),
}


def test_list_items_have_only_the_published_properties() -> None:
    failed = task(State.FAILED, failure=Failure("dns_failed", "x"), status_code=0)
    page = json.loads(task_list(ListPage((failed, task()), "next", 7), BASE))
    for item in page["data"]:
        assert set(item) <= LISTED
        assert {"id", "state", "status_url", "created_at", "input", "_query"} <= set(item)
    assert page["pagination"] == {"has_next": True, "next_cursor": "next", "total": 7}


def test_a_page_of_long_inputs_stays_small_and_says_what_it_leaves_out() -> None:
    long = {"url": "http://a.test/", "method": "POST", "headers": {"x": "y" * 20_000}}
    long |= {"body": {str(number): "z" * 100 for number in range(300)}, "tag": "t"}
    short = {"url": "http://b.test/", "formats": ["text"]}
    tasks = [task(input=json.dumps(long)) for _ in range(499)] + [task(input=json.dumps(short))]
    rendered = task_list(ListPage(tuple(tasks), None, 500), BASE)
    assert len(rendered) < 2.5 * LISTED_BYTES
    items = json.loads(rendered)["data"]
    assert items[0]["input"] == long | {
        "headers": "20008 bytes not shown",
        "body": "32591 bytes not shown",
    }
    assert items[0]["_query"] == items[0]["input"] | {
        key: value for key, value in items[0]["_query"].items() if key not in long
    }
    assert items[-1]["input"] == short


def test_a_page_that_is_small_enough_shows_inputs_whole() -> None:
    long = {"url": "http://a.test/", "method": "POST", "body": "z" * 60_000}
    rendered = task_list(ListPage((task(input=json.dumps(long)),) * 20, None, 20), BASE)
    assert all(item["input"] == long for item in json.loads(rendered)["data"])


def test_the_last_page_has_a_null_cursor_and_legacy_readers_both_spellings() -> None:
    page = ListPage((), None, 0)
    assert json.loads(task_list(page, BASE))["pagination"]["next_cursor"] is None
    assert json.loads(legacy_task_list(page, BASE))["pagination"] == {
        "has_next": False,
        "next_cursor": None,
        "total": 0,
        "hasNext": False,
        "nextCursor": None,
    }


@pytest.mark.parametrize(
    ("made", "kind"),
    [
        (creation_reply(task(), BASE), CreationReply),
        (task_reply(task(State.FAILED), BASE), TaskReply),
        (task_list(ListPage((task(State.CANCELLED),), None, 1), BASE), TaskList),
        (legacy_task_list(ListPage((task(),), None, 1), BASE), LegacyTaskList),
    ],
)
def test_answers_are_of_the_published_types(made: bytes, kind: type) -> None:
    msgspec.json.decode(made, type=kind)


def test_times_are_utc_with_milliseconds() -> None:
    moment = datetime.fromisoformat("2026-03-01T10:15:30.120999+02:00")
    assert timestamp(moment) == "2026-03-01T08:15:30.120Z"


# ---------------------------------------------------------------- errors


def tree(root: type[WindlassError] = WindlassError) -> Iterator[type[WindlassError]]:
    yield root
    for child in root.__subclasses__():
        if child.__module__.startswith("windlass"):
            yield from tree(child)


def test_every_error_has_a_status_and_an_error_type() -> None:
    codes = [kind.code for kind in tree()]
    assert len(codes) == len(set(codes))
    assert set(HTTP_STATUS) == set(codes)
    assert set(ERROR_TYPES) == set(codes)
    assert set(ERROR_TYPES.values()) <= set(get_args(ErrorType))


def test_every_error_is_documented() -> None:
    for kind in tree():
        assert kind.__doc__


def test_every_error_has_an_envelope_of_its_published_type() -> None:
    kinds: dict[int, type] = {
        400: Error400,
        429: Error429,
        500: Error500,
        501: Error500,
        503: Error500,
        555: Error500,
    }
    for kind in tree():
        made = envelope(kind(), ID)
        msgspec.json.decode(made.body, type=kinds.get(made.status, ErrorText))
        final = ("x-should-retry", "false") in made.headers
        # The SDK repeats these by itself; of ours only a 503 passes.
        assert final == (made.status == 409 or (made.status >= 500 and made.status != 503))
        ended = failure_envelope(Failure.of(kind()), ID)
        assert (("x-should-retry", "false") in ended.headers) == (ended.status != 503)


@pytest.mark.parametrize("error", [DatabaseUnavailable(), StorageFull()])
def test_our_passing_trouble_asks_to_be_tried_again(error: EngineError) -> None:
    made = envelope(error, ID)
    assert made.status == 503
    assert dict(made.headers)["x-should-retry"] == "true"
    assert float(dict(made.headers)["retry-after"]) > 0


def test_internals_never_reach_the_caller() -> None:
    body = envelope(EngineError("password=hunter2 at 10.0.0.1"), ID).body
    assert b"hunter2" not in body
    assert json.loads(body)["message"] == "Internal error"


def test_a_400_lists_what_is_wrong() -> None:
    problem = Problem("/limit", "must be >= 1", keyword="minimum", params={"limit": 1})
    made = envelope(InvalidRequest("limit must be >= 1", (problem,)), ID)
    assert json.loads(made.body) == {
        "status": "failed",
        "msg": "limit must be >= 1",
        "error": "PARAMETERS_FAILED_JSON_SCHEMA_VALIDATION_ERROR",
        "details": {
            "schema_validation_errors": [
                {
                    "instancePath": "/limit",
                    "schemaPath": "#/minimum",
                    "keyword": "minimum",
                    "params": {"limit": 1},
                    "message": "must be >= 1",
                }
            ]
        },
        "error_code": "invalid_request",
    }


def test_a_401_asks_for_a_bearer() -> None:
    made = envelope(Unauthorized(), ID)
    body = json.loads(made.body)
    assert (made.status, body["msg"], body["error"]) == (401, "Unauthorized", "UNAUTHORIZED")
    assert ("www-authenticate", "Bearer") in made.headers


def test_a_404_has_its_text_as_error_and_msg() -> None:
    body = json.loads(envelope(TaskNotFound(), ID).body)
    assert body["status"] == "failed"
    assert body["error"] == body["msg"] == "Task not found"


def test_results_that_are_not_ready_show_the_task() -> None:
    body = json.loads(envelope(ResultsNotReady(task=task(State.RUNNING)), ID).body)
    assert body["error"] == "Task results not ready"
    assert body["task"] == {"id": str(ID), "state": "in_progress"}


def test_a_405_says_what_is_allowed() -> None:
    made = envelope(MethodNotAllowed(allow="GET, HEAD"), ID)
    assert made.status == 405
    assert ("allow", "GET, HEAD") in made.headers


def test_a_429_satisfies_both_readers() -> None:
    made = envelope(RateLimited(retry_after_s=1.2), ID)
    body = json.loads(made.body)
    assert body == {
        "status": "failed",
        "success": "false",
        "msg": "Rate limit exceeded",
        "message": "Rate limit exceeded",
        "error": {
            "code": "RATE_LIMIT_EXCEEDED",
            "message": "Rate limit exceeded",
            "retry_after": 2,
        },
    }
    assert ("retry-after", "2") in made.headers
    assert ("retry-after-ms", "1200") in made.headers


@pytest.mark.parametrize(
    ("code", "status"),
    [("dns_failed", 500), ("proxy_failed", 501), ("request_timeout", 555), ("task_expired", 555)],
)
def test_no_answer_is_a_5xx_that_must_not_be_repeated(code: str, status: int) -> None:
    made = failure_envelope(Failure(code, "because"), ID)
    body = json.loads(made.body)
    assert made.status == status
    assert body["success"] == "false"
    assert body["task_id"] == str(ID)
    assert body["message"] == "because"
    assert body["error_code"] == code


def test_a_refused_address_is_a_403() -> None:
    made = failure_envelope(Failure.of(AddressRefused("10.0.0.1 is private")), ID)
    assert made.status == 403
    assert json.loads(made.body)["msg"] == "Domain is blocked: 10.0.0.1 is private"


def test_codes_of_other_versions_are_internal() -> None:
    made = failure_envelope(Failure("from_the_future", "?"), ID)
    assert made.status == 500
    assert json.loads(made.body)["error_type"] == "internal_error"


def test_the_tree_is_only_what_errors_py_draws() -> None:
    assert all(kind.__module__ == errors.__name__ for kind in tree())
