"""The life of a task in a real PostgreSQL, without any server around it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar
from uuid import UUID, uuid4

import asyncpg
import pytest

from tests.support.engine import SETTINGS, Engine
from tests.support.postgres import emptied_database, new_database, running_postgres
from tests.support.waiting import eventually_async
from windlass import worker
from windlass.errors import InvalidRequest, TaskNotFound
from windlass.model.page import Failure
from windlass.model.request import Cookie
from windlass.model.task import Outcome, Priority, SessionUpdate, State, Task
from windlass.service import web_lane
from windlass.storage import migrate
from windlass.storage.accounts import Accounts
from windlass.storage.admission import Admission
from windlass.storage.database import SCHEMA, Database
from windlass.storage.migrate import steps
from windlass.storage.outcomes import Finished
from windlass.storage.queue import install


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with running_postgres() as dsn:
        yield dsn


@pytest.fixture
async def database(server: str) -> AsyncIterator[Database]:
    opened = await Database.open(await emptied_database(server))
    yield opened
    await opened.aclose()


@pytest.fixture
async def engine(database: Database) -> Engine:
    return await Engine(database).open()


# ---------------------------------------------------------------- schema


async def catalogue(dsn: str) -> list[tuple[Any, ...]]:
    """Columns, indexes, constraints, triggers and options of our schema, comparable."""
    connection = await asyncpg.connect(dsn)
    queries: Sequence[str] = (
        f"""SELECT table_name, column_name, ordinal_position, data_type, column_default,
            is_nullable FROM information_schema.columns WHERE table_schema = '{SCHEMA}'""",
        f"SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = '{SCHEMA}'",
        f"""SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid)
            FROM pg_constraint WHERE connamespace = '{SCHEMA}'::regnamespace""",
        f"""SELECT relname, relpersistence::text, reloptions::text FROM pg_class
            WHERE relnamespace = '{SCHEMA}'::regnamespace""",
        """SELECT tgrelid::regclass::text, tgname, pg_get_triggerdef(oid) FROM pg_trigger
            WHERE NOT tgisinternal""",
        "SELECT typname, enumlabel FROM pg_enum JOIN pg_type ON pg_type.oid = enumtypid",
    )
    try:
        found = [await connection.fetch(query) for query in queries]
        return sorted((tuple(row.values()) for rows in found for row in rows), key=repr)
    finally:
        await connection.close()


async def test_a_migrated_database_equals_a_fresh_one(server: str) -> None:
    fresh = await new_database(server)
    stepped = await new_database(server)
    await migrate(fresh)
    await migrate(stepped, from_steps=True)
    assert await catalogue(fresh) == await catalogue(stepped)
    assert len(await catalogue(fresh)) > 100


async def of_the_first_version(dsn: str) -> None:
    """Makes a database as the first version of Windlass left it, with a task in every state."""
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(f"CREATE SCHEMA {SCHEMA}; SET search_path TO {SCHEMA}")
        await connection.execute(steps()[1])
        await install(connection)
        await connection.execute("""
            INSERT INTO schema_version (version) VALUES (1);
            INSERT INTO account (name) VALUES ('main');
            INSERT INTO lane VALUES ('web:site.test:80', now(), 8, 0);
            INSERT INTO task (id, account_id, state, priority, listed, lane, kind, api, input,
                request, deadline_s, run_at, created_at, modified_at, started_at, attempt, worker,
                finished_at)
            SELECT gen_random_uuid(), account.id, state, 1, true, 'web:site.test:80', 'extract',
                'extract', '{}', '{}', 60, now(), now(), now(), now(), 1, 'worker-0',
                CASE WHEN state IN ('succeeded', 'failed', 'cancelled') THEN now() END
            FROM account, unnest(enum_range(NULL::task_state)) AS state
        """)
    finally:
        await connection.close()


async def test_a_database_of_the_first_version_goes_on_with_its_tasks(server: str) -> None:
    dsn = await new_database(server)
    await of_the_first_version(dsn)
    fresh = await new_database(server)
    await migrate(fresh)
    await migrate(dsn)
    assert await catalogue(dsn) == await catalogue(fresh)
    database = await Database.open(dsn)
    engine = await Engine(database).open()
    await engine.admission.recover()
    await engine.admit_all()
    for job in await engine.jobs():
        assert await engine.finish(await engine.claim(job), job)
    states = await database.relaxed.fetch("SELECT state::text FROM task")
    counts = Counter(row["state"] for row in states)
    await database.aclose()
    assert counts == {"succeeded": 5, "failed": 1, "cancelled": 1}


async def test_processes_that_migrate_at_once_do_not_collide(server: str) -> None:
    dsn = await new_database(server)
    versions = await asyncio.gather(*(migrate(dsn) for _ in range(8)))
    assert len(set(versions)) == 1


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
    starts: list[float] = []
    loop = asyncio.get_running_loop()

    async def all_started() -> bool:
        for _ in range((await engine.admission.admit()).admitted):
            starts.append(loop.time())
        return len(starts) == 3

    await eventually_async(all_started, "three starts")
    gaps = [later - earlier for earlier, later in pairwise(starts)]
    assert min(gaps) >= 0.28


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
    assert await engine.admission.admit_interactive(["web:other.test:80"]) == 1
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
    assert await engine.admission.admit_interactive(lanes) == 2
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


class Broken:
    """A kind that cannot even read its task, as after an upgrade."""

    def __init__(self, *_: object) -> None: ...

    async def handle(self, task: Task) -> Outcome:
        raise ValueError(task.request)

    def give_up(self, task: Task, outcome: Outcome) -> Outcome:
        raise ValueError(task.request)

    async def aclose(self) -> None: ...


async def test_a_task_that_cannot_be_read_ends_all_the_same(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("windlass.worker.KINDS", {"extract": Broken})
    settings = replace(SETTINGS, data=tmp_path, max_attempts=1)
    (task_id,) = await engine.accept()
    stop = asyncio.Event()
    working = asyncio.create_task(worker.run(settings, engine.database.dsn, "worker-2", stop))

    async def ended() -> bool:
        return await engine.state(task_id) == State.FAILED

    await eventually_async(ended, "the task fails")
    stop.set()
    await working


class Counting:
    """A kind that takes its time and counts how many run at once."""

    running = 0
    most = 0
    cancelled = 0

    def __init__(self, *_: object) -> None: ...

    async def handle(self, task: Task) -> Outcome:
        Counting.running += 1
        Counting.most = max(Counting.most, Counting.running)
        try:
            await asyncio.sleep(30 if task.input == '"slow"' else 0.05)
        except asyncio.CancelledError:
            Counting.cancelled += 1
            raise
        finally:
            Counting.running -= 1
        return Outcome(state=State.SUCCEEDED)

    def give_up(self, task: Task, outcome: Outcome) -> Outcome:
        return outcome

    async def aclose(self) -> None: ...


async def test_tasks_that_may_be_killing_workers_do_not_run_side_by_side(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("windlass.worker.KINDS", {"extract": Counting})
    monkeypatch.setattr(Counting, "most", 0)
    ids = await engine.accept(3)
    await engine.database.relaxed.execute("UPDATE task SET losses = 2")
    settings = replace(SETTINGS, data=tmp_path)
    stop = asyncio.Event()
    working = asyncio.create_task(worker.run(settings, engine.database.dsn, "worker-2", stop))

    async def all_done() -> bool:
        return all([await engine.state(task_id) == State.SUCCEEDED for task_id in ids])

    await eventually_async(all_done, "the innocent succeed")
    stop.set()
    await working
    assert Counting.most == 1


async def test_a_cancel_whose_notice_got_lost_still_stops_the_attempt(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("windlass.worker.KINDS", {"extract": Counting})
    monkeypatch.setattr("windlass.worker.RECOVER_S", 0.2)
    monkeypatch.setattr(Counting, "cancelled", 0)
    (task_id,) = await engine.accept(input='"slow"')
    settings = replace(SETTINGS, data=tmp_path)
    stop = asyncio.Event()
    working = asyncio.create_task(worker.run(settings, engine.database.dsn, "worker-2", stop))

    async def started() -> bool:
        return Counting.running == 1

    async def stopped() -> bool:
        return Counting.cancelled == 1

    await eventually_async(started, "the attempt runs")
    await engine.database.relaxed.execute("UPDATE task SET state = 'cancelled'")
    await eventually_async(stopped, "the attempt is stopped")
    assert await engine.state(task_id) == State.CANCELLED
    stop.set()
    await working


class Holding(Counting):
    """A kind that works until it is stopped, and says what it works on."""

    kinds: ClassVar[Counter[str]] = Counter()

    async def handle(self, task: Task) -> Outcome:
        Holding.kinds[task.kind] += 1
        await asyncio.Event().wait()
        raise AssertionError


async def test_pages_that_leave_one_slot_free_hold_up_no_deliveries(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("windlass.worker.KINDS", {"extract": Holding, "webhook": Holding})
    monkeypatch.setattr(Holding, "kinds", Counter())
    await engine.accept(1)
    for number in range(60):
        await engine.accept(kind="webhook", lane=f"hook:1:http://r{number}.test:80/")
    await engine.admit_all()
    settings = replace(SETTINGS, data=tmp_path, slots=2, delivery_slots=50, grace=0)
    stop = asyncio.Event()
    working = asyncio.create_task(worker.run(settings, engine.database.dsn, "worker-2", stop))

    async def busy() -> bool:
        return Holding.kinds == {"extract": 1, "webhook": 50}

    await eventually_async(busy, "every delivery slot is used")
    stop.set()
    await working


async def test_results_that_wait_for_their_upload_do_not_expire(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("windlass.worker.TIDY_S", 0.1)
    long_ago, since = tmp_path / "results" / "2020010100", tmp_path / "results" / "2020010112"
    for folder in (long_ago, since):
        folder.mkdir(parents=True)
    await engine.accept()
    await engine.database.relaxed.execute(
        "UPDATE task SET state = 'delivering', modified_at = '2020-01-01 12:30+00'"
    )
    stop = asyncio.Event()
    settings = replace(SETTINGS, data=tmp_path)
    working = asyncio.create_task(worker.run(settings, engine.database.dsn, "worker-2", stop))

    async def tidied() -> bool:
        return not long_ago.exists()

    async def all_tidied() -> bool:
        return not since.exists()

    await eventually_async(tidied, "what nobody waits for is gone")
    assert since.exists()
    await engine.database.relaxed.execute(
        "UPDATE task SET state = 'succeeded', finished_at = now()"
    )
    await eventually_async(all_tidied, "the rest is gone")
    stop.set()
    await working


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
