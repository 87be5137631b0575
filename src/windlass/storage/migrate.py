"""Brings a database to the newest schema. Safe when many processes start at once."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import asyncpg

from windlass.errors import SettingsError
from windlass.storage import queue
from windlass.storage.database import SCHEMA, retrying

FOLDER = Path(__file__).parent
MINIMUM_SERVER = 140000
_LOCK = 0x77696E64
"""Advisory lock key that serialises migrations of one database."""


def steps() -> dict[int, str]:
    """Migrations by the version they lead to."""
    found = {}
    for path in sorted((FOLDER / "migrations").glob("*.sql")):
        number = re.match(r"(\d{4})_", path.name)
        if number:
            assert int(number[1]) not in found, f"two migrations lead to version {number[1]}"
            found[int(number[1])] = path.read_text(encoding="utf-8")
    return found


def newest() -> int:
    """The version that schema.sql describes."""
    return max(steps())


async def migrate(dsn: str, *, from_steps: bool = False, wait_s: float = 30.0) -> int:
    """Creates or upgrades the schema and returns its version.

    `from_steps` builds a new database by its migrations instead of schema.sql (for the test that
    both give the same). Raises SettingsError for a server or a schema that cannot be used.
    """
    connection = await retrying(lambda: asyncpg.connect(dsn, timeout=10), for_s=wait_s)
    try:
        if connection.get_server_version()[0] * 10000 < MINIMUM_SERVER:
            raise SettingsError("WINDLASS_DATABASE_URL must name a PostgreSQL 14 or later")
        await connection.execute("SELECT pg_advisory_lock($1)", _LOCK)  # until the connection ends
        return await _bring(connection, from_steps)
    finally:
        await connection.close()


async def _bring(connection: asyncpg.Connection, from_steps: bool) -> int:
    await connection.execute(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")
    await connection.execute(f"SET search_path TO {SCHEMA}")
    have = await _version(connection)
    want = newest()
    if have > want:
        raise SettingsError(
            f"the database is at schema version {have}, this Windlass knows {want}: upgrade it"
        )
    if have == 0 and not from_steps:
        async with connection.transaction():
            await connection.execute((FOLDER / "schema.sql").read_text(encoding="utf-8"))
            await queue.install(connection)
            await _note(connection, sorted(steps()))
        return want
    for version in sorted(steps()):
        if version > have:
            # One by one: what adds a value to an enum ends before what uses the value.
            async with connection.transaction():
                await connection.execute(steps()[version])
                if version == 1:
                    await queue.install(connection)
                await _note(connection, [version])
    return want


async def _note(connection: asyncpg.Connection, versions: Sequence[int]) -> None:
    await connection.executemany(
        "INSERT INTO schema_version (version) VALUES ($1)", [(version,) for version in versions]
    )


async def _version(connection: asyncpg.Connection) -> int:
    if await connection.fetchval("SELECT to_regclass($1)", f"{SCHEMA}.schema_version") is None:
        return 0
    value: int = await connection.fetchval("SELECT coalesce(max(version), 0) FROM schema_version")
    return value
