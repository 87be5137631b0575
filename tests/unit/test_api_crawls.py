"""Crawls at the HTTP edge, over a double of Service."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import httpx
import msgspec
import pytest

from tests.support.verbs import NOW, FakeVerbs, client_for
from windlass.api import crawls
from windlass.model.crawl import CrawlNotes, CrawlPage
from windlass.model.task import State

URL = "https://docs.test/"
SUCCEEDED, FAILED, RUNNING = State.SUCCEEDED, State.FAILED, State.RUNNING


async def started(client: httpx.AsyncClient, **fields: Any) -> UUID:
    answer = await client.post("/v1/crawl", json={"url": URL} | fields)
    assert answer.status_code == 200, answer.text
    return UUID(answer.json()["crawl_id"])


def brought(verbs: FakeVerbs, crawl_id: UUID, *states: State) -> None:
    """Gives a crawl pages."""
    verbs.pages[crawl_id] = [
        CrawlPage(
            task_id=uuid4(), url=f"{URL}{n}", state=state, depth=1, created_at=NOW, modified_at=NOW
        )
        for n, state in enumerate(states)
    ]
    verbs.crawls_made[crawl_id] = msgspec.structs.replace(
        verbs.crawls_made[crawl_id], state=State.RUNNING, total=len(states)
    )


@pytest.mark.parametrize("path", ["/v1/crawl", "/v2/crawl"])
async def test_starting_answers_a_queued_crawl(
    client: httpx.AsyncClient, verbs: FakeVerbs, path: str
) -> None:
    body = {"url": URL, "name": "docs", "limit": 50, "callback": "https://hooks.test/"}
    answer = await client.post(path, json=body)
    shown = answer.json()
    assert answer.status_code == 200
    assert (shown["status"], shown["name"], shown["tasks"]) == ("queued", "docs", [])
    assert answer.headers["x-task-id"] == shown["crawl_id"]
    (made,) = verbs.crawls_made.values()
    assert str(made.id) == shown["crawl_id"]
    assert (made.account_id, made.plan.limit) == (1, 50)
    assert made.delivery is not None
    assert made.delivery.base == "http://windlass.test:8700"


async def test_an_idempotency_key_is_handed_on(client: httpx.AsyncClient, verbs: FakeVerbs) -> None:
    answer = await client.post("/v1/crawl", json={"url": URL}, headers={"Idempotency-Key": "k1"})
    assert answer.status_code == 200
    (key,) = verbs.keys_given
    assert key is not None and key.key == "k1"


async def test_a_wrong_body_is_a_400_that_names_the_places(client: httpx.AsyncClient) -> None:
    answer = await client.post("/v1/crawl", json={"url": URL, "limit": 0, "include_paths": ["("]})
    body = answer.json()
    assert answer.status_code == 400
    assert body["error"] == "PARAMETERS_FAILED_JSON_SCHEMA_VALIDATION_ERROR"
    entries = body["details"]["schema_validation_errors"]
    assert [entry["instancePath"] for entry in entries] == ["/limit", "/include_paths/0"]


async def test_a_place_of_others_is_refused_before_anything_is_made(verbs: FakeVerbs) -> None:
    grants = {"main": ("s3://ours/main/",)}
    options = {"storage_url": "s3://ours/"}
    async with client_for(verbs, storage_allow=grants) as client:
        answer = await client.post("/v1/crawl", json={"url": URL, "extract_options": options})
    (entry,) = answer.json()["details"]["schema_validation_errors"]
    assert (entry["instancePath"], entry["keyword"]) == ("/extract_options/storage_url", "allowed")
    assert verbs.crawls_made == {}


async def test_numbers_are_those_of_the_pages_shown(
    client: httpx.AsyncClient, verbs: FakeVerbs
) -> None:
    crawl_id = await started(client)
    brought(verbs, crawl_id, SUCCEEDED, FAILED, RUNNING, State.CANCELLED, State.QUEUED)
    verbs.notes = CrawlNotes(excluded=3)
    body = (await client.get(f"/v1/crawl/{crawl_id}")).json()
    counts = {name: body[name] for name in ("total", "completed", "failed", "pending")}
    assert counts == {"total": 5, "completed": 1, "failed": 2, "pending": 2}
    assert [task["url"] for task in body["tasks"]] == [f"{URL}{n}" for n in range(5)]
    assert body["excluded"] == 3
    assert body["crawl"]["tasks"] == body["tasks"]


async def test_a_crawl_may_be_read_without_its_pages(
    client: httpx.AsyncClient, verbs: FakeVerbs
) -> None:
    crawl_id = await started(client)
    brought(verbs, crawl_id, SUCCEEDED)
    body = (await client.get(f"/v1/crawl/{crawl_id}?include_tasks=false")).json()
    assert "tasks" not in body
    assert body["total"] == 1


async def test_lists_are_filtered_by_status(client: httpx.AsyncClient, verbs: FakeVerbs) -> None:
    running, queued = await started(client), await started(client)
    brought(verbs, running, SUCCEEDED)

    async def ids(query: str) -> list[str]:
        body = (await client.get(f"/v1/crawl{query}")).json()
        return [crawl["crawl_id"] for crawl in body["data"]]

    assert await ids("") == await ids("?status=all") == [str(running), str(queued)]
    assert await ids("?status=in_progress") == [str(running)]
    assert await ids("?status=pending") == [str(queued)]
    assert await ids("?status=canceled") == []
    refused = await client.get("/v1/crawl?status=ended")
    assert refused.status_code == 400
    (entry,) = refused.json()["details"]["schema_validation_errors"]
    assert (entry["instancePath"], entry["keyword"]) == ("/status", "enum")


async def test_a_list_shows_as_many_crawls_as_their_pages_let_it(
    client: httpx.AsyncClient, verbs: FakeVerbs, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(3):
        brought(verbs, await started(client), SUCCEEDED, SUCCEEDED)
    monkeypatch.setattr(crawls, "LISTED_PAGES", 5)
    body = (await client.get("/v1/crawl")).json()
    assert [len(crawl["tasks"]) for crawl in body["data"]] == [2, 2]
    assert body["pagination"]["has_next"] is body["pagination"]["hasNext"] is True
    monkeypatch.setattr(crawls, "LISTED_PAGES", 1)
    assert len((await client.get("/v1/crawl")).json()["data"]) == 1
    body = (await client.get("/v1/crawl?include_tasks=false")).json()
    assert len(body["data"]) == 3
    assert "tasks" not in body["data"][0]


async def test_cancelling_answers_canceled_however_often(
    client: httpx.AsyncClient, verbs: FakeVerbs
) -> None:
    crawl_id = await started(client)
    for _ in range(2):
        answer = await client.delete(f"/v1/crawl/{crawl_id}")
        assert (answer.status_code, answer.json()) == (200, {"status": "canceled"})
    assert verbs.crawls_made[crawl_id].state is State.CANCELLED


@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_what_is_not_the_callers_is_not_found(
    client: httpx.AsyncClient, verbs: FakeVerbs, method: str
) -> None:
    crawl_id = await started(client)
    async with client_for(verbs, key="other-key") as stranger:
        for unknown in (crawl_id, uuid4(), "no-id"):
            answer = await stranger.request(method, f"/v1/crawl/{unknown}")
            assert answer.status_code == 404
            assert answer.json()["error"] == answer.json()["msg"] == "Crawl not found"
