"""Uploads of a running server: what becomes of the task, its result and its webhook meanwhile and
afterwards; and results that live in a bucket themselves."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

import pytest
from nimble_python import BadRequestError, Nimble, NotFoundError

from tests.support.delivering import Delivering, delivering
from tests.support.origin import Origin
from tests.support.receiver import receiving
from tests.support.s3 import DOCUMENTED, S3
from tests.support.s3_faults import HANG, LOST, SLOW_DOWN, FaultyS3
from tests.support.sdk import finished
from tests.support.server import WindlassServer
from tests.support.waiting import eventually
from windlass.settings import Settings
from windlass.storage.accounts import Accounts
from windlass.storage.admission import Admission
from windlass.storage.database import Database
from windlass.storage.tasks import Tasks

MISSING = "no-such-bucket-here"
TRIES_BELOW = 3
"""How often the object library asks before it gives up: one try of ours."""


class Granted(NamedTuple):
    """A server and two buckets: it has the documented rights on one of them only."""

    world: Delivering
    mine: str
    other: str


@pytest.fixture(scope="module")
def granted(s3: S3, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Granted]:
    bucket, other = s3.bucket(), s3.bucket()
    arns = [f"arn:aws:s3:::{name}{end}" for name in (bucket, MISSING) for end in ("", "/*")]
    access = s3.grant(DOCUMENTED, arns).settings(s3.url)
    allow = f"main=s3://{bucket}/open/;s3://{other}/;s3://{MISSING}/"
    folder = tmp_path_factory.mktemp("granted")
    with delivering(folder / "data", storage_allow=allow, **access) as world:
        yield Granted(world, bucket, other)


@pytest.fixture
def faulty(faulty_s3: FaultyS3, tmp_path: Path) -> Iterator[Delivering]:
    """A server whose bucket misbehaves as told."""
    settings = faulty_s3.settings() | {"upload_schedule": "0,1,1", "grace": "1"}
    with delivering(tmp_path / "data", **settings) as world:
        yield world


# ---------------------------------------------------------------- what is final


@pytest.mark.parametrize(
    ("place", "code", "operation"),
    [
        ("s3://{other}/x/", "storage_denied", "PutObject"),
        (f"s3://{MISSING}/", "bucket_missing", "PutObject"),
    ],
)
def test_a_bucket_that_refuses_fails_the_task_at_once_and_keeps_its_result(
    granted: Granted, origin: Origin, place: str, code: str, operation: str
) -> None:
    world, other = granted.world, granted.other
    task_id = world.submit(
        origin.page("refused"),
        storage_url=place.format(other=other),
        callback_url=world.receiver.url("ok", "refused"),
    )
    told = world.news(task_id)[0].document()
    task: Any = world.client.tasks.get(task_id).task
    assert (task.state, task.error_type) == ("error", "storage_error")
    assert operation in task.error
    assert (told["status"], told["task"]["state"]) == ("failed", "error")
    assert told["task"]["error_type"] == "storage_error"
    assert told["task"]["error_code"] == code
    assert told["task"]["error"] == task.error
    assert len(world.tries(task_id, "upload")) == 1
    result: Any = world.client.tasks.results(task_id)
    assert "<h1>Page refused</h1>" in result["data"]["html"]
    assert any("kept here" in warning for warning in result["warnings"])


def test_an_account_writes_where_it_may_and_nowhere_else(
    granted: Granted, s3: S3, origin: Origin
) -> None:
    world, mine = granted.world, granted.mine
    task_id = world.submit(origin.page("allowed"), storage_url=f"s3://{mine}/open/")
    assert finished(world.client, task_id).state == "success"
    assert s3.keys(mine) == [f"open/{task_id}.json"]
    for place in (f"s3://{mine}/", f"s3://{mine}/opened/", "s3://somebody-elses/"):
        with pytest.raises(BadRequestError):
            world.submit(origin.page("elsewhere"), storage_url=place)


def test_a_page_that_fails_is_not_uploaded_but_told(
    granted: Granted, s3: S3, origin: Origin
) -> None:
    world, other = granted.world, granted.other
    asked = len(s3.operations(other))
    task_id = world.submit(
        f"{origin.base}/status/404",
        storage_url=f"s3://{other}/failed/",
        callback_url=world.receiver.url("ok", "unfetched"),
    )
    told = world.news(task_id)[0].document()
    assert (told["status"], told["task"]["status_code"]) == ("failed", 404)
    assert world.delivery(task_id, "upload") is None
    assert len(s3.operations(other)) == asked


# ---------------------------------------------------------------- what may pass


def test_a_task_is_in_progress_until_its_bucket_is_well_again(
    faulty: Delivering, faulty_s3: FaultyS3, origin: Origin
) -> None:
    faulty_s3.fail("PutObject", *[SLOW_DOWN] * 2 * TRIES_BELOW)
    task_id = faulty.submit(
        origin.page("slow"),
        request_timeout=2000,
        storage_url="s3://lake/",
        callback_url=faulty.receiver.url("ok"),
    )
    eventually(lambda: len(faulty.tries(task_id, "upload")) == 1, "the first try has failed")
    assert faulty.client.tasks.get(task_id).task.state == "in_progress"
    with pytest.raises(NotFoundError):
        faulty.client.tasks.results(task_id)
    assert faulty.told(task_id) == []
    assert finished(faulty.client, task_id).state == "success"
    assert faulty_s3.objects[f"lake/{task_id}.json"] == faulty.results(task_id)
    outcomes = [one["outcome"] for one in faulty.tries(task_id, "upload")]
    assert outcomes == ["retried", "retried", "succeeded"]
    assert faulty.news(task_id)[0].document()["status"] == "success"


def test_after_the_last_try_the_task_fails_and_its_result_stays(
    faulty: Delivering, faulty_s3: FaultyS3, origin: Origin
) -> None:
    faulty_s3.fail("PutObject", *[SLOW_DOWN] * 3 * TRIES_BELOW)
    url = faulty.receiver.url("ok")
    task_id = faulty.submit(origin.page("down"), storage_url="s3://lake/", callback_url=url)
    told = faulty.news(task_id)[0].document()["task"]
    assert (told["error_type"], told["error_code"]) == ("storage_error", "storage_unavailable")
    assert faulty_s3.objects == {}
    result: Any = faulty.client.tasks.results(task_id)
    assert "<h1>Page down</h1>" in result["data"]["html"]


def test_an_answer_that_got_lost_makes_no_second_object(
    faulty: Delivering, faulty_s3: FaultyS3, origin: Origin
) -> None:
    faulty_s3.fail("PutObject", LOST)
    task_id = faulty.submit(origin.page("lost"), storage_url="s3://lake/", storage_compress=True)
    assert finished(faulty.client, task_id).state == "success"
    assert faulty_s3.seen.count("PutObject") == 2
    assert list(faulty_s3.objects) == [f"lake/{task_id}.json.gz"]


# ---------------------------------------------------------------- cancel


def cancel(server: WindlassServer, task_id: str) -> None:
    """What the API does to cancel a task."""

    async def run() -> None:
        folder = (server.data / "run").resolve()
        database = await Database.open(f"postgresql://windlass@/windlass?host={folder}", size=1)
        try:
            account = await Accounts(database).find(server.api_key)
            _, lanes = await Tasks(database).cancel(account, UUID(task_id))
            await Admission(database, Settings()).arm(lanes)
        finally:
            await database.aclose()

    asyncio.run(run())


def test_cancelling_during_an_upload_leaves_no_object(
    faulty: Delivering, faulty_s3: FaultyS3, origin: Origin
) -> None:
    faulty_s3.fail("PutObject", HANG)
    url = faulty.receiver.url("ok")
    task_id = faulty.submit(origin.page("stop"), storage_url="s3://lake/", callback_url=url)
    faulty_s3.wait_for("PutObject")
    assert faulty.client.tasks.get(task_id).task.state == "in_progress"
    cancel(faulty.server, task_id)
    told = faulty.news(task_id)[0].document()
    assert (told["status"], told["task"]["error"]) == ("failed", "canceled")
    assert faulty.ended(task_id, "upload")["state"] == "cancelled"
    # The slot is free again, the next one goes through.
    assert finished(faulty.client, faulty.submit(origin.page("x"), storage_url="s3://lake/"))
    assert faulty_s3.seen.count("PutObject") == 2
    assert f"lake/{task_id}.json" not in faulty_s3.objects


def test_cancelling_between_the_parts_of_a_large_upload_removes_them(
    faulty_s3: FaultyS3, tmp_path: Path, origin: Origin
) -> None:
    settings = faulty_s3.settings() | {"fetch_limit": "200MB", "grace": "1"}
    with delivering(tmp_path / "data", **settings) as world:
        faulty_s3.fail("UploadPart", "", HANG)
        url = world.receiver.url("ok")
        task_id = world.submit(
            f"{origin.base}/size/110000000",
            formats=["html"],
            storage_url="s3://lake/",
            callback_url=url,
        )
        faulty_s3.wait_for("UploadPart", 2)
        assert len(faulty_s3.uploads) == 1
        cancel(world.server, task_id)
        assert world.news(task_id)[0].document()["task"]["error"] == "canceled"
        eventually(lambda: not faulty_s3.uploads, "the parts are removed", within_s=40)
        assert faulty_s3.objects == {}


# ---------------------------------------------------------------- results in a bucket


@contextmanager
def shared_database(folder: Path) -> Iterator[str]:
    """The DSN of a PostgreSQL that is a process of its own."""
    host = Path(__file__).parents[1] / "support" / "postgres_host.py"
    command = [sys.executable, str(host), str(folder), "hold"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as database:
        try:
            assert database.stdout is not None
            word, dsn, _ = database.stdout.readline().split()
            assert word == "ready"
            yield dsn
        finally:
            database.terminate()


def test_api_and_workers_that_share_no_disk_share_results_in_a_bucket(
    s3: S3, tmp_path: Path, origin: Origin
) -> None:
    store, bucket = s3.bucket(), s3.bucket()
    access = s3.grant(
        ("s3:GetObject", "s3:PutObject", "s3:ListBucket", "s3:DeleteObject"),
        [f"arn:aws:s3:::{name}{end}" for name in (store, bucket) for end in ("", "/*")],
    )
    with shared_database(tmp_path / "database") as dsn, receiving() as receiver:
        settings = access.settings(s3.url) | {
            "database_url": dsn,
            "results_url": f"s3://{store}/results-of-ours/",
            "rate_limit": "0",
        }
        api = WindlassServer(tmp_path / "api", settings, arguments=("--roles", "api"))
        worker = WindlassServer(tmp_path / "worker", settings, arguments=("--roles", "worker"))
        try:
            api.launch()
            worker.launch()
            api.wait_ready()
            with Nimble(base_url=api.url, api_key=api.api_key) as client:
                world = Delivering(api, client, receiver)
                url = receiver.url("ok")
                task_id = world.submit(
                    origin.page("far"), storage_url=f"s3://{bucket}/", callback_url=url
                )
                assert world.news(task_id)[0].document()["status"] == "success"
                assert s3.object(bucket, f"{task_id}.json")[0] == world.results(task_id)
                result: Any = client.extract(url=origin.page("near"))
                assert "<h1>Page near</h1>" in result.data.html
            assert all(key.startswith("results-of-ours/") for key in s3.keys(store))
            for server in (api, worker):
                assert not any((server.data / "results").rglob("*.pack"))
                server.stop()
        finally:
            api.kill_everything()
            worker.kill_everything()
