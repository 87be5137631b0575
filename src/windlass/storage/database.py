"""Connections to PostgreSQL and the named statements of queries.sql.

Two pools: `durable` commits wait for the disk, `relaxed` ones do not. Relaxed is for what another
process would do again anyway: admission, claims, heartbeats. Accepting and finishing are durable.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import asyncpg
import structlog

from windlass.errors import DatabaseUnavailable

log = structlog.get_logger(__name__)

SCHEMA = "windlass"
T = TypeVar("T")

CONNECTION_ERRORS: tuple[type[Exception], ...] = (
    OSError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.OperatorInterventionError,  # shutdown, crash, start, a statement cancelled
    asyncpg.TransactionRollbackError,  # deadlock or serialization: the same again may pass
    asyncpg.LockNotAvailableError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.ReadOnlySQLTransactionError,  # a standby that is about to be promoted
    asyncpg.InsufficientResourcesError,  # disk full, out of memory, too many connections
    asyncpg.PostgresSystemError,
    asyncpg.exceptions.InternalClientError,
    TimeoutError,
    DatabaseUnavailable,
)
"""What says that the database, not the statement, is the trouble."""

COMMAND_TIMEOUT_S = 60.0
_RECONNECT_S = 0.3
_IDS_PER_NOTICE = 200
"""A notification's payload ends at 8,000 bytes; an id takes 37."""


_FILES = ("queries.sql", "crawls.sql", "lanes.sql", "agents.sql")


@cache
def queries() -> dict[str, str]:
    """The statements of the .sql files beside this one by name."""
    folder = Path(__file__).parent
    texts = [(folder / name).read_text(encoding="utf-8") for name in _FILES]
    parts = re.split(r"^-- name: (\w+)$", "\n".join(texts), flags=re.MULTILINE)
    return {name: body.strip() for name, body in zip(parts[1::2], parts[2::2], strict=True)}


class Database:
    """The two pools. Open with `Database.open(dsn)`, close with `aclose()`."""

    def __init__(self, dsn: str, durable: asyncpg.Pool, relaxed: asyncpg.Pool) -> None:
        self.dsn = dsn
        self.durable = durable
        self.relaxed = relaxed
        self._sql = queries()

    @classmethod
    async def open(cls, dsn: str, *, size: int = 4, wait_s: float = 15.0) -> Database:
        """Connects, waiting up to `wait_s` for a database that is starting.

        Raises DatabaseUnavailable. `size` is the number of connections of each pool.
        """

        async def connect() -> Database:
            durable = await _pool(dsn, size, "on")
            try:
                return cls(dsn, durable, await _pool(dsn, size + 2, "off"))
            except BaseException:
                durable.terminate()
                raise

        return await retrying(connect, for_s=wait_s)

    async def aclose(self) -> None:
        """Closes all connections; those that do not close in time are terminated."""
        for pool in (self.durable, self.relaxed):
            try:
                await asyncio.wait_for(pool.close(), 5)
            except CONNECTION_ERRORS:
                pool.terminate()

    async def fetch(self, name: str, *arguments: Any, durable: bool = False) -> list[Any]:
        """All rows of a named statement. Raises DatabaseUnavailable, as do the next two."""
        pool = self.durable if durable else self.relaxed
        async with translating():
            rows: list[Any] = await pool.fetch(self._sql[name], *arguments)
        return rows

    async def fetch_row(self, name: str, *arguments: Any, durable: bool = False) -> Any | None:
        """The first row of a named statement, or None."""
        pool = self.durable if durable else self.relaxed
        async with translating():
            return await pool.fetchrow(self._sql[name], *arguments)

    async def execute(self, name: str, *arguments: Any, durable: bool = False) -> None:
        """Runs a named statement for its effect."""
        pool = self.durable if durable else self.relaxed
        async with translating():
            await pool.execute(self._sql[name], *arguments)

    def sql(self, name: str) -> str:
        """The text of a named statement, for use inside a transaction."""
        return self._sql[name]

    async def listen(
        self,
        channels: Mapping[str, Callable[[str], None]],
        *,
        on_lost: Callable[[], None] | None = None,
    ) -> None:
        """Calls back with each notification's payload, for ever, reconnecting when needed.

        What was sent while the connection was away is lost: callers must not rely on hearing.
        `on_lost` is called when an established connection breaks.
        """
        while True:
            try:
                await self._listen_once(channels)
                if on_lost is not None:
                    on_lost()
                log.warning("listener_lost")
            except CONNECTION_ERRORS as error:
                log.warning("listener_cannot_connect", reason=repr(error))
            await asyncio.sleep(_RECONNECT_S)

    async def _listen_once(self, channels: Mapping[str, Callable[[str], None]]) -> None:
        connection = await _connect(self.dsn)
        lost = asyncio.Event()
        connection.add_termination_listener(lambda _: lost.set())
        try:
            for channel, callback in channels.items():
                await connection.add_listener(channel, _payload_of(callback))
            await lost.wait()
        finally:
            connection.terminate()


@asynccontextmanager
async def translating() -> AsyncIterator[None]:
    """Raises DatabaseUnavailable for what says that the database is the trouble."""
    try:
        yield
    except CONNECTION_ERRORS as error:
        raise DatabaseUnavailable from error


async def notify(
    connection: asyncpg.Connection | asyncpg.Pool, channel: str, ids: Sequence[object]
) -> None:
    """Sends ids to all who listen, with commas between them, in as many notices as it takes."""
    for start in range(0, len(ids), _IDS_PER_NOTICE):
        payload = ",".join(map(str, ids[start : start + _IDS_PER_NOTICE]))
        await connection.execute("SELECT pg_notify($1, $2)", channel, payload)


def _payload_of(callback: Callable[[str], None]) -> Callable[..., None]:
    return lambda _connection, _pid, _channel, payload: callback(str(payload))


async def _connect(dsn: str) -> asyncpg.Connection:
    return await asyncpg.connect(
        dsn,
        timeout=10,
        command_timeout=COMMAND_TIMEOUT_S,
        server_settings={"search_path": SCHEMA, "application_name": "windlass"},
    )


async def _no_reset(_connection: object) -> None:
    return


async def _pool(dsn: str, size: int, synchronous_commit: str) -> asyncpg.Pool:
    return await asyncpg.create_pool(
        dsn,
        min_size=1,
        max_size=size,
        # An idle server gives its spare connections (megabytes each) back.
        max_inactive_connection_lifetime=20.0,
        timeout=10,
        command_timeout=COMMAND_TIMEOUT_S,
        # We leave no state in a session, and the usual reset is a round trip per statement.
        reset=_no_reset,
        server_settings={
            "search_path": SCHEMA,
            "application_name": "windlass",
            "synchronous_commit": synchronous_commit,
        },
    )


async def retrying(action: Callable[[], Awaitable[T]], *, for_s: float) -> T:
    """The action's result, tried again while the database is away, at most `for_s` seconds long.

    The action must be safe to repeat. Raises DatabaseUnavailable with the last cause.
    """
    loop = asyncio.get_running_loop()
    give_up_at = loop.time() + for_s
    pause = 0.05
    while True:
        try:
            return await action()
        except CONNECTION_ERRORS as error:
            if loop.time() + pause > give_up_at:
                raise DatabaseUnavailable from error
        await asyncio.sleep(pause)
        pause = min(pause * 2, 1.0)
