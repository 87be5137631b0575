"""How many webhooks per second, to one endpoint and to 200, and what does one cost?

The tasks have ended before; counted is everything from the waiting webhook to its recorded answer,
in every process of the server and its PostgreSQL.
"""

from __future__ import annotations

import msgspec

from bench.deliver_scene import (
    Receiver,
    Rows,
    ceiling,
    delivering,
    rate,
    spread,
    told,
)
from bench.meter import Meter
from tests.support.server import WindlassServer

ENDPOINTS = (1, 200)
WEBHOOKS = 5_000
WARM_UP = 400


class Sent(msgspec.Struct, frozen=True):
    """Webhooks per second; CPU milliseconds per webhook by role; the rest of the machine."""

    endpoints: int
    webhooks: int
    per_second: float
    cpu_ms_by_role: dict[str, float]
    receiver_cpu_ms: float
    others_cores: float
    peak_pss_mb: float

    @property
    def cpu_ms(self) -> float:
        """CPU milliseconds per webhook, PostgreSQL's included."""
        return sum(self.cpu_ms_by_role.values())


class Webhooks(msgspec.Struct, frozen=True):
    """One figure for each number of endpoints, and what the receiver itself could take."""

    sent: list[Sent]
    ceiling: float


async def measure() -> Webhooks:
    """The answer."""
    async with delivering() as (server, database, target):
        most = await ceiling(target)
        sent = [await _send(server, database, target, count) for count in ENDPOINTS]
    return Webhooks(sent, most)


async def _send(server: WindlassServer, database: Rows, target: Receiver, endpoints: int) -> Sent:
    urls = [target.url(f"live-{endpoints}/{number}") for number in range(endpoints)]
    await told(database, target, spread(urls, WARM_UP))
    with Meter(server, (target.pid,)) as meter:
        times = await told(database, target, spread(urls, WEBHOOKS))
    cost = meter.cost
    assert cost is not None
    return Sent(
        endpoints=endpoints,
        webhooks=len(times),
        per_second=rate(times),
        cpu_ms_by_role={role: s / len(times) * 1000 for role, s in cost.cpu_s.items()},
        receiver_cpu_ms=cost.site_cpu_s / len(times) * 1000,
        others_cores=cost.others_cores,
        peak_pss_mb=cost.peak_pss_mb,
    )
