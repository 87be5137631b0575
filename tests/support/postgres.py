"""A real PostgreSQL for a test session, and databases in it."""

from __future__ import annotations

import asyncio
import atexit
import functools
import itertools
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from windlass.storage import migrate
from windlass.storage.database import SCHEMA
from windlass.storage.embedded import EmbeddedPostgres
from windlass.storage.embedded.config import ADMIN, ROLE

_NUMBERS = itertools.count(1)


@functools.cache
def empty_cluster() -> Path:
    """The folder of a cluster with an empty database, for servers to start from a copy of it:
    making one costs a second. It goes with this process."""
    folder = Path(tempfile.mkdtemp(prefix="windlass-cluster-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    with ThreadPoolExecutor(1) as aside:  # the caller may have an event loop of its own
        aside.submit(asyncio.run, _started_once(folder)).result()
    return folder / "postgres"


async def _started_once(data: Path) -> None:
    server = EmbeddedPostgres(data)
    try:
        await server.start()
    finally:
        await server.stop()


@contextmanager
def running_postgres() -> Iterator[str]:
    """The DSN of a server that ends with the block. It belongs to no test's event loop: those end
    with each test."""
    with asyncio.Runner() as runner:
        server = _running_postgres()
        dsn = runner.run(server.__aenter__())
        try:
            yield dsn
        finally:
            runner.run(server.__aexit__(None, None, None))


@asynccontextmanager
async def _running_postgres() -> AsyncIterator[str]:
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


async def new_database(server: str) -> str:
    """The DSN of a database that nobody else uses, without a schema."""
    name = f"test_{os.getpid()}_{next(_NUMBERS)}"
    await _create(server, name)
    return _in_database(server, name)


async def emptied_database(server: str, name: str) -> str:
    """The DSN of the migrated database of this name, which holds nothing. One test at a time may
    use it; what the planner knows about its tables stays from test to test."""
    dsn = _in_database(server, name)
    connection = await asyncpg.connect(server)
    try:
        known = "SELECT 1 FROM pg_database WHERE datname = $1"
        exists = await connection.fetchval(known, name)
    finally:
        await connection.close()
    if not exists:
        await _create(server, name)
        await migrate(dsn)
    await _empty(dsn)
    return dsn


async def _create(server: str, name: str) -> None:
    connection = await asyncpg.connect(server, user=ADMIN)
    try:
        await connection.execute(f"CREATE DATABASE {name} OWNER {ROLE}")
    finally:
        await connection.close()


async def _empty(dsn: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        tables = await connection.fetch(
            "SELECT tablename FROM pg_tables WHERE schemaname = $1 AND tablename <> $2",
            SCHEMA,
            "schema_version",
        )
        # The others point at accounts. Truncating would make dozens of files for a few rows.
        names = sorted((row["tablename"] for row in tables), key=lambda name: name == "account")
        await connection.execute(";".join(f"DELETE FROM {SCHEMA}.{name}" for name in names))
    finally:
        await connection.close()


def _in_database(server: str, name: str) -> str:
    return urlunsplit(urlsplit(server)._replace(path=f"/{name}"))
