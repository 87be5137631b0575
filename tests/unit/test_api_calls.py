"""The HTTP edge over a double of Service: every path, alias, envelope and header."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from uuid import UUID, uuid4

import httpx
import msgspec
import pytest

from tests.support.verbs import UNKNOWN_ID, FakeVerbs, client_for
from windlass.api.app import create_app
from windlass.errors import BrowserMissing, DatabaseUnavailable, WorkerLost
from windlass.model.page import Extraction, Failure
from windlass.settings import Settings

URL = "http://site.test/"


async def submit(client: httpx.AsyncClient) -> UUID:
    answer = await client.post("/v1/extract/async", json={"url": URL})
    assert answer.status_code == 200
    return UUID(answer.json()["task_id"])


# ---------------------------------------------------------------- extract


@pytest.mark.parametrize("path", ["/v1/extract", "/v2/extract", "/v1/realtime/web"])
async def test_extract_answers_with_the_page(
    client: httpx.AsyncClient, verbs: FakeVerbs, path: str
) -> None:
    answer = await client.post(path, json={"url": URL, "formats": ["html"]})
    body = answer.json()
    assert answer.status_code == 200
    assert (body["status"], body["data"]) == ("success", {"html": "<p>hi</p>"})
    assert answer.headers["x-task-id"] == body["task_id"]
    assert answer.headers["content-type"] == "application/json"
    ((request, given, interactive),) = verbs.requests
    assert (request.url, interactive) == (URL, True)
    assert json.loads(given) == {"url": URL, "formats": ["html"]}


async def test_legacy_extract_has_the_flat_keys_too(client: httpx.AsyncClient) -> None:
    body = (await client.post("/api/v1/realtime/web", json={"url": URL})).json()
    assert body["html_content"] == body["data"]["html"] == "<p>hi</p>"
    assert body["driver"] == "vx6"


async def test_an_unexpected_status_is_a_200_that_says_failed(
    client: httpx.AsyncClient, verbs: FakeVerbs
) -> None:
    failure = Failure("unexpected_status", "Unexpected status code 404")
    verbs.outcome = Extraction(url=URL, status=404, values={"html": "gone"}, failure=failure)
    answer = await client.post("/v1/extract", json={"url": URL})
    assert answer.status_code == 200
    assert answer.json()["status"] == "failed"
    assert answer.json()["data"] == {"html": "gone"}


@pytest.mark.parametrize(
    ("code", "status"),
    [("dns_failed", 500), ("tls_failed", 500), ("proxy_failed", 501), ("request_timeout", 555)],
)
@pytest.mark.parametrize("path", ["/v1/extract", "/api/v1/realtime/web"])
async def test_no_answer_at_all_is_a_5xx_with_its_cause(
    client: httpx.AsyncClient, verbs: FakeVerbs, code: str, status: int, path: str
) -> None:
    verbs.outcome = Failure(code, "because of this")
    answer = await client.post(path, json={"url": URL})
    body = answer.json()
    assert answer.status_code == status
    assert (body["success"], body["error_code"]) == ("false", code)
    assert body["message"] == "because of this"
    assert body["task_id"] == answer.headers["x-task-id"] == str(next(iter(verbs.tasks)))
    assert answer.headers["x-should-retry"] == "false"


async def test_a_refused_address_is_a_403(client: httpx.AsyncClient, verbs: FakeVerbs) -> None:
    verbs.outcome = Failure("address_refused", "10.0.0.1 is private")
    answer = await client.post("/v1/extract", json={"url": URL})
    assert answer.status_code == 403
    assert answer.json()["error_code"] == "address_refused"


@pytest.mark.parametrize(
    ("wish", "place"),
    [
        ({"render": True}, "/render"),
        ({"driver": "VX8"}, "/driver"),
        ({"render": "auto", "browser_actions": [{"wait": 1}]}, "/browser_actions"),
        ({"network_capture": [{"method": "GET"}]}, "/network_capture"),
        ({"formats": ["html", "screenshot"]}, "/formats"),
        ({"auto_driver_configuration": {"vx8": 1}}, "/auto_driver_configuration"),
        ({}, ""),
    ],
)
async def test_what_needs_a_browser_that_is_not_there_is_named(
    client: httpx.AsyncClient, verbs: FakeVerbs, wish: dict[str, Any], place: str
) -> None:
    verbs.outcome = Failure.of(BrowserMissing())
    answer = await client.post("/v1/extract", json={"url": URL, **wish})
    assert answer.status_code == 400
    assert answer.json()["error_code"] == "browser_missing"
    (told,) = answer.json()["details"]["schema_validation_errors"]
    assert (told["instancePath"], told["keyword"]) == (place, "unsupported")


async def test_a_budget_that_runs_out_is_a_555_and_ends_the_task(
    client: httpx.AsyncClient, verbs: FakeVerbs
) -> None:
    verbs.finish.clear()
    verbs.patience_s = 0.0
    answer = await client.post("/v1/extract", json={"url": URL})
    assert answer.status_code == 555
    assert answer.json()["error_code"] == "request_timeout"
    assert answer.headers["x-should-retry"] == "false"
    assert verbs.cancelled == list(verbs.tasks)


async def test_the_budget_is_the_callers_own_with_a_margin_or_the_servers(
    client: httpx.AsyncClient, verbs: FakeVerbs
) -> None:
    for timeout_ms in (None, 2000, 10_000_000):
        extra = {} if timeout_ms is None else {"request_timeout": timeout_ms}
        await client.post("/v1/extract", json={"url": URL} | extra)
    assert verbs.budgets == [150.0, 7.0, 150.0]


async def test_a_page_that_arrives_as_time_runs_out_is_still_answered() -> None:
    class Late(FakeVerbs):
        async def cancel(self, account: Any, task_id: UUID) -> Any:
            return self.end(task_id, self.outcome)

    late = Late()
    late.finish.clear()
    late.patience_s = 0.0
    async with client_for(late) as client:
        answer = await client.post("/v1/extract", json={"url": URL})
    assert answer.status_code == 200


async def test_a_caller_who_hangs_up_takes_queued_work_along(verbs: FakeVerbs) -> None:
    verbs.finish.clear()
    sent = await hang_up_while_waiting(verbs)
    assert sent == []
    assert verbs.cancelled == list(verbs.tasks)


async def test_a_caller_who_hangs_up_leaves_running_work_alone(verbs: FakeVerbs) -> None:
    class Running(FakeVerbs):
        async def get(self, account: Any, task_id: UUID) -> Any:
            task = await super().get(account, task_id)
            return msgspec.structs.replace(task, state="running")

    running = Running()
    running.finish.clear()
    assert await hang_up_while_waiting(running) == []
    assert running.cancelled == []


async def hang_up_while_waiting(verbs: FakeVerbs) -> list[Any]:
    """Messages sent to a caller whose connection ends while its page is awaited."""
    body = json.dumps({"url": URL}).encode()
    sent: list[Any] = []
    first = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> dict[str, Any]:
        if first:
            return first.pop()
        await verbs.waiting.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    app = create_app(Settings(rate_limit=0.0), verbs)
    async with asyncio.timeout(5):
        await app(scope("POST", "/v1/extract"), receive, send)
    return sent


def scope(method: str, path: str, *headers: tuple[bytes, bytes]) -> dict[str, Any]:
    return {
        "type": "http",
        "method": method,
        "path": path,
        "query_string": b"",
        "scheme": "http",
        "root_path": "",
        "server": ("127.0.0.1", 8700),
        "headers": [(b"authorization", b"Bearer main-key"), *headers],
    }


# ---------------------------------------------------------------- async and records


@pytest.mark.parametrize("path", ["/v1/extract/async", "/v2/extract/async", "/api/v1/async/web"])
async def test_an_accepted_task_is_answered_with_its_links(
    client: httpx.AsyncClient, verbs: FakeVerbs, path: str
) -> None:
    answer = await client.post(path, json={"url": URL})
    body = answer.json()
    assert body["status"] == "success"
    assert body["task_id"] == body["task"]["id"] == answer.headers["x-task-id"]
    link = f"http://windlass.test:8700/v1/tasks/{body['task_id']}"
    assert body["task"]["status_url"] == link
    assert body["task"]["download_url"] == link + "/results"
    assert verbs.requests[0][2] is False


async def test_links_start_with_the_public_url_if_there_is_one(verbs: FakeVerbs) -> None:
    async with client_for(verbs, public_url="https://data.example/wl/") as client:
        body = (await client.post("/v1/extract/async", json={"url": URL})).json()
    assert body["task"]["status_url"].startswith("https://data.example/wl/v1/tasks/")


async def test_a_strange_host_header_does_not_reach_the_links(client: httpx.AsyncClient) -> None:
    answer = await client.post(
        "/v1/extract/async", json={"url": URL}, headers={"host": 'evil"/><script>'}
    )
    assert "evil" not in answer.text


@pytest.mark.parametrize("prefix", ["/v1", "/v2", "/api/v1", "/api/v2"])
async def test_a_task_is_read_under_every_prefix(client: httpx.AsyncClient, prefix: str) -> None:
    task_id = await submit(client)
    answer = await client.get(f"{prefix}/tasks/{task_id}")
    assert answer.status_code == 200
    assert answer.json()["task"]["state"] == "pending"
    assert answer.headers["x-task-id"] == str(task_id)
    results = await client.get(f"{prefix}/tasks/{task_id}/results")
    assert results.status_code == 404
    assert results.json()["error"] == "Task results not ready"
    assert results.json()["task"] == {"id": str(task_id), "state": "pending"}


async def test_results_carry_the_task(client: httpx.AsyncClient, verbs: FakeVerbs) -> None:
    task_id = await submit(client)
    verbs.end(task_id, verbs.outcome)
    body = (await client.get(f"/v1/tasks/{task_id}/results")).json()
    assert body["data"] == {"html": "<p>hi</p>"}
    assert body["task"]["state"] == "success"
    with_result = (await client.get(f"/v1/tasks/{task_id}?include=result")).json()
    assert with_result["task"]["result"]["data"] == {"html": "<p>hi</p>"}


async def test_a_failure_that_stored_nothing_has_results(
    client: httpx.AsyncClient, verbs: FakeVerbs
) -> None:
    task_id = await submit(client)
    verbs.end(task_id, Failure.of(WorkerLost()), stores=False)
    answer = await client.get(f"/v1/tasks/{task_id}/results")
    assert answer.status_code == 200
    assert answer.json()["task"]["error_code"] == "worker_lost"


async def test_expired_results_are_a_404_while_the_task_still_answers(
    client: httpx.AsyncClient, verbs: FakeVerbs
) -> None:
    task_id = await submit(client)
    verbs.end(task_id, verbs.outcome)
    verbs.expired = True
    answer = await client.get(f"/v1/tasks/{task_id}/results")
    assert answer.status_code == 404
    assert answer.json()["error"] == answer.json()["msg"] == "Task results expired"
    read = await client.get(f"/v1/tasks/{task_id}?include=result")
    assert read.status_code == 200
    assert "result" not in read.json()["task"]


@pytest.mark.parametrize("path", ["/v1/tasks", "/v1/tasks/list", "/v2/tasks"])
async def test_tasks_are_listed(client: httpx.AsyncClient, path: str) -> None:
    for _ in range(3):
        await submit(client)
    body = (await client.get(path, params={"limit": 2})).json()
    assert len(body["data"]) == 2
    assert body["pagination"] == {"has_next": True, "next_cursor": "next", "total": 3}


@pytest.mark.parametrize("path", ["/api/v1/tasks/list", "/api/v1/tasks", "/api/v2/tasks"])
async def test_legacy_lists_have_both_spellings(client: httpx.AsyncClient, path: str) -> None:
    pagination = (await client.get(path)).json()["pagination"]
    assert pagination["hasNext"] is pagination["has_next"] is False
    assert pagination["nextCursor"] is pagination["next_cursor"] is None


@pytest.mark.parametrize(
    ("limit", "keyword"),
    [("0", "minimum"), ("-1", "minimum"), ("x", "type"), ("1.5", "type"), ("", "type"),
     ("9" * 400, "type")],
)  # fmt: skip
async def test_a_bad_limit_is_named(client: httpx.AsyncClient, limit: str, keyword: str) -> None:
    answer = await client.get("/v1/tasks", params={"limit": limit})
    assert answer.status_code == 400
    (entry,) = answer.json()["details"]["schema_validation_errors"]
    assert (entry["instancePath"], entry["keyword"]) == ("/limit", keyword)


async def test_a_bad_cursor_is_a_400(client: httpx.AsyncClient) -> None:
    answer = await client.get("/v1/tasks", params={"cursor": "bad"})
    assert answer.status_code == 400
    assert answer.json()["msg"] == "cursor is not one of ours"
    assert answer.json()["details"]["schema_validation_errors"]


@pytest.mark.parametrize(
    "task_id", [UNKNOWN_ID, "x", "%00", "{task_id}", "a%2Fb", "a" * 36, "5f0c%0a", "é" * 36]
)
@pytest.mark.parametrize("tail", ["", "/results"])
async def test_an_unknown_task_is_a_404(client: httpx.AsyncClient, task_id: str, tail: str) -> None:
    answer = await client.get(f"/v1/tasks/{task_id}{tail}")
    assert answer.status_code == 404
    assert answer.json()["status"] == "failed"
    assert answer.json()["error"] == answer.json()["msg"] == "Task not found"


async def test_accounts_do_not_see_each_other(client: httpx.AsyncClient, verbs: FakeVerbs) -> None:
    task_id = await submit(client)
    async with client_for(verbs, "other-key") as other:
        for path in (f"/v1/tasks/{task_id}", f"/v1/tasks/{task_id}/results"):
            assert (await other.get(path)).json()["error"] == "Task not found"
        assert (await other.get("/v1/tasks")).json()["data"] == []


# ---------------------------------------------------------------- keys


async def test_account_main_manages_keys(client: httpx.AsyncClient) -> None:
    made = (await client.post("/v1/keys", json={"account": "team-a"})).json()
    assert set(made) == {"id", "key", "account", "created_at"}
    assert made["account"] == "team-a"
    (listed,) = (await client.get("/v1/keys")).json()["data"]
    assert listed["id"] == made["id"]
    assert "key" not in listed
    assert (await client.delete(f"/v1/keys/{made['id']}")).status_code == 204
    assert (await client.delete(f"/v1/keys/{made['id']}")).status_code == 404
    assert (await client.delete("/v1/keys/x")).json()["error"] == "Key not found"


async def test_a_key_without_an_account_is_for_main(client: httpx.AsyncClient) -> None:
    assert (await client.post("/v1/keys")).json()["account"] == "main"


async def test_a_wrong_account_name_is_named(client: httpx.AsyncClient) -> None:
    answer = await client.post("/v1/keys", json={"account": "../x"})
    (entry,) = answer.json()["details"]["schema_validation_errors"]
    assert (entry["instancePath"], entry["keyword"]) == ("/account", "pattern")


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_for_other_accounts_keys_do_not_exist(verbs: FakeVerbs, method: str) -> None:
    async with client_for(verbs, "other-key") as other:
        assert (await other.request(method, "/v1/keys")).status_code == 404
        assert (await other.delete(f"/v1/keys/{uuid4()}")).status_code == 404


# ---------------------------------------------------------------- at the door


@pytest.mark.parametrize(
    "header", ["", "Bearer", "Bearer ", "Basic abc", "Bearer nope", "main-key"]
)
async def test_without_a_known_key_nothing_happens(verbs: FakeVerbs, header: str) -> None:
    async with client_for(verbs, "") as client:
        for method, path in (("POST", "/v1/extract"), ("GET", "/v1/tasks"), ("GET", "/v1/keys")):
            answer = await client.request(method, path, headers={"authorization": header})
            assert answer.status_code == 401
            assert answer.json()["error"] == "UNAUTHORIZED"
            assert answer.headers["www-authenticate"] == "Bearer"
    assert verbs.requests == []


async def test_the_scheme_is_read_in_any_case(verbs: FakeVerbs) -> None:
    async with client_for(verbs, "") as client:
        answer = await client.get("/v1/tasks", headers={"authorization": "bearer main-key"})
    assert answer.status_code == 200


@pytest.mark.parametrize(
    "path", ["/", "/v1", "/v1/tasks/", "/v3/extract", "/v1/extract/x", "/v1//tasks"]
)
async def test_an_unknown_path_is_a_404(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(path)
    assert answer.status_code == 404
    assert answer.json()["status"] == "failed"
    assert answer.json()["msg"] == "Not found"


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("GET", "/v1/extract", "POST"),
        ("PUT", "/v1/extract/async", "POST"),
        ("POST", "/v1/tasks", "GET, HEAD"),
        ("DELETE", f"/v1/tasks/{UNKNOWN_ID}/results", "GET, HEAD"),
        ("PATCH", "/v1/keys", "GET, HEAD, POST"),
        ("OPTIONS", "/healthz", "GET, HEAD"),
    ],
)
async def test_a_wrong_method_is_a_405(
    client: httpx.AsyncClient, method: str, path: str, allow: str
) -> None:
    answer = await client.request(method, path)
    assert answer.status_code == 405
    assert answer.headers["allow"] == allow
    assert answer.json()["msg"] == "Method not allowed"


async def test_head_answers_like_get_without_a_body(client: httpx.AsyncClient) -> None:
    answer = await client.head("/v1/tasks")
    assert answer.status_code == 200
    assert answer.content == b""
    assert int(answer.headers["content-length"]) > 0


async def test_every_wrong_field_is_named_and_nothing_is_created(
    client: httpx.AsyncClient, verbs: FakeVerbs
) -> None:
    for path in ("/v1/extract", "/v1/extract/async"):
        wrong = {"url": URL, "tag": 5, "browser_actions": [{"dance": 1}]}
        answer = await client.post(path, json=wrong)
        entries = answer.json()["details"]["schema_validation_errors"]
        assert {entry["instancePath"] for entry in entries} == {"/tag", "/browser_actions/0"}
        assert answer.json()["error"] == "PARAMETERS_FAILED_JSON_SCHEMA_VALIDATION_ERROR"
    assert verbs.requests == []


async def test_malformed_json_is_a_400_of_keyword_parse(client: httpx.AsyncClient) -> None:
    answer = await client.post("/v1/extract", content=b'{"url": ')
    (entry,) = answer.json()["details"]["schema_validation_errors"]
    assert (answer.status_code, entry["keyword"]) == (400, "parse")


async def test_a_declared_large_body_is_refused_unread(verbs: FakeVerbs) -> None:
    async def receive() -> dict[str, Any]:
        raise AssertionError("the body was read")

    sent = await send_to(verbs, receive, (b"content-length", b"10000001"))
    assert sent[0]["status"] == 413
    assert (b"connection", b"close") in sent[0]["headers"]


async def test_an_undeclared_large_body_is_refused_once_it_is_too_large(verbs: FakeVerbs) -> None:
    read = 0

    async def receive() -> dict[str, Any]:
        nonlocal read
        read += 1_000_000
        return {"type": "http.request", "body": b" " * 1_000_000, "more_body": True}

    sent = await send_to(verbs, receive)
    assert sent[0]["status"] == 413
    assert json.loads(sent[1]["body"])["error_code"] == "request_too_large"
    assert read == 11_000_000


async def test_a_body_that_never_arrives_is_a_408(
    verbs: FakeVerbs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("windlass.api.bodies.BODY_WITHIN_S", 0.02)
    sent = await send_to(verbs, asyncio.Event().wait)
    assert sent[0]["status"] == 408


async def test_a_caller_who_leaves_while_sending_gets_nothing(verbs: FakeVerbs) -> None:
    async def receive() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    assert await send_to(verbs, receive) == []


async def send_to(verbs: FakeVerbs, receive: Any, *headers: tuple[bytes, bytes]) -> list[Any]:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    app = create_app(Settings(rate_limit=0.0), verbs)
    async with asyncio.timeout(5):
        await app(scope("POST", "/v1/extract", *headers), receive, send)
    return sent


async def test_one_key_too_fast_is_a_429_while_others_go_on(verbs: FakeVerbs) -> None:
    transport = httpx.ASGITransport(create_app(Settings(rate_limit=3.0), verbs))
    async with httpx.AsyncClient(transport=transport, base_url="http://w.test") as client:
        mine = {"authorization": "Bearer main-key"}
        answers = [await client.get("/v1/tasks", headers=mine) for _ in range(4)]
        other = await client.get("/v1/tasks", headers={"authorization": "Bearer other-key"})
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert [answer.headers["ratelimit-remaining"] for answer in answers] == ["2", "1", "0", "0"]
    refused = answers[-1]
    assert refused.json()["error"]["code"] == "RATE_LIMIT_EXCEEDED"
    assert refused.headers["retry-after"] == "1"
    assert 0 < float(refused.headers["retry-after-ms"]) <= 334
    assert other.status_code == 200


async def test_both_header_families_are_on_every_answer(verbs: FakeVerbs) -> None:
    async with client_for(verbs, rate_limit=50.0) as client:
        for path in ("/v1/tasks", "/v1/tasks/x", "/nowhere", "/healthz", "/v1/extract"):
            headers = (await client.get(path)).headers
            assert headers["ratelimit-limit"] == headers["x-ratelimit-limit"] == "50"
            assert headers["ratelimit-remaining"] == headers["x-ratelimit-remaining"]
            assert int(headers["x-ratelimit-reset"]) > 1_600_000_000
            assert UUID(headers["x-task-id"])
            assert UUID(headers["x-nimble-request-id"])


async def test_without_a_limit_there_are_no_limit_headers(client: httpx.AsyncClient) -> None:
    assert "ratelimit-limit" not in (await client.get("/v1/tasks")).headers


@pytest.mark.parametrize(
    ("error", "status", "retry"),
    [
        (DatabaseUnavailable("at 10.0.0.9"), 503, "true"),
        (ZeroDivisionError("secret"), 500, "false"),
    ],
)
async def test_our_failures_tell_nothing_but_whether_to_try_again(
    client: httpx.AsyncClient, verbs: FakeVerbs, error: Exception, status: int, retry: str
) -> None:
    verbs.raises = error
    answer = await client.post("/v1/extract/async", json={"url": URL})
    assert answer.status_code == status
    assert answer.headers["x-should-retry"] == retry
    assert answer.json()["success"] == "false"
    assert answer.json()["task_id"] == answer.headers["x-task-id"]
    assert "10.0.0.9" not in answer.text
    assert "secret" not in answer.text


# ---------------------------------------------------------------- the server itself


async def test_health_and_readiness_need_no_key(verbs: FakeVerbs) -> None:
    async with client_for(verbs, "") as client:
        assert (await client.get("/healthz")).json() == {"status": "ok"}
        ready = await client.get("/readyz")
        assert (ready.status_code, ready.json()["status"]) == (200, "ok")
        verbs.checks = {"database": "ok", "workers": "no worker is alive"}
        ready = await client.get("/readyz")
        assert (ready.status_code, ready.json()["status"]) == (503, "failed")
        assert ready.json()["checks"]["workers"] == "no worker is alive"


async def test_metrics_count_calls_and_show_the_queue(client: httpx.AsyncClient) -> None:
    await client.get("/v1/tasks")
    await client.get("/nowhere")
    text = (await client.get("/metrics")).text
    assert 'windlass_http_requests_total{operation="list_tasks",status="200"} 1.0' in text
    assert 'windlass_http_requests_total{operation="not_found",status="404"} 1.0' in text
    assert 'windlass_http_request_seconds_bucket{le="+Inf",operation="list_tasks"} 1.0' in text
    assert 'windlass_queue_depth{kind="extract",state="waiting"} 3.0' in text
    assert 'windlass_queue_oldest_seconds{kind="extract",state="waiting"} 1.5' in text
    finished = 'windlass_tasks_finished_total{code="dns_failed",kind="extract",outcome="failed"}'
    assert f"{finished} 2.0" in text
    assert 'windlass_tasks_retried_total{code="read_timeout",kind="extract"} 4.0' in text
    assert 'outcome="retried"' not in text
    assert "windlass_up 1.0" in text


async def test_metrics_answer_without_the_database(
    client: httpx.AsyncClient, verbs: FakeVerbs
) -> None:
    verbs.raises = DatabaseUnavailable()
    answer = await client.get("/metrics")
    assert answer.status_code == 200
    assert "windlass_up 0.0" in answer.text
