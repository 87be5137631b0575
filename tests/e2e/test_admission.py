"""What a round of admission costs and does, on a real PostgreSQL without a server around it."""

from __future__ import annotations

import json
from typing import Any

from tests.support.engine import Engine

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
