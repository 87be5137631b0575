"""What this process counts for /metrics. With PROMETHEUS_MULTIPROC_DIR set (by the supervisor,
before any import) the processes of one machine add up; numbers about all machines together come
from the database instead.
"""

from __future__ import annotations

import asyncio
from functools import lru_cache

from prometheus_client import Counter, Gauge, Histogram

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)

FETCH_SECONDS = Histogram(
    "windlass_fetch_seconds", "Time drivers took to bring a page.", ["driver"], buckets=_SECONDS
)
HANDLER_SECONDS = Histogram(
    "windlass_handler_seconds",
    "Time from a task's start to its outcome.",
    ["kind", "outcome"],
    buckets=_SECONDS,
)


@lru_cache(maxsize=256)
def fetch_seconds(driver: str) -> Histogram:
    """FETCH_SECONDS of one driver; finding it costs more than counting in it."""
    return FETCH_SECONDS.labels(driver)


@lru_cache(maxsize=256)
def handler_seconds(kind: str, outcome: str) -> Histogram:
    """HANDLER_SECONDS of one kind and outcome."""
    return HANDLER_SECONDS.labels(kind, outcome)


ERRORS = Counter("windlass_errors", "Failures by error code.", ["code"])
LOOP_LAG = Gauge(
    "windlass_event_loop_lag_seconds",
    "How late the event loop woke up, worst of the last seconds.",
    ["role"],
    multiprocess_mode="livemax",
)
CHROMIUM_FOUND = Gauge(
    "windlass_chromium_found",
    "Whether the workers of this machine have a Chromium to render pages with.",
    multiprocess_mode="livemin",
)
BROWSER_STARTS = Counter("windlass_browser_starts", "Browsers started.")
BROWSER_SANDBOXED = Gauge(
    "windlass_browser_sandboxed",
    "Whether Chromium runs in its sandbox: 0 where the machine does not allow it.",
    multiprocess_mode="livemin",
)


async def watch_loop(role: str, every_s: float = 2.0) -> None:
    """Measures how late this process's event loop wakes up, until cancelled."""
    loop = asyncio.get_running_loop()
    gauge = LOOP_LAG.labels(role)
    while True:
        due = loop.time() + every_s
        await asyncio.sleep(every_s)
        gauge.set(max(loop.time() - due, 0.0))
