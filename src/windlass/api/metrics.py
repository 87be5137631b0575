"""Numbers for Prometheus: this process's calls and event loop, and the server's as a whole.

Counting is plain arithmetic on dicts; the Prometheus library is loaded by the first scrape.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

from windlass.model.stats import Stats

if TYPE_CHECKING:
    from prometheus_client.core import Metric

CALL_BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0)
LAG_BOUNDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)
_LAG_EVERY_S = 0.5


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
        self._lag = Histogram(LAG_BOUNDS)

    def answered(self, operation: str, status: int, seconds: float) -> None:
        """Counts one call."""
        self._answers[operation, status] += 1
        self._seconds[operation].observe(seconds)

    @asynccontextmanager
    async def watching_loop(self) -> AsyncIterator[None]:
        """Measures, while open, how late the event loop runs what is due."""
        watch = asyncio.create_task(self._watch_loop(), name="loop-lag")
        try:
            yield
        finally:
            watch.cancel()
            with suppress(asyncio.CancelledError):
                await watch

    async def _watch_loop(self) -> None:
        clock = asyncio.get_running_loop().time
        while True:
            due = clock() + _LAG_EVERY_S
            await asyncio.sleep(_LAG_EVERY_S)
            self._lag.observe(max(clock() - due, 0.0))

    def text(self, stats: Stats | None) -> bytes:
        """The exposition; `stats` None: the database did not answer."""
        from prometheus_client import CollectorRegistry, generate_latest  # loaded on first scrape

        registry = CollectorRegistry()
        registry.register(_Collector([*self._own(), *_overall(stats)]))
        return generate_latest(registry)

    def _own(self) -> Iterator[Metric]:
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
        lag = HistogramMetricFamily(
            "windlass_event_loop_lag_seconds", "How late the API's event loop runs what is due."
        )
        lag.add_metric([], self._lag.buckets(), self._lag.sum)
        yield from (answers, seconds, lag)


class _Collector:
    def __init__(self, families: list[Any]) -> None:
        self._families = families

    def collect(self) -> list[Any]:
        return self._families


def _overall(stats: Stats | None) -> Iterator[Metric]:
    """Families about all processes together."""
    from prometheus_client.core import GaugeMetricFamily

    yield GaugeMetricFamily("windlass_up", "Whether the database answers.", int(stats is not None))
    if stats is None:
        return
    depth = GaugeMetricFamily("windlass_queue_depth", "Unfinished tasks.", labels=["state"])
    age = GaugeMetricFamily(
        "windlass_queue_oldest_seconds", "Age of the oldest unfinished task.", labels=["state"]
    )
    for item in stats.depths:
        depth.add_metric([item.state], item.count)
        age.add_metric([item.state], item.oldest_s)
    yield from (depth, age)
    yield GaugeMetricFamily("windlass_workers", "Worker processes alive.", stats.workers)
    yield GaugeMetricFamily("windlass_slots", "Tasks that may run at a time.", stats.slots)
    yield from _tallies(stats)


def _tallies(stats: Stats) -> Iterator[Metric]:
    from prometheus_client.core import CounterMetricFamily, SummaryMetricFamily

    outcomes: dict[tuple[str, str], tuple[int, float]] = {}
    errors: dict[str, int] = defaultdict(int)
    for tally in stats.tallies:
        count, seconds = outcomes.get((tally.kind, tally.outcome), (0, 0.0))
        outcomes[tally.kind, tally.outcome] = (count + tally.count, seconds + tally.seconds)
        if tally.code:
            errors[tally.code] += tally.count
    finished = CounterMetricFamily(
        "windlass_tasks_finished", "Tasks that ended.", labels=["kind", "outcome"]
    )
    lasted = SummaryMetricFamily(
        "windlass_handler_seconds",
        "Time the last attempt of ended tasks took.",
        labels=["kind", "outcome"],
    )
    for (kind, outcome), (count, seconds) in outcomes.items():
        finished.add_metric([kind, outcome], count)
        lasted.add_metric([kind, outcome], count, seconds)
    failed = CounterMetricFamily("windlass_errors", "Tasks that failed.", labels=["code"])
    for code, count in errors.items():
        failed.add_metric([code], count)
    yield from (finished, lasted, failed)
