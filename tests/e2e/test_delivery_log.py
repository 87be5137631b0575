"""The delivery log in a real PostgreSQL: what it tells of deliveries, and sending them again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.support.engine import Engine
from windlass.errors import InvalidRequest, NotFound, NotResendable
from windlass.model.account import Account
from windlass.model.delivery import Delivery, Sight, Upload, Webhook
from windlass.model.deliverylog import (
    AttemptOutcome,
    DeliveryFilter,
    DeliveryPage,
    DeliveryRecord,
    Resending,
)
from windlass.model.page import Failure
from windlass.model.task import State
from windlass.storage import deliveries as deliverylog
from windlass.storage.accounts import Accounts
from windlass.storage.database import Database
from windlass.storage.deliveries import FIRST, Deliveries

HOOK = Webhook(url="http://receiver.test/hook?key=1", headers={"X-Team": "seo", "X-Key": "k"})
ONLY_HOOK = Delivery(webhook=HOOK)
ONLY_UPLOAD = Delivery(upload=Upload(url="s3://lake/in/a.json"))
DOWN = Failure("connection_refused", "nobody there", retryable=True)
REFUSED: dict[str, Any] = {
    "failure": DOWN,
    "healthy": False,
    "status_code": 500,
    "sight": Sight(status_code=500, duration_ms=7, answer="no"),
}
EVERY = DeliveryFilter()


@pytest.fixture
def log(database: Database) -> Deliveries:
    return Deliveries(database)


async def delivered(engine: Engine, delivery: Delivery = ONLY_HOOK, **outcome: Any) -> UUID:
    """The id of the delivery of a new task, after one attempt at it."""
    await engine.accept(delivery=delivery)
    await engine.run()
    return (await engine.run(**outcome)).id


async def failed(engine: Engine, delivery: Delivery = ONLY_HOOK) -> UUID:
    """One that has failed."""
    return await delivered(engine, delivery, state=State.FAILED, **REFUSED)


async def listed(
    log: Deliveries, engine: Engine, limit: int = 100, **which: Any
) -> list[DeliveryRecord]:
    page = await log.list(engine.account, DeliveryFilter(**which), None, limit)
    return list(page.deliveries)


def since(hours: float, **which: Any) -> Resending:
    now = datetime.now(UTC)
    wanted = DeliveryFilter(**{"state": State.FAILED, **which})
    return Resending(which=wanted, since=now - timedelta(hours=hours), until=now)


async def stranger(database: Database) -> Account:
    accounts = Accounts(database)
    _, key = await accounts.create_key("other")
    return await accounts.find(key)


# ---------------------------------------------------------------- reading


async def test_a_delivery_is_told_with_every_attempt(engine: Engine, log: Deliveries) -> None:
    (task_id,) = await engine.accept(delivery=ONLY_HOOK)
    await engine.run()
    webhook = await engine.run(state=State.QUEUED, retry_in_s=60.0, **REFUSED)
    record = await log.get(engine.account, webhook.id)
    assert (record.task_id, record.kind, record.state) == (task_id, "webhook", State.QUEUED)
    assert (record.url, sorted(record.header_names)) == (HOOK.url, ["X-Key", "X-Team"])
    assert record.failure == Failure("connection_refused", "nobody there")
    assert (record.status_code, record.attempt_count, record.circuit.streak) == (500, 1, 1)
    (attempt,) = record.history
    assert attempt.outcome == "retried"
    assert attempt.sight == REFUSED["sight"]
    assert attempt.next_at == record.next_attempt_at
    assert record.next_attempt_at is not None
    assert 50 < (record.next_attempt_at - attempt.finished_at).total_seconds() < 70


async def test_what_has_ended_has_no_next_attempt(engine: Engine, log: Deliveries) -> None:
    for delivery_id in (await delivered(engine, healthy=True), await failed(engine)):
        record = await log.get(engine.account, delivery_id)
        assert record.next_attempt_at is None
        assert record.finished_at is not None
    assert [one.failure is None for one in await listed(log, engine)] == [False, True]


async def test_an_upload_has_a_circuit_that_is_always_closed(
    engine: Engine, log: Deliveries
) -> None:
    record = await log.get(engine.account, await failed(engine, ONLY_UPLOAD))
    assert (record.kind, record.url, record.header_names) == ("upload", "s3://lake/in/a.json", ())
    assert (record.circuit.state, record.circuit.open_until) == ("closed", None)


@pytest.mark.parametrize(
    ("which", "found"),
    [
        ({}, 3),
        ({"kind": "upload"}, 1),
        ({"state": State.FAILED}, 2),
        ({"state": State.RUNNING}, 0),
        ({"state": State.FAILED, "kind": "webhook"}, 1),
        ({"destination": "http://receiver.test/ho"}, 2),
        ({"destination": "s3://lake/"}, 1),
        ({"destination": "s3://la%"}, 0),
        ({"task_id": UUID(int=1)}, 0),
    ],
)
async def test_filters_find_what_fits_all_of_them(
    engine: Engine, log: Deliveries, which: dict[str, Any], found: int
) -> None:
    await delivered(engine, healthy=True)
    await failed(engine)
    await failed(engine, ONLY_UPLOAD)
    page = await log.list(engine.account, DeliveryFilter(**which), None, 100)
    assert (len(page.deliveries), page.total) == (found, found)


async def test_the_deliveries_of_one_task(engine: Engine, log: Deliveries) -> None:
    await failed(engine)
    both = Delivery(upload=ONLY_UPLOAD.upload, webhook=HOOK)
    (task_id,) = await engine.accept(delivery=both)
    for _ in range(3):
        await engine.run()
    assert [one.kind for one in await listed(log, engine, task_id=task_id)] == ["webhook", "upload"]


async def test_pages_follow_each_other_while_deliveries_arrive(
    engine: Engine, log: Deliveries
) -> None:
    made = [await failed(engine) for _ in range(5)]
    found: list[UUID] = []
    cursor = None
    while True:
        page: DeliveryPage = await log.list(engine.account, EVERY, cursor, 2)
        found += [one.id for one in page.deliveries]
        cursor = page.next_cursor
        if cursor is None:
            break
        await delivered(engine, healthy=True)
    assert found == made[::-1]


async def test_a_cursor_that_is_not_ours_is_refused(engine: Engine, log: Deliveries) -> None:
    with pytest.raises(InvalidRequest):
        await log.list(engine.account, EVERY, "nonsense", 10)


async def test_accounts_see_nothing_of_each_other(
    engine: Engine, log: Deliveries, database: Database
) -> None:
    mine, other = await failed(engine), await stranger(database)
    assert (await log.list(other, EVERY, None, 10)).total == 0
    for call in (log.get, log.resend):
        with pytest.raises(NotFound):
            await call(other, mine)
    assert (await log.resend_slice(other, since(1), FIRST)).lanes == ()
    assert (await log.get(engine.account, mine)).state == State.FAILED


async def test_what_is_no_delivery_is_not_found(engine: Engine, log: Deliveries) -> None:
    (task_id,) = await engine.accept()
    for unknown in (task_id, uuid4()):
        for call in (log.get, log.resend):
            with pytest.raises(NotFound):
                await call(engine.account, unknown)


# ---------------------------------------------------------------- sending again


async def test_a_delivery_is_sent_again_under_its_id_with_all_its_tries(
    engine: Engine, log: Deliveries
) -> None:
    delivery_id = await failed(engine)
    lane = await log.resend(engine.account, delivery_id)
    record = await log.get(engine.account, delivery_id)
    assert (record.state, record.finished_at, record.status_code) == (State.QUEUED, None, None)
    assert record.next_attempt_at is not None
    await engine.admission.arm([lane])
    again = await engine.run(
        state=State.SUCCEEDED, healthy=True, sight=Sight(status_code=200, duration_ms=3)
    )
    assert (again.id, again.attempt, again.failures, again.losses) == (delivery_id, 2, 0, 0)
    record = await log.get(engine.account, delivery_id)
    outcomes: list[AttemptOutcome] = [each.outcome for each in record.history]
    assert (record.state, record.failure, outcomes) == (
        State.SUCCEEDED,
        None,
        ["failed", "succeeded"],
    )


async def test_a_delivery_that_has_succeeded_can_be_sent_again(
    engine: Engine, log: Deliveries
) -> None:
    delivery_id = await delivered(engine, healthy=True)
    await log.resend(engine.account, delivery_id)
    assert (await engine.run(healthy=True)).id == delivery_id


async def test_a_delivery_under_way_is_left_alone(engine: Engine, log: Deliveries) -> None:
    (_,) = await engine.accept(delivery=ONLY_HOOK)
    await engine.run()
    webhook, _ = await engine.start()
    with pytest.raises(NotResendable, match="under way"):
        await log.resend(engine.account, webhook.id)
    assert (await log.get(engine.account, webhook.id)).state == State.RUNNING


async def test_the_upload_of_a_cancelled_task_is_not_sent(engine: Engine, log: Deliveries) -> None:
    (task_id,) = await engine.accept(delivery=ONLY_UPLOAD)
    await engine.run()
    upload, _ = await engine.start()
    await engine.tasks.cancel(engine.account, task_id)
    with pytest.raises(NotResendable, match="canceled"):
        await log.resend(engine.account, upload.id)


async def test_an_upload_sent_again_leaves_its_failed_task_as_it_is(
    engine: Engine, log: Deliveries
) -> None:
    both = Delivery(upload=ONLY_UPLOAD.upload, webhook=HOOK)
    (task_id,) = await engine.accept(delivery=both)
    await engine.run()
    upload = await engine.run(state=State.FAILED, failure=DOWN)
    await engine.run(healthy=True)  # the webhook
    before = await engine.tasks.get(engine.account, task_id)
    await log.resend(engine.account, upload.id)
    await engine.run()
    assert await engine.tasks.get(engine.account, task_id) == before
    assert len(await listed(log, engine, kind="webhook")) == 1


async def test_a_delivery_that_expired_unsent_gets_its_time_again(
    engine: Engine, log: Deliveries, database: Database
) -> None:
    await engine.accept(delivery=ONLY_HOOK)
    await engine.run()
    await database.relaxed.execute(
        "UPDATE task SET tried_since = now() - interval '73 hours' WHERE kind = 'webhook'"
    )
    await engine.maintenance.tidy()
    (record,) = await listed(log, engine)
    assert record.failure is not None
    assert (record.failure.code, record.attempt_count) == ("delivery_expired", 0)
    await log.resend(engine.account, record.id)
    await engine.maintenance.tidy()
    assert (await engine.run(healthy=True)).id == record.id


async def test_a_task_is_kept_while_a_delivery_of_it_is_sent_again(
    engine: Engine, log: Deliveries, database: Database
) -> None:
    delivery_id = await failed(engine)
    await database.relaxed.execute(
        "UPDATE task SET finished_at = now() - interval '100 days', result_expired = true"
    )
    await log.resend(engine.account, delivery_id)
    await engine.maintenance.tidy()
    assert (await log.get(engine.account, delivery_id)).state == State.QUEUED


async def test_an_open_circuit_keeps_what_is_sent_again(
    engine: Engine, log: Deliveries, database: Database
) -> None:
    delivery_id = await failed(engine)
    until = datetime.now(UTC) + timedelta(minutes=5)
    await database.relaxed.execute("UPDATE lane SET open_until = $1, next_at = 'infinity'", until)
    lane = await log.resend(engine.account, delivery_id)
    record = await log.get(engine.account, delivery_id)
    assert record.circuit.state == "open"
    assert record.postponed_until == record.next_attempt_at == record.circuit.open_until == until
    await engine.admission.arm([lane])
    assert await engine.admit_all() == 0
    await database.relaxed.execute("UPDATE lane SET open_until = now(), next_at = now()")
    record = await log.get(engine.account, delivery_id)
    assert (record.circuit.state, record.postponed_until) == ("probing", None)
    assert (await engine.run(healthy=True)).id == delivery_id


# ---------------------------------------------------------------- many


async def test_all_that_failed_since_a_time_are_sent_again_in_slices(
    engine: Engine, log: Deliveries, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deliverylog, "SLICE", 2)
    made = [await failed(engine) for _ in range(5)]
    await delivered(engine, healthy=True)
    await database.relaxed.execute(
        "UPDATE task SET finished_at = now() - interval '3 hours' WHERE id = $1", made[0]
    )
    wanted, position, counts = since(2), FIRST, []
    while True:
        done = await log.resend_slice(engine.account, wanted, position)
        counts.append(len(done.lanes))
        if done.position is None:
            break
        position = done.position
    assert counts == [2, 2, 0]
    states = {one.id: one.state for one in await listed(log, engine)}
    assert [states[one] for one in made] == [State.FAILED, *[State.QUEUED] * 4]
    assert (await log.resend_slice(engine.account, wanted, FIRST)).lanes == ()


@pytest.mark.parametrize(
    ("which", "count"),
    [
        ({}, 2),
        ({"kind": "webhook"}, 1),
        ({"destination": "s3://lake/in/"}, 1),
        ({"destination": "http://other.test/"}, 0),
        ({"state": State.SUCCEEDED}, 1),
    ],
)
async def test_only_what_fits_is_sent_again(
    engine: Engine, log: Deliveries, which: dict[str, Any], count: int
) -> None:
    await failed(engine)
    await failed(engine, ONLY_UPLOAD)
    await delivered(engine, healthy=True)
    done = await log.resend_slice(engine.account, since(1, **which), FIRST)
    assert len(done.lanes) == count


async def test_what_fails_again_meanwhile_is_not_sent_twice(
    engine: Engine, log: Deliveries
) -> None:
    delivery_id = await failed(engine)
    wanted = since(1)
    done = await log.resend_slice(engine.account, wanted, FIRST)
    await engine.admission.arm(done.lanes)
    assert (await engine.run(state=State.FAILED, **REFUSED)).id == delivery_id
    assert (await log.resend_slice(engine.account, wanted, FIRST)).lanes == ()
    assert len((await log.resend_slice(engine.account, since(1), FIRST)).lanes) == 1


async def test_a_filter_finds_its_index_among_many(
    engine: Engine, log: Deliveries, database: Database
) -> None:
    delivery_id = await failed(engine)
    await database.relaxed.execute(
        """INSERT INTO task (id, account_id, state, priority, listed, lane, kind, api, input,
            request, deadline_s, run_at, created_at, modified_at, finished_at, parent_id)
        SELECT gen_random_uuid(), account_id, 'succeeded', 1, false, lane, kind, api, input,
            request, 1, now(), now() + n * interval '1 ms', now(), now(), parent_id
        FROM task, generate_series(1, 20000) AS n WHERE task.id = $1""",
        delivery_id,
    )
    await database.relaxed.execute("ANALYZE task")
    failed_ones = "listing(1, now(), $$ffffffff-ffff-ffff-ffff-ffffffffffff$$, 10, NULL, NULL, $1)"
    explained = "EXPLAIN EXECUTE " + failed_ones.replace("$1", "'{failed}', NULL, NULL, false")
    async with log._searching(database.relaxed) as connection:
        await connection.execute("PREPARE listing AS " + database.sql("list_deliveries"))
        for _ in range(10):  # after five PostgreSQL would settle on one plan for all filters
            plan = await connection.fetch(explained)
        await connection.execute("DEALLOCATE listing")
    assert "task_undelivered" in "\n".join(row[0] for row in plan)
    assert [one.id for one in await listed(log, engine, state=State.FAILED)] == [delivery_id]
