"""The life of a task in a real PostgreSQL, without any server around it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from tests.support.engine import SETTINGS, Engine
from tests.support.waiting import eventually_async
from windlass.errors import InvalidRequest, TaskNotFound
from windlass.model.page import Failure
from windlass.model.request import Cookie
from windlass.model.task import Outcome, Priority, SessionUpdate, State, Task
from windlass.net.endpoints import web_lane
from windlass.storage.accounts import Accounts
from windlass.storage.admission import Admission
from windlass.storage.database import SCHEMA, Database
from windlass.storage.outcomes import Finished

# ---------------------------------------------------------------- life


async def test_a_task_goes_from_accepted_to_succeeded(engine: Engine) -> None:
    (task_id,) = await engine.accept()
    assert await engine.state(task_id) == State.QUEUED
    assert await engine.admit_all() == 1
    (job,) = await engine.jobs()
    task = await engine.claim(job)
    assert (task.state, task.attempt) == (State.RUNNING, 1)
    assert await engine.finish(task, job, status_code=200)
    ended = await engine.tasks.get(engine.account, task_id)
    assert (ended.state, ended.status_code) == (State.SUCCEEDED, 200)
    assert await engine.jobs() == []


async def test_input_keeps_its_text_and_key_order(engine: Engine) -> None:
    (task_id,) = await engine.accept(input='{"vx10":1, "vx6":2,"a":"\\u0000"}')
    task = await engine.tasks.get(engine.account, task_id)
    assert task.input == '{"vx10":1, "vx6":2,"a":"\\u0000"}'


async def test_accepting_twice_under_one_id_makes_one_task(engine: Engine) -> None:
    task = engine.new_task()
    await engine.tasks.accept(task)
    await engine.tasks.accept(task)
    assert (await engine.tasks.list(engine.account, None, 10)).total == 1


async def test_a_late_outcome_is_dropped_whole(engine: Engine) -> None:
    (task_id,) = await engine.accept()
    await engine.admit_all()
    (job,) = await engine.jobs()
    first = await engine.claim(job)
    second = await engine.claim(job)
    follow_up = engine.new_task()
    late = Outcome(state=State.SUCCEEDED, status_code=500, follow_ups=(follow_up,))
    assert await engine.outcomes.apply(Finished(first, job, late, "late")) is None
    with pytest.raises(TaskNotFound):
        await engine.tasks.get(engine.account, follow_up.id)
    assert await engine.finish(second, job, status_code=200)
    ended = await engine.tasks.get(engine.account, task_id)
    assert (ended.status_code, ended.losses) == (200, 1)


async def test_an_ended_task_is_neither_claimed_nor_changed_again(engine: Engine) -> None:
    (task_id,) = await engine.accept()
    await engine.admit_all()
    (job,) = await engine.jobs()
    task = await engine.claim(job)
    assert await engine.finish(task, job)
    assert not await engine.finish(task, job, state=State.FAILED)
    assert await engine.tasks.claim(job) is None
    assert await engine.state(task_id) == State.SUCCEEDED


async def test_a_retry_waits_for_its_time_and_counts_a_failure(engine: Engine) -> None:
    (task_id,) = await engine.accept()
    await engine.admit_all()
    (job,) = await engine.jobs()
    failure = Failure("connection_refused", "no", retryable=True)
    task = await engine.claim(job)
    assert await engine.finish(task, job, state=State.QUEUED, failure=failure, retry_in_s=0.2)
    next_in_s = (await engine.admission.admit()).next_in_s
    assert next_in_s is not None
    assert 0 < next_in_s <= 0.2
    assert await engine.admit_all() == 0
    await eventually_async(lambda: promoted(engine), "the retry is due")
    (job,) = await engine.jobs()
    again = await engine.claim(job)
    assert (again.attempt, again.failures, again.failure) == (2, 1, None)
    assert await engine.state(task_id) == State.RUNNING


async def promoted(engine: Engine) -> bool:
    return await engine.admit_all() == 1


async def test_a_released_attempt_costs_no_failure(engine: Engine) -> None:
    await engine.accept()
    await engine.admit_all()
    (job,) = await engine.jobs()
    assert await engine.finish(await engine.claim(job), job, state=State.QUEUED, counts=False)
    await engine.admission.arm(["web:site.test:80"])
    assert await engine.admit_all() == 1
    (job,) = await engine.jobs()
    assert (await engine.claim(job)).failures == 0


async def test_follow_up_tasks_are_made_with_the_outcome(engine: Engine) -> None:
    await engine.accept()
    await engine.admit_all()
    (job,) = await engine.jobs()
    follow_up = engine.new_task()
    assert await engine.finish(await engine.claim(job), job, follow_ups=(follow_up,))
    assert await engine.state(follow_up.id) == State.QUEUED


async def test_session_cookies_are_kept_with_the_outcome(engine: Engine) -> None:
    await engine.accept()
    await engine.admit_all()
    (job,) = await engine.jobs()
    cookie = Cookie(name="a", value="1", domain="site.test")
    update = SessionUpdate(engine.account.id, "s1", (cookie,), 60.0)
    assert await engine.finish(await engine.claim(job), job, session=update)
    assert await engine.tasks.session_cookies(engine.account.id, "s1") == (cookie,)
    assert await engine.tasks.session_cookies(engine.account.id + 1, "s1") == ()


async def test_a_cancelled_task_stays_cancelled(engine: Engine) -> None:
    (task_id,) = await engine.accept()
    await engine.admit_all()
    (job,) = await engine.jobs()
    task = await engine.claim(job)
    assert (await engine.tasks.cancel(engine.account, task_id))[0].state == State.CANCELLED
    assert not await engine.finish(task, job)
    assert (await engine.tasks.cancel(engine.account, task_id))[0].state == State.CANCELLED


# ---------------------------------------------------------------- admission


async def test_a_lane_never_holds_more_than_its_concurrency(engine: Engine) -> None:
    await engine.accept(30)
    others = [Engine(engine.database) for _ in range(6)]
    await asyncio.gather(*(other.admission.admit() for other in others for _ in range(5)))
    assert len(await engine.jobs()) == SETTINGS.host_concurrency


async def test_a_lane_with_a_delay_starts_one_task_at_a_time(database: Database) -> None:
    settings = replace(SETTINGS, host_delay_for={"site.test": 0.3})
    engine = await Engine(database, settings).open()
    await engine.accept(3)
    calls: list[tuple[float, float]] = []
    """Beginning and end of each call that started a task."""
    loop = asyncio.get_running_loop()

    async def all_started() -> bool:
        began = loop.time()
        started = (await engine.admission.admit()).admitted
        calls.extend([(began, loop.time())] * started)
        return len(calls) == 3

    await eventually_async(all_started, "three starts")
    assert min(later[1] - earlier[0] for earlier, later in pairwise(calls)) >= 0.3


async def test_the_queue_stays_at_twice_the_slots(database: Database) -> None:
    settings = replace(SETTINGS, host_concurrency=1000)
    engine = await Engine(database, settings).open(slots=7)
    await engine.accept(100)
    await engine.admit_all()
    assert len(await engine.jobs()) == 14


async def test_accounts_take_turns_within_a_lane(engine: Engine) -> None:
    _, key = await Accounts(engine.database).create_key("other")
    other = await Accounts(engine.database).find(key)
    await engine.accept(20)
    await engine.accept(2, account_id=other.id)
    await engine.admit_all()
    claimed = [await engine.claim(job) for job in await engine.jobs()]
    assert sum(task.account == "other" for task in claimed) == 2


async def test_interactive_work_starts_first_even_when_the_queue_is_full(
    database: Database,
) -> None:
    engine = await Engine(database).open(slots=1)
    await engine.accept(5)
    await engine.admit_all()
    (task_id,) = await engine.accept(priority=Priority.INTERACTIVE, lane="web:other.test:80")
    assert (await engine.admission.admit()).admitted == 0
    assert (await engine.admission.admit_interactive(["web:other.test:80"])).admitted == 1
    assert UUID(bytes=(await engine.jobs())[0].payload) == task_id


async def test_a_full_lane_takes_more_when_a_task_ends(engine: Engine) -> None:
    await engine.accept(10)
    assert await engine.admit_all() == 8
    job = (await engine.jobs())[0]
    assert await engine.finish(await engine.claim(job), job)
    assert (await engine.admission.admit(["web:site.test:80"])).admitted == 1


async def test_a_backlog_of_one_host_does_not_hold_up_another(engine: Engine) -> None:
    await engine.accept(200)
    await engine.accept(1, lane="web:other.test:443")
    await engine.admit_all()
    lanes = {(await engine.claim(job)).lane for job in await engine.jobs()}
    assert lanes == {"web:site.test:80", "web:other.test:443"}


async def test_hosts_take_turns_when_there_is_less_room_than_they_want(database: Database) -> None:
    engine = await Engine(database).open(slots=8)
    lanes = [f"web:host-{number:02d}.test:80" for number in range(5)]
    for lane in lanes:
        await engine.accept(12, lane=lane)
    await engine.admit_all()
    served: Counter[str] = Counter()
    while served.total() < 40:
        first, *_ = await engine.jobs()
        task = await engine.claim(first)
        await engine.finish(task, first)
        served[task.lane] += 1
        await engine.admission.admit([task.lane])
    assert min(served[lane] for lane in lanes) >= 4


async def test_urgent_work_of_one_host_leaves_room_for_that_of_another(database: Database) -> None:
    engine = await Engine(database).open(slots=0)
    lanes = ["web:one.test:80", "web:other.test:80"]
    for lane in lanes:
        await engine.accept(5, lane=lane)
        await engine.accept(lane=lane, priority=Priority.INTERACTIVE)
    assert (await engine.admission.admit_interactive(lanes)).admitted == 2
    claimed = [await engine.claim(job) for job in await engine.jobs()]
    assert [task.priority for task in claimed] == [Priority.INTERACTIVE] * 2


async def test_changed_limits_reach_lanes_that_exist(engine: Engine) -> None:
    await engine.accept(10)
    settings = replace(SETTINGS, host_concurrency=1, host_concurrency_for={"other.test": 3})
    await Admission(engine.database, settings).apply_limits()
    assert await engine.admit_all() == 1


# ---------------------------------------------------------------- recovery


async def test_tasks_missing_from_the_queue_start_again(engine: Engine) -> None:
    await engine.accept(3)
    await engine.admit_all()
    first, *_ = await engine.jobs()
    await engine.claim(first)
    await engine.database.relaxed.execute("TRUNCATE pgqueuer")
    assert await engine.admission.recover() == 3
    assert await engine.admit_all() == 3


async def test_an_accepted_task_whose_lane_was_never_armed_starts(engine: Engine) -> None:
    await engine.tasks.accept(engine.new_task())
    await engine.tasks.accept(engine.new_task(lane="web:never.test:80"))
    assert await engine.admit_all() == 0
    await engine.admission.recover()
    assert await engine.admit_all() == 2


async def test_an_outcome_from_before_a_recovery_still_counts(engine: Engine) -> None:
    (task_id,) = await engine.accept()
    await engine.admit_all()
    (job,) = await engine.jobs()
    task = await engine.claim(job)
    await engine.database.relaxed.execute("TRUNCATE pgqueuer")
    await engine.admission.recover()
    assert await engine.finish(task, job)
    await engine.admit_all()
    assert await engine.state(task_id) == State.SUCCEEDED


async def test_an_outcome_whose_answer_got_lost_counts_once(engine: Engine) -> None:
    (task_id,) = await engine.accept()
    await engine.admit_all()
    (job,) = await engine.jobs()
    task = await engine.claim(job)
    again = {"state": State.QUEUED, "failure": Failure("dns_failed", "no", retryable=True)}
    assert await engine.finish(task, job, **again)
    assert not await engine.finish(task, job, **again)
    assert (await engine.tasks.get(engine.account, task_id)).failures == 1


async def test_a_released_worker_loses_its_leases_at_once(engine: Engine) -> None:
    await engine.accept()
    await engine.admit_all()
    holder = uuid4()
    await engine.database.relaxed.execute(
        "UPDATE pgqueuer SET status = 'picked', queue_manager_id = $1", holder
    )
    await engine.database.execute("release_picked", holder)
    rows = await engine.database.relaxed.fetch("SELECT status::text FROM pgqueuer")
    assert [row["status"] for row in rows] == ["queued"]


async def test_an_outcome_survives_a_deadlock(engine: Engine) -> None:
    (task_id,) = await engine.accept()
    await engine.admit_all()
    (job,) = await engine.jobs()
    task = await engine.claim(job)
    other = await asyncpg.connect(engine.database.dsn, server_settings={"search_path": SCHEMA})
    async with other.transaction():
        await other.execute("SELECT FROM pgqueuer WHERE id = $1 FOR UPDATE", job.id)
        applying = asyncio.create_task(engine.finish(task, job))

        async def blocked() -> bool:
            waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"
            return bool(await engine.database.relaxed.fetchval(waiting))

        await eventually_async(blocked, "the outcome waits for the queue row")
        # Whoever looks first is the victim: the outcome, which has waited longer.
        await other.execute("SELECT FROM task WHERE id = $1 FOR UPDATE", task_id)
    await other.close()
    assert await applying
    assert await engine.state(task_id) == State.SUCCEEDED


@asynccontextmanager
async def locked(engine: Engine, task_id: UUID) -> AsyncIterator[None]:
    """Holds a task as a cancel of many would that has come that far."""
    other = await asyncpg.connect(engine.database.dsn, server_settings={"search_path": SCHEMA})
    try:
        async with other.transaction():
            await other.execute("SELECT FROM task WHERE id = $1 FOR UPDATE", task_id)
            yield
    finally:
        await other.close()


async def somebody_waits(engine: Engine) -> bool:
    return bool(
        await engine.database.relaxed.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted")
    )


async def free_tasks(engine: Engine) -> set[UUID]:
    rows = await engine.database.relaxed.fetch("SELECT id FROM task FOR UPDATE SKIP LOCKED")
    return {row["id"] for row in rows}


async def test_admission_waits_for_no_task_that_somebody_else_is_ending(engine: Engine) -> None:
    first, *_ = await engine.accept(6)
    await engine.accept(lane="web:other.test:80", id=UUID(int=1))
    async with locked(engine, first), locked(engine, UUID(int=1)):
        assert await engine.admit_all() == 5
    # Neither lane has gone to sleep over it.
    assert await engine.admit_all() == 2


async def test_a_lane_left_out_for_lack_of_room_stays_awake(database: Database) -> None:
    engine = await Engine(database).open(slots=1)
    first, _ = await engine.accept(2)
    await engine.accept(lane="web:other.test:80")
    async with locked(engine, first):
        assert (await engine.admission.admit()).admitted == 1
    asleep = "SELECT count(*) FROM lane WHERE next_at = 'infinity'"
    assert await database.relaxed.fetchval(asleep) == 0


async def test_claims_and_a_cancel_lock_uploads_before_others(engine: Engine) -> None:
    page, upload = UUID(int=1), UUID(int=2)
    await engine.accept(id=page)
    await engine.accept(id=upload, kind="upload")
    await engine.admit_all()
    jobs = await engine.jobs()
    async with locked(engine, upload):
        claiming = asyncio.gather(*(engine.claim(job) for job in jobs))
        await eventually_async(lambda: somebody_waits(engine), "the claim waits")
        assert await free_tasks(engine) == {page}
    tasks = await claiming
    async with locked(engine, upload):
        ending = asyncio.gather(
            *(engine.finish(task, job) for task, job in zip(tasks, jobs, strict=True))
        )
        await eventually_async(lambda: somebody_waits(engine), "the outcomes wait")
        assert await free_tasks(engine) == {page}
    assert all(await ending)


OFTEN: dict[str, list[Any]] = {
    "admission_room": [],
    "lock_due_lanes": [64, ["web:site.test:80"], "task"],
    "promote_delayed": [1000],
    "recover_tasks": [],
    "unarmed_lanes": [],
    "oldest_parked": [],
    "queue_depths": [],
    "expire_results": [60.0, 500],
    "expire_waiting": [60.0, 500, "x", "x"],
    "expire_deliveries": [60.0, 500, "x", "x"],
    "purge_tasks": [60.0, 500],
}


def scanned(plan: dict[str, Any]) -> set[str]:
    """The tables that a plan reads from end to end."""
    below = [scanned(part) for part in plan.get("Plans", [])]
    mine = {plan["Relation Name"]} if plan["Node Type"] == "Seq Scan" else set()
    return mine.union(*below)


@pytest.mark.parametrize("name", OFTEN)
async def test_what_runs_all_the_time_finds_its_tasks_by_an_index(
    engine: Engine, name: str
) -> None:
    async with engine.database.relaxed.acquire() as connection, connection.transaction():
        await connection.execute("SET LOCAL enable_seqscan = off")
        statement = await connection.prepare(engine.database.sql(name))
        (plan,) = await statement.explain(*OFTEN[name])
    assert scanned(plan["Plan"]) <= {"pgqueuer", "worker"}


async def test_what_cannot_be_stored_takes_no_others_along(engine: Engine) -> None:
    good, bad, fine = engine.new_task(), engine.new_task(lane="a\x00b"), engine.new_task()
    answers = await asyncio.gather(
        *(engine.tasks.accept(task) for task in (good, bad, fine)), return_exceptions=True
    )
    assert [isinstance(answer, Exception) for answer in answers] == [False, True, False]


async def test_a_message_that_no_encoding_carries_is_stored_all_the_same(engine: Engine) -> None:
    (task_id,) = await engine.accept()
    await engine.admit_all()
    (job,) = await engine.jobs()
    failure = Failure("bad_redirect", "to \udcff\x00 and back")
    task = await engine.claim(job)
    assert await engine.finish(task, job, state=State.FAILED, failure=failure)
    ended = await engine.tasks.get(engine.account, task_id)
    assert ended.failure == Failure("bad_redirect", "to ? and back")


def test_the_name_of_a_lane_fits_an_index() -> None:
    assert len(web_lane(f"http://{'x' * 9000}.test/")) < 300


# ---------------------------------------------------------------- lists and retention


async def test_a_cursor_stays_valid_while_tasks_arrive(engine: Engine) -> None:
    old = await engine.accept(5)
    page = await engine.tasks.list(engine.account, None, 2)
    await engine.accept(3)
    seen = [task.id for task in page.tasks]
    while page.next_cursor:
        page = await engine.tasks.list(engine.account, page.next_cursor, 2)
        seen += [task.id for task in page.tasks]
    assert sorted(seen) == sorted(old)
    assert page.total == 8


@pytest.mark.parametrize("cursor", ["", "nonsense", "AAAA", "ÿ", "Zm9vL2Jhcg"])
async def test_a_cursor_that_is_not_ours_is_refused(engine: Engine, cursor: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        await engine.tasks.list(engine.account, cursor, 2)
    assert caught.value.problems[0].path == "/cursor"


async def test_unlisted_tasks_are_readable_but_not_listed(engine: Engine) -> None:
    (task_id,) = await engine.accept(listed=False)
    assert (await engine.tasks.list(engine.account, None, 10)).tasks == ()
    assert await engine.state(task_id) == State.QUEUED


async def test_results_expire_before_their_tasks_are_purged(database: Database) -> None:
    settings = replace(SETTINGS, result_ttl=60.0)
    engine = await Engine(database, settings).open()
    (task_id,) = await engine.accept()
    await engine.admit_all()
    (job,) = await engine.jobs()
    assert await engine.finish(await engine.claim(job), job)

    async def age(seconds: float) -> Task:
        moment = datetime.now(UTC) - timedelta(seconds=seconds)
        await database.relaxed.execute("UPDATE task SET finished_at = $1", moment)
        await engine.maintenance.tidy()
        return await engine.tasks.get(engine.account, task_id)

    assert not (await age(30)).result_expired
    assert (await age(90)).result_expired
    with pytest.raises(TaskNotFound):
        await age(130)


async def test_a_task_never_started_fails_in_the_end(engine: Engine) -> None:
    (task_id,) = await engine.accept()
    await engine.database.relaxed.execute("UPDATE task SET created_at = now() - interval '25 h'")

    await engine.maintenance.tidy()
    task = await engine.tasks.get(engine.account, task_id)
    assert task.failure is not None
    assert (task.state, task.failure.code) == (State.FAILED, "task_expired")


async def test_tallies_count_what_ended(engine: Engine) -> None:
    await engine.accept(2)
    await engine.admit_all()
    good, bad = await engine.jobs()
    await engine.finish(await engine.claim(good), good)
    failure = Failure("dns_failed", "no")
    await engine.finish(await engine.claim(bad), bad, state=State.FAILED, failure=failure)
    stats = await engine.maintenance.stats()
    assert {(tally.outcome, tally.code, tally.count) for tally in stats.tallies} == {
        ("succeeded", "", 1),
        ("failed", "dns_failed", 1),
    }
    assert stats.workers == 1


async def test_the_queue_keeps_no_log(engine: Engine) -> None:
    await engine.accept(4)
    await engine.admit_all()
    for job in await engine.jobs():
        await engine.finish(await engine.claim(job), job)
    assert await engine.database.relaxed.fetchval("SELECT count(*) FROM pgqueuer_log") == 0
