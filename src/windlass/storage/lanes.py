"""What attempts have shown of hosts and endpoints, kept in their lanes' rows.

Called by outcomes.py in the transaction that ends the attempts; the rules are breaker.py's and
strain.py's.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import asyncpg
import msgspec

from windlass.model.task import HostSign, Outcome, Task
from windlass.settings import Settings
from windlass.storage import queue
from windlass.storage.breaker import ENDPOINT, Breaker, Patience, Try, for_hosts
from windlass.storage.database import Database
from windlass.storage.strain import Strain

_TRIES = msgspec.json.Decoder(tuple[Try, ...])


class Shown(NamedTuple):
    """What one attempt showed of a lane: whether it was taken (None: turned away), and what else of
    a host."""

    taken: bool | None
    started: datetime | None
    host: HostSign | None = None

    @property
    def strained(self) -> bool:
        """Whether the host is to be asked less."""
        return self.host is not None and self.host.strained


class Moved(NamedTuple):
    """What a lane has become."""

    breaker: Breaker
    strain: Strain
    signs: Sequence[Shown]

    @property
    def quiet_s(self) -> float:
        """For how long its host asked to be left alone, from now on."""
        return max(sign.host.quiet_s if sign.host else 0.0 for sign in self.signs)


def patience_of(settings: Settings) -> Patience:
    """The patience with hosts by the operator's settings."""
    return for_hosts(settings.host_down_after, settings.retry_after_limit)


async def keep_shown(
    connection: asyncpg.Connection,
    database: Database,
    ended: Iterable[tuple[Task, Outcome]],
    troubled: frozenset[str],
    hosts: Patience,
) -> None:
    """Moves the lanes of ended attempts on, in their transaction; lanes where all is well, as those
    that are not among `troubled` were before, are not touched."""
    shown = _by_lane(ended)
    wanted = [lane for lane, signs in shown.items() if lane in troubled or _matters(signs)]
    if not wanted:
        return
    rows = await connection.fetch(database.sql("troubled_lanes"), wanted)
    # By the clock that admission goes by: machines differ.
    moved = {row["key"]: _after(row, shown[row["key"]], hosts) for row in rows}
    if moved:
        await connection.execute(database.sql("move_lanes"), *_columns(moved))


def _by_lane(ended: Iterable[tuple[Task, Outcome]]) -> dict[str, list[Shown]]:
    shown: defaultdict[str, list[Shown]] = defaultdict(list)
    for task, outcome in ended:
        if outcome.healthy is not None:
            shown[task.lane].append(Shown(outcome.healthy, task.started_at))
        if (sign := outcome.host) is None:
            continue
        taken = None if sign.refused else sign.answered
        one = Shown(taken, task.started_at, sign)
        # A host that others lead to may be meant as well as that which leads there.
        for lane in {task.lane, sign.lane or task.lane}:
            shown[lane].append(one)
    return shown


def _matters(signs: Sequence[Shown]) -> bool:
    return any(sign.strained or not sign.taken for sign in signs)


def _after(row: Any, signs: Sequence[Shown], hosts: Patience) -> Moved:
    now: datetime = row["now"]
    patience = hosts if row["pool"] == queue.TASKS else ENDPOINT
    before = Breaker(
        proven=row["proven"],
        streak=row["streak"],
        recent=_TRIES.decode(row["recent"]) if row["recent"] else (),
        open_until=row["open_until"],
        probe_s=row["probe_s"],
        since=row["failing_since"],
        given_up=row["given_up"],
    )
    strain = Strain(level=row["strain"], at=row["strained_at"], eased=row["eased_at"])
    well = sum(
        sign.taken is True and not sign.strained and _began_since(strain, sign) for sign in signs
    )
    after = strain
    for sign in signs:
        if sign.strained:
            after = after.after_trouble(sign.started, now, row["concurrency"])
    if after is strain:  # an error never makes anything faster
        after = strain.after_successes(well, now)
    return Moved(
        before.after([sign.taken for sign in signs], now, patience),
        after,
        signs,
    )


def _began_since(strain: Strain, sign: Shown) -> bool:
    return strain.at is None or sign.started is None or sign.started >= strain.at


def _columns(moved: dict[str, Moved]) -> list[list[Any]]:
    breakers = [one.breaker for one in moved.values()]
    strains = [one.strain for one in moved.values()]
    return [
        list(moved),
        [breaker.proven for breaker in breakers],
        [breaker.streak for breaker in breakers],
        [
            msgspec.json.encode(breaker.recent).decode() if breaker.recent else None
            for breaker in breakers
        ],
        [breaker.open_until for breaker in breakers],
        [breaker.probe_s for breaker in breakers],
        [breaker.since for breaker in breakers],
        [breaker.given_up for breaker in breakers],
        [strain.level for strain in strains],
        [strain.at for strain in strains],
        [strain.eased for strain in strains],
        [one.quiet_s for one in moved.values()],
    ]
