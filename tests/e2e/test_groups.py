"""Groups and callers' keys in a real PostgreSQL, without any server around it."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from tests.support.engine import SETTINGS, Engine
from windlass.errors import GroupNotFound, IdempotencyConflict
from windlass.model.account import Account
from windlass.model.group import Group, Idempotency, NewGroup
from windlass.model.task import State
from windlass.storage import groups
from windlass.storage.groups import Groups

EVERY = slice(None)


@pytest.fixture
def kept(engine: Engine) -> Groups:
    return Groups(engine.database)


def new_group(engine: Engine, count: int, **changes: Any) -> NewGroup:
    group_id = uuid4()
    tasks = tuple(engine.new_task(group_id=group_id, **changes) for _ in range(count))
    return NewGroup(
        id=group_id, account_id=engine.account.id, kind="batch", input="{}", tasks=tasks
    )


def key(text: str = "k", digest: bytes = b"1") -> Idempotency:
    return Idempotency(text, digest)


async def counted(engine: Engine, table: str) -> int:
    count = await engine.database.relaxed.fetchval(f"SELECT count(*) FROM {table}")
    return int(count)


# ---------------------------------------------------------------- accept


async def test_a_group_is_stored_with_its_tasks_in_their_order(
    engine: Engine, kept: Groups
) -> None:
    new = new_group(engine, 2 * groups.STORED_AT_ONCE + 1)
    made = await kept.accept(new)
    assert made.members == tuple(task.id for task in new.tasks)
    assert (made.id, made.ended, made.finished_at, made.cancelled) == (new.id, 0, None, False)
    tasks = await kept.tasks(made, EVERY)
    assert [task.id for task in tasks if task] == list(made.members)
    assert {task.created_at for task in tasks if task} == {made.created_at}
    assert [task.id for task in await kept.tasks(made, slice(5, 8)) if task] == list(
        made.members[5:8]
    )


async def test_a_group_is_stored_whole_or_not_at_all(engine: Engine, kept: Groups) -> None:
    good = new_group(engine, groups.STORED_AT_ONCE)
    bad = engine.new_task(group_id=good.id, input="no JSON")
    broken = NewGroup(
        id=good.id,
        account_id=good.account_id,
        kind="batch",
        input="{}",
        tasks=(*good.tasks, bad),
    )
    with pytest.raises(asyncpg.DataError):
        await kept.accept(broken, key())
    assert await counted(engine, "task_group") == await counted(engine, "task") == 0
    assert (await kept.accept(good, key())).id == good.id, "its key is free again"


async def test_accepting_a_group_again_after_a_lost_answer_makes_it_once(
    engine: Engine, kept: Groups
) -> None:
    for idempotency in (None, key()):
        new = new_group(engine, 3)
        first = await kept.accept(new, idempotency)
        again = await kept.accept(new, idempotency)
        assert first == again
    assert await counted(engine, "task") == 6


# ---------------------------------------------------------------- keys


async def test_of_calls_at_once_with_one_key_one_makes_something(
    engine: Engine, kept: Groups
) -> None:
    many = await asyncio.gather(*(kept.accept(new_group(engine, 5), key("g")) for _ in range(8)))
    assert len({group.id for group in many}) == 1
    tasks = await asyncio.gather(*(kept.accept_task(engine.new_task(), key("t")) for _ in range(8)))
    assert len(set(tasks)) == 1
    assert await counted(engine, "task") == 6


async def test_a_key_belongs_to_what_was_asked_with_it(engine: Engine, kept: Groups) -> None:
    await kept.accept(new_group(engine, 1), key(digest=b"1"))
    with pytest.raises(IdempotencyConflict):
        await kept.accept(new_group(engine, 1), key(digest=b"2"))
    with pytest.raises(IdempotencyConflict):
        await kept.accept_task(engine.new_task(), key(digest=b"2"))
    assert await counted(engine, "task") == 1


async def test_a_key_is_forgotten_when_results_are(engine: Engine, kept: Groups) -> None:
    first = await kept.accept_task(engine.new_task(), key())
    await engine.maintenance.tidy()
    assert await kept.accept_task(engine.new_task(), key()) == first
    await engine.database.relaxed.execute(
        "UPDATE idempotency_key SET created_at = created_at - make_interval(secs => $1)",
        SETTINGS.result_ttl + 60,
    )
    await engine.maintenance.tidy()
    assert await kept.accept_task(engine.new_task(), key()) != first


# ---------------------------------------------------------------- read


async def all_pages(kept: Groups, account: Account, limit: int) -> list[list[UUID]]:
    pages: list[list[UUID]] = []
    cursor: str | None = None
    while True:
        page = await kept.list(account, "batch", cursor, limit)
        pages.append([group.id for group in page.groups])
        assert page.total == 6
        cursor = page.next_cursor
        if cursor is None:
            return pages


async def test_a_page_ends_early_where_groups_are_large(
    engine: Engine, kept: Groups, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = (4, 1, 9, 1, 1, 1)
    made = [(await kept.accept(new_group(engine, size))).id for size in sizes][::-1]
    pages = [made[:3], made[3:4], made[4:]]
    monkeypatch.setattr(groups, "LISTED_TASKS", 3)
    assert await all_pages(kept, engine.account, 100) == pages
    monkeypatch.setattr(groups, "LISTED_TASKS", 1000)
    assert await all_pages(kept, engine.account, 4) == [made[:4], made[4:]]
    assert await all_pages(kept, engine.account, 6) == [made]


async def test_numbers_follow_the_tasks(engine: Engine, kept: Groups) -> None:
    new = new_group(engine, 2, lane="web:one.test:80")
    await kept.accept(new)
    await engine.admission.arm(["web:one.test:80"])

    async def read() -> Group:
        return await kept.get(engine.account, "batch", new.id)

    await engine.admit_all()
    for number, job in enumerate(await engine.jobs(), start=1):
        assert not (await read()).complete
        assert await engine.finish(await engine.claim(job), job)
        assert (await read()).ended == number
    ended = await read()
    assert ended.complete and ended.finished_at is not None
    assert ended.finished_at >= ended.created_at
    (listed,) = (await kept.list(engine.account, "batch", None, 10)).groups
    assert listed.complete


async def test_what_retention_removed_is_missing_until_the_group_goes_too(
    engine: Engine, kept: Groups
) -> None:
    new = new_group(engine, 2)
    made = await kept.accept(new)
    await kept.cancel(engine.account, "batch", new.id)
    age = 2 * SETTINGS.result_ttl + 60
    for left in (1, 0):
        await engine.database.relaxed.execute(
            "UPDATE task SET finished_at = finished_at - make_interval(secs => $2) WHERE id = $1",
            made.members[left],
            age,
        )
        await engine.maintenance.tidy()
        if left:
            tasks = await kept.tasks(made, EVERY)
            assert [task is None for task in tasks] == [False, True]
            assert (await kept.get(engine.account, "batch", new.id)).complete
        await engine.database.relaxed.execute(
            "UPDATE task_group SET created_at = created_at - make_interval(secs => $1)", age
        )
    await engine.maintenance.tidy()
    with pytest.raises(GroupNotFound):
        await kept.get(engine.account, "batch", new.id)


async def test_a_group_of_another_account_or_kind_is_not_found(
    engine: Engine, kept: Groups
) -> None:
    made = await kept.accept(new_group(engine, 1))
    stranger = Account(engine.account.id + 1, "other", uuid4())
    for account, kind in ((stranger, "batch"), (engine.account, "crawl")):
        with pytest.raises(GroupNotFound):
            await kept.get(account, kind, made.id)
        with pytest.raises(GroupNotFound):
            await kept.cancel(account, kind, made.id)
        assert (await kept.list(account, kind, None, 10)).groups == ()
    assert (await engine.state(made.members[0])) is State.QUEUED


# ---------------------------------------------------------------- cancel


async def test_cancelling_ends_all_that_has_not_ended(
    engine: Engine, kept: Groups, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(groups, "SLICE", 4)
    new = new_group(engine, 11, lane="web:one.test:80")
    made = await kept.accept(new)
    await engine.admission.arm(["web:one.test:80"])
    await engine.admit_all()
    first, second, *_ = await engine.jobs()
    done = await engine.claim(first)
    running = await engine.claim(second)
    await engine.finish(done, first)
    for _ in range(2):
        await kept.cancel(engine.account, "batch", new.id)
        group = await kept.get(engine.account, "batch", new.id)
        assert group.complete and group.cancelled
    states = {task.id: task.state for task in await kept.tasks(made, EVERY) if task}
    assert states.pop(done.id) is State.SUCCEEDED
    assert set(states.values()) == {State.CANCELLED}
    assert not await engine.finish(running, second), "its outcome comes too late"
