"""Which drivers serve a request, in which order. Asked by the extraction pipeline.

Pure but for `installed_drivers`. It promises nothing that is not installed: what cannot be had is
refused or replaced with a warning, and a page names the driver that really brought it.
"""

from __future__ import annotations

from importlib.util import find_spec

import msgspec

from windlass.drivers import DRIVERS
from windlass.drivers.browser.chromium import lacking
from windlass.drivers.names import ALIASES, BROWSER, DRIVER_NAMES, PLAIN, STEALTH
from windlass.errors import BrowserMissing, Unsupported
from windlass.model.request import Attempts, Emulation, ExtractRequest
from windlass.settings import Settings

_BROWSERS = tuple(name for name in DRIVER_NAMES if name not in (PLAIN, STEALTH))
_NEEDS = {STEALTH: "wreq"}
_NO_BROWSER = "this server has no browser"
_ONE_BROWSER = "this server has one kind of browser"
_MISSING = "the extra 'impersonate' is not installed"


class DriverPlan(msgspec.Struct, frozen=True):
    """Drivers in the order to try them, each at least once; `warnings` are for the caller."""

    attempts: tuple[Attempts, ...]
    warnings: tuple[str, ...] = ()

    @property
    def escalates(self) -> bool:
        """Whether a plain step comes before one of a browser: its page may prove to need that."""
        return self.attempts[0].driver not in _BROWSERS and any(
            step.driver in _BROWSERS for step in self.attempts
        )

    def rendered_only(self) -> DriverPlan:
        """The same without the plain steps before the first browser."""
        first = next(i for i, step in enumerate(self.attempts) if step.driver in _BROWSERS)
        return DriverPlan(self.attempts[first:], self.warnings)


def renders(driver: str) -> bool:
    """Whether a driver is a browser."""
    return driver in _BROWSERS


def installed_drivers(settings: Settings) -> frozenset[str]:
    """Names of the drivers that can be used here. Imports none of their libraries."""
    found = {name for name in DRIVERS if name not in _NEEDS or find_spec(_NEEDS[name])}
    return frozenset(found - {BROWSER} if lacking(settings) else found)


def choose_drivers(
    request: ExtractRequest, installed: frozenset[str], lack: str = ""
) -> DriverPlan:
    """The drivers for a request. Raises Unsupported for what nothing here can do, BrowserMissing
    if that is a browser; `lack` tells what would have to be installed.

    A concrete driver goes before a plan, a plan before `render` (contract 7.1). Asking for an
    emulated browser or for HTTP/2 makes every plain step an impersonating one, where installed.
    """
    warnings: list[str] = []
    name = request.driver.strip().lower()
    browser = next((tier for tier in _BROWSERS if tier in installed), None)
    if request.render is True and browser is None:
        raise _missing("render needs a browser", lack)
    if name not in ("", "auto") and browser is None and ALIASES.get(name, name) in _BROWSERS:
        raise _missing(f"driver {name} needs a browser", lack)
    if name not in ("", "auto"):
        steps = [Attempts(_concrete(name, installed, warnings), 1)]
    elif request.plan:
        if browser is None and not any(_is_plain(step) for step in request.plan):
            wanted = ", ".join(step.driver.lower() for step in request.plan if step.count > 0)
            raise _missing(f"auto_driver_configuration leaves {wanted or 'no driver'}", lack)
        steps = _planned(request.plan, installed, warnings)
    elif request.render is True and browser is not None:
        steps = [Attempts(browser, 1)]
    elif request.render == "auto" or name == "auto":
        steps = [Attempts(PLAIN, 1)]
        if browser is not None:
            steps.append(Attempts(browser, 1))
        else:
            asked = "driver=auto" if name == "auto" else "render=auto"
            warnings.append(f"{asked} requested, plain HTTP used: {_NO_BROWSER}")
    else:
        steps = [Attempts(PLAIN, 1)]
    steps = _dressed(request, steps, installed, warnings)
    return DriverPlan(_merged(steps), tuple(dict.fromkeys(warnings)))


def _missing(what: str, lack: str) -> BrowserMissing:
    return BrowserMissing(f"{what}, and {_NO_BROWSER}{f': {lack}' if lack else ''}.")


def _is_plain(step: Attempts) -> bool:
    return step.count > 0 and step.driver.strip().lower() not in _BROWSERS


def _concrete(name: str, installed: frozenset[str], warnings: list[str]) -> str:
    """The driver that a name stands for, if it can be had."""
    driver = ALIASES.get(name, name)
    if driver not in DRIVER_NAMES:
        known = ", ".join((*DRIVER_NAMES, *ALIASES, "auto"))
        raise Unsupported(f"unknown driver {name!r}; known: {known}")
    if driver in _BROWSERS and driver not in installed:
        warnings.append(f"driver={driver} requested, {BROWSER} used: {_ONE_BROWSER}")
        return BROWSER
    if name == "media-vx6":
        warnings.append(f"driver={name} requested, {PLAIN} used")
    if driver == STEALTH and STEALTH not in installed:
        warnings.append(f"driver={STEALTH} requested, {PLAIN} used: {_MISSING}")
        return PLAIN
    return driver


def _planned(
    plan: tuple[Attempts, ...], installed: frozenset[str], warnings: list[str]
) -> list[Attempts]:
    """The steps of an escalation plan that can be had, in its order."""
    steps: list[Attempts] = []
    left_out: list[str] = []
    for step in plan:
        name = step.driver.strip().lower()
        if step.count <= 0:
            continue
        if name in _BROWSERS and BROWSER not in installed:
            left_out.append(name)
        else:
            steps.append(Attempts(_concrete(name, installed, warnings), step.count))
    if left_out:
        warnings.append(f"auto_driver_configuration: {', '.join(left_out)} skipped: {_NO_BROWSER}")
    return steps


def _dressed(
    request: ExtractRequest, steps: list[Attempts], installed: frozenset[str], warnings: list[str]
) -> list[Attempts]:
    """Plain steps as impersonating ones, if the request asks for what only these can do."""
    emulation = request.emulation != Emulation()
    if not (emulation or request.http2) or not any(step.driver == PLAIN for step in steps):
        return steps
    if STEALTH in installed:
        return [Attempts(STEALTH if s.driver == PLAIN else s.driver, s.count) for s in steps]
    if emulation:
        warnings.append(f"browser emulation is limited to request headers: {_MISSING}")
    if request.http2:
        warnings.append(f"http2 requested, HTTP/1.1 used: {_MISSING}")
    return steps


def _merged(steps: list[Attempts]) -> tuple[Attempts, ...]:
    """Neighbouring steps of one driver as one."""
    merged: list[Attempts] = []
    for step in steps:
        if merged and merged[-1].driver == step.driver:
            step = Attempts(step.driver, merged.pop().count + step.count)
        merged.append(step)
    return tuple(merged)
