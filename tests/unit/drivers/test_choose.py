"""Which drivers serve a request: one row per case of the contract's section 7.1."""

from __future__ import annotations

from typing import Any

import pytest

from windlass.drivers.choose import choose_drivers, installed_drivers
from windlass.errors import Unsupported
from windlass.model.request import Attempts, Emulation, ExtractRequest

BARE = frozenset({"vx6"})
BOTH = frozenset({"vx6", "vx6-stealth"})
BROWSER = frozenset({"vx6", "vx6-stealth", "vx8"})

FIREFOX = Emulation(browser="firefox")
NO_EXTRA = "the extra 'impersonate' is not installed"


def steps(*pairs: tuple[str, int]) -> tuple[Attempts, ...]:
    return tuple(Attempts(name, count) for name, count in pairs)


CASES: list[tuple[dict[str, Any], frozenset[str], tuple[Attempts, ...], tuple[str, ...]]] = [
    ({}, BARE, steps(("vx6", 1)), ()),
    ({}, BOTH, steps(("vx6", 1)), ()),
    ({"driver": "vx6"}, BOTH, steps(("vx6", 1)), ()),
    ({"driver": "VX6"}, BOTH, steps(("vx6", 1)), ()),
    ({"driver": "vx6-fast"}, BOTH, steps(("vx6", 1)), ()),
    ({"driver": "fast-vx6"}, BOTH, steps(("vx6", 1)), ()),
    (
        {"driver": "media-vx6"},
        BOTH,
        steps(("vx6", 1)),
        ("driver=media-vx6 requested, vx6 used",),
    ),
    ({"driver": "vx6-stealth"}, BOTH, steps(("vx6-stealth", 1)), ()),
    (
        {"driver": "vx6-stealth"},
        BARE,
        steps(("vx6", 1)),
        (f"driver=vx6-stealth requested, vx6 used: {NO_EXTRA}",),
    ),
    ({"http2": True}, BOTH, steps(("vx6-stealth", 1)), ()),
    ({"emulation": FIREFOX}, BOTH, steps(("vx6-stealth", 1)), ()),
    ({"emulation": Emulation(os="ios")}, BOTH, steps(("vx6-stealth", 1)), ()),
    ({"emulation": Emulation(device="mobile")}, BOTH, steps(("vx6-stealth", 1)), ()),
    ({"driver": "vx6", "http2": True}, BOTH, steps(("vx6-stealth", 1)), ()),
    (
        {"http2": True},
        BARE,
        steps(("vx6", 1)),
        (f"http2 requested, HTTP/1.1 used: {NO_EXTRA}",),
    ),
    (
        {"emulation": FIREFOX, "http2": True},
        BARE,
        steps(("vx6", 1)),
        (
            f"browser emulation is limited to request headers: {NO_EXTRA}",
            f"http2 requested, HTTP/1.1 used: {NO_EXTRA}",
        ),
    ),
    (
        {"render": "auto"},
        BOTH,
        steps(("vx6", 1)),
        ("render=auto requested, plain HTTP used: this server has no browser",),
    ),
    (
        {"driver": "AUTO"},
        BOTH,
        steps(("vx6", 1)),
        ("driver=auto requested, plain HTTP used: this server has no browser",),
    ),
    ({"render": "auto"}, BROWSER, steps(("vx6", 1), ("vx8", 1)), ()),
    ({"render": True}, BROWSER, steps(("vx8", 1)), ()),
    ({"driver": "vx8"}, BROWSER, steps(("vx8", 1)), ()),
    ({"driver": "vx8", "http2": True}, BROWSER, steps(("vx8", 1)), ()),
    (
        {"plan": steps(("vx6-stealth", 2), ("vx6-fast", 1))},
        BOTH,
        steps(("vx6-stealth", 2), ("vx6", 1)),
        (),
    ),
    (
        {"plan": steps(("VX6-fast", 0), ("vx6-stealth", 3)), "driver": "auto"},
        BOTH,
        steps(("vx6-stealth", 3)),
        (),
    ),
    (
        {"plan": steps(("vx6-fast", 1), ("vx6-stealth", 2)), "http2": True},
        BOTH,
        steps(("vx6-stealth", 3)),
        (),
    ),
    (
        {"plan": steps(("vx6-fast", 1), ("vx6-stealth", 2))},
        BARE,
        steps(("vx6", 3)),
        (f"driver=vx6-stealth requested, vx6 used: {NO_EXTRA}",),
    ),
    (
        {"plan": steps(("vx6-fast", 1), ("vx8", 1), ("vx10", 2), ("vx10-pro", 0))},
        BOTH,
        steps(("vx6", 1)),
        ("auto_driver_configuration: vx8, vx10 skipped: this server has no browser",),
    ),
    (
        {"plan": steps(("vx8", 2), ("vx6-fast", 1), ("vx10", 1))},
        BROWSER,
        steps(("vx8", 2), ("vx6", 1)),
        ("auto_driver_configuration: vx10 skipped: this server has no browser",),
    ),
    ({"plan": steps(("vx6-stealth", 2)), "driver": "vx6"}, BOTH, steps(("vx6", 1)), ()),
]


@pytest.mark.parametrize(("wish", "installed", "attempts", "warnings"), CASES)
def test_a_wish_gets_what_is_installed_and_a_word_about_what_is_not(
    wish: dict[str, Any],
    installed: frozenset[str],
    attempts: tuple[Attempts, ...],
    warnings: tuple[str, ...],
) -> None:
    plan = choose_drivers(ExtractRequest(url="http://site.test/", **wish), installed)
    assert plan.attempts == attempts
    assert plan.warnings == warnings


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        *(({"driver": name}, name.lower()) for name in ("vx8", "VX8-pro", "vx10", "vx12-pro")),
        ({"driver": "vx7"}, "known: vx6, vx6-stealth"),
        ({"render": True}, "render"),
        ({"render": True, "driver": "vx6"}, "render"),
        ({"plan": steps(("vx8", 1), ("vx10-pro", 1))}, "vx8, vx10-pro"),
        ({"plan": steps(("vx6-fast", 0))}, "no driver"),
        ({"plan": steps(("vx7", 1))}, "vx7"),
    ],
)
def test_what_nothing_here_can_do_is_refused(wish: dict[str, Any], words: str) -> None:
    with pytest.raises(Unsupported) as caught:
        choose_drivers(ExtractRequest(url="http://site.test/", **wish), BOTH)
    assert words in str(caught.value)


def test_the_drivers_here_are_found_without_importing_their_libraries() -> None:
    assert installed_drivers() == BOTH
