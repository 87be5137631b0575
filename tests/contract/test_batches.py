"""Batches through the unmodified SDK (sections 7.3, 9); cancelling and Idempotency-Key, which the
vendor does not have, beside it."""

from __future__ import annotations

import gzip
import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from nimble_python import (
    AsyncNimble,
    BadRequestError,
    ConflictError,
    Nimble,
    NotFoundError,
)

from tests.conftest import StartServer
from tests.support.delivering import SECRET, Delivering, delivering
from tests.support.inside import leftovers, rows
from tests.support.loopback import free_port
from tests.support.origin import Origin
from tests.support.relay import CountingProxy
from tests.support.s3 import S3
from tests.support.sdk import UNKNOWN_ID, every_listed_task, finished
from tests.support.server import WindlassServer
from tests.support.waiting import eventually, eventually_async


@dataclass
class World(Delivering):
    """A server that may write to a bucket."""

    s3: S3
    bucket: str


@pytest.fixture(scope="module")
def world(s3: S3, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    bucket = s3.bucket()
    settings = s3.grant_on(bucket).settings(s3.url)
    with delivering(tmp_path_factory.mktemp("batches") / "data", **settings) as made:
        yield World(**vars(made), s3=s3, bucket=bucket)


def completed(client: Nimble, batch_id: str, within_s: float = 30.0) -> Any:
    """The batch once all its tasks have ended."""

    def ended() -> bool:
        return client.batches.progress(batch_id).completed

    eventually(ended, f"batch {batch_id} ends", within_s=within_s)
    return client.batches.get(batch_id)


def cancel(client: Nimble, path: str) -> Any:
    return client.delete(path, cast_to=object)


def listed(client: Nimble, **query: Any) -> Any:
    """`batches.list` parses nothing."""
    return client.batches.with_raw_response.list(extra_query=query).json()


def entries_of(error: BadRequestError) -> list[tuple[str, str]]:
    body: Any = error.body
    found = body["details"]["schema_validation_errors"]
    return [(entry["instancePath"], entry["keyword"]) for entry in found]


# ---------------------------------------------------------------- the documented flow


def test_a_batch_as_the_documentation_shows_it(world: World, origin: Origin) -> None:
    """Submit, poll the progress, read the batch, fetch what succeeded."""
    nimble = world.client
    origin.hold()
    created = nimble.extract_batch(
        inputs=[{"url": origin.page("one")}, {"url": origin.page("two"), "formats": ["html"]}],
        shared_inputs={"formats": ["markdown"], "tag": "nightly"},
    )
    assert UUID(created.batch_id).version == 4
    assert created.batch_size == 2
    assert [task.state for task in created.tasks] == ["pending", "pending"]
    assert {task.batch_id for task in created.tasks} == {created.batch_id}
    assert [task.input["url"] for task in created.tasks] == [  # type: ignore[index]
        origin.page("one"),
        origin.page("two"),
    ]
    begun = nimble.batches.progress(created.batch_id)
    assert (begun.completed, begun.completed_count, begun.progress) == (False, 0, 0)
    assert begun.completed_at is None
    origin.release()
    batch = completed(nimble, created.batch_id)
    assert (batch.status, batch.id, batch.completed_count) == ("success", created.batch_id, 2)
    assert batch.progress == 1
    assert batch.created_at <= batch.completed_at
    assert [task.id for task in batch.tasks] == [task.id for task in created.tasks]
    bearer = {"Authorization": f"Bearer {world.server.api_key}"}
    results = [httpx.get(task.download_url, headers=bearer).json() for task in batch.tasks]
    assert "# Page one" in results[0]["data"]["markdown"]
    assert set(results[1]["data"]) == {"html"}
    assert [result["metadata"]["tag"] for result in results] == ["nightly"] * 2


def test_tasks_of_a_batch_are_tasks_like_others(world: World, origin: Origin) -> None:
    nimble = world.client
    made = nimble.extract_batch(
        inputs=[{"url": origin.page("x")}, {"url": f"http://127.0.0.1:{free_port()}/"}]
    )
    batch = completed(nimble, made.batch_id, within_s=60)
    assert [task.state for task in batch.tasks] == ["success", "error"]
    assert batch.tasks[1].error_type == "connection_error"
    for task in batch.tasks:
        read: Any = nimble.tasks.get(task.id).task
        assert (read.state, read.batch_id) == (task.state, made.batch_id)
    ids = {task.id for task in batch.tasks}
    seen = [task for task in every_listed_task(nimble) if task.id in ids]
    assert {task.batch_id for task in seen} == {made.batch_id} and len(seen) == 2
    alone: Any = nimble.tasks.get(finished(nimble, world.submit(origin.page("y"))).id).task
    assert alone.batch_id is None


def test_one_page_many_ways(world: World, origin: Origin) -> None:
    made = world.client.extract_batch(
        inputs=[{"headers": {"X-Way": str(n)}} for n in range(3)],
        shared_inputs={"url": f"{origin.base}/echo", "headers": {"X-Way": "shared"}},
    )
    for number, task in enumerate(completed(world.client, made.batch_id).tasks):
        result: Any = world.client.tasks.results(task.id)
        assert f'["X-Way", "{number}"]' in result["data"]["html"]


def test_strict_sdk_accepts_every_reply(world: World, origin: Origin) -> None:
    with Nimble(
        base_url=world.server.url,
        api_key=world.server.api_key,
        _strict_response_validation=True,
    ) as strict:
        made = strict.extract_batch(inputs=[{"url": origin.page("s")}, {"url": origin.base}])
        strict.batches.get(made.batch_id)
        batch = completed(strict, made.batch_id)
        assert batch.completed
        assert strict.batches.list() is None  # as it is typed
        gone = rows(world.server, "DELETE FROM task WHERE id = $1 RETURNING id", batch.tasks[0].id)
        assert len(gone) == 1
        purged = strict.batches.get(made.batch_id)
        assert [task is None for task in purged.tasks] == [True, False]
        assert (purged.completed_count, purged.completed) == (2, True)


async def test_asyncio_sdk_submits_polls_and_reads(world: World, origin: Origin) -> None:
    async with AsyncNimble(base_url=world.server.url, api_key=world.server.api_key) as nimble:
        made = await nimble.extract_batch(inputs=[{"url": origin.page("a")}] * 3)

        async def ended() -> bool:
            return (await nimble.batches.progress(made.batch_id)).completed

        await eventually_async(ended, "the batch ends")
        batch = await nimble.batches.get(made.batch_id)
    assert [task.state for task in batch.tasks if task] == ["success"] * 3


# ---------------------------------------------------------------- list


def test_pages_of_the_list_stay_valid_while_batches_arrive(world: World, origin: Origin) -> None:
    nimble = world.client

    def submit() -> str:
        return nimble.extract_batch(inputs=[{"url": origin.page("l")}] * 2).batch_id

    before = [submit() for _ in range(5)]
    met: list[str] = []
    page = listed(nimble, limit=2)
    total = page["pagination"]["total"]
    while True:
        assert all(len(batch["tasks"]) == 2 for batch in page["data"][:2] if batch["id"] in before)
        met += [batch["id"] for batch in page["data"]]
        pagination = page["pagination"]
        assert pagination["has_next"] == pagination["hasNext"]
        assert pagination["next_cursor"] == pagination["nextCursor"]
        submit()
        if not pagination["has_next"]:
            break
        page = listed(nimble, limit=2, cursor=pagination["next_cursor"])
    assert pagination["next_cursor"] is None
    assert len(met) == len(set(met)) == total
    assert met[:5] == before[::-1]


@pytest.mark.parametrize("query", [{"limit": 0}, {"limit": "x"}, {"cursor": "nonsense"}])
def test_a_wrong_page_is_refused(world: World, query: dict[str, Any]) -> None:
    with pytest.raises(BadRequestError):
        listed(world.client, **query)


@pytest.mark.parametrize("call", ["get", "progress"])
@pytest.mark.parametrize("batch_id", [UNKNOWN_ID, "not-a-uuid", "a/b"])
def test_an_unknown_batch_is_the_documented_404(world: World, call: str, batch_id: str) -> None:
    with pytest.raises(NotFoundError) as unknown:
        getattr(world.client.batches, call)(batch_id)
    body: Any = unknown.value.body
    assert body["status"] == "failed"
    assert body["error"] == body["msg"] == "Batch not found"


def test_a_task_is_no_batch_and_a_batch_no_task(world: World, origin: Origin) -> None:
    made = world.client.extract_batch(inputs=[{"url": origin.page("t")}])
    with pytest.raises(NotFoundError):
        world.client.batches.get(made.tasks[0].id)
    with pytest.raises(NotFoundError):
        world.client.tasks.get(made.batch_id)


# ---------------------------------------------------------------- refused


def test_one_wrong_input_refuses_all_and_is_named(world: World, origin: Origin) -> None:
    before = world.client.tasks.list(limit=1).pagination.total
    with pytest.raises(BadRequestError) as refused:
        world.client.extract_batch(
            inputs=[{"url": origin.page("fine")}, {"url": "ftp://x"}, {"formats": ["html"]}],
            shared_inputs={"callback_url": "nowhere"},
        )
    assert entries_of(refused.value) == [
        ("/shared_inputs/callback_url", "format"),
        ("/inputs/1/url", "format"),
        ("/inputs/2", "required"),
    ]
    assert world.client.tasks.list(limit=1).pagination.total == before
    assert origin.all_visits() == []


@pytest.mark.parametrize(
    ("inputs", "keyword"), [([], "minItems"), ([{"url": "http://127.0.0.1/"}] * 1001, "maxItems")]
)
def test_a_batch_has_one_to_a_thousand_inputs(world: World, inputs: Any, keyword: str) -> None:
    with pytest.raises(BadRequestError) as refused:
        world.client.extract_batch(inputs=inputs)
    assert entries_of(refused.value) == [("/inputs", keyword)]


# ---------------------------------------------------------------- a thousand


@pytest.mark.alone
def test_a_thousand_inputs_are_accepted_in_well_under_a_second(
    world: World, origin: Origin
) -> None:
    """Meanwhile other calls are answered, and all tasks are stored for good when it is answered."""
    origin.hold()
    nimble, slowest = world.client, [0.0]
    over = threading.Event()

    def ask() -> None:
        with httpx.Client(base_url=world.server.url) as http:
            while not over.is_set():
                began = time.monotonic()
                http.get("/healthz")
                slowest[0] = max(slowest[0], time.monotonic() - began)

    asking = threading.Thread(target=ask)
    asking.start()
    inputs: Any = [{"url": origin.page(f"k{n}")} for n in range(1000)]
    began = time.monotonic()
    made = nimble.extract_batch(inputs=inputs, shared_inputs={"formats": ["markdown"]})
    took = time.monotonic() - began
    over.set()
    asking.join()
    print(f"1000 inputs: {took * 1000:.0f} ms; others wait {slowest[0] * 1000:.0f} ms at most")
    world.server.kill_everything()
    world.server.start()
    assert took < 3, "several times what it takes on a busy machine"
    assert slowest[0] < max(0.5, took / 2)
    assert [task.input["url"] for task in made.tasks] == [one["url"] for one in inputs]  # type: ignore[index]
    read = nimble.batches.get(made.batch_id)
    assert [task.id for task in read.tasks if task] == [task.id for task in made.tasks]
    cancel(nimble, f"/v1/batches/{made.batch_id}")


def test_a_single_task_does_not_wait_for_a_batch(start_server: StartServer, origin: Origin) -> None:
    """Nor does a synchronous call, on the very host that the batch keeps busy."""
    server = start_server(host_concurrency="1")
    origin.hold()
    with Nimble(base_url=server.url, api_key=server.api_key) as nimble:
        made = nimble.extract_batch(inputs=[{"url": origin.page(f"b{n}")} for n in range(30)])
        eventually(origin.all_visits, "the batch has begun")
        single = nimble.extract_async(url=origin.page("single")).task.id
        with ThreadPoolExecutor(1) as pool:
            asked = pool.submit(nimble.extract, url=origin.page("now"))
            waiting = "SELECT 1 FROM task WHERE NOT listed"
            eventually(lambda: rows(server, waiting), "the synchronous call is accepted")
            origin.release()
            assert asked.result(30).status == "success"
        finished(nimble, single)
        visited = [seen.path for seen in origin.all_visits()]
        assert visited.index("/page/now") < 3
        assert visited.index("/page/single") < 4
        assert len(completed(nimble, made.batch_id).tasks) == 30


# ---------------------------------------------------------------- delivery


def test_every_finished_task_is_told_by_a_webhook_of_its_own(world: World, origin: Origin) -> None:
    urls = [origin.page("w1"), f"{origin.base}/status/404", origin.page("w3")]
    shared, own = world.receiver.url("ok", "shared"), world.receiver.url("ok", "own")
    made = world.client.extract_batch(
        inputs=[{"url": urls[0]}, {"url": urls[1]}, {"url": urls[2], "callback_url": own}],
        shared_inputs={"callback_url": shared},
    )
    for number, task in enumerate(made.tasks):
        (told,) = world.news(task.id)
        told.verify(SECRET)
        body = json.loads(told.body)
        assert body["task"]["batch_id"] == made.batch_id
        assert body["task"]["input"]["url"] == urls[number]
        assert body["status"] == ("failed" if number == 1 else "success")
        assert told.path.startswith("/ok/own" if number == 2 else "/ok/shared")
    assert len(world.told(made.batch_id)) == 3, "there is none about the batch itself"


def test_results_of_a_batch_share_a_name_with_their_ids_added(world: World, origin: Origin) -> None:
    folder = f"s3://{world.bucket}/shared"
    made = world.client.extract_batch(
        inputs=[
            {"url": origin.page("s1")},
            {"url": origin.page("s2"), "storage_object_name": "mine", "storage_compress": False},
        ],
        shared_inputs={
            "storage_type": "s3",
            "storage_url": folder,
            "storage_object_name": "all.json",
            "storage_compress": True,
        },
    )
    first, second = made.tasks
    assert first.output_url == f"{folder}/all-{first.id}.json.gz"
    assert second.output_url == f"{folder}/mine.json"
    batch = completed(world.client, made.batch_id)
    assert [task.state for task in batch.tasks] == ["success", "success"]
    stored, _ = world.s3.object(world.bucket, f"shared/all-{first.id}.json.gz")
    assert gzip.decompress(stored) == world.results(first.id)
    stored, _ = world.s3.object(world.bucket, "shared/mine.json")
    assert json.loads(stored)["task_id"] == second.id


def test_the_result_of_a_batch_of_one_has_the_very_name(world: World, origin: Origin) -> None:
    made = world.client.extract_batch(
        inputs=[{"url": origin.page("one")}],
        shared_inputs={
            "storage_url": f"s3://{world.bucket}/single/",
            "storage_object_name": "only",
        },
    )
    completed(world.client, made.batch_id)
    assert "single/only.json" in world.s3.keys(world.bucket)


# ---------------------------------------------------------------- cancel


def test_a_cancelled_batch_ends_at_once_and_tells(world: World, origin: Origin) -> None:
    nimble, done = world.client, world.submit(origin.page("done"))
    finished(nimble, done)
    origin.hold()
    hook = world.receiver.url("ok", "cancelled")
    made = nimble.extract_batch(
        inputs=[{"url": origin.page(f"c{n}")} for n in range(40)],
        shared_inputs={"callback_url": hook},
    )
    eventually(lambda: origin.visits("/page/c0"), "some of it runs")
    began = time.monotonic()
    assert cancel(nimble, f"/v1/batches/{made.batch_id}") == {"status": "canceled"}
    batch: Any = nimble.batches.get(made.batch_id)
    assert time.monotonic() - began < 10
    assert batch.completed and batch.completed_count == 40
    states = {(task.state, task.error, task.error_type) for task in batch.tasks}
    assert states == {("error", "canceled", "canceled")}
    read: Any = nimble.tasks.get(made.tasks[0].id).task
    assert (read.error_type, read.error_code) == ("canceled", "canceled")
    origin.release()
    (told,) = world.news(made.tasks[39].id)
    body = json.loads(told.body)
    assert (body["status"], body["task"]["error_type"]) == ("failed", "canceled")
    seen = len(origin.all_visits())
    assert cancel(nimble, f"/v1/batches/{made.batch_id}") == {"status": "canceled"}
    again: Any = nimble.batches.get(made.batch_id)
    assert again.completed_at == batch.completed_at
    for task in made.tasks:
        assert len(world.news(task.id)) == 1
    assert len(origin.all_visits()) == seen < 40
    assert nimble.tasks.get(done).task.state == "success"


def test_finished_tasks_of_a_cancelled_batch_keep_their_results(
    world: World, origin: Origin
) -> None:
    nimble = world.client
    made = nimble.extract_batch(
        inputs=[{"url": origin.page("kept")}, {"url": f"{origin.base}/hang"}],
    )
    finished(nimble, made.tasks[0].id)
    cancel(nimble, f"/v1/batches/{made.batch_id}")
    batch: Any = nimble.batches.get(made.batch_id)
    assert [task.state for task in batch.tasks] == ["success", "error"]
    result: Any = nimble.tasks.results(made.tasks[0].id)
    assert "Page kept" in result["data"]["html"]
    result = nimble.tasks.results(made.tasks[1].id)
    assert (result["status"], result["task"]["error_type"]) == ("failed", "canceled")


def test_a_task_is_cancelled_by_itself(world: World, origin: Origin) -> None:
    nimble = world.client
    origin.hold()
    running = world.submit(origin.page("running"), callback_url=world.receiver.url("ok", "x"))
    eventually(lambda: origin.visits("/page/running"), "it runs")
    for _ in range(2):
        assert cancel(nimble, f"/v1/tasks/{running}") == {"status": "canceled"}
    task = nimble.tasks.get(running).task
    assert (task.state, task.error_type) == ("error", "canceled")
    origin.release()
    world.news(running)
    eventually(lambda: not leftovers(world.server), "nothing is left of it")
    delivery = world.ended(running)
    with pytest.raises(NotFoundError):
        cancel(nimble, f"/v1/tasks/{delivery['id']}")
    with pytest.raises(NotFoundError):
        cancel(nimble, f"/v1/tasks/{uuid4()}")
    with pytest.raises(NotFoundError):
        cancel(nimble, f"/v1/batches/{uuid4()}")


# ---------------------------------------------------------------- Idempotency-Key


def keyed(key: str) -> dict[str, str]:
    return {"Idempotency-Key": key}


def test_the_same_call_with_the_same_key_makes_nothing_new(world: World, origin: Origin) -> None:
    nimble, headers = world.client, keyed(f"key-{uuid4()}")
    url = origin.page("once")
    first = nimble.extract_async(url=url, extra_headers=headers)
    finished(nimble, first.task.id)
    again = nimble.extract_async(url=url, extra_headers=headers)
    assert again.task == first.task
    assert again.task.state == "pending"
    headers = keyed(f"key-{uuid4()}")
    batch = nimble.extract_batch(inputs=[{"url": url}] * 3, extra_headers=headers)
    completed(nimble, batch.batch_id)
    assert nimble.extract_batch(inputs=[{"url": url}] * 3, extra_headers=headers) == batch
    assert len(origin.visits("/page/once")) == 4
    other = nimble.extract_async(url=url, extra_headers=keyed(f"key-{uuid4()}"))
    assert other.task.id != first.task.id


@pytest.mark.parametrize("many", [False, True])
def test_another_body_with_the_same_key_is_a_conflict_that_the_sdk_does_not_repeat(
    server: WindlassServer, counted: CountingProxy, origin: Origin, many: bool
) -> None:
    headers = keyed(f"key-{uuid4()}")
    with Nimble(base_url=counted.url, api_key=server.api_key) as nimble:

        def submit(token: str) -> Any:
            if many:
                inputs: Any = [{"url": origin.page(token)}]
                return nimble.extract_batch(inputs=inputs, extra_headers=headers)
            return nimble.extract_async(url=origin.page(token), extra_headers=headers)

        submit("one")
        before = len(counted.passed)
        with pytest.raises(ConflictError) as conflict:
            submit("other")
        assert len(counted.passed) == before + 1
        submit("one")
    body: Any = conflict.value.body
    assert body["error_code"] == "idempotency_conflict"
    assert conflict.value.response.headers["x-should-retry"] == "false"
    assert origin.visits("/page/other") == []


@pytest.mark.parametrize("many", [False, True])
def test_concurrent_calls_with_the_same_key_make_one(
    world: World, origin: Origin, many: bool
) -> None:
    nimble, headers = world.client, keyed(f"key-{uuid4()}")
    inputs: Any = [{"url": origin.page("eight")}] * 5
    before = nimble.tasks.list(limit=1).pagination.total
    together = threading.Barrier(8)

    def submit(_: int) -> Any:
        together.wait(10)
        if many:
            return nimble.extract_batch(inputs=inputs, extra_headers=headers)
        return nimble.extract_async(url=origin.page("eight"), extra_headers=headers)

    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(submit, range(8)))
    assert all(one == made[0] for one in made)
    count = 5 if many else 1
    assert nimble.tasks.list(limit=1).pagination.total == before + count
    eventually(lambda: len(origin.visits("/page/eight")) == count, "each is fetched")


def test_a_key_is_forgotten_with_the_results(start_server: StartServer, origin: Origin) -> None:
    server, headers = start_server(), keyed("k")
    with Nimble(base_url=server.url, api_key=server.api_key) as nimble:

        def submit() -> str:
            return nimble.extract_async(url=origin.page("k"), extra_headers=headers).task.id

        first = submit()
        server.restart()
        assert submit() == first
        age = "UPDATE idempotency_key SET created_at = created_at - interval '8 days'"
        rows(server, age)
        server.restart()
        eventually(lambda: submit() != first, "the key means something new")


def test_a_key_of_another_account_means_nothing(
    server: WindlassServer, client: Nimble, origin: Origin
) -> None:
    made = json.loads(server.command("keys", "create", "--account", "other", "--json").stdout)
    headers = keyed(f"key-{uuid4()}")
    with Nimble(base_url=server.url, api_key=made["key"]) as other:
        mine = client.extract_async(url=origin.page("m"), extra_headers=headers)
        theirs = other.extract_async(url=origin.page("t"), extra_headers=headers)
    assert mine.task.id != theirs.task.id
    assert theirs.task.account_name == "other"


@pytest.mark.parametrize("key", ["a b", "k" * 256])
def test_a_key_that_is_none_is_refused(client: Nimble, origin: Origin, key: str) -> None:
    with pytest.raises(BadRequestError) as refused:
        client.extract_async(url=origin.page("x"), extra_headers=keyed(key))
    assert entries_of(refused.value) == [("/Idempotency-Key", "pattern")]
