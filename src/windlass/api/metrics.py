"""Numbers for Prometheus: this process's calls, what all processes of the machine count with
windlass.metrics, and what the database knows of the server as a whole.

Counting calls is plain arithmetic on dicts; the rest is gathered when somebody scrapes.
"""

from __future__ import annotations

import asyncio
import os
from bisect import bisect_left
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from windlass.model.stats import Stats
from windlass.model.task import State

if TYPE_CHECKING:
    from prometheus_client.core import Metric

_ENDS = frozenset({State.SUCCEEDED, State.FAILED, State.CANCELLED})
CALL_BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0)


class Histogram:
    """Counts of seconds by upper bound."""

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def observe(self, seconds: float) -> None:
        """Counts one duration."""
        self.counts[bisect_left(self.bounds, seconds)] += 1
        self.sum += seconds

    def buckets(self) -> list[tuple[str, float]]:
        """Cumulative counts in Prometheus's form."""
        total, out = 0, []
        for bound, count in zip((*map(str, self.bounds), "+Inf"), self.counts, strict=True):
            total += count
            out.append((bound, float(total)))
        return out


class Metrics:
    """What this process counts."""

    def __init__(self) -> None:
        self._answers: dict[tuple[str, int], int] = defaultdict(int)
        self._seconds: dict[str, Histogram] = defaultdict(lambda: Histogram(CALL_BOUNDS))

    def answered(self, operation: str, status: int, seconds: float) -> None:
        """Counts one call."""
        self._answers[operation, status] += 1
        self._seconds[operation].observe(seconds)

    async def text(self, stats: Stats | None) -> bytes:
        """The exposition; `stats` None: the database did not answer."""
        families = [*self._calls(), *_overall(stats)]
        return await asyncio.to_thread(_exposition, families)

    def _calls(self) -> Iterator[Metric]:
        from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily

        answers = CounterMetricFamily(
            "windlass_http_requests", "Calls answered.", labels=["operation", "status"]
        )
        for (operation, status), count in self._answers.items():
            answers.add_metric([operation, str(status)], count)
        seconds = HistogramMetricFamily(
            "windlass_http_request_seconds", "Time to answer a call.", labels=["operation"]
        )
        for operation, histogram in self._seconds.items():
            seconds.add_metric([operation], histogram.buckets(), histogram.sum)
        yield from (answers, seconds)


@asynccontextmanager
async def watching_loop() -> AsyncIterator[None]:
    """Measures, while open, how late the API's event loop runs what is due."""
    from windlass.metrics import watch_loop

    watch = asyncio.create_task(watch_loop("api"), name="loop-lag")
    try:
        yield
    finally:
        watch.cancel()
        await asyncio.wait({watch})


class _Collector:
    def __init__(self, families: list[Metric]) -> None:
        self._families = families

    def collect(self) -> list[Metric]:
        return self._families


def _exposition(families: list[Metric]) -> bytes:
    """The text of these families and of what processes share; reads files, so not on the loop."""
    from prometheus_client import REGISTRY, CollectorRegistry, generate_latest
    from prometheus_client.multiprocess import MultiProcessCollector

    registry = CollectorRegistry()
    registry.register(_Collector(families))
    if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    else:
        registry.register(_Collector(list(REGISTRY.collect())))
    return generate_latest(registry)


def _overall(stats: Stats | None) -> Iterator[Metric]:
    """Families about all machines together."""
    from prometheus_client.core import GaugeMetricFamily

    yield GaugeMetricFamily("windlass_up", "Whether the database answers.", int(stats is not None))
    if stats is None:
        return
    labels = ["kind", "state"]
    depth = GaugeMetricFamily("windlass_queue_depth", "Unfinished tasks.", labels=labels)
    age = GaugeMetricFamily(
        "windlass_queue_oldest_seconds", "Age of the oldest unfinished task.", labels=labels
    )
    for item in stats.depths:
        depth.add_metric([item.kind, item.state], item.count)
        age.add_metric([item.kind, item.state], item.oldest_s)
    yield from (depth, age, *_ends(stats))
    yield GaugeMetricFamily(
        "windlass_webhook_circuits_open",
        "Webhook endpoints that are left alone, but for a probe now and then, because they failed.",
        stats.open_circuits,
    )
    yield GaugeMetricFamily("windlass_workers", "Worker processes alive.", stats.workers)
    yield GaugeMetricFamily("windlass_slots", "Tasks that may run at a time.", stats.slots)


def _ends(stats: Stats) -> Iterator[Metric]:
    """What attempts came to: the end of their task, or another start of it."""
    from prometheus_client.core import CounterMetricFamily

    finished = CounterMetricFamily(
        "windlass_tasks_finished",
        "Tasks that have ended; code is why they did not succeed.",
        labels=["kind", "outcome", "code"],
    )
    retried = CounterMetricFamily(
        "windlass_tasks_retried",
        "Times a worker sent a task back to start again; code is why, empty if it was stopped.",
        labels=["kind", "code"],
    )
    for tally in stats.tallies:
        if tally.outcome == "retried":
            retried.add_metric([tally.kind, tally.code], tally.count)
        elif tally.outcome in _ENDS:
            finished.add_metric([tally.kind, tally.outcome, tally.code], tally.count)
    yield from (finished, retried)
