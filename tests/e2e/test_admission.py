"""What a round of admission costs and does, on a real PostgreSQL without a server around it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.engine import Engine
from windlass.model.account import Account
from windlass.storage.accounts import Accounts

LANE = "web:site.test:80"
_HEADS = "EXECUTE heads(ARRAY[$lane$" + LANE + "$lane$], 8, ARRAY[8], {capped}, NULL)"
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
            "PREPARE heads(text[], int, int[], int[], int[], int[]) AS "
            + engine.database.sql("admit_heads")
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
