"""Databases of every version become the newest."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import Any

import asyncpg

from tests.support.engine import Engine
from tests.support.postgres import new_database
from windlass.storage import migrate
from windlass.storage.database import SCHEMA, Database
from windlass.storage.migrate import steps
from windlass.storage.queue import install


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


async def test_a_migrated_database_equals_a_fresh_one(postgres: str) -> None:
    fresh = await new_database(postgres)
    stepped = await new_database(postgres)
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


async def test_a_database_of_the_first_version_goes_on_with_its_tasks(postgres: str) -> None:
    dsn = await new_database(postgres)
    await of_the_first_version(dsn)
    fresh = await new_database(postgres)
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


async def test_processes_that_migrate_at_once_do_not_collide(postgres: str) -> None:
    dsn = await new_database(postgres)
    versions = await asyncio.gather(*(migrate(dsn) for _ in range(8)))
    assert len(set(versions)) == 1
