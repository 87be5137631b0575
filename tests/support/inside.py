"""What the database of a running server holds, for promises that HTTP does not show.

Used by tests/fault and bench, and by contract tests to make a task look old.
"""

from __future__ import annotations

import asyncio
from typing import Any

import asyncpg

from tests.support.server import WindlassServer


def rows(
    server: WindlassServer, statement: str, *values: object, within_s: float = 60
) -> list[dict[str, Any]]:
    """Rows of a query against the server's private PostgreSQL, over its socket folder.

    Raises TimeoutError.
    """

    async def ask() -> list[dict[str, Any]]:
        folder = str((server.data / "run").resolve())
        connection = await asyncpg.connect(
            host=folder,
            user="windlass",
            database="windlass",
            timeout=10,
            server_settings={"search_path": "windlass"},
        )
        try:
            found = await connection.fetch(statement, *values, timeout=within_s)
            return [dict(row) for row in found]
        finally:
            await connection.close(timeout=5)

    return asyncio.run(ask())


def leftovers(server: WindlassServer) -> dict[str, int]:
    """Tasks that are not terminal by state, and entries of the work queue: {} when all is done."""
    found = {
        f"task {row['state']}": row["count"]
        for row in rows(
            server,
            "SELECT state::text, count(*) FROM task "
            "WHERE state NOT IN ('succeeded', 'failed', 'cancelled') GROUP BY 1",
        )
    }
    queued = rows(server, "SELECT count(*) FROM pgqueuer")[0]["count"]
    return found | ({"queue entries": queued} if queued else {})


def reported_and_ended(server: WindlassServer) -> tuple[int, int]:
    """How many ends of tasks were counted since the database was made, and how many ended."""
    (row,) = rows(
        server,
        "SELECT (SELECT coalesce(sum(count), 0)::bigint FROM tally WHERE outcome <> 'retried') "
        "AS reported, "
        "(SELECT count(*) FROM task WHERE state IN ('succeeded', 'failed', 'cancelled')) AS ended",
    )
    return int(row["reported"]), int(row["ended"])
