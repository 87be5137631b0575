"""What lanes remember of hosts, and whose turn it is, one step at a time on a real PostgreSQL."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.support.engine import SETTINGS, Engine
from tests.support.waiting import eventually_async
from windlass import worker
from windlass.model.account import Account
from windlass.model.page import Failure
from windlass.model.task import HostSign, Outcome, Priority, State, Task
from windlass.settings import Settings
from windlass.storage.accounts import Accounts
from windlass.storage.closedlanes import turn_away
from windlass.storage.database import Database
from windlass.storage.turns import Turns

LANE = "web:site.test:80"
WELL = HostSign(answered=True)
REFUSED = HostSign(answered=True, refused=True, strained=True)
SILENT = HostSign(answered=False)
DOWN = Failure("connection_refused", "nobody there")


async def account(engine: Engine, name: str) -> Account:
    accounts = Accounts(engine.database)
    _, key = await accounts.create_key(name)
    return await accounts.find(key)


async def lane(engine: Engine, key: str = LANE) -> Any:
    return await engine.database.relaxed.fetchrow(
        "SELECT *, quiet_until > now() AS quiet, open_until > now() AS open FROM lane"
        " WHERE key = $1",
        key,
    )


async def end_all(engine: Engine, sign: HostSign, **outcome: Any) -> int:
    """Ends everything that may start now with this sign of its host; how many that were."""
    await engine.admit_all()
    claimed = [(await engine.claim(job), job) for job in await engine.jobs()]
    for task, job in claimed:
        assert await engine.finish(task, job, host=sign, **outcome)
    return len(claimed)


# ---------------------------------------------------------------- strain


async def test_a_lane_where_all_is_well_is_not_touched(engine: Engine) -> None:
    await engine.accept(3)
    await engine.admit_all()
    before = await engine.database.relaxed.fetchval("SELECT xmin::text FROM lane")
    claimed = [(await engine.claim(job), job) for job in await engine.jobs()]
    for task, job in claimed:
        assert await engine.finish(task, job, host=WELL)
    assert await engine.database.relaxed.fetchval("SELECT xmin::text FROM lane") == before


async def test_refusals_halve_the_pace_down_to_ever_longer_gaps(engine: Engine) -> None:
    await engine.accept(60)
    again = {"state": State.QUEUED, "retry_in_s": 60.0, "failure": DOWN}
    paces = []
    for _ in range(4):
        assert await end_all(engine, REFUSED, **again) > 0
        row = await lane(engine)
        paces.append((row["pace"], row["gap_s"]))
        await engine.database.relaxed.execute("UPDATE lane SET next_at = now(), turn_at = NULL")
    assert paces == [(4, 0.0), (2, 0.0), (1, 0.0), (1, 1.0)]


async def test_success_gives_the_pace_back_but_not_at_once(engine: Engine) -> None:
    await engine.accept(30)
    await end_all(engine, REFUSED, state=State.QUEUED, retry_in_s=60.0, failure=DOWN)
    assert await end_all(engine, WELL) == 4
    row = await lane(engine)
    assert 0.9 < row["strain"] < 1
    assert row["pace"] == 4
    await engine.database.relaxed.execute(
        "UPDATE lane SET eased_at = now() - interval '1 hour', strain = 0.05"
    )
    assert await end_all(engine, WELL) > 0
    assert (await lane(engine))["pace"] == 8


# ---------------------------------------------------------------- wishes


async def test_nothing_starts_while_a_host_asks_for_quiet(engine: Engine) -> None:
    await engine.accept(20)
    await engine.admit_all()
    first, *rest = await engine.jobs()
    task = await engine.claim(first)
    until = _in(3.0)
    wish = HostSign(answered=True, refused=True, strained=True, quiet_until=until)
    again = {"state": State.QUEUED, "retry_in_s": 3.0, "failure": DOWN}
    assert await engine.finish(task, first, host=wish, **again)
    assert (await lane(engine))["quiet"]
    # What was admitted before waits again, and has lost no attempt.
    late = [await engine.tasks.claim(job) for job in rest]
    assert late == [None] * 7
    waiting = await engine.tasks.get(engine.account, UUID(bytes=rest[0].payload))
    assert (waiting.state, waiting.attempt) == (State.QUEUED, 0)
    assert (await engine.admission.admit([LANE])).admitted == 0

    async def goes_on() -> bool:
        return (await engine.admission.admit([LANE])).admitted > 0

    await eventually_async(goes_on, "the lane goes on")
    # A little before its time: who claims it then waits for that.
    assert -0.11 < time.monotonic() - until < 5


def _in(seconds: float) -> float:

    return time.monotonic() + seconds


async def test_what_was_under_way_does_not_end_the_quiet(engine: Engine) -> None:
    await engine.accept(8)
    await engine.admit_all()
    jobs = await engine.jobs()
    tasks = [await engine.claim(job) for job in jobs]
    wish = HostSign(answered=True, refused=True, strained=True, quiet_until=_in(60))
    assert await engine.finish(tasks[0], jobs[0], host=wish, state=State.FAILED, failure=DOWN)
    assert await engine.finish(tasks[1], jobs[1], host=WELL)
    assert (await lane(engine))["quiet"]


# ---------------------------------------------------------------- hosts that are down


async def test_a_host_given_up_fails_what_waits_and_lets_one_through_later(
    database: Database,
) -> None:
    settings = replace(SETTINGS, host_down_after=1.0)
    engine = await Engine(database, settings).open()
    await engine.accept(40)
    failed = {"state": State.FAILED, "failure": DOWN}
    assert await end_all(engine, SILENT, **failed) == 8
    assert await end_all(engine, SILENT, **failed) == 1  # not trusted any more
    assert await end_all(engine, SILENT, **failed) == 1
    row = await lane(engine)
    assert (row["open"], row["given_up"]) == (True, None)
    assert await engine.admit_all() == 0
    assert await turn_away(database, settings) == 0
    await _probe_is_due(database)
    await database.relaxed.execute("UPDATE lane SET failing_since = now() - interval '2 seconds'")
    assert await end_all(engine, SILENT, **failed) == 1
    assert (await lane(engine))["given_up"] == "host_down"
    assert await turn_away(database, settings) == 29
    (later,) = await engine.accept()
    await turn_away(database, settings)
    ended = await engine.tasks.get(engine.account, later)
    assert ended.failure is not None
    assert (ended.state, ended.failure.code) == (State.FAILED, "host_down")
    assert ended.retry_at is not None
    await _probe_is_due(database)
    await engine.accept(3)
    assert await end_all(engine, WELL) == 1
    assert await end_all(engine, WELL) == 2
    row = await lane(engine)
    assert (row["open_until"], row["failing_since"], row["given_up"]) == (None, None, None)


async def _probe_is_due(database: Database) -> None:
    await database.relaxed.execute(
        "UPDATE lane SET open_until = now(), next_at = least(next_at, now())"
    )


# ---------------------------------------------------------------- turns


async def test_turns_of_a_lane_are_a_gap_apart_whoever_takes_them(database: Database) -> None:
    settings = replace(SETTINGS, host_delay_for={"site.test": 0.2})
    engine = await Engine(database, settings).open()
    await engine.accept()
    takers = [Turns(database) for _ in range(3)]
    loop = asyncio.get_running_loop()
    starts: list[float] = []

    async def take(turns: Turns) -> None:
        assert await turns.take(LANE, 30)
        starts.append(loop.time())

    await asyncio.gather(*(take(one) for one in takers for _ in range(2)))
    gaps = [later - earlier for earlier, later in pairwise(starts)]
    assert min(gaps) >= 0.19
    assert not await takers[0].take(LANE, 0.05)


# ---------------------------------------------------------------- accounts


async def test_an_account_has_no_more_under_way_than_it_may(database: Database) -> None:
    settings = replace(
        SETTINGS, account_concurrency=6, account_concurrency_for={"small": 2}, host_concurrency=4
    )
    engine = await Engine(database, settings).open()
    small = await account(engine, "small")
    for number in range(5):
        await engine.accept(5, lane=f"web:host{number}.test:80")
        await engine.accept(5, lane=f"web:host{number}.test:80", account_id=small.id)
    others = [Engine(database, settings) for _ in range(4)]
    await asyncio.gather(*(other.admission.admit() for other in others for _ in range(4)))
    claimed = [(await engine.claim(job), job) for job in await engine.jobs()]
    assert Counter(task.account for task, _ in claimed) == {"main": 6, "small": 2}
    ended = next((task, job) for task, job in claimed if task.account == "small")
    assert await engine.finish(*ended)

    async def goes_on() -> bool:
        return (await engine.admission.admit([ended[0].lane])).admitted == 1

    await eventually_async(goes_on, "the next page of the account")


async def test_who_has_less_under_way_in_a_lane_is_next(engine: Engine) -> None:
    await engine.accept(30)
    await engine.admit_all()
    other = await account(engine, "other")
    await engine.accept(1, account_id=other.id)
    first = (await engine.jobs())[0]
    assert await engine.finish(await engine.claim(first), first)
    assert (await engine.admission.admit([LANE])).admitted == 1
    newest = [await engine.tasks.claim(job) for job in await engine.jobs()]
    assert "other" in {task.account for task in newest if task is not None}


class Slow:
    """A kind that takes a while and does not fetch."""

    def __init__(self, *_: object) -> None: ...

    async def handle(self, task: Task) -> Outcome:
        await asyncio.sleep(0.3)
        return Outcome(state=State.SUCCEEDED)

    def give_up(self, task: Task, outcome: Outcome) -> Outcome:
        return outcome

    async def aclose(self) -> None: ...


@asynccontextmanager
async def working(settings: Settings, dsn: str) -> AsyncIterator[None]:
    stop = asyncio.Event()
    running = asyncio.create_task(worker.run(settings, dsn, "worker-9", stop))
    try:
        yield
    finally:
        stop.set()
        await asyncio.wait_for(running, 30)


@pytest.mark.parametrize("backlog", [Priority.BULK, Priority.NORMAL], ids=["a batch", "extracts"])
async def test_a_backlog_of_one_account_delays_anothers_extract_by_less_than_a_second(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, backlog: int
) -> None:
    monkeypatch.setattr("windlass.worker.attempts.KINDS", {"extract": Slow})
    settings = replace(SETTINGS, data=tmp_path, slots=4)
    engine = await Engine(database, settings).open(slots=0)
    for start in range(0, 10_000, 1000):
        tasks = [
            engine.new_task(priority=backlog, lane=f"web:host{(start + number) % 500}.test:80")
            for number in range(1000)
        ]
        await asyncio.gather(*(engine.tasks.accept(task) for task in tasks))
        await engine.admission.arm([task.lane for task in tasks])
    other = await account(engine, "other")
    async with working(settings, database.dsn):

        async def busy() -> bool:
            sql = "SELECT count(*) FROM task WHERE state = 'succeeded'"
            return bool(await database.relaxed.fetchval(sql) > 20)

        await eventually_async(busy, "the backlog is under way", within_s=30)
        waits = []
        for name in ("host1.test", "elsewhere.test"):
            task_id = uuid4()
            task = engine.new_task(id=task_id, account_id=other.id, lane=f"web:{name}:80")
            await engine.tasks.accept(task)
            await engine.admission.arm([task.lane])
            await engine.admission.admit()  # as the API does
            waits.append(await _wait_of(engine, task_id))
        assert max(waits) < 1.0, waits


async def _wait_of(engine: Engine, task_id: UUID) -> float:
    """Seconds between a task's being accepted and its start."""

    async def started() -> float | None:
        sql = "SELECT extract(epoch FROM started_at - created_at)::float8 FROM task WHERE id = $1"
        wait: float | None = await engine.database.relaxed.fetchval(sql, task_id)
        return wait

    return await eventually_async(started, "the task starts", within_s=60)
