"""What a task's end sets off, in a real PostgreSQL, without any receiver or bucket."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import UUID

from tests.support.engine import SETTINGS, Engine
from tests.support.waiting import eventually_async
from windlass.model.delivery import Delivery, Sight, Upload, Webhook
from windlass.model.page import Failure
from windlass.model.task import State
from windlass.storage.database import Database
from windlass.storage.maintenance import Maintenance
from windlass.storage.queue import DELIVERIES

HOOK = Webhook(url="http://receiver.test/hook?key=1", headers={"X-Team": "seo"})
BOTH = Delivery(upload=Upload(url="s3://lake/a.json"), webhook=HOOK, base="http://w.test")
ONLY_HOOK = Delivery(webhook=HOOK)
DOWN = Failure("connection_refused", "no", retryable=True)
DENIED = Failure("storage_denied", "no")
LANE = "hook:{}:http://receiver.test:80/hook"


async def children(engine: Engine, parent: UUID) -> list[tuple[str, str]]:
    rows = await engine.database.relaxed.fetch(
        "SELECT kind, state::text FROM task WHERE parent_id = $1 ORDER BY created_at", parent
    )
    return [tuple(row) for row in rows]


# ---------------------------------------------------------------- order of events


async def test_an_upload_holds_its_parent_in_progress_and_then_ends_it(engine: Engine) -> None:
    (task_id,) = await engine.accept(delivery=BOTH)
    await engine.run(status_code=200)
    parked = await engine.tasks.get(engine.account, task_id)
    assert (parked.state, parked.result_address) == (State.RUNNING, "results/x")
    upload = await engine.run()
    assert (upload.kind, upload.parent_id) == ("upload", task_id)
    ended = await engine.tasks.get(engine.account, task_id)
    assert (ended.state, ended.modified_at) == (State.SUCCEEDED, parked.modified_at)
    webhook = await engine.run()
    assert (webhook.kind, webhook.parent_id) == ("webhook", task_id)
    assert webhook.lane == LANE.format(engine.account.id)


async def test_no_webhook_waits_before_the_upload_has_ended(engine: Engine) -> None:
    (task_id,) = await engine.accept(delivery=BOTH)
    await engine.run()
    assert await children(engine, task_id) == [("upload", "waiting")]
    await engine.run()
    assert await children(engine, task_id) == [("upload", "succeeded"), ("webhook", "waiting")]


async def test_a_failed_upload_fails_its_parent_and_the_webhook_still_goes(engine: Engine) -> None:
    (task_id,) = await engine.accept(delivery=BOTH)
    await engine.run(status_code=200)
    await engine.run(state=State.FAILED, failure=DENIED)
    ended = await engine.tasks.get(engine.account, task_id)
    assert ended.state == State.FAILED
    assert ended.failure is not None
    assert ended.failure.code == "storage_denied"
    assert ended.result_address == "results/x"
    assert ("webhook", "waiting") in await children(engine, task_id)


async def test_an_upload_that_is_retried_leaves_its_parent_parked(engine: Engine) -> None:
    (task_id,) = await engine.accept(delivery=BOTH)
    await engine.run()
    await engine.run(state=State.QUEUED, failure=DOWN, retry_in_s=60.0)
    assert await engine.state(task_id) == State.RUNNING


async def test_a_failed_task_is_not_uploaded_but_told(engine: Engine) -> None:
    (task_id,) = await engine.accept(delivery=BOTH)
    await engine.run(state=State.FAILED, failure=DOWN)
    assert await children(engine, task_id) == [("webhook", "waiting")]


async def test_a_late_outcome_delivers_nothing(engine: Engine) -> None:
    (task_id,) = await engine.accept(delivery=BOTH)
    first, job = await engine.start()
    await engine.claim(job)
    assert not await engine.finish(first, job)
    assert await children(engine, task_id) == []


async def test_a_failed_webhook_never_changes_its_task(engine: Engine) -> None:
    (task_id,) = await engine.accept(delivery=ONLY_HOOK)
    await engine.run()
    await engine.run(state=State.FAILED, failure=DOWN, healthy=False)
    assert await engine.state(task_id) == State.SUCCEEDED


# ---------------------------------------------------------------- ended by others


async def test_a_cancelled_task_takes_its_upload_along_and_is_told(engine: Engine) -> None:
    (task_id,) = await engine.accept(delivery=BOTH)
    await engine.run()
    upload, job = await engine.start()
    task, lanes = await engine.tasks.cancel(engine.account, task_id)
    assert task.state == State.CANCELLED
    assert list(lanes) == [LANE.format(engine.account.id)]
    assert not await engine.finish(upload, job)
    assert await children(engine, task_id) == [("upload", "cancelled"), ("webhook", "waiting")]
    tallies = (await engine.maintenance.stats()).tallies
    assert {(one.kind, one.outcome) for one in tallies} == {
        ("extract", "cancelled"),
        ("upload", "cancelled"),
    }


async def test_an_upload_that_ends_after_a_cancel_neither_revives_nor_tells_twice(
    engine: Engine,
) -> None:
    (task_id,) = await engine.accept(delivery=BOTH)
    await engine.run()
    await engine.database.relaxed.execute(
        "UPDATE task SET state = 'cancelled' WHERE id = $1", task_id
    )
    await engine.run()
    assert await engine.state(task_id) == State.CANCELLED
    assert await children(engine, task_id) == [("upload", "succeeded")]


async def test_a_delivery_cannot_be_cancelled_by_its_id(engine: Engine) -> None:
    (task_id,) = await engine.accept(delivery=BOTH)
    await engine.run()
    upload, _ = await engine.start()
    await engine.tasks.cancel(engine.account, upload.id)
    assert await children(engine, task_id) == [("upload", "running")]


async def test_a_task_never_started_in_time_is_told(database: Database) -> None:
    engine = await Engine(database).open()
    (task_id,) = await engine.accept(delivery=BOTH)
    await database.relaxed.execute("UPDATE task SET created_at = now() - interval '2 days'")
    await engine.maintenance.tidy()
    assert await engine.state(task_id) == State.FAILED
    assert await children(engine, task_id) == [("webhook", "waiting")]


async def test_an_upload_nobody_takes_for_days_fails_with_its_parent(engine: Engine) -> None:
    (task_id,) = await engine.accept(delivery=BOTH)
    await engine.run()
    await engine.run(state=State.QUEUED, failure=DOWN, retry_in_s=9e6)
    await engine.database.relaxed.execute(
        "UPDATE task SET tried_since = now() - interval '73 hours' WHERE kind = 'upload'"
    )
    await engine.maintenance.tidy()
    ended = await engine.tasks.get(engine.account, task_id)
    assert ended.state == State.FAILED
    assert ended.failure is not None
    assert ended.failure.code == "delivery_expired"
    assert ("webhook", "waiting") in await children(engine, task_id)


async def test_a_task_is_kept_while_its_news_is_under_way(database: Database) -> None:
    engine = await Engine(database).open()
    maintenance = Maintenance(database, replace(SETTINGS, result_ttl=60))
    (task_id,) = await engine.accept(delivery=ONLY_HOOK)
    await engine.run()
    await database.relaxed.execute(
        "UPDATE task SET finished_at = now() - interval '1 day' WHERE id = $1", task_id
    )
    await maintenance.tidy()
    assert (await engine.tasks.get(engine.account, task_id)).result_expired
    await engine.run()
    await maintenance.tidy()
    assert await database.relaxed.fetchval("SELECT count(*) FROM task WHERE id = $1", task_id) == 0


# ---------------------------------------------------------------- attempts and breakers


async def test_every_attempt_of_a_delivery_is_a_row(engine: Engine) -> None:
    await engine.accept(delivery=ONLY_HOOK)
    await engine.run()
    refused = Sight(status_code=500, duration_ms=7, answer="no\x00")
    webhook = await engine.run(
        state=State.QUEUED, failure=DOWN, retry_in_s=0.05, sight=refused, healthy=False
    )

    async def due() -> bool:
        await engine.admission.admit()
        return bool(await engine.jobs())

    await eventually_async(due, "the retry is due")
    await engine.run(sight=Sight(status_code=204, duration_ms=3), healthy=True)
    rows = await engine.database.relaxed.fetch(
        "SELECT number, outcome, code, status_code, duration_ms, answer, next_at IS NOT NULL"
        " FROM attempt WHERE task_id = $1 ORDER BY number",
        webhook.id,
    )
    assert [tuple(row) for row in rows] == [
        (1, "retried", "connection_refused", 500, 7, "no", True),
        (2, "succeeded", None, 204, 3, "", False),
    ]


async def lane(engine: Engine) -> Any:
    key = LANE.format(engine.account.id)
    return await engine.database.relaxed.fetchrow(
        "SELECT *, next_at > now() + interval '50 seconds' AS postponed FROM lane WHERE key = $1",
        key,
    )


async def finish_deliveries(engine: Engine, **outcome: Any) -> int:
    """Ends all deliveries that may start now."""
    await engine.admission.recover()
    await engine.admit_all()
    jobs = await engine.jobs()
    for job in jobs:
        assert job.entrypoint == DELIVERIES
        assert await engine.finish(await engine.claim(job), job, **outcome)
    return len(jobs)


async def ended_tasks(engine: Engine, count: int) -> None:
    """Tasks with webhooks, done."""
    for _ in range(count):
        await engine.accept(delivery=ONLY_HOOK)
        await engine.admit_all()
        for job in await engine.jobs():
            if job.entrypoint != DELIVERIES:
                await engine.finish(await engine.claim(job), job)


async def test_an_unproven_endpoint_gets_one_webhook_at_a_time(engine: Engine) -> None:
    await ended_tasks(engine, 5)
    assert await finish_deliveries(engine, healthy=True) == 1
    await engine.admission.admit([LANE.format(engine.account.id)])
    assert len(await engine.jobs()) == 4


async def test_an_endpoint_that_keeps_failing_is_left_alone_but_for_a_probe(engine: Engine) -> None:
    await ended_tasks(engine, 12)
    key = LANE.format(engine.account.id)
    failed = {"state": State.FAILED, "failure": DOWN, "healthy": False}
    for _ in range(10):
        assert await finish_deliveries(engine, **failed) == 1
        await engine.admission.admit([key])
    await finish_deliveries(engine, **failed)  # one was under way when it opened
    assert (await lane(engine))["postponed"]
    assert await finish_deliveries(engine) == 0
    await engine.admission.arm([key])
    await engine.admission.admit([key])
    assert await engine.jobs() == []
    await engine.database.relaxed.execute("UPDATE lane SET open_until = now(), next_at = now()")
    assert await finish_deliveries(engine, healthy=True) == 1
    assert (await lane(engine))["open_until"] is None


async def test_an_endpoint_is_remembered_until_its_last_retry(engine: Engine) -> None:
    await ended_tasks(engine, 1)
    again = {"state": State.QUEUED, "failure": DOWN, "healthy": False, "retry_in_s": 300.0}
    await finish_deliveries(engine, **again)
    await engine.admit_all()  # finds nothing, so that the lane is idle
    await engine.maintenance.tidy()
    assert (await lane(engine))["streak"] == 1
    await engine.database.relaxed.execute("UPDATE task SET run_at = now() WHERE kind = 'webhook'")
    await finish_deliveries(engine, healthy=True)
    await engine.admission.admit([LANE.format(engine.account.id)])
    await engine.maintenance.tidy()
    assert await lane(engine) is None


async def test_an_open_circuit_outlives_what_waited_for_it(engine: Engine) -> None:
    await ended_tasks(engine, 1)
    await finish_deliveries(engine, state=State.FAILED, failure=DOWN, healthy=False)
    await engine.database.relaxed.execute(
        "UPDATE lane SET next_at = 'infinity', open_until = now() + interval '1 minute'"
    )
    await engine.maintenance.tidy()
    assert await lane(engine) is not None
    await engine.database.relaxed.execute("UPDATE lane SET open_until = now()")
    await engine.maintenance.tidy()
    assert await lane(engine) is None


async def test_pages_and_deliveries_have_room_of_their_own(database: Database) -> None:
    engine = await Engine(database).open(slots=1)
    await ended_tasks(engine, 1)
    await engine.accept(10)
    await engine.admission.recover()
    await engine.admit_all()
    pools = sorted(job.entrypoint for job in await engine.jobs())
    assert pools == ["delivery", "task", "task"]
