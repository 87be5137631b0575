"""What a browser did, in the words of dialect v1 and as the vendor's own models read it."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from nimble_python.types import ExtractResponse

from windlass.model.page import Extraction, Rendering
from windlass.model.render import (
    ActionResult,
    ActionsReport,
    Capture,
    CapturedCall,
    CaptureFilter,
    FetchedCall,
    Screenshot,
    UrlMatch,
)
from windlass.model.request import Cookie, ExtractRequest
from windlass.wire.v1_results import result_body

URL = "http://shop.test/"
CALL = CapturedCall(
    resource_type="xhr",
    method="POST",
    url="http://shop.test/api",
    request_headers={"accept": "*/*"},
    request_body="{}",
    status=200,
    status_text="OK",
    headers={"content-type": "application/json"},
    body="[1]",
)


def shown(rendering: Rendering, **values: Any) -> dict[str, Any]:
    """The answer as JSON; the vendor's strict model must take it."""
    raw = result_body(
        extraction=Extraction(url=URL, status=200, values=values, rendering=rendering),
        failure=None,
        task_id=UUID(int=1),
        request=ExtractRequest(url=URL),
        received_at=datetime(2026, 1, 1, tzinfo=UTC),
        duration_ms=5,
    )
    made: dict[str, Any] = json.loads(raw)
    ExtractResponse.model_validate(made, strict=False)
    return made


def test_nothing_is_said_of_what_nobody_asked_for() -> None:
    answer = shown(Rendering(), html="<p>")
    assert answer["data"] == {"html": "<p>"}
    assert "debug" not in answer


def test_actions_are_reported_one_by_one() -> None:
    report = ActionsReport(
        results=(
            ActionResult(name="wait", status="done", duration_ms=10),
            ActionResult(name="eval", status="done", duration_ms=2, result={"a": [None]}),
            ActionResult(name="click", status="error", duration_ms=3, error="nothing is there"),
            ActionResult(name="press"),
        ),
        total_ms=16,
    )
    assert shown(Rendering(actions=report))["data"]["browser_actions"] == {
        "results": [
            {"name": "wait", "status": "done", "duration": 10},
            {"name": "eval", "status": "done", "duration": 2, "result": {"a": [None]}},
            {"name": "click", "status": "error", "duration": 3, "error": "nothing is there"},
            {"name": "press", "status": "no-run", "duration": 0},
        ],
        "success": False,
        "total_duration": 16,
    }


def test_skipped_actions_do_not_spoil_a_success() -> None:
    report = ActionsReport(results=(ActionResult(name="wait", status="skipped"),))
    assert shown(Rendering(actions=report))["data"]["browser_actions"]["success"] is True


def test_a_capture_has_its_filter_as_given_and_its_calls_under_both_names() -> None:
    wish = CaptureFilter(
        method="POST",
        url=UrlMatch("/api"),
        resource_type="xhr",
        status=(200, 201),
        wait_for_count=2,
        wait_s=1.5,
    )
    (capture,) = shown(Rendering(captures=(Capture(filter=wish, calls=(CALL,), error="1 of 2"),)))[
        "data"
    ]["network_capture"]
    assert capture["filter"] == {
        "method": "POST",
        "url": {"type": "contains", "value": "/api"},
        "resource_type": "xhr",
        "status_code": [200, 201],
        "validation": False,
        "wait_for_requests_count": 2,
        "wait_for_requests_count_timeout": 1.5,
    }
    assert capture["results"] == capture["result"]
    assert capture["errorMessage"] == "1 of 2"
    assert capture["results"][0] == {
        "request": {
            "resource_type": "xhr",
            "method": "POST",
            "url": "http://shop.test/api",
            "headers": {"accept": "*/*"},
            "body": "{}",
        },
        "response": {
            "status": 200,
            "status_text": "OK",
            "headers": {"content-type": "application/json"},
            "body": "[1]",
            "serialization": "none",
        },
    }


def test_captures_keep_the_order_of_their_filters_and_an_empty_one_is_there() -> None:
    captures = (Capture(filter=CaptureFilter()), Capture(filter=CaptureFilter(resource_type=())))
    first, second = shown(Rendering(captures=captures))["data"]["network_capture"]
    assert first["results"] == []
    assert "errorMessage" not in first
    assert (first["filter"].get("resource_type"), second["filter"]["resource_type"]) == (None, [])


def test_a_picture_is_told_as_one_string_and_in_the_list() -> None:
    taken = Screenshot(data=b"one", source="action", format="jpeg", full_page=False)
    asked = Screenshot(data=b"two")
    data = shown(Rendering(screenshots=(taken, asked)))["data"]
    assert base64.b64decode(data["screenshot"]) == b"two"
    assert data["screenshots"] == [
        {"data": "b25l", "format": "jpeg", "full_page": False, "source": "action"},
        {"data": "dHdv", "format": "png", "full_page": True, "source": "format"},
    ]
    assert shown(Rendering(screenshots=(taken,)))["data"]["screenshot"] == "b25l"


def test_evals_and_fetches_are_lists_under_both_names() -> None:
    call = FetchedCall(url=URL, method="GET", status=200, headers={"a": "b"}, body="x")
    data = shown(Rendering(evals=(None, 5), fetches=(call,)))["data"]
    assert data["eval"] == [None, 5]
    assert (
        data["fetch"]
        == data["fetch_request"]
        == [{"url": URL, "method": "GET", "status": 200, "headers": {"a": "b"}, "body": "x"}]
    )


def test_collected_cookies_join_those_of_the_format() -> None:
    report = ActionsReport(results=(ActionResult(name="get_cookies", status="done", result=1),))
    rendering = Rendering(actions=report, cookies=(Cookie(name="b", value="2"),))
    data = shown(rendering, cookies=[Cookie(name="a", value="1")])["data"]
    assert [cookie["name"] for cookie in data["cookies"]] == ["a", "b"]
    assert shown(Rendering(actions=report))["data"]["cookies"] == []


def test_metrics_stand_in_debug() -> None:
    answer = shown(Rendering(metrics={"Nodes": 12.0}))
    assert answer["debug"] == {"performance_metrics": {"Nodes": 12.0}}


def test_half_a_surrogate_pair_that_a_page_made_does_not_break_the_answer() -> None:
    call = FetchedCall(url=URL, method="GET", status=200, headers={}, body="\ud800")
    assert shown(Rendering(fetches=(call,)))["data"]["fetch"][0]["body"] == "�"
