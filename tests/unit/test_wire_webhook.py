"""What dialect v1 says of deliveries: webhook bodies, output_url, results that a bucket refused."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
import pytest

from tests.support.made_tasks import made_task
from windlass.model.delivery import Delivery, Upload, Webhook
from windlass.model.page import Extraction, Failure
from windlass.model.request import ExtractRequest
from windlass.model.task import ListPage, State, Task
from windlass.wire.v1_extract import read_extract
from windlass.wire.v1_results import TaskResult, empty_result, result_body, task_tail, with_task
from windlass.wire.v1_tasks import creation_reply, task_list, task_reply
from windlass.wire.v1_webhook import WebhookBody, webhook_body

ID = UUID("5f0c0000-0000-4000-8000-000000000001")
NOW = datetime(2026, 3, 1, 8, 15, 30, 120000, tzinfo=UTC)
LATER = datetime(2026, 3, 1, 8, 15, 33, 871999, tzinfo=UTC)
BASE = "http://windlass.test"
PLACE = "s3://lake/pages/5f0c.json"
DELIVERY = Delivery(
    upload=Upload(url=PLACE),
    webhook=Webhook(url="https://receiver.test/hook", headers={"Authorization": "s3cret"}),
    base=BASE,
)
DENIED = Failure("storage_denied", "The bucket denies access: s3:PutObject is not granted.")
GUARANTEED = {
    *("id", "state", "status_code", "created_at", "modified_at", "input", "api_type"),
}
"""What the founding document shows of a webhook's task."""


def task(state: State = State.SUCCEEDED, **changes: Any) -> Task:
    made = made_task(
        id=ID,
        state=state,
        lane="web:shop.test:443",
        input='{"url":"https://shop.test/p/1"}',
        created_at=NOW,
        modified_at=LATER,
        status_code=200,
        delivery=DELIVERY,
    )
    return msgspec.structs.replace(made, **changes)


def stored(**values: Any) -> bytes:
    return result_body(
        extraction=Extraction(
            url="https://shop.test/p/1", status=200, values=values, driver="vx6", warnings=("mind",)
        ),
        failure=None,
        task_id=ID,
        request=ExtractRequest(url="https://shop.test/p/1"),
        received_at=NOW,
        duration_ms=412,
    )


# ---------------------------------------------------------------- webhooks


def test_a_webhook_has_the_documented_body() -> None:
    assert json.loads(webhook_body(task())) == {
        "status": "success",
        "task_id": str(ID),
        "task": {
            "id": str(ID),
            "state": "success",
            "status_code": 200,
            "created_at": "2026-03-01T08:15:30.120Z",
            "modified_at": "2026-03-01T08:15:33.871Z",
            "input": {"url": "https://shop.test/p/1"},
            "api_type": "extract",
            "account_name": "main",
            "status_url": f"{BASE}/v1/tasks/{ID}",
            "download_url": f"{BASE}/v1/tasks/{ID}/results",
            "output_url": PLACE,
        },
    }


def test_a_webhook_of_a_failed_task_says_why() -> None:
    failed = task(State.FAILED, status_code=404, failure=Failure("unexpected_status", "404"))
    body = json.loads(webhook_body(failed))
    assert (body["status"], body["task"]["state"]) == ("failed", "error")
    assert body["task"]["status_code"] == 404
    assert body["task"]["error"] == "404"
    assert body["task"]["error_type"] == "http_error"
    assert body["task"]["error_code"] == "unexpected_status"


def test_a_webhook_says_that_the_bucket_did_not_take_the_result() -> None:
    body = json.loads(webhook_body(task(State.FAILED, failure=DENIED)))
    assert body["status"] == "failed"
    assert body["task"]["error_type"] == "storage_error"
    assert body["task"]["error"] == DENIED.message


@pytest.mark.parametrize(
    "ended",
    [
        task(),
        task(delivery=None),
        task(State.FAILED, status_code=None, failure=Failure("dns_failed", "x")),
        task(State.FAILED, status_code=None),
        task(State.CANCELLED, status_code=None),
    ],
)
def test_every_webhook_has_the_guaranteed_keys(ended: Task) -> None:
    body = webhook_body(ended)
    view = json.loads(body)["task"]
    assert set(view) >= GUARANTEED
    assert None not in view.values()
    assert ("error" in view) == (view["state"] == "error")
    msgspec.json.decode(body, type=WebhookBody)


def test_a_webhook_of_a_batch_s_task_names_the_batch() -> None:
    batch_id = UUID("c2d40000-0000-4000-8000-000000000001")
    assert json.loads(webhook_body(task(group_id=batch_id)))["task"]["batch_id"] == str(batch_id)
    cancelled = json.loads(webhook_body(task(State.CANCELLED, group_id=batch_id)))
    assert cancelled["status"] == "failed"
    assert cancelled["task"]["error_type"] == "canceled"


def test_a_target_that_never_answered_has_status_code_0() -> None:
    silent = task(State.FAILED, status_code=None, failure=Failure("dns_failed", "x"))
    assert json.loads(webhook_body(silent))["task"]["status_code"] == 0


def test_a_webhook_shows_no_secrets_and_no_data() -> None:
    raw = json.dumps(
        {
            "url": "https://me:s3cret@shop.test/",
            "headers": {"Authorization": "s3cret"},
            "cookies": "sid=s3cret",
            "callback_url": "https://me:s3cret@receiver.test/hook?token=s3cret",
        }
    ).encode()
    read = read_extract(raw, now=NOW.timestamp(), asynchronous=True)
    body = webhook_body(task(input=read.input.decode()))
    assert b"s3cret" not in body
    assert b'"data"' not in body


def test_the_same_task_gives_the_same_webhook() -> None:
    assert webhook_body(task()) == webhook_body(task())


# ---------------------------------------------------------------- output_url


def test_the_place_of_the_object_is_known_from_creation_on() -> None:
    queued = task(State.QUEUED, status_code=None)
    assert json.loads(creation_reply(queued, BASE))["task"]["output_url"] == PLACE
    assert json.loads(task_reply(task(), BASE))["task"]["output_url"] == PLACE
    listed = json.loads(task_list(ListPage((task(),), None, 1), BASE))
    assert listed["data"][0]["output_url"] == PLACE
    assert json.loads(with_task(stored(), task()))["task"]["output_url"] == PLACE


@pytest.mark.parametrize("delivery", [None, Delivery(webhook=DELIVERY.webhook, base=BASE)])
def test_without_a_bucket_there_is_no_output_url(delivery: Delivery | None) -> None:
    plain = task(delivery=delivery)
    for made in (
        creation_reply(plain, BASE),
        task_reply(plain, BASE),
        with_task(stored(), plain),
        webhook_body(plain),
    ):
        assert b"output_url" not in made


def test_answers_about_a_task_show_nothing_of_its_receiver() -> None:
    for made in (
        creation_reply(task(), BASE),
        task_reply(task(), BASE),
        with_task(stored(), task()),
        webhook_body(task()),
    ):
        assert b"s3cret" not in made
        assert b"receiver.test" not in made


# ---------------------------------------------------------------- results


def test_a_result_and_its_tail_make_what_the_results_call_answers() -> None:
    kept = stored(html="<p>ü</p>")
    assert kept[:-1] + task_tail(task()) == with_task(kept, task())
    read = msgspec.json.decode(with_task(kept, task()), type=TaskResult)
    assert read.task.id == ID
    assert read.data.html == "<p>ü</p>"


def test_the_object_of_a_parked_task_is_what_its_end_lets_read() -> None:
    """An upload renders the task as if it had succeeded; its end changes nothing else."""
    parked = task(State.RUNNING)
    rendered = stored()[:-1] + task_tail(msgspec.structs.replace(parked, state=State.SUCCEEDED))
    assert rendered == with_task(stored(), task(State.SUCCEEDED))


TRICKY = {
    "html": 'x","warnings":["y"]}',
    "headers": {"warnings": "[", "a": '"warnings":['},
    "parsing": {"warnings": ["inner"]},
}


def test_a_result_that_its_bucket_refused_stays_readable_and_says_so() -> None:
    refused = task(State.FAILED, failure=DENIED)
    answer = json.loads(with_task(stored(**TRICKY), refused))
    kept = json.loads(stored(**TRICKY))
    assert answer["task"]["state"] == "error"
    assert answer["task"]["error_type"] == "storage_error"
    assert answer["warnings"][:-1] == ["mind"]
    assert PLACE in answer["warnings"][-1]
    assert DENIED.message in answer["warnings"][-1]
    assert {key: answer[key] for key in kept if key != "warnings"} == {
        key: kept[key] for key in kept if key != "warnings"
    }
    inside = json.loads(task_reply(refused, BASE, stored(**TRICKY)))["task"]["result"]
    assert inside == {key: value for key, value in answer.items() if key != "task"}


def test_only_a_bucket_that_was_asked_for_and_refused_is_warned_of() -> None:
    other = task(State.FAILED, failure=Failure("unexpected_status", "404"))
    for ended in (task(), other, task(State.FAILED, failure=DENIED, delivery=None)):
        assert json.loads(with_task(stored(), ended))["warnings"] == ["mind"]


def test_a_result_that_was_never_stored_can_be_warned_of_too() -> None:
    refused = task(State.FAILED, failure=DENIED)
    answer = json.loads(with_task(empty_result(refused), refused))
    assert len(answer["warnings"]) == 1
    assert answer["status"] == "failed"
