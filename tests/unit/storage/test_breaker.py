"""The circuit breaker's rules, without a database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from windlass.storage.breaker import LONGEST_PROBE_S, PROBE_S, Breaker, for_hosts

NOW = datetime(2026, 1, 1, tzinfo=UTC)
UNPROVEN = Breaker(proven=False)


def later(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def test_an_endpoint_is_proven_by_its_first_success() -> None:
    assert UNPROVEN.after([True], NOW) == Breaker()


def test_one_failure_is_remembered_but_costs_no_trust() -> None:
    after = Breaker().after([False], NOW)
    assert after.proven
    assert (after.streak, after.open_until) == (1, None)


def test_three_failures_in_a_row_leave_one_task_at_a_time() -> None:
    assert not Breaker().after([False] * 3, NOW).proven


def test_a_success_among_failures_starts_the_row_again() -> None:
    after = Breaker().after([False] * 9 + [True] + [False] * 2, NOW)
    assert (after.streak, after.proven, after.open_until) == (2, True, None)


def test_ten_failures_in_a_row_open_it_for_a_minute() -> None:
    assert Breaker().after([False] * 9, NOW).open_until is None
    assert Breaker().after([False] * 10, NOW).open_until == later(PROBE_S)


def test_half_of_twenty_failures_within_five_minutes_open_it() -> None:
    pattern = [True, False] * 10
    assert Breaker().after([*pattern[:-1]], NOW).open_until is None
    # Successes before the first failure are not remembered: there was no trouble yet.
    assert Breaker().after([False, *pattern], NOW).open_until == later(PROBE_S)


def test_failures_spread_over_more_than_five_minutes_do_not_open_it() -> None:
    breaker = Breaker()
    for number in range(40):
        breaker = breaker.after([number % 2 == 0], later(40 * number))
    assert breaker.open_until is None


def test_probes_that_fail_double_the_wait_up_to_fifteen_minutes() -> None:
    breaker, now, waits = Breaker().after([False] * 10, NOW), NOW, []
    for _ in range(7):
        assert breaker.open_until is not None
        now = breaker.open_until
        breaker = breaker.after([False], now)
        assert breaker.open_until is not None
        waits.append((breaker.open_until - now).total_seconds())
    assert waits == [120, 240, 480, 900, 900, 900, 900]
    assert waits[-1] == LONGEST_PROBE_S


def test_a_failure_that_was_under_way_when_it_opened_moves_no_probe() -> None:
    opened = Breaker().after([False] * 10, NOW)
    assert opened.after([False], later(10)).open_until == opened.open_until


def test_a_probe_that_succeeds_closes_it_at_once() -> None:
    opened = Breaker().after([False] * 10, NOW)
    assert opened.after([True], later(PROBE_S)) == Breaker()


@pytest.mark.parametrize("tries", [[False] * 5, [True, False] * 30, [False] * 200])
def test_what_it_remembers_is_bounded(tries: list[bool]) -> None:
    assert len(Breaker().after(tries, NOW).recent) <= 20


def test_trouble_that_is_long_over_is_forgotten() -> None:
    after = Breaker().after([False], NOW).after([True], later(400))
    assert after == Breaker()


HOST = for_hosts(down_s=30, busy_s=900)


def test_a_host_that_does_not_answer_is_asked_again_soon_and_given_up_when_it_stays_so() -> None:
    breaker = Breaker().after([False] * 10, NOW, HOST)
    assert (breaker.open_until, breaker.given_up) == (later(5), None)
    breaker = breaker.after([False], later(5), HOST)
    assert (breaker.open_until, breaker.given_up) == (later(15), None)
    breaker = breaker.after([False], later(15), HOST).after([False], later(35), HOST)
    assert (breaker.open_until, breaker.given_up) == (later(75), "host_down")
    breaker = breaker.after([False], later(75), HOST)
    assert breaker.open_until == later(135)


def test_a_host_that_answers_is_back_at_once() -> None:
    down = Breaker().after([False] * 10, NOW, HOST).after([False], later(40), HOST)
    assert down.given_up == "host_down"
    assert down.after([True], later(60), HOST) == Breaker()


def test_a_host_that_refuses_is_there_but_has_not_gone_well() -> None:
    refused = Breaker().after([False] * 10, NOW, HOST).after([None], later(3), HOST)
    assert refused == Breaker(since=NOW)
    assert refused.after([None], later(899), HOST).given_up is None
    given_up = refused.after([None], later(900), HOST)
    assert (given_up.given_up, given_up.open_until) == ("host_busy", later(960))
    assert given_up.after([True], later(961), HOST) == Breaker()


def test_failures_among_successes_do_not_close_a_host() -> None:
    assert Breaker().after([True, False] * 20, NOW, HOST).open_until is None
