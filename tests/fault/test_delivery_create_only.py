"""Google Cloud Storage, where objects are created and never replaced: a retry that finds its own
object after a `kill -9` has succeeded, one that finds another's has not."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.blows import lazy_disk, strike
from tests.support.delivering import Delivering, delivering
from tests.support.gcs import ADMIN, CREATOR, GCS, Object
from tests.support.origin import Origin
from tests.support.sdk import finished
from tests.support.waiting import eventually

ROLES = {"creator": CREATOR, "admin": ADMIN}


@pytest.fixture(params=ROLES)
def world(request: pytest.FixtureRequest, gcs: GCS, tmp_path: Path) -> Iterator[Delivering]:
    """A server whose identity may only create, or look as well."""
    key = gcs.key_file(tmp_path, ROLES[request.param])
    with delivering(tmp_path / "data", google_application_credentials=str(key)) as made:
        yield made


@pytest.mark.parametrize("victim", ["worker", "everything"])
def test_an_object_that_arrived_before_the_kill_is_a_success(
    world: Delivering, gcs: GCS, origin: Origin, victim: str
) -> None:
    pool = gcs.bucket()
    # What is needed once is there, so that the kill comes right after the start of the upload.
    first = world.submit(origin.page("first"), storage_url=f"gs://{gcs.bucket()}/")
    assert finished(world.client, first).state == "success"
    if victim == "everything":
        lazy_disk(world.server)
    gcs.hang = 1
    task_id = world.submit(
        origin.page("pool"),
        storage_url=f"gs://{pool}/",
        storage_compress=True,
        callback_url=world.receiver.url("ok"),
    )
    place = (pool, f"{task_id}.json.gz")
    arrived = eventually(lambda: gcs.objects.get(place), "the object arrives")
    strike(world.server, victim)
    task = finished(world.client, task_id)
    assert (task.state, task.error) == ("success", None)
    assert gcs.objects[place] is arrived
    assert gcs.keys(pool) == [f"{task_id}.json.gz"]
    assert gzip.decompress(arrived.content) == world.results(task_id)
    (told,) = world.news(task_id)
    assert told.document()["status"] == "success"


def test_an_object_of_somebody_else_is_an_error_and_stays(
    world: Delivering, gcs: GCS, origin: Origin
) -> None:
    pool = gcs.bucket()
    theirs = Object(b"theirs", "text/plain", 1)
    gcs.objects[pool, "taken.json"] = theirs
    task_id = world.submit(
        origin.page("taken"),
        storage_url=f"gs://{pool}/",
        storage_object_name="taken",
        callback_url=world.receiver.url("ok"),
    )
    (told,) = world.news(task_id)
    task = told.document()["task"]
    assert (task["state"], task["error_code"]) == ("error", "object_exists")
    assert gcs.objects == {(pool, "taken.json"): theirs}
    result: Any = world.client.tasks.results(task_id)
    assert "<h1>Page taken</h1>" in result["data"]["html"]


def test_sending_again_does_not_make_anothers_object_ours(
    world: Delivering, gcs: GCS, origin: Origin
) -> None:
    pool = gcs.bucket()
    place = (pool, "taken.json")
    gcs.objects[place] = theirs = Object(b"theirs", "text/plain", 1)
    task_id = world.submit(
        origin.page("again"), storage_url=f"gs://{pool}/", storage_object_name="taken"
    )
    upload = world.ended(task_id, "upload")
    assert upload["failure_code"] == "object_exists"
    world.resend(upload)
    assert world.ended(task_id, "upload")["failure_code"] == "object_exists"
    assert gcs.objects == {place: theirs}
    del gcs.objects[place]
    world.resend(upload)
    assert world.ended(task_id, "upload")["state"] == "succeeded"
    assert b"<h1>Page again</h1>" in gcs.objects[place].content
