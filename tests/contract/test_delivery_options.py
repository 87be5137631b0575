"""How callers ask for deliveries, through the unmodified SDK: every accepted form and every refusal
(sections 6.1 to 6.3). What comes of them is for other tests; the default server owns no bucket."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from nimble_python import AsyncNimble, BadRequestError, Nimble

from tests.conftest import StartServer
from tests.support.origin import Origin
from tests.support.receiver import Received, Receiver, receiving
from tests.support.sdk import finished
from tests.support.server import WindlassServer
from tests.support.waiting import eventually

INVALID = "PARAMETERS_FAILED_JSON_SCHEMA_VALIDATION_ERROR"


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    with receiving() as started:
        yield started


def heard(receiver: Receiver, rest: str) -> Received:
    """What came to the endpoint `rest`, once it has."""

    def probe() -> Received | None:
        mine = (one for one in receiver.requests("ok") if f"/ok/{rest}" in one.path)
        return next(mine, None)

    return eventually(probe, f"a webhook to {rest}", within_s=20)


def refused_entries(error: BadRequestError) -> list[dict[str, Any]]:
    """The schema errors of a 400, after checking the envelope around them."""
    body: Any = error.body
    assert (body["status"], body["error"]) == ("failed", INVALID)
    assert body["msg"]
    entries: list[dict[str, Any]] = body["details"]["schema_validation_errors"]
    for entry in entries:
        assert entry.keys() >= {"instancePath", "schemaPath", "keyword", "params", "message"}
        assert entry["schemaPath"].startswith("#/")
    return entries


# ---------------------------------------------------------------- accepted

BUCKETS: list[tuple[dict[str, Any], str]] = [
    (
        {
            "storage_type": "s3",
            "storage_url": "s3://your-bucket/nimble-results/",
            "storage_compress": True,
            "storage_object_name": "my-result",
        },
        "s3://your-bucket/nimble-results/my-result.json.gz",
    ),
    ({"storage_type": "s3", "storage_url": "s3://your-bucket/results/"},
     "s3://your-bucket/results/{id}.json"),
    ({"storage_type": "s3", "storage_url": "s3://mu-s3-bucket.com/"},
     "s3://mu-s3-bucket.com/{id}.json"),
    ({"storage_type": "s3", "storage_url": "s3://Your.Repository.Path/",
      "storage_object_name": "my task", "storage_compress": False},
     "s3://Your.Repository.Path/my task.json"),
    ({"storage_type": "s3", "storage_url": "s3://Your.Bucket.Name/your/object/name/prefix/"},
     "s3://Your.Bucket.Name/your/object/name/prefix/{id}.json"),
    ({"storage_url": "s3://your-bucket"}, "s3://your-bucket/{id}.json"),
    ({"storage_url": "s3://your-bucket/no/slash", "storage_compress": True},
     "s3://your-bucket/no/slash/{id}.json.gz"),
    ({"storage_type": "gs", "storage_url": "gs://your-bucket/prefix/"},
     "gs://your-bucket/prefix/{id}.json"),
    ({"storage_type": "gcs", "storage_url": "gs://your-bucket/prefix",
      "storage_object_name": "result-2024-01-15.json"},
     "gs://your-bucket/prefix/result-2024-01-15.json"),
    ({"storage_url": "s3://your-bucket/100%25 sure/", "storage_object_name": "a/b.json.gz",
      "storage_compress": True},
     "s3://your-bucket/100%25 sure/a/b.json.gz"),
]  # fmt: skip


@pytest.mark.parametrize(("options", "place"), BUCKETS, ids=[place for _, place in BUCKETS])
def test_the_place_of_the_object_is_told_at_creation_and_ever_after(
    client: Nimble, strict_client: Nimble, origin: Origin, options: dict[str, Any], place: str
) -> None:
    origin.hold()
    created: Any = strict_client.extract_async(url=origin.page("lake"), **options)
    expected = place.format(id=created.task_id)
    assert created.task.state == "pending"
    assert created.task.output_url == expected
    assert {key: created.task.input[key] for key in options} == options
    assert strict_client.tasks.get(created.task_id).task.output_url == expected
    listed = {task.id: task for task in strict_client.tasks.list(limit=20).data}
    assert listed[created.task_id].output_url == expected
    origin.release()
    finished(client, created.task_id)


def test_without_a_bucket_there_is_no_output_url(client: Nimble, origin: Origin) -> None:
    created = client.extract_async(url=origin.page("none"))
    assert created.task.output_url is None
    assert finished(client, created.task.id).output_url is None


def test_both_deliveries_may_be_asked_for(
    client: Nimble, origin: Origin, receiver: Receiver
) -> None:
    callback = receiver.url("ok", "both")
    created: Any = client.extract_async(
        url=origin.page("both"),
        formats=["html", "markdown"],
        callback_url=callback,
        storage_type="s3",
        storage_url="s3://your-bucket/results/",
    )
    assert created.task.input["callback_url"] == callback
    assert created.task.output_url == f"s3://your-bucket/results/{created.task_id}.json"
    finished(client, created.task_id)
    news = heard(receiver, "both").document()
    assert news["task_id"] == created.task_id
    assert news["task"]["output_url"] == created.task.output_url


async def test_the_asyncio_client_asks_alike(server: WindlassServer, origin: Origin) -> None:
    origin.hold()
    async with AsyncNimble(base_url=server.url, api_key=server.api_key) as nimble:
        created: Any = await nimble.extract_async(
            url=origin.page("aio"), storage_type="gs", storage_url="gs://your-bucket/"
        )
    assert created.task.output_url == f"gs://your-bucket/{created.task_id}.json"
    origin.release()


def test_secrets_of_a_receiver_are_sent_but_not_shown(
    client: Nimble, origin: Origin, receiver: Receiver
) -> None:
    base = receiver.url("ok", "secret").replace("://", "://me:hunter2@")
    created: Any = client.extract_async(
        url=origin.page("secret"), callback_url=f"{base}?token=hunter2"
    )
    task = finished(client, created.task_id)
    results = client.tasks.results(created.task_id)
    for shown in (created, task, results, client.tasks.list(limit=50)):
        assert "hunter2" not in str(shown)
    assert task.input["callback_url"].startswith("http://***@")  # type: ignore[index]
    sent = heard(receiver, "secret")
    assert sent.header("authorization") == "Basic bWU6aHVudGVyMg=="
    assert sent.path.endswith("?token=hunter2")
    assert "hunter2" not in sent.body


def test_a_synchronous_call_ignores_deliveries_and_says_so(client: Nimble, origin: Origin) -> None:
    options = {"callback_url": "ftp://nonsense", "storage_type": "s3", "storage_compress": "x"}
    result: Any = client.extract(url=origin.page("now"), extra_body=options)
    assert result.status == "success"
    for name in options:
        assert f"{name} is ignored: synchronous calls answer directly" in result.warnings


def test_a_result_that_no_bucket_takes_stays_readable(client: Nimble, origin: Origin) -> None:
    """The default server has nobody's rights to write anywhere (section 6.5)."""
    created: Any = client.extract_async(
        url=origin.page("kept"), formats=["markdown"], storage_url="s3://your-bucket/"
    )
    task: Any = finished(client, created.task_id)
    assert task.state == "error"
    assert task.error_type == "storage_error"
    assert task.error
    result: Any = client.tasks.results(created.task_id)
    assert "# Page kept" in result["data"]["markdown"]
    assert result["task"]["state"] == "error"
    assert result["task"]["error_type"] == "storage_error"
    (note,) = [each for each in result["warnings"] if "could not be stored" in each]
    assert f"s3://your-bucket/{created.task_id}.json" in note


# ---------------------------------------------------------------- refused

LAKE = "s3://your-bucket/p/"
REFUSED: list[tuple[dict[str, Any], str, str]] = [
    ({"storage_type": "azure", "storage_url": LAKE}, "/storage_type", "enum"),
    ({"storage_type": "", "storage_url": LAKE}, "/storage_type", "enum"),
    ({"storage_type": 3, "storage_url": LAKE}, "/storage_type", "type"),
    ({"storage_type": "gs", "storage_url": LAKE}, "/storage_url", "pattern"),
    ({"storage_type": "gcs", "storage_url": LAKE}, "/storage_url", "pattern"),
    ({"storage_type": "s3", "storage_url": "gs://your-bucket/"}, "/storage_url", "pattern"),
    ({"storage_type": "s3"}, "", "dependentRequired"),
    ({"storage_url": "s3://"}, "/storage_url", "pattern"),
    ({"storage_url": "s3:///prefix/"}, "/storage_url", "pattern"),
    ({"storage_url": "gs:///prefix/"}, "/storage_url", "pattern"),
    ({"storage_url": "ftp://your-bucket/p/"}, "/storage_url", "pattern"),
    ({"storage_url": "https://your-bucket.s3.amazonaws.com/p/"}, "/storage_url", "pattern"),
    ({"storage_url": "your-bucket/p/"}, "/storage_url", "pattern"),
    ({"storage_url": "s3://your_key:secret@your-bucket/p/"}, "/storage_url", "pattern"),
    ({"storage_url": "s3://your-bucket/../other/"}, "/storage_url", "pattern"),
    ({"storage_url": "s3://your-bucket/p\n/"}, "/storage_url", "pattern"),
    ({"storage_url": "s3://your-bucket/" + "p" * 1000}, "/storage_url", "maxLength"),
    ({"storage_url": None}, "/storage_url", "type"),
    ({"callback_url": "ftp://receiver.test/hook"}, "/callback_url", "format"),
    ({"callback_url": "receiver.test/hook"}, "/callback_url", "format"),
    ({"callback_url": "http://"}, "/callback_url", "format"),
    ({"callback_url": "https:///hook"}, "/callback_url", "format"),
    ({"callback_url": "file:///etc/passwd"}, "/callback_url", "format"),
    ({"callback_url": ""}, "/callback_url", "format"),
    ({"callback_url": 7}, "/callback_url", "type"),
    ({"storage_url": LAKE, "storage_object_name": ".."}, "/storage_object_name", "pattern"),
    ({"storage_url": LAKE, "storage_object_name": "a/../b"}, "/storage_object_name", "pattern"),
    ({"storage_url": LAKE, "storage_object_name": "/a"}, "/storage_object_name", "pattern"),
    ({"storage_url": LAKE, "storage_object_name": "a\x00b"}, "/storage_object_name", "pattern"),
    ({"storage_url": LAKE, "storage_object_name": ""}, "/storage_object_name", "minLength"),
    ({"storage_url": LAKE, "storage_object_name": "n" * 1020}, "/storage_object_name", "maxLength"),
    ({"storage_url": LAKE, "storage_object_name": "ü" * 510}, "/storage_object_name", "maxLength"),
    ({"storage_url": LAKE, "storage_object_name": ["a"]}, "/storage_object_name", "type"),
    ({"storage_url": LAKE, "storage_compress": "true"}, "/storage_compress", "type"),
    ({"storage_url": LAKE, "storage_compress": 1}, "/storage_compress", "type"),
]


@pytest.mark.parametrize(("options", "path", "keyword"), REFUSED)
def test_a_wrong_option_is_named_and_nothing_is_created(
    client: Nimble, origin: Origin, options: dict[str, Any], path: str, keyword: str
) -> None:
    before = client.tasks.list(limit=1).pagination.total
    with pytest.raises(BadRequestError) as refused:
        client.extract_async(url=origin.page("wrong"), **options)
    (entry,) = refused_entries(refused.value)
    assert (entry["instancePath"], entry["keyword"]) == (path, keyword)
    assert client.tasks.list(limit=1).pagination.total == before
    assert origin.all_visits() == []


def test_everything_wrong_is_named_at_once(client: Nimble, origin: Origin) -> None:
    options: dict[str, Any] = {
        "callback_url": "ftp://x",
        "storage_url": "s3:///",
        "storage_compress": "yes",
        "storage_object_name": "..",
        "method": "TRACE",
    }
    with pytest.raises(BadRequestError) as refused:
        client.extract_async(url=origin.page("wrong"), **options)
    found = {entry["instancePath"] for entry in refused_entries(refused.value)}
    assert found == {f"/{name}" for name in options}


def test_one_account_may_not_use_anothers_bucket(start_server: StartServer, origin: Origin) -> None:
    server = start_server(storage_allow="main=s3://ours/main/,other=s3://ours/other/")
    origin.hold()
    with Nimble(base_url=server.url, api_key=server.api_key) as nimble:
        for theirs in ("s3://ours/other/", "s3://ours/", "s3://ours/main-2/", "gs://ours/main/"):
            with pytest.raises(BadRequestError) as refused:
                nimble.extract_async(url=origin.page("x"), storage_url=theirs)
            (entry,) = refused_entries(refused.value)
            assert entry["instancePath"] == "/storage_url"
            assert "not allowed for this account" in entry["message"]
            assert "not allowed for this account" in str(refused.value)
        for mine in ("s3://ours/main", "s3://ours/main/deeper/"):
            created: Any = nimble.extract_async(url=origin.page("x"), storage_url=mine)
            assert created.task.output_url.startswith("s3://ours/main/")
    origin.release()


# ---------------------------------------------------------------- the description


def test_the_description_tells_of_every_option(server: WindlassServer) -> None:
    schemas = httpx.get(f"{server.url}/openapi.json").json()["components"]["schemas"]
    body = schemas["AsyncExtractBody"]["properties"]
    for name in ("callback_url", "storage_type", "storage_url", "storage_compress"):
        assert body[name]["description"]
        assert name not in schemas["ExtractBody"]["properties"]
    assert set(body["storage_type"]["enum"]) == {"s3", "gs", "gcs"}
    for reply in ("TaskDetail", "TaskItem", "ResultTask"):
        assert schemas[reply]["properties"]["output_url"]["type"] == "string"
