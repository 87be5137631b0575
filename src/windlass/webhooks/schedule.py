"""When a failed delivery is tried again. Pure; used by the kinds that deliver and by sender.py."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import msgspec

from windlass.errors import RequestTimeout, WorkerLost
from windlass.model.task import Outcome, State, Task

_JITTER = 0.2
_OUR_OWN = frozenset((RequestTimeout.code, WorkerLost.code))
"""Of attempts that we broke off ourselves: they say nothing about the receiver."""


def first_try(schedule: Sequence[float]) -> int:
    """The attempt that is the first to send: one before it only waits, if that is the schedule."""
    return 2 if schedule[0] else 1


def rescheduled(
    outcome: Outcome, task: Task, schedule: Sequence[float], retry_after_s: float | None = None
) -> Outcome:
    """The outcome of a failed try, turned into a wait for the next one if that may go better.

    As it is if there is no failure, a final one, or no try left.
    """
    failure = outcome.failure
    if failure is None or not (failure.retryable or failure.code in _OUR_OWN):
        return outcome
    delay_s = next_delay(schedule, task.failures + 1, retry_after_s)
    if delay_s is None:
        return outcome
    return msgspec.structs.replace(outcome, state=State.QUEUED, retry_in_s=delay_s)


def next_delay(
    schedule: Sequence[float],
    failures: int,
    retry_after_s: float | None = None,
    dice: Callable[[], float] = random.random,
) -> float | None:
    """Seconds until the try that follows `failures` failed ones; None: that was the last.

    `schedule` holds the seconds before each try, the first included. Without a wish of the receiver
    a fifth more or less. His wish is honoured between the planned delay and twice that; up to a
    fifth more, but never less, so that those who were told the same do not come back together.
    """
    if failures >= len(schedule):
        return None
    planned = schedule[failures]
    if retry_after_s is None:
        return planned * (1 + _JITTER * (2 * dice() - 1))
    wished = max(planned, retry_after_s) * (1 + _JITTER * dice())
    return min(wished, 2 * planned)
