"""What a round of admission costs and does, on a real PostgreSQL without a server around it."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar
from uuid import UUID

import pytest
from pgqueuer.domain.models import Job

from tests.support.engine import SETTINGS, Engine
from tests.support.waiting import eventually_async
from windlass import worker
from windlass.model.account import Account
from windlass.model.page import Failure
from windlass.model.task import HostSign, Outcome, Priority, SessionUpdate, State, Task
from windlass.storage import manager_id
from windlass.storage.accounts import Accounts
from windlass.storage.admission import Admission, Held, Round
from windlass.storage.queue import TASKS, Leases

LANE = "web:site.test:80"
_HEADS = (
    "EXECUTE heads(ARRAY[$lane$" + LANE + "$lane$], 8, ARRAY[8], {capped}, NULL, $$w$$, 4, 0.5, 0,"
    " ARRAY[]::uuid[], ARRAY[]::int[])"
)
_NONE = "ARRAY[]::int[], ARRAY[]::int[]"


async def _blocks(connection: Any, statement: str) -> int:
    """How many blocks a statement looks at; what it does is undone."""
    transaction = connection.transaction()
    await transaction.start()
    plan = await connection.fetchval(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement}")
    await transaction.rollback()
    top = json.loads(plan)[0]["Plan"]
    return int(top["Shared Hit Blocks"] + top["Shared Read Blocks"])


async def test_admission_is_planned_once_and_stays_cheap_when_a_backlog_comes(
    engine: Engine,
) -> None:
    """The plan is made while the tables are empty, and kept when they are not any more."""
    await engine.accept(1)
    async with engine.database.relaxed.acquire() as connection:
        await connection.execute(
            "PREPARE heads(text[], int, int[], int[], int[], int[], text, int, float8, float8,"
            " uuid[], int[]) AS " + engine.database.sql("admit_heads")
        )
        for _ in range(8):
            await _blocks(connection, _HEADS.format(capped=_NONE))
        kept = await connection.fetchrow(
            "SELECT generic_plans, custom_plans FROM pg_prepared_statements WHERE name = 'heads'"
        )
        assert kept["generic_plans"] >= 3
        assert kept["custom_plans"] == 5
        await engine.accept(2000)
        await engine.accept(2000, lane="web:another.test:80")
        assert await _blocks(connection, _HEADS.format(capped=_NONE)) < 1000
        nothing = f"ARRAY[{engine.account.id}], ARRAY[0]"
        assert await _blocks(connection, _HEADS.format(capped=nothing)) < 100


async def _account(engine: Engine, name: str) -> Account:
    accounts = Accounts(engine.database)
    _, key = await accounts.create_key(name)
    return await accounts.find(key)


async def test_who_comes_first_is_asked_only_when_accounts_share_the_slots(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    fetch = engine.database.fetch

    async def listening(name: str, *arguments: Any, **options: Any) -> list[Any]:
        asked.append(name)
        return await fetch(name, *arguments, **options)

    async def round_asks() -> bool:
        asked.clear()
        await engine.admission.admit()
        return "newcomers" in asked

    monkeypatch.setattr(engine.database, "fetch", listening)
    other = await _account(engine, "other")
    assert not await round_asks()
    await engine.accept(12)
    assert not await round_asks()
    assert not await round_asks()
    await engine.accept(1, account_id=other.id, lane="web:other.test:80")
    assert await round_asks()
    # Now the one waits, and the other has something under way.
    assert await round_asks()
    claimed = [(await engine.claim(job), job) for job in await engine.jobs()]
    (theirs,) = [pair for pair in claimed if pair[0].account == "other"]
    assert await engine.finish(*theirs)
    assert not await round_asks()


# ---------------------------------------------------------------- taken at once


class Slots:
    """The slots of a worker that starts nothing but says what it was given."""

    def __init__(self, free: int, running: int = 0, settled: dict[UUID, int] | None = None) -> None:
        self._has = Held("worker-1", 50, free, running)
        self.settled = settled or {}
        self.queued = 0
        self.taken: list[tuple[Job, Task]] = []

    @asynccontextmanager
    async def held(self, queued: int) -> AsyncIterator[Held]:
        self.queued = queued
        yield self._has

    def start(self, taken: Sequence[tuple[Job, Task]]) -> None:
        self.taken += taken


async def _states(engine: Engine) -> Counter[str]:
    rows = await engine.database.relaxed.fetch("SELECT state::text FROM task")
    return Counter(row["state"] for row in rows)


async def test_a_worker_takes_what_it_admits_at_once_and_can_end_it(engine: Engine) -> None:
    await engine.accept(4)
    slots = Slots(free=50)
    assert (await engine.admission.admit(slots=slots)).admitted == 4
    assert await _states(engine) == {"running": 4}
    rows = await engine.database.relaxed.fetch(
        "SELECT status::text, queue_manager_id, heartbeat > now() - interval '5 seconds' AS alive"
        " FROM pgqueuer"
    )
    assert {tuple(row) for row in rows} == {("picked", manager_id("worker-1"), True)}
    for job, task in slots.taken:
        stored = await engine.tasks.get(engine.account, task.id)
        assert (task.state, task.attempt, task.account) == (State.RUNNING, 1, "main")
        assert (task.input, task.request) == (stored.input, '{"url": "http://site.test/"}')
        assert task.started_at == stored.started_at
        assert await engine.finish(task, job)
    assert await _states(engine) == {"succeeded": 4}
    assert await engine.jobs() == []


async def test_a_worker_takes_no_more_than_it_has_slots_for(engine: Engine) -> None:
    await engine.accept(8)
    slots = Slots(free=3)
    await engine.admission.admit(slots=slots)
    assert len(slots.taken) == 3
    assert await _states(engine) == {"running": 3, "admitted": 5}
    # What is queued is said to whoever asks next: it comes before what is admitted then.
    await engine.accept(1, lane="web:another.test:80")
    await engine.admission.admit(slots=slots)
    assert slots.queued == 5


@pytest.mark.parametrize(("running", "share"), [(0, 4), (2, 3), (8, 0)])
async def test_a_worker_leaves_the_others_their_share(
    engine: Engine, running: int, share: int
) -> None:
    """It has half of the slots; of what is under way then, it wants half."""
    await engine.database.execute("beat", "worker-2", 50, 50)
    for number in range(running):
        await engine.accept(1, lane=f"web:host{number}.test:80")
    await engine.admission.admit()
    await engine.database.relaxed.execute(
        "UPDATE pgqueuer SET status = 'picked', queue_manager_id = $1", manager_id("worker-1")
    )
    await engine.accept(8)
    slots = Slots(free=50, running=running)
    await engine.admission.admit(slots=slots)
    assert len(slots.taken) == share


async def test_what_is_not_started_for_the_first_time_goes_through_the_queue(
    engine: Engine,
) -> None:
    """Its former attempt may still be under way somewhere."""
    await engine.accept(1)
    task, job = await engine.start()
    failure = Failure("fetch_failed", "once more")
    assert await engine.finish(task, job, state=State.QUEUED, failure=failure)
    await engine.accept(1, priority=Priority.INTERACTIVE)
    slots = Slots(free=50)
    await engine.admission.recover()
    await engine.admission.admit([LANE], slots)
    assert await _states(engine) == {"admitted": 2}
    assert slots.taken == []


async def test_a_lane_that_keeps_a_gap_is_served_through_the_queue(engine: Engine) -> None:
    await engine.accept(1)
    await engine.database.relaxed.execute("UPDATE lane SET delay_s = 5")
    slots = Slots(free=50)
    assert (await engine.admission.admit(slots=slots)).admitted == 1
    assert slots.taken == []


async def test_what_a_lost_answer_took_starts_elsewhere_when_its_lease_ends(
    engine: Engine,
) -> None:
    await engine.accept(2)
    await engine.admission.admit(slots=Slots(free=50))
    elsewhere = Leases(engine.database.relaxed, manager_id("worker-2"), lease_s=0.2)

    async def taken_over() -> bool:
        jobs = await elsewhere.take(5, [TASKS])
        tasks = [await engine.claim(job) for job in jobs]
        return [(task.attempt, task.losses) for task in tasks] == [(2, 1)] * 2

    await eventually_async(taken_over, "the tasks start again")


# ---------------------------------------------------------------- settled


async def test_what_asks_no_more_of_its_host_takes_no_place_of_it(engine: Engine) -> None:
    await engine.accept(6)
    await engine.database.relaxed.execute("UPDATE lane SET concurrency = 2")
    first = Slots(free=50)
    await engine.admission.admit([LANE], first)
    assert len(first.taken) == 2
    assert (await engine.admission.admit([LANE], Slots(free=50))).admitted == 0
    job, task = first.taken[0]
    settled = Slots(free=50, settled={task.id: task.attempt})
    assert (await engine.admission.admit([LANE], settled)).admitted == 1
    # It is told of as settled when its outcome has just been applied: its place is not free twice.
    assert await engine.finish(task, job)
    assert (await engine.admission.admit([LANE], settled)).admitted == 0


async def test_a_lane_has_no_more_settled_than_places(engine: Engine) -> None:
    await engine.accept(8)
    await engine.database.relaxed.execute("UPDATE lane SET concurrency = 2")
    slots = Slots(free=50)
    for _ in range(3):
        await engine.admission.admit([LANE], slots)
        slots.settled = {task.id: task.attempt for _, task in slots.taken}
    assert len(slots.taken) == 4


async def test_an_attempt_that_is_not_the_newest_any_more_is_not_settled(engine: Engine) -> None:
    await engine.accept(3)
    await engine.database.relaxed.execute("UPDATE lane SET concurrency = 1")
    slots = Slots(free=50)
    await engine.admission.admit([LANE], slots)
    (_, task), *_ = slots.taken
    slots.settled = {task.id: task.attempt - 1}
    assert (await engine.admission.admit([LANE], slots)).admitted == 0


def test_who_is_asked_within_a_session_is_not_asked_before_its_cookies_are_kept() -> None:
    answered = Outcome(state=State.SUCCEEDED, host=HostSign(answered=True))
    session = SessionUpdate(1, "s", (), 60.0)
    assert answered.calm
    assert not Outcome(state=State.SUCCEEDED, host=answered.host, session=session).calm


class Answering:
    """A kind whose host answers when it is let go."""

    started: ClassVar[list[UUID]] = []
    sign = HostSign(answered=True)
    go = asyncio.Event()

    def __init__(self, *_: object) -> None: ...

    async def handle(self, task: Task) -> Outcome:
        self.started.append(task.id)
        await self.go.wait()
        return Outcome(state=State.SUCCEEDED, host=self.sign)

    def give_up(self, task: Task, outcome: Outcome) -> Outcome:
        return outcome

    async def aclose(self) -> None: ...


@asynccontextmanager
async def _working(engine: Engine, folder: Path) -> AsyncIterator[None]:
    await engine.database.execute("forget_worker", "worker-1")
    settings = replace(SETTINGS, data=folder, host_concurrency=1)
    stop = asyncio.Event()
    working = asyncio.create_task(worker.run(settings, engine.database.dsn, "worker-2", stop))
    try:
        yield
    finally:
        stop.set()
        await working


@pytest.mark.parametrize(
    ("sign", "goes_on"),
    [
        (HostSign(answered=True), True),
        (HostSign(answered=True, refused=True), False),
        (HostSign(answered=True, strained=True), False),
        (HostSign(answered=False), False),
    ],
)
async def test_a_host_that_has_answered_is_asked_the_next_before_the_first_is_stored(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sign: HostSign, goes_on: bool
) -> None:
    monkeypatch.setattr("windlass.worker.attempts.KINDS", {"extract": Answering})
    monkeypatch.setattr(Answering, "started", [])
    monkeypatch.setattr(Answering, "sign", sign)
    monkeypatch.setattr(Answering, "go", asyncio.Event())
    rounds = Counter[str]()
    admit = Admission.admit

    async def counted(self: Admission, *arguments: Any, **options: Any) -> Round:
        done = await admit(self, *arguments, **options)
        rounds["done"] += 1
        return done

    monkeypatch.setattr(Admission, "admit", counted)
    await engine.accept(2)
    async with _working(engine, tmp_path):

        async def started(count: int = 1) -> bool:
            return len(Answering.started) >= count

        await eventually_async(started, "the first starts")
        async with engine.database.relaxed.acquire() as connection, connection.transaction():
            await connection.execute(
                "SELECT FROM task WHERE id = $1 FOR UPDATE", Answering.started[0]
            )
            Answering.go.set()
            before = rounds["done"]

            async def later() -> bool:
                return rounds["done"] >= before + 5 or await started(2)

            await eventually_async(later, "admission has looked at it")
            assert await started(2) is goes_on
        await eventually_async(lambda: started(2), "the second starts")


class Holding:
    """A kind that works until it is stopped."""

    running = 0

    def __init__(self, *_: object) -> None: ...

    async def handle(self, task: Task) -> Outcome:
        Holding.running += 1
        await asyncio.Event().wait()
        raise AssertionError

    def give_up(self, task: Task, outcome: Outcome) -> Outcome:
        return outcome

    async def aclose(self) -> None: ...


async def test_a_worker_that_stops_gives_back_what_it_took_at_once(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("windlass.worker.attempts.KINDS", {"extract": Holding})
    monkeypatch.setattr(Holding, "running", 0)
    settings = replace(SETTINGS, data=tmp_path, slots=8, grace=0)
    stop = asyncio.Event()
    working = asyncio.create_task(worker.run(settings, engine.database.dsn, "worker-2", stop))
    await engine.database.execute("forget_worker", "worker-1")
    for number in range(3):
        await engine.accept(4, lane=f"web:host{number}.test:80")

    async def busy() -> bool:
        return Holding.running >= 8

    await eventually_async(busy, "its slots are full")
    assert Holding.running == 8
    stop.set()
    await working
    rows = await engine.database.relaxed.fetch("SELECT status::text FROM pgqueuer")
    assert {row["status"] for row in rows} <= {"queued"}
    attempts = await engine.database.relaxed.fetch("SELECT state::text, losses FROM task")
    assert all(row["losses"] == 0 and row["state"] != "running" for row in attempts)
