"""Which origins connections are kept to."""

from __future__ import annotations

from windlass.webhooks.connections import Regulars


def test_an_origin_is_a_regular_when_it_comes_back_soon() -> None:
    regulars = Regulars()
    assert not regulars.meet("a", 0.0)
    assert regulars.meet("a", 1.0)
    assert not regulars.meet("b", 1.0)
    assert not regulars.meet("a", 60.0)


def test_more_origins_than_there_is_room_for_push_out_the_oldest() -> None:
    regulars = Regulars()
    for number in range(1000):
        regulars.meet(str(number), 0.0)
    assert not regulars.meet("0", 0.1)
    assert regulars.meet("999", 0.1)
    assert sum(regulars.meet(str(number), 0.1) for number in range(500, 998)) <= 256
