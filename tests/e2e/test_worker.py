"""A worker in this process on a real PostgreSQL, with kinds that do as told."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import ClassVar
from uuid import UUID

import asyncpg
import pytest

from tests.support.engine import SETTINGS, Engine
from tests.support.waiting import eventually_async
from windlass import worker
from windlass.errors import DatabaseUnavailable
from windlass.model.task import Outcome, State, Task


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
    monkeypatch.setattr("windlass.worker.attempts.KINDS", {"extract": Broken})
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
    monkeypatch.setattr("windlass.worker.attempts.KINDS", {"extract": Counting})
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
    monkeypatch.setattr("windlass.worker.attempts.KINDS", {"extract": Counting})
    monkeypatch.setattr("windlass.worker.loops.RECOVER_S", 0.2)
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
    monkeypatch.setattr("windlass.worker.attempts.KINDS", {"extract": Holding, "webhook": Holding})
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
    monkeypatch.setattr("windlass.worker.loops.TIDY_S", 0.1)
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


_OTHERS = """SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE pid <> pg_backend_pid() AND datname = current_database()"""


async def test_a_queue_that_a_crash_has_emptied_is_filled_again_at_once(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("windlass.worker.attempts.KINDS", {"extract": Counting})
    monkeypatch.setattr("windlass.worker.loops.RECOVER_S", 60.0)
    (first,) = await engine.accept()
    settings = replace(SETTINGS, data=tmp_path)
    stop = asyncio.Event()
    working = asyncio.create_task(worker.run(settings, engine.database.dsn, "worker-2", stop))

    async def done(task_id: UUID) -> bool:
        try:
            return await engine.state(task_id) == State.SUCCEEDED
        except DatabaseUnavailable:  # the crash took this connection along, too
            return False

    await eventually_async(lambda: done(first), "the worker works")
    task = engine.new_task()
    await engine.tasks.accept(task)
    connection = await asyncpg.connect(engine.database.dsn)
    await connection.execute("UPDATE windlass.task SET state = 'admitted' WHERE state = 'waiting'")
    await connection.execute(_OTHERS)
    await connection.close()
    await eventually_async(lambda: done(task.id), "the lost task is found", within_s=10)
    stop.set()
    await working
