"""A real PostgreSQL for a test session, and an empty migrated database for each test."""

from __future__ import annotations

import itertools
import os
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from windlass.storage import migrate
from windlass.storage.embedded import EmbeddedPostgres
from windlass.storage.embedded.config import ADMIN, ROLE

_NUMBERS = itertools.count(1)
_TEMPLATE = "migrated"


@asynccontextmanager
async def running_postgres() -> AsyncIterator[str]:
    """The DSN of a server that ends with the block."""
    with tempfile.TemporaryDirectory(prefix="windlass-test-") as folder:
        server = EmbeddedPostgres(Path(folder))
        try:
            dsn = await server.start()
            await _trust_the_kernel(dsn)
            yield dsn
        finally:
            await server.stop()


async def _trust_the_kernel(dsn: str) -> None:
    """Databases by the dozen need not survive a power cut."""
    connection = await asyncpg.connect(dsn, user=ADMIN)
    try:
        await connection.execute("ALTER SYSTEM SET fsync = off")
        await connection.execute("ALTER SYSTEM SET full_page_writes = off")
        await connection.execute("SELECT pg_reload_conf()")
    finally:
        await connection.close()


async def new_database(server: str, *, migrated: bool = True) -> str:
    """The DSN of a database that nobody else uses."""
    name = f"test_{os.getpid()}_{next(_NUMBERS)}"
    connection = await asyncpg.connect(server, user=ADMIN)
    try:
        if not migrated:
            await connection.execute(f"CREATE DATABASE {name} OWNER {ROLE}")
        else:
            await _ensure_template(connection, server)
            await connection.execute(f"CREATE DATABASE {name} OWNER {ROLE} TEMPLATE {_TEMPLATE}")
    finally:
        await connection.close()
    return _in_database(server, name)


async def _ensure_template(connection: asyncpg.Connection, server: str) -> None:
    known = "SELECT 1 FROM pg_database WHERE datname = $1"
    if await connection.fetchval(known, _TEMPLATE) is None:
        await connection.execute(f"CREATE DATABASE {_TEMPLATE} OWNER {ROLE}")
        await migrate(_in_database(server, _TEMPLATE))


def _in_database(server: str, name: str) -> str:
    return urlunsplit(urlsplit(server)._replace(path=f"/{name}"))
