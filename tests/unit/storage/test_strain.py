"""How far a host is slowed down, without a database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from windlass.storage.strain import EASED_BY, LEVEL_S, Strain

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def later(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def test_trouble_halves_what_the_lane_allows() -> None:
    once = Strain().after_trouble(NOW, NOW, 8)
    assert once == Strain(level=1.0, at=NOW, eased=NOW)
    assert once.after_trouble(later(1), later(2), 8).level == 2.0


def test_a_burst_of_refusals_is_one() -> None:
    once = Strain().after_trouble(NOW, later(1), 8)
    assert once.after_trouble(NOW, later(2), 8) is once


def test_there_is_a_slowest() -> None:
    strain = Strain()
    for number in range(50):
        strain = strain.after_trouble(later(number), later(number), 8)
    assert strain.level == 10.0


def test_what_goes_well_gives_it_back_slowly() -> None:
    strain = Strain(level=2.0, at=NOW, eased=NOW)
    assert strain.after_successes(1, later(1000)).level == pytest.approx(2 - EASED_BY)
    assert strain.after_successes(1000, later(LEVEL_S / 2)).level == pytest.approx(1.5)
    assert strain.after_successes(1000, later(2 * LEVEL_S)) == Strain()


def test_without_success_nothing_is_given_back() -> None:
    strain = Strain(level=2.0, at=NOW, eased=NOW)
    assert strain.after_successes(0, later(1000)) is strain
    assert Strain().after_successes(5, NOW) == Strain()


def test_easing_starts_where_it_last_ended() -> None:
    strain = Strain(level=2.0, at=NOW, eased=NOW)
    for number in range(1, 11):
        strain = strain.after_successes(100, later(number))
    assert strain.level == pytest.approx(2 - 10 / LEVEL_S)
