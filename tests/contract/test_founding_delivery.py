"""The delivery examples of the founding document, as written, through the unmodified SDK: polling,
webhook, S3, Google Cloud Storage, and together. (`render=True` is for rendering's own tests.)"""

from __future__ import annotations

import gzip
import json
import queue
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from nimble_python import Nimble
from standardwebhooks import WebhookVerificationError

from tests.support.delivering import SECRET, Delivering, delivering
from tests.support.gcs import CREATOR, GCS
from tests.support.origin import Origin
from tests.support.receiver import Received
from tests.support.s3 import S3
from tests.support.sdk import TERMINAL, finished
from tests.support.waiting import eventually

GUARANTEED = {
    "id",
    "state",
    "status_code",
    "created_at",
    "modified_at",
    "input",
    "api_type",
}
"""What the document's payload has in `task`."""
BESIDE = {"account_name", "status_url", "download_url"}
"""What ours has beside that, and `output_url` where there is one."""


@dataclass
class World(Delivering):
    """A server that may write as the document grants, and the buckets it writes to."""

    s3: S3
    bucket: str
    gcs: GCS
    pool: str


@pytest.fixture(scope="module")
def world(s3: S3, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("delivery")
    bucket, gcs = s3.bucket(), GCS()
    settings = s3.grant_on(bucket).settings(s3.url)
    settings["google_application_credentials"] = str(gcs.key_file(folder, CREATOR))
    try:
        with delivering(folder / "data", **settings) as made:
            yield World(**vars(made), s3=s3, bucket=bucket, gcs=gcs, pool=gcs.bucket())
    finally:
        gcs.close()


# ---------------------------------------------------------------- option 1: polling


def test_option_1_polling(world: World, origin: Origin) -> None:
    nimble = world.client
    response: Any = nimble.extract_async(url=origin.page("poll"), formats=["html", "markdown"])
    task_id = response.task_id

    def over() -> Any:
        my_task = nimble.tasks.get(task_id)
        return my_task if my_task.task.state in ("success", "error") else None

    my_task = eventually(over, "the document's loop ends", every_s=0.05)
    assert my_task.task.state == "success", my_task.task.error
    results: Any = nimble.tasks.results(task_id)
    assert "<h1>Page poll</h1>" in results["data"]["html"]
    assert "# Page poll" in results["data"]["markdown"]
    assert (results["url"], results["task_id"]) == (origin.page("poll"), task_id)
    assert (results["status"], results["status_code"]) == ("success", 200)
    documented = {"id", "state", "created_at", "modified_at", "account_name"}
    assert results["task"].keys() >= documented
    assert results["metadata"]["driver"] == "vx6"
    assert results["metadata"]["response_parameters"] == {"input_url": origin.page("poll")}


def test_option_1_polling_tells_why_a_task_failed(world: World, origin: Origin) -> None:
    response: Any = world.client.extract_async(url=f"{origin.base}/status/404")
    my_task = finished(world.client, response.task_id)
    assert my_task.state == "error"
    assert my_task.error is not None and "404" in my_task.error


# ---------------------------------------------------------------- option 2: webhook


def test_option_2_webhook(world: World, origin: Origin) -> None:
    response: Any = world.client.extract_async(
        url=origin.page("push"),
        formats=["html", "markdown"],
        callback_url=world.receiver.url("ok", "webhooks/nimble"),
    )
    (news,) = world.news(response.task_id)
    assert (news.method, news.header("content-type")) == ("POST", "application/json")
    assert news.path == "/ok/webhooks/nimble"
    body = news.document()
    assert body.keys() == {"status", "task_id", "task"}
    assert (body["status"], body["task_id"]) == ("success", response.task_id)
    task = body["task"]
    assert task.keys() == GUARANTEED | BESIDE
    assert (task["id"], task["state"]) == (response.task_id, "success")
    assert (task["status_code"], task["api_type"]) == (200, "extract")
    assert task["input"] == {
        "url": origin.page("push"),
        "formats": ["html", "markdown"],
        "callback_url": world.receiver.url("ok", "webhooks/nimble"),
    }
    assert "Page push" not in news.body.replace(origin.page("push"), "")
    read = world.client.tasks.get(response.task_id).task
    assert (task["created_at"], task["modified_at"]) == (read.created_at, read.modified_at)


def test_a_receiver_that_reads_at_once_sees_the_end_and_finds_the_object(
    world: World, origin: Origin
) -> None:
    looks: queue.SimpleQueue[tuple[str, str, list[str]]] = queue.SimpleQueue()

    def look(received: Received) -> None:
        task_id = received.document()["task_id"]
        result: Any = world.client.tasks.results(task_id)
        read = world.client.tasks.get(task_id).task
        looks.put((read.state, result["task"]["state"], world.s3.keys(world.bucket)))

    world.receiver.look = look
    try:
        for number in range(5):
            world.client.extract_async(
                url=origin.page(f"look{number}"),
                callback_url=world.receiver.url("ok", "look"),
                storage_url=f"s3://{world.bucket}/looked-at/",
                storage_object_name=f"{number}",
            )
            state, stored_state, keys = looks.get(timeout=20)
            assert (state, stored_state) == ("success", "success")
            assert f"looked-at/{number}.json" in keys
    finally:
        world.receiver.look = None


def test_news_of_a_failed_task_say_why(world: World, origin: Origin) -> None:
    created = world.client.extract_async(
        url="http://nowhere.invalid/", callback_url=world.receiver.url("ok", "failed")
    )
    body = world.news(created.task.id)[0].document()
    assert body["status"] == "failed"
    task = body["task"]
    assert task.keys() == GUARANTEED | BESIDE | {"error", "error_type", "error_code"}
    assert (task["state"], task["status_code"]) == ("error", 0)
    assert task["error_code"] == "dns_failed"


# ---------------------------------------------------------------- option 3: buckets


def test_option_3_s3_with_compression_and_a_name(world: World, origin: Origin) -> None:
    response: Any = world.client.extract_async(
        url=origin.page("lake"),
        formats=["html", "markdown"],
        storage_type="s3",
        storage_url=f"s3://{world.bucket}/nimble-results/",
        storage_compress=True,
        storage_object_name="my-result",
    )
    task_id = response.task_id
    assert response.task.output_url == f"s3://{world.bucket}/nimble-results/my-result.json.gz"
    assert finished(world.client, task_id).state == "success"
    stored, head = world.s3.object(world.bucket, "nimble-results/my-result.json.gz")
    assert gzip.decompress(stored) == world.results(task_id)
    assert head["ContentType"] == "application/gzip"
    assert "ContentEncoding" not in head
    assert "# Page lake" in json.loads(gzip.decompress(stored))["data"]["markdown"]


@pytest.mark.parametrize(("compress", "extension"), [(False, ".json"), (True, ".json.gz")])
def test_option_3_objects_are_named_after_their_tasks(
    world: World, origin: Origin, compress: bool, extension: str
) -> None:
    response: Any = world.client.extract_async(
        url=origin.page("named"),
        storage_type="s3",
        storage_url=f"s3://{world.bucket}/by-id",
        storage_compress=compress,
    )
    task_id = response.task_id
    assert finished(world.client, task_id).state == "success"
    stored, head = world.s3.object(world.bucket, f"by-id/{task_id}{extension}")
    assert (gzip.decompress(stored) if compress else stored) == world.results(task_id)
    assert head["ContentType"] == ("application/gzip" if compress else "application/json")


def test_option_3_on_google_cloud_storage(world: World, origin: Origin) -> None:
    response: Any = world.client.extract_async(
        url=origin.page("pool"),
        formats=["html", "markdown"],
        storage_type="gs",
        storage_url=f"gs://{world.pool}/nimble-results/",
        storage_compress=True,
        storage_object_name="my-result",
    )
    task_id = response.task_id
    assert response.task.output_url == f"gs://{world.pool}/nimble-results/my-result.json.gz"
    assert finished(world.client, task_id).state == "success"
    stored = world.gcs.objects[world.pool, "nimble-results/my-result.json.gz"]
    assert gzip.decompress(stored.content) == world.results(task_id)
    assert stored.kind == "application/gzip"


def test_uploads_ask_for_no_more_than_the_document_grants(world: World, origin: Origin) -> None:
    created = world.client.extract_async(
        url=origin.page("rights"), storage_url=f"s3://{world.bucket}/rights/"
    )
    assert finished(world.client, created.task.id).state == "success"
    assert set(world.s3.operations(world.bucket)) == {"PutObject"}


# ---------------------------------------------------------------- combined


@pytest.mark.parametrize("kind", ["s3", "gs"])
def test_methods_combined(world: World, origin: Origin, kind: str) -> None:
    bucket = world.bucket if kind == "s3" else world.pool
    response: Any = world.client.extract_async(
        url=origin.page("both"),
        formats=["html", "markdown"],
        callback_url=world.receiver.url("ok", "webhooks/nimble"),
        storage_type="s3" if kind == "s3" else "gs",
        storage_url=f"{kind}://{bucket}/results/",
    )
    task_id = response.task_id
    key = f"results/{task_id}.json"
    task = world.news(task_id)[0].document()["task"]
    assert task.keys() == GUARANTEED | BESIDE | {"output_url"}
    assert task["output_url"] == response.task.output_url == f"{kind}://{bucket}/{key}"
    assert finished(world.client, task_id).state in TERMINAL
    stored = (
        world.s3.object(bucket, key)[0] if kind == "s3" else world.gcs.objects[bucket, key].content
    )
    assert stored == world.results(task_id)
    results: Any = world.client.tasks.results(task_id)
    assert "<h1>Page both</h1>" in results["data"]["html"]
    assert len(world.told(task_id)) == 1


# ---------------------------------------------------------------- signatures


def test_webhooks_are_signed_with_the_account_s_secret(world: World, origin: Origin) -> None:
    created = world.client.extract_async(
        url=origin.page("signed"), callback_url=world.receiver.url("ok", "signed")
    )
    (news,) = world.news(created.task.id)
    news.verify(SECRET)
    assert news.delivery_id == news.header("x-nimble-delivery-id")
    assert news.attempt == 1


def test_while_a_secret_is_changed_webhooks_are_signed_with_both(
    world: World, origin: Origin
) -> None:
    """Receivers may change over at any moment of the overlap."""
    arguments = ("keys", "create", "--account", "rotating", "--json")
    key = json.loads(world.server.command(*arguments).stdout)["key"]
    secret = ("webhooks", "secret")
    old = world.server.command(*secret, "show", api_key=key).stdout.split()[0]
    new = world.server.command(*secret, "rotate", api_key=key).stdout.split()[0]
    assert old != new
    with Nimble(base_url=world.server.url, api_key=key) as other:
        created = other.extract_async(
            url=origin.page("rotated"), callback_url=world.receiver.url("ok", "rotated")
        )
        (news,) = world.news(created.task.id)
    assert len((news.header("webhook-signature") or "").split()) == 2
    news.verify(old)
    news.verify(new)
    with pytest.raises(WebhookVerificationError):
        news.verify(SECRET)
