"""What was learned lately is there, and what was learned long ago or is too much is not."""

from __future__ import annotations

import time

from windlass.lately import Lately


def test_a_value_is_there_until_its_time_is_over() -> None:
    kept: Lately[str, int] = Lately(10, 60.0)
    assert kept.get("a") is None
    kept.keep("a", 0)
    kept.keep("b", 1, since=time.monotonic() - 59)
    kept.keep("c", 2, since=time.monotonic() - 61)
    assert [kept.get(name) for name in "abc"] == [0, 1, None]
    kept.clear()
    assert kept.get("a") is None


def test_the_oldest_makes_room_and_what_is_learned_again_is_new() -> None:
    kept: Lately[str, str] = Lately(3, 60.0)
    for name in ("a", "b", "c", "a", "d"):
        kept.keep(name, name.upper())
    assert [kept.get(name) for name in "abcd"] == ["A", None, "C", "D"]
