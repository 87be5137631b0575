"""Asynchronous extracts through the unmodified SDK: submit, poll, list, read (sections 5 and 8)."""

from __future__ import annotations

import re
from typing import Any
from uuid import UUID

import httpx
import pytest
from nimble_python import AsyncNimble, BadRequestError, Nimble, NotFoundError

from tests.support.loopback import free_port
from tests.support.origin import Origin
from tests.support.sdk import UNKNOWN_ID, every_listed_task, finished
from tests.support.server import WindlassServer
from tests.support.waiting import eventually, eventually_async

TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


def test_submitting_answers_a_pending_task(client: Nimble, origin: Origin) -> None:
    created = client.extract_async(url=origin.page("new"), formats=["markdown"], tag="t1")
    task = created.task
    assert created.status == "success"
    assert created.model_extra is not None
    assert created.model_extra["task_id"] == task.id == str(UUID(task.id))
    assert task.state == "pending"
    assert task.input == {"url": origin.page("new"), "formats": ["markdown"], "tag": "t1"}
    assert task.api_type == "extract"
    assert task.account_name == "main"
    assert TIMESTAMP.fullmatch(task.created_at)
    assert task.modified_at is not None and TIMESTAMP.fullmatch(task.modified_at)
    assert task.error is None
    finished(client, task.id)


def test_links_of_a_task_lead_back_to_this_server(
    client: Nimble, server: WindlassServer, origin: Origin
) -> None:
    task = finished(client, client.extract_async(url=origin.page("links")).task.id)
    assert task.status_url == f"{server.url}/v1/tasks/{task.id}"
    assert task.download_url == f"{server.url}/v1/tasks/{task.id}/results"
    bearer = {"Authorization": f"Bearer {server.api_key}"}
    assert httpx.get(task.status_url, headers=bearer).json()["task"]["id"] == task.id
    assert httpx.get(task.download_url, headers=bearer).json()["task_id"] == task.id


def test_a_finished_task_has_its_result(client: Nimble, origin: Origin) -> None:
    submitted = client.extract_async(url=origin.page("done"), formats=["html", "markdown"])
    task = finished(client, submitted.task.id)
    assert task.state == "success"
    assert task.status_code == 200
    assert task.error is None
    result: Any = client.tasks.results(task.id)
    assert result["url"] == origin.page("done")
    assert result["task_id"] == task.id
    assert result["status"] == "success"
    assert result["status_code"] == 200
    assert "<h1>Page done</h1>" in result["data"]["html"]
    assert "# Page done" in result["data"]["markdown"]
    assert result["metadata"]["driver"] == "vx6"
    assert (
        result["task"].items()
        >= {
            "id": task.id,
            "state": "success",
            "created_at": task.created_at,
            "modified_at": task.modified_at,
            "account_name": "main",
        }.items()
    )


def test_states_go_from_pending_over_in_progress_to_success(client: Nimble, origin: Origin) -> None:
    origin.hold()
    task_id = client.extract_async(url=origin.page("slow")).task.id
    eventually(lambda: origin.visits("/page/slow"), "the page is asked for")
    running = client.tasks.get(task_id).task
    assert running.state == "in_progress"
    assert running.status_code is None
    origin.release()
    assert finished(client, task_id).state == "success"


def test_results_of_an_unfinished_task_are_a_404_that_names_the_state(
    client: Nimble, origin: Origin
) -> None:
    origin.hold()
    task_id = client.extract_async(url=origin.page("early")).task.id
    with pytest.raises(NotFoundError) as early:
        client.tasks.results(task_id)
    body: Any = early.value.body
    assert body["status"] == "failed"
    assert body["error"] == "Task results not ready"
    assert body["task"]["id"] == task_id
    assert body["task"]["state"] in ("pending", "in_progress")
    origin.release()
    finished(client, task_id)


def test_a_task_whose_target_refuses_ends_in_error_with_its_reason(client: Nimble) -> None:
    url = f"http://127.0.0.1:{free_port()}/"
    task = finished(client, client.extract_async(url=url).task.id, within_s=60)
    assert task.state == "error"
    assert task.error
    assert task.error_type == "connection_error"
    assert task.model_extra is not None
    assert task.model_extra["error_code"] == "connection_refused"
    result: Any = client.tasks.results(task.id)
    assert result["status"] == "failed"
    assert result["data"] == {}
    assert result["task"]["state"] == "error"
    assert result["task"]["error"] == task.error


def test_a_task_whose_target_answers_404_keeps_the_page(client: Nimble, origin: Origin) -> None:
    task = finished(client, client.extract_async(url=f"{origin.base}/status/404").task.id)
    assert task.state == "error"
    assert task.error == "Unexpected status code 404"
    assert task.error_type == "http_error"
    assert task.status_code == 404
    result: Any = client.tasks.results(task.id)
    assert result["status"] == "failed"
    assert "<h1>Status 404</h1>" in result["data"]["html"]


def test_a_truncated_page_is_an_error_with_what_arrived(client: Nimble, origin: Origin) -> None:
    task = finished(client, client.extract_async(url=f"{origin.base}/cut").task.id, within_s=60)
    assert task.state == "error"
    assert task.model_extra is not None
    assert task.model_extra["error_code"] == "body_truncated"
    result: Any = client.tasks.results(task.id)
    assert result["status"] == "failed"
    assert result["metadata"]["partial"] is True
    assert "Only the beginning" in result["data"]["html"]


def test_strict_sdk_accepts_every_task_reply(
    client: Nimble, strict_client: Nimble, origin: Origin
) -> None:
    created = strict_client.extract_async(url=origin.page("strict"), tag="x")
    finished(strict_client, created.task.id)
    failed = strict_client.extract_async(url=f"http://127.0.0.1:{free_port()}/")
    finished(client, failed.task.id, within_s=60)
    assert strict_client.tasks.get(failed.task.id).task.state == "error"
    assert strict_client.tasks.list(limit=50).pagination.total >= 2
    assert isinstance(strict_client.tasks.results(created.task.id), dict)


async def test_asyncio_sdk_submits_polls_lists_and_reads(
    server: WindlassServer, origin: Origin
) -> None:
    async with AsyncNimble(
        base_url=server.url, api_key=server.api_key, _strict_response_validation=True
    ) as nimble:
        created = await nimble.extract_async(url=origin.page("aio"), formats=["markdown"])

        async def ended() -> bool:
            return (await nimble.tasks.get(created.task.id)).task.state == "success"

        await eventually_async(ended, "the task ends")
        result: Any = await nimble.tasks.results(created.task.id)
        listed = await nimble.tasks.list(limit=5)
    assert "# Page aio" in result["data"]["markdown"]
    assert created.task.id in [task.id for task in listed.data]


def test_list_is_newest_first_and_leaves_synchronous_calls_out(
    client: Nimble, origin: Origin
) -> None:
    ids = [client.extract_async(url=origin.page(f"l{n}")).task.id for n in range(3)]
    synchronous = client.extract(url=origin.page("sync")).task_id
    listed = [task.id for task in client.tasks.list(limit=50).data]
    assert listed[:3] == ids[::-1]
    assert synchronous not in listed


def test_pages_of_the_list_stay_valid_while_tasks_arrive(client: Nimble, origin: Origin) -> None:
    """Every task that existed at the first page is met exactly once."""
    before = [client.extract_async(url=origin.page(f"c{n}")).task.id for n in range(12)]
    met: list[str] = []
    page = client.tasks.list(limit=5)
    while True:
        met += [task.id for task in page.data]
        client.extract_async(url=origin.page("arrives"))
        if not page.pagination.has_next:
            break
        assert len(page.data) == 5
        assert page.pagination.next_cursor is not None
        page = client.tasks.list(limit=5, cursor=page.pagination.next_cursor)
    assert page.pagination.next_cursor is None
    assert len(met) == len(set(met))
    assert [task_id for task_id in met if task_id in set(before)] == before[::-1]


def test_total_counts_all_tasks_not_only_those_of_the_page(client: Nimble, origin: Origin) -> None:
    for n in range(3):
        client.extract_async(url=origin.page(f"t{n}"))
    page = client.tasks.list(limit=1)
    assert len(page.data) == 1
    assert page.pagination.has_next
    assert page.pagination.total == len(list(every_listed_task(client)))


@pytest.mark.parametrize("limit", [0, -1])
def test_a_limit_below_one_is_refused_by_name(client: Nimble, limit: int) -> None:
    with pytest.raises(BadRequestError) as refused:
        client.tasks.list(limit=limit)
    body: Any = refused.value.body
    (entry,) = body["details"]["schema_validation_errors"]
    assert entry["instancePath"] == "/limit"
    assert entry["keyword"] == "minimum"


@pytest.mark.parametrize("cursor", ["nonsense", "182bd5e5-6e1a-4fe4-a799", "a" * 5000, "\u20ac"])
def test_a_cursor_that_is_not_ours_is_refused_by_name(client: Nimble, cursor: str) -> None:
    with pytest.raises(BadRequestError) as refused:
        client.tasks.list(cursor=cursor)
    assert "cursor" in str(refused.value.body)


@pytest.mark.parametrize("call", ["get", "results"])
@pytest.mark.parametrize("task_id", [UNKNOWN_ID, "not-a-uuid", "a/b", "%00"])
def test_an_unknown_task_is_the_documented_404(client: Nimble, call: str, task_id: str) -> None:
    with pytest.raises(NotFoundError) as unknown:
        getattr(client.tasks, call)(task_id)
    body: Any = unknown.value.body
    assert body["status"] == "failed"
    assert body["error"] == body["msg"] == "Task not found"


def test_aliases_of_the_task_calls_answer_alike(
    client: Nimble, server: WindlassServer, origin: Origin
) -> None:
    bearer = {"Authorization": f"Bearer {server.api_key}"}
    with httpx.Client(base_url=server.url, headers=bearer, timeout=30) as http:
        created = http.post("/api/v1/async/web", json={"url": origin.page("alias")})
        assert created.status_code == 200
        task_id = created.json()["task_id"]
        finished(client, task_id)
        for prefix in ("/v1", "/api/v1", "/api/v2"):
            assert http.get(f"{prefix}/tasks/{task_id}").json()["task"]["state"] == "success"
            assert http.get(f"{prefix}/tasks/{task_id}/results").json()["task_id"] == task_id
        listed = http.get("/v1/tasks/list", params={"limit": 3})
        assert listed.json()["data"][0]["id"] == task_id


def test_polling_as_the_documentation_shows_it(server: WindlassServer, origin: Origin) -> None:
    """The founding document's polling flow: submit, ask for the state, read the result."""
    nimble = Nimble(api_key=server.api_key, base_url=server.url)
    origin.hold()
    response: Any = nimble.extract_async(url=origin.page("doc"), formats=["html", "markdown"])
    task_id = response.task_id
    states = [nimble.tasks.get(task_id).task.state]
    origin.release()

    def poll() -> bool:
        task = nimble.tasks.get(task_id).task
        states.append(task.state)
        assert task.state != "error", task.error
        return task.state == "success"

    eventually(poll, "the documented loop ends")
    assert states[0] in ("pending", "in_progress")
    results: Any = nimble.tasks.results(task_id)
    assert results.keys() >= {"url", "task_id", "status", "task", "data", "metadata"}
    assert results["task"].keys() >= {"id", "state", "created_at", "modified_at", "account_name"}
    assert results["metadata"].keys() >= {"query_time", "query_duration", "driver"}
    assert results["metadata"]["response_parameters"] == {"input_url": origin.page("doc")}
    assert len(results["data"]["html"]) > 100
    assert len(results["data"]["markdown"]) > 50
    nimble.close()
