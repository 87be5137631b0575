"""What the HTTP edge hands the service of a caller's delivery options."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.support.verbs import FakeVerbs, client_for
from windlass.model.delivery import Delivery, Upload, Webhook

HOOK = "https://receiver.test/hook"


async def submit(
    verbs: FakeVerbs, body: dict[str, Any], path: str = "/v1/extract/async", **settings: Any
) -> httpx.Response:
    async with client_for(verbs, **settings) as client:
        return await client.post(path, json={"url": "https://shop.test/"} | body)


def kept(verbs: FakeVerbs) -> Delivery | None:
    (task,) = verbs.tasks.values()
    return task.delivery


@pytest.mark.parametrize("path", ["/v1/extract/async", "/v2/extract/async", "/api/v1/async/web"])
async def test_a_delivery_is_kept_with_the_address_that_was_called(path: str) -> None:
    verbs = FakeVerbs()
    answer = await submit(verbs, {"callback_url": HOOK, "storage_url": "s3://lake/p"}, path)
    task = answer.json()["task"]
    place = f"s3://lake/p/{task['id']}.json"
    assert task["output_url"] == place
    assert kept(verbs) == Delivery(
        upload=Upload(url=place), webhook=Webhook(url=HOOK), base="http://windlass.test:8700"
    )


async def test_links_of_webhooks_start_with_the_public_url_if_there_is_one() -> None:
    verbs = FakeVerbs()
    await submit(verbs, {"callback_url": HOOK}, public_url="https://data.example/wl/")
    delivery = kept(verbs)
    assert delivery is not None and delivery.base == "https://data.example/wl"


async def test_nothing_is_kept_for_those_who_poll() -> None:
    verbs = FakeVerbs()
    answer = await submit(verbs, {})
    assert "output_url" not in answer.json()["task"]
    assert kept(verbs) is None


async def test_a_synchronous_call_delivers_nothing() -> None:
    verbs = FakeVerbs()
    asked = {"callback_url": HOOK, "storage_url": "s3://lake/"}
    answer = await submit(verbs, asked, "/v1/extract")
    assert answer.status_code == 200
    assert kept(verbs) is None


async def test_a_place_of_others_is_refused_before_anything_is_made() -> None:
    verbs = FakeVerbs()
    grants = {"other": ("s3://lake/",), "main": ("s3://ours/main/",), "*": ("gs://pool/",)}
    answer = await submit(verbs, {"storage_url": "s3://lake/"}, storage_allow=grants)
    assert answer.status_code == 400
    (entry,) = answer.json()["details"]["schema_validation_errors"]
    assert entry["instancePath"] == "/storage_url"
    assert entry["schemaPath"] == "#/properties/storage_url/allowed"
    assert entry["message"] == "is not allowed for this account"
    assert verbs.tasks == {}
    for allowed in ("s3://ours/main", "gs://pool/x/"):
        answer = await submit(verbs, {"storage_url": allowed}, storage_allow=grants)
        assert answer.status_code == 200
