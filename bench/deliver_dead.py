"""Do 100 dead endpoints slow webhooks to the live ones? Half refuse, half take and never answer.

In turn on one server: without them, with them at the moment they get work, with them standing by
(circuits open, attempts hang), and without them again: what time changes is on both sides.
"""

from __future__ import annotations

import msgspec

from bench.deliver_scene import (
    Receiver,
    Run,
    Scene,
    delivering,
    live_run,
    spread,
    tell,
    until_none,
)

ROUNDS = 3
DEAD_ENDPOINTS = 100
FOR_EACH_DEAD = 20
# As a cancel does; workers look for what was cancelled every few seconds.
_CLEAR = """
UPDATE task SET state = 'cancelled', modified_at = now(), finished_at = now()
WHERE lane ~ '/(hang|gone)/' AND finished_at IS NULL
"""
_HELD = "SELECT count(*) FROM pgqueuer"
_UNDECIDED = """
SELECT count(*) FROM lane
WHERE key LIKE '%/gone/' || $1 || '/%' AND (open_until IS NULL OR open_until <= now())
"""


class Dead(msgspec.Struct, frozen=True):
    """Webhooks to the live endpoints, by round."""

    without: list[Run]
    arriving: list[Run]
    standing: list[Run]


async def measure() -> Dead:
    """The answer."""
    found = Dead([], [], [])
    async with delivering() as scene:
        await live_run(*scene)
        for number in range(ROUNDS):
            await _round(number, found, scene)
    return found


async def _round(number: int, found: Dead, scene: Scene) -> None:
    _, database, target = scene
    found.without.append(await live_run(*scene))
    await tell(database, spread(_dead(target, number), DEAD_ENDPOINTS * FOR_EACH_DEAD))
    found.arriving.append(await live_run(*scene))
    await until_none(lambda: database.fetchval(_UNDECIDED, str(number)))
    found.standing.append(await live_run(*scene))
    await database.execute(_CLEAR)
    await until_none(lambda: database.fetchval(_HELD))
    found.without.append(await live_run(*scene))


def _dead(target: Receiver, turn: int) -> list[str]:
    half = range(DEAD_ENDPOINTS // 2)
    hanging = [target.url(f"hang/{turn}/{number}") for number in half]
    return hanging + [target.refused(f"gone/{turn}/{number}") for number in half]
