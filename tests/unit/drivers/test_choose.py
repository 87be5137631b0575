"""Which drivers serve a request: one row per case of the contract's section 7.1."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from windlass.drivers.choose import choose_drivers, installed_drivers
from windlass.errors import BrowserMissing, Unsupported
from windlass.model.request import Attempts, Emulation, ExtractRequest
from windlass.settings import Settings

BARE = frozenset({"vx6"})
BOTH = frozenset({"vx6", "vx6-stealth"})
BROWSER = frozenset({"vx6", "vx6-stealth", "vx8"})

FIREFOX = Emulation(browser="firefox")
ONE_KIND = "this server has one kind of browser"
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
        steps(("vx8", 2), ("vx6", 1), ("vx8", 1)),
        (f"driver=vx10 requested, vx8 used: {ONE_KIND}",),
    ),
    *(
        (
            {"driver": name},
            BROWSER,
            steps(("vx8", 1)),
            (f"driver={name} requested, vx8 used: {ONE_KIND}",),
        )
        for name in ("vx8-pro", "vx10", "vx10-pro", "vx12", "vx12-pro")
    ),
    (
        {"plan": steps(("vx8", 1), ("vx10", 2))},
        BROWSER,
        steps(("vx8", 3)),
        (f"driver=vx10 requested, vx8 used: {ONE_KIND}",),
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


def test_only_a_missing_browser_is_called_missing() -> None:
    request = ExtractRequest(url="http://site.test/", render=True)
    with pytest.raises(BrowserMissing, match="install this"):
        choose_drivers(request, BOTH, "install this")
    with pytest.raises(Unsupported) as caught:
        choose_drivers(ExtractRequest(url="http://site.test/", driver="vx7"), BOTH)
    assert not isinstance(caught.value, BrowserMissing)


def test_the_drivers_here_are_found_without_importing_their_libraries(tmp_path: Path) -> None:
    nowhere = Settings(chromium=str(tmp_path / "chromium"))
    assert installed_drivers(nowhere) == BOTH
    program = tmp_path / "chromium"
    program.touch(mode=0o700)
    assert installed_drivers(nowhere) == BROWSER


@pytest.mark.parametrize(
    ("wish", "escalates"),
    [
        ({"render": "auto"}, True),
        ({"render": True}, False),
        ({}, False),
        ({"plan": steps(("vx6-stealth", 1), ("vx10", 1))}, True),
        ({"plan": steps(("vx8", 1), ("vx6-fast", 1))}, False),
    ],
)
def test_a_plan_says_whether_a_plain_page_may_prove_to_need_a_browser(
    wish: dict[str, Any], escalates: bool
) -> None:
    plan = choose_drivers(ExtractRequest(url="http://site.test/", **wish), BROWSER)
    assert plan.escalates is escalates
    if escalates:
        assert [step.driver for step in plan.rendered_only().attempts] == ["vx8"]
