"""Batches, cancelling and Idempotency-Key at the HTTP edge, over a double of Service."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Sequence
from typing import Any
from uuid import UUID, uuid4

import httpx
import msgspec
import pytest

from tests.support.verbs import NOW, UNKNOWN_ID, FakeVerbs, client_for
from windlass.api import bodies
from windlass.errors import IdempotencyConflict
from windlass.model.account import Account
from windlass.model.group import Group, Idempotency
from windlass.model.page import Failure
from windlass.model.request import Submission
from windlass.model.task import State, Task
from windlass.wire.v1_batches import batch_progress

A, B = "http://site.test/a", "http://site.test/b"
LIMIT = 100_000


async def submit(client: httpx.AsyncClient, *urls: str, **shared: Any) -> dict[str, Any]:
    body = {"inputs": [{"url": url} for url in urls], "shared_inputs": shared}
    answer = await client.post("/v1/extract/batch", json=body)
    assert answer.status_code == 200, answer.text
    made: dict[str, Any] = answer.json()
    return made


# ---------------------------------------------------------------- create


@pytest.mark.parametrize("path", ["/v1/extract/batch", "/v2/extract/batch", "/api/v1/batch/web"])
async def test_a_batch_is_answered_with_its_tasks_in_the_order_of_its_inputs(
    client: httpx.AsyncClient, path: str
) -> None:
    body = {"inputs": [{"url": A}, {"url": B}], "shared_inputs": {"formats": ["text"]}}
    answer = await client.post(path, json=body)
    made = answer.json()
    assert answer.status_code == 200
    assert set(made) == {"batch_id", "batch_size", "tasks"}
    assert made["batch_size"] == 2
    assert answer.headers["x-task-id"] == made["batch_id"]
    first, second = made["tasks"]
    assert (first["input"]["url"], second["input"]["url"]) == (A, B)
    link = f"http://windlass.test:8700/v1/tasks/{first['id']}"
    assert first == {
        "id": first["id"],
        "state": "pending",
        "status_url": link,
        "download_url": link + "/results",
        "created_at": "2026-03-01T08:15:30.120Z",
        "modified_at": "2026-03-01T08:15:30.120Z",
        "account_name": "main",
        "input": {"formats": ["text"], "url": A},
        "_query": first["_query"],
        "api_type": "extract",
        "batch_id": made["batch_id"],
    }


async def test_the_legacy_call_takes_requests(client: httpx.AsyncClient) -> None:
    body = {"requests": [{"url": A}, {}], "url": B}
    made = (await client.post("/api/v1/batch/web", json=body)).json()
    assert [task["input"]["url"] for task in made["tasks"]] == [A, B]
    refused = await client.post("/v1/extract/batch", json=body)
    assert refused.status_code == 400


async def test_links_of_webhooks_start_with_the_address_that_was_called(
    client: httpx.AsyncClient, verbs: FakeVerbs
) -> None:
    await submit(client, A, B, callback_url="http://receiver.test/")
    for task in verbs.tasks.values():
        assert task.delivery is not None
        assert task.delivery.base == "http://windlass.test:8700"


async def test_one_wrong_input_refuses_the_whole_batch(
    client: httpx.AsyncClient, verbs: FakeVerbs
) -> None:
    answer = await client.post("/v1/extract/batch", json={"inputs": [{"url": A}, {"url": "x"}]})
    assert answer.status_code == 400
    (entry,) = answer.json()["details"]["schema_validation_errors"]
    assert (entry["instancePath"], entry["keyword"]) == ("/inputs/1/url", "format")
    assert verbs.tasks == {}


async def test_the_operator_sets_how_many_inputs_a_batch_may_have(verbs: FakeVerbs) -> None:
    body = {"inputs": [{"url": A}] * 3}
    async with client_for(verbs, batch_limit=2) as client:
        refused = await client.post("/v1/extract/batch", json=body)
    assert refused.status_code == 400
    (entry,) = refused.json()["details"]["schema_validation_errors"]
    assert (entry["keyword"], entry["params"]) == ("maxItems", {"limit": 2})
    async with client_for(verbs, batch_limit=3) as client:
        assert (await client.post("/v1/extract/batch", json=body)).status_code == 200


async def test_places_that_the_account_may_not_use_are_refused(verbs: FakeVerbs) -> None:
    async with client_for(verbs, storage_allow={"main": ("s3://ours/",)}) as client:
        body: dict[str, Any] = {
            "inputs": [{"url": A}, {"url": B, "storage_url": "s3://theirs/"}],
            "shared_inputs": {"storage_url": "s3://ours/x/"},
        }
        answer = await client.post("/v1/extract/batch", json=body)
    (entry,) = answer.json()["details"]["schema_validation_errors"]
    assert entry["instancePath"] == "/inputs/1/storage_url"


# ---------------------------------------------------------------- room


def wide(count: int, size: int) -> bytes:
    """A small body whose inputs share `size` bytes."""
    shared = {"url": A, "method": "POST", "body": "x" * size}
    return json.dumps({"inputs": [{}] * count, "shared_inputs": shared}).encode()


async def test_a_batch_that_is_too_large_once_merged_is_a_413(verbs: FakeVerbs) -> None:
    async with client_for(verbs, body_limit=LIMIT) as client:
        refused = await client.post("/v1/extract/batch", content=wide(100, 5000))
        assert refused.status_code == 413
        assert "shared_inputs" in refused.json()["msg"]
        accepted = await client.post("/v1/extract/batch", content=wide(60, 5000))
        assert accepted.status_code == 200


async def test_large_batches_wait_for_each_other(
    verbs: FakeVerbs, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Slow(FakeVerbs):
        """Stores nothing before it is told."""

        storing = asyncio.Event()
        may_store = asyncio.Event()

        async def extract_batch(
            self,
            account: Account,
            wanted: Sequence[Submission],
            idempotency: Idempotency | None = None,
        ) -> tuple[Group, tuple[Task, ...]]:
            self.storing.set()
            await self.may_store.wait()
            return await super().extract_batch(account, wanted, idempotency)

    monkeypatch.setattr(bodies, "ROOM_WITHIN_S", 0.02)
    slow = Slow()
    async with client_for(slow, body_limit=LIMIT) as client:
        first = asyncio.create_task(client.post("/v1/extract/batch", content=wide(60, 5000)))
        await asyncio.wait_for(slow.storing.wait(), 5)
        refused = await client.post("/v1/extract/batch", content=wide(60, 5000))
        assert (refused.status_code, refused.json()["error_code"]) == (503, "overloaded")
        slow.may_store.set()
        assert (await first).status_code == 200
        assert (await client.post("/v1/extract/batch", content=wide(60, 5000))).status_code == 200


async def test_other_calls_have_their_turn_while_a_batch_is_read(client: httpx.AsyncClient) -> None:
    """Inputs that have nothing in common, so that each is read from scratch."""
    inputs = [{"url": A, "headers": {f"h{n}-{m}": "v" for m in range(60)}} for n in range(500)]
    batch = asyncio.create_task(client.post("/v1/extract/batch", json={"inputs": inputs}))
    turns = 0
    while not batch.done():
        await asyncio.sleep(0)
        turns += 1
    assert (await batch).status_code == 200
    assert turns > 10


# ---------------------------------------------------------------- read


@pytest.mark.parametrize("path", ["/v1/batches", "/v2/batches", "/api/v1/batches"])
async def test_a_batch_is_read_with_its_tasks(
    client: httpx.AsyncClient, verbs: FakeVerbs, path: str
) -> None:
    made = await submit(client, A, B, A)
    ids = [UUID(task["id"]) for task in made["tasks"]]
    verbs.end(ids[0], verbs.outcome)
    answer = await client.get(f"{path}/{made['batch_id']}")
    body = answer.json()
    assert answer.headers["x-task-id"] == made["batch_id"]
    tasks = body.pop("tasks")
    assert [UUID(task["id"]) for task in tasks] == ids
    assert [task["state"] for task in tasks] == ["success", "pending", "pending"]
    assert all(task["batch_id"] == made["batch_id"] for task in tasks)
    assert body == {
        "status": "success",
        "id": made["batch_id"],
        "completed": False,
        "completed_count": 1,
        "progress": 0.333333,
        "created_at": "2026-03-01T08:15:30.120Z",
    }


async def test_a_batch_is_completed_when_all_tasks_have_ended(
    client: httpx.AsyncClient, verbs: FakeVerbs
) -> None:
    made = await submit(client, A, B)
    for task in made["tasks"]:
        verbs.end(UUID(task["id"]), Failure("dns_failed", "no such host"))
    ended = {
        "completed": True,
        "completed_count": 2,
        "progress": 1.0,
        "completed_at": "2026-03-01T08:15:30.120Z",
    }
    read = (await client.get(f"/v1/batches/{made['batch_id']}")).json()
    assert read.items() >= ended.items()
    progress = (await client.get(f"/v1/batches/{made['batch_id']}/progress")).json()
    assert progress == {"status": "success", "id": made["batch_id"], "total": 2, **ended}


async def test_a_purged_task_is_null_and_has_ended(
    client: httpx.AsyncClient, verbs: FakeVerbs
) -> None:
    made = await submit(client, A, B, A)
    del verbs.tasks[UUID(made["tasks"][1]["id"])]
    read = (await client.get(f"/v1/batches/{made['batch_id']}")).json()
    assert [task is None for task in read["tasks"]] == [False, True, False]
    assert read["completed_count"] == 1


async def test_numbers_are_those_of_the_tasks_that_are_shown(verbs: FakeVerbs) -> None:
    """Tasks end while they are read, after they were counted."""

    class Ending(FakeVerbs):
        count = 1

        async def batch_tasks(self, batch: Group) -> AsyncIterator[tuple[Task | None, ...]]:
            for task_id in batch.members[: self.count]:
                self.end(task_id, self.outcome)
            async for tasks in super().batch_tasks(batch):
                yield tasks

    ending = Ending()
    async with client_for(ending) as client:
        made = await submit(client, A, B, A)
        for count in (1, 2, 3):
            ending.count = count
            read = (await client.get(f"/v1/batches/{made['batch_id']}")).json()
            ended = sum(task["state"] == "success" for task in read["tasks"])
            assert read["completed_count"] == ended == count
            assert read["completed"] is (count == 3)
            assert ("completed_at" in read) is (count == 3)


def test_progress_is_one_only_when_all_tasks_have_ended() -> None:
    group = Group(
        id=uuid4(),
        account_id=1,
        account="main",
        kind="batch",
        members=tuple(uuid4() for _ in range(3)) * 1_000_000,
        ended=2_999_999,
        created_at=NOW,
    )
    assert json.loads(batch_progress(group))["progress"] == 0.999999
    group = msgspec.structs.replace(group, ended=3_000_000)
    assert json.loads(batch_progress(group))["progress"] == 1


async def test_long_inputs_of_a_large_batch_are_shown_in_short(client: httpx.AsyncClient) -> None:
    inputs = [{"url": A, "tag": "t" * 4000}] * 900
    made = (await client.post("/v1/extract/batch", json={"inputs": inputs})).json()
    read = (await client.get(f"/v1/batches/{made['batch_id']}")).json()
    for tasks in (made["tasks"], read["tasks"]):
        assert len(tasks) == 900
        assert {json.dumps(task["input"]) for task in tasks} == {
            json.dumps({"url": A, "tag": "4002 bytes not shown"})
        }


@pytest.mark.parametrize("path", ["/v1/batches", "/v1/batches/list", "/api/v1/batches/list"])
async def test_batches_are_listed_with_the_ids_of_their_tasks(
    client: httpx.AsyncClient, path: str
) -> None:
    made = await submit(client, A, B)
    listed = (await client.get(path)).json()
    assert listed == {
        "data": [
            {
                "id": made["batch_id"],
                "account_name": "main",
                "username": "main",
                "completed": False,
                "created_at": "2026-03-01T08:15:30.120Z",
                "tasks": [task["id"] for task in made["tasks"]],
            }
        ],
        "pagination": {
            "has_next": False,
            "next_cursor": None,
            "total": 1,
            "hasNext": False,
            "nextCursor": None,
        },
    }
    await submit(client, A)
    page = (await client.get(path, params={"limit": 1})).json()["pagination"]
    assert (page["has_next"], page["next_cursor"]) == (page["hasNext"], page["nextCursor"])
    assert page["nextCursor"] == "next"
    for query in ({"limit": 0}, {"limit": "x"}, {"cursor": "bad"}):
        assert (await client.get(path, params=query)).status_code == 400


@pytest.mark.parametrize("method", ["GET", "DELETE"])
@pytest.mark.parametrize("name", [UNKNOWN_ID, "not-a-uuid", "a%2Fb"])
async def test_an_unknown_batch_is_the_documented_404(
    client: httpx.AsyncClient, method: str, name: str
) -> None:
    answers = [await client.request(method, f"/v1/batches/{name}")]
    if method == "GET":
        answers.append(await client.get(f"/v1/batches/{name}/progress"))
    for answer in answers:
        assert answer.status_code == 404
        assert answer.json()["status"] == "failed"
        assert answer.json()["error"] == answer.json()["msg"] == "Batch not found"


async def test_a_batch_of_another_account_does_not_exist(verbs: FakeVerbs) -> None:
    async with client_for(verbs) as mine, client_for(verbs, "other-key") as other:
        batch_id = (await submit(mine, A))["batch_id"]
        assert (await other.get(f"/v1/batches/{batch_id}")).status_code == 404
        assert (await other.get(f"/v1/batches/{batch_id}/progress")).status_code == 404
        assert (await other.delete(f"/v1/batches/{batch_id}")).status_code == 404


# ---------------------------------------------------------------- cancel


async def test_a_task_is_cancelled_once_and_for_all(
    client: httpx.AsyncClient, verbs: FakeVerbs
) -> None:
    task_id = (await submit(client, A))["tasks"][0]["id"]
    for path in ("/v1/tasks", "/v2/tasks"):
        answer = await client.delete(f"{path}/{task_id}")
        assert (answer.status_code, answer.json()) == (200, {"status": "canceled"})
        assert answer.headers["x-task-id"] == task_id
    assert verbs.cancelled == [UUID(task_id)]
    task = (await client.get(f"/v1/tasks/{task_id}")).json()["task"]
    assert (task["state"], task["error"], task["error_type"]) == ("error", "canceled", "canceled")
    assert task["error_code"] == "canceled"


async def test_a_task_that_has_ended_stays_as_it_is(
    client: httpx.AsyncClient, verbs: FakeVerbs
) -> None:
    task_id = UUID((await submit(client, A))["tasks"][0]["id"])
    verbs.end(task_id, verbs.outcome)
    assert (await client.delete(f"/v1/tasks/{task_id}")).json() == {"status": "canceled"}
    assert verbs.tasks[task_id].state is State.SUCCEEDED


@pytest.mark.parametrize("name", [UNKNOWN_ID, "x"])
async def test_an_unknown_task_cannot_be_cancelled(client: httpx.AsyncClient, name: str) -> None:
    answer = await client.delete(f"/v1/tasks/{name}")
    assert (answer.status_code, answer.json()["error"]) == (404, "Task not found")


async def test_a_batch_is_cancelled_with_what_is_left_of_it(
    client: httpx.AsyncClient, verbs: FakeVerbs
) -> None:
    made = await submit(client, A, B, A)
    first = UUID(made["tasks"][0]["id"])
    verbs.end(first, verbs.outcome)
    for path in ("/v1/batches", "/v2/batches"):
        answer = await client.delete(f"{path}/{made['batch_id']}")
        assert (answer.status_code, answer.json()) == (200, {"status": "canceled"})
    read = (await client.get(f"/v1/batches/{made['batch_id']}")).json()
    assert [task["state"] for task in read["tasks"]] == ["success", "error", "error"]
    assert [task.get("error_type") for task in read["tasks"]] == [None, "canceled", "canceled"]
    assert read["completed"] is True


# ---------------------------------------------------------------- Idempotency-Key

CREATING = [
    ("/v1/extract/async", {"url": A}),
    ("/v1/extract/batch", {"inputs": [{"url": A}]}),
    ("/api/v1/batch/web", {"requests": [{"url": A}]}),
]


@pytest.mark.parametrize(("path", "body"), CREATING)
async def test_a_key_comes_with_the_digest_of_the_call(
    client: httpx.AsyncClient, verbs: FakeVerbs, path: str, body: Any
) -> None:
    raw = json.dumps(body).encode()
    key = "".join(map(chr, range(0x21, 0x7F)))
    await client.post(path, content=raw, headers={"Idempotency-Key": key})
    digest = hashlib.sha256(f"POST {path}\n".encode() + raw).digest()
    assert verbs.keys_given == [Idempotency(key, digest)]
    for changed in (raw + b" ", raw.replace(A.encode(), B.encode())):
        await client.post(path, content=changed, headers={"Idempotency-Key": key})
    await client.post(f"{path}?x=1", content=raw, headers={"idempotency-key": key})
    digests = [given.digest for given in verbs.keys_given if given]
    assert len(set(digests)) == 3 and digests[3] == digest


@pytest.mark.parametrize(("path", "body"), CREATING)
async def test_without_a_key_there_is_none(
    client: httpx.AsyncClient, verbs: FakeVerbs, path: str, body: Any
) -> None:
    assert (await client.post(path, json=body)).status_code == 200
    assert verbs.keys_given == [None]


async def test_a_synchronous_call_has_no_key(client: httpx.AsyncClient, verbs: FakeVerbs) -> None:
    headers = {"Idempotency-Key": "k"}
    assert (await client.post("/v1/extract", json={"url": A}, headers=headers)).status_code == 200
    assert verbs.keys_given == [None]


@pytest.mark.parametrize("key", [b"", b"a b", b"\xe4", b"k" * 256, b"a\tb"])
@pytest.mark.parametrize(("path", "body"), CREATING)
async def test_a_key_that_is_none_is_refused(
    client: httpx.AsyncClient, verbs: FakeVerbs, path: str, body: Any, key: bytes
) -> None:
    headers = {b"Idempotency-Key": key}
    answer = await client.post(path, json=body, headers=headers)
    assert answer.status_code == 400
    (entry,) = answer.json()["details"]["schema_validation_errors"]
    assert (entry["instancePath"], entry["keyword"]) == ("/Idempotency-Key", "pattern")
    assert verbs.tasks == {}


async def test_two_keys_are_refused(client: httpx.AsyncClient) -> None:
    headers = [("Idempotency-Key", "a"), ("Idempotency-Key", "b")]
    answer = await client.post("/v1/extract/async", json={"url": A}, headers=headers)
    assert answer.status_code == 400


@pytest.mark.parametrize(("path", "body"), CREATING)
async def test_another_body_with_the_same_key_is_a_conflict_not_worth_repeating(
    client: httpx.AsyncClient, verbs: FakeVerbs, path: str, body: Any
) -> None:
    verbs.raises = IdempotencyConflict()
    answer = await client.post(path, json=body, headers={"Idempotency-Key": "k"})
    assert answer.status_code == 409
    assert answer.json()["error_code"] == "idempotency_conflict"
    assert answer.headers["x-should-retry"] == "false"
