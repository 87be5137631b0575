"""Fails what waits for hosts that are left alone for now.

The service calls it for what somebody waits for, the worker now and then for all the rest. Whether
a lane is closed, and why, is written there by lanes.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from typing import Any

from windlass.errors import HostBusy, HostDown, TargetError
from windlass.settings import Settings
from windlass.storage import following
from windlass.storage.database import Database
from windlass.storage.outcomes import announce
from windlass.storage.rows import new_columns

_SLICE = 500


async def turn_away(
    database: Database, settings: Settings, lanes: Sequence[str] | None = None
) -> int:
    """Fails what waits for hosts that are left alone for now: what somebody waits for at once, all
    the rest when the host is given up or asked for more time than we wait. How many.

    In certain lanes, or in all. Their owners are told; the lanes of that are armed by recovery.
    """
    closed = await database.fetch(
        "closed_lanes", lanes, settings.retry_after_limit, HostBusy.code, HostDown.code
    )
    turned = 0
    for row in closed:
        while (count := await _turn_away(database, row)) == _SLICE:
            turned += count
        turned += count
    return turned


async def _turn_away(database: Database, closed: Any) -> int:
    failure = left_alone(closed["code"], closed["left_s"])
    async with database.durable.acquire() as connection, connection.transaction():
        rows = await connection.fetch(
            database.sql("turn_away"),
            closed["key"],
            closed["for_all"],
            _SLICE,
            closed["left_s"],
            failure.code,
            failure.message,
        )
        if rows:
            await announce(connection, database.sql("add_tallies"), rows)
            news = following.webhooks_for(rows)
            await connection.execute(database.sql("insert_tasks"), *new_columns(news))
        return len(rows)


def left_alone(code: str, left_s: float) -> TargetError:
    """The error of a fetch that is not made, because its host is left alone for so long."""
    seconds = f"{ceil(left_s):,} s"
    if code == HostBusy.code:
        return HostBusy(f"The host asks to be left alone for another {seconds}.")
    return HostDown(f"The host has not answered for a while; it is asked again in {seconds}.")
