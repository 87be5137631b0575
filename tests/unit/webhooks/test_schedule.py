"""When a failed webhook is tried again."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from windlass.net.retry_after import parse_retry_after
from windlass.settings import Settings
from windlass.webhooks.schedule import next_delay

SCHEDULE = Settings().webhook_schedule
NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)


def test_the_schedule_is_the_documented_one() -> None:
    assert SCHEDULE == (0, 5, 60, 300, 1800, 7200, 18000, 36000)


def test_each_failure_leads_to_the_next_delay_until_there_is_none() -> None:
    delays = [next_delay(SCHEDULE, failures, dice=lambda: 0.5) for failures in range(9)]
    assert delays == [*SCHEDULE, None]


@pytest.mark.parametrize(("dice", "delay"), [(0.0, 48.0), (0.5, 60.0), (1.0, 72.0)])
def test_jitter_is_a_fifth_both_ways(dice: float, delay: float) -> None:
    assert next_delay(SCHEDULE, 2, dice=lambda: dice) == pytest.approx(delay)


def test_real_dice_stay_within_a_fifth_and_differ() -> None:
    delays = {next_delay(SCHEDULE, 2) for _ in range(200)}
    assert len(delays) > 100
    assert all(delay is not None and 48 <= delay <= 72 for delay in delays)


@pytest.mark.parametrize(
    ("wish", "least", "most"),
    [
        (0.0, 60, 72),  # sooner than planned is not earlier
        (30.0, 60, 72),
        (90.0, 90, 108),  # what was asked, never less
        (119.0, 119, 120),
        (120.0, 120, 120),
        (86400.0, 120, 120),  # nobody parks a delivery for a day
    ],
)
def test_a_wish_is_honoured_between_the_planned_delay_and_twice_that(
    wish: float, least: float, most: float
) -> None:
    ends = [next_delay(SCHEDULE, 2, wish, dice=lambda roll=roll: roll) for roll in (0.0, 1.0)]  # type: ignore[misc]
    assert ends == [pytest.approx(least), pytest.approx(most)]


def test_a_wish_after_the_last_try_changes_nothing() -> None:
    assert next_delay((0.0, 5.0), 2, 10.0) is None


def test_a_wish_cannot_delay_what_is_planned_at_once() -> None:
    assert next_delay((0.0, 0.0), 1, 10.0) == 0.0


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("120", 120.0),
        (" 0 ", 0.0),
        ("999999999999999999", 604800.0),
        ("9" * 5000, None),
        ("Sun, 01 Mar 2026 12:01:30 GMT", 90.0),
        ("Sun, 01 Mar 2026 11:00:00 GMT", 0.0),
        ("Sun, 01 Mar 2026 13:01:30 +0100", 90.0),
        ("Sun Mar  1 12:01:30 2026", 90.0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 604800.0),
        ("Sun, 01 Mar 2026 12:01:30 +999999", None),
        ("-5", None),
        ("1.5", None),
        ("٣", None),
        ("soon", None),
        ("", None),
        (None, None),
    ],
)
def test_retry_after_is_read_as_seconds_or_as_a_date(
    text: str | None, seconds: float | None
) -> None:
    assert parse_retry_after(text, NOW) == seconds
