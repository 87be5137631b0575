"""Which drivers serve a request, in which order. Asked by the extraction pipeline.

Pure but for `installed_drivers`. It promises nothing that is not installed: what cannot be had is
refused or replaced with a warning, and a page names the driver that really brought it.
"""

from __future__ import annotations

from importlib.util import find_spec

import msgspec

from windlass.drivers import DRIVERS
from windlass.drivers.names import ALIASES, DRIVER_NAMES, PLAIN, STEALTH
from windlass.errors import Unsupported
from windlass.model.request import Attempts, Emulation, ExtractRequest

_BROWSERS = tuple(name for name in DRIVER_NAMES if name not in (PLAIN, STEALTH))
_NEEDS = {STEALTH: "wreq"}
_NO_BROWSER = "this server has no browser"
_MISSING = "the extra 'impersonate' is not installed"


class DriverPlan(msgspec.Struct, frozen=True):
    """Drivers in the order to try them, each at least once; `warnings` are for the caller."""

    attempts: tuple[Attempts, ...]
    warnings: tuple[str, ...] = ()


def installed_drivers() -> frozenset[str]:
    """Names of the drivers whose libraries are here. Imports none of them."""
    return frozenset(name for name in DRIVERS if name not in _NEEDS or find_spec(_NEEDS[name]))


def choose_drivers(request: ExtractRequest, installed: frozenset[str]) -> DriverPlan:
    """The drivers for a request. Raises Unsupported if none that would do is installed.

    A concrete driver goes before a plan, a plan before `render` (contract 7.1). Asking for an
    emulated browser or for HTTP/2 makes every plain step an impersonating one, where installed.
    """
    warnings: list[str] = []
    name = request.driver.strip().lower()
    browser = next((tier for tier in _BROWSERS if tier in installed), None)
    if request.render is True and browser is None:
        raise Unsupported(f"render needs a browser, and {_NO_BROWSER}.")
    if name not in ("", "auto"):
        steps = [Attempts(_concrete(name, installed, warnings), 1)]
    elif request.plan:
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


def _concrete(name: str, installed: frozenset[str], warnings: list[str]) -> str:
    """The driver that a name stands for, if it can be had."""
    driver = ALIASES.get(name, name)
    if driver not in DRIVER_NAMES:
        known = ", ".join((*DRIVER_NAMES, *ALIASES, "auto"))
        raise Unsupported(f"unknown driver {name!r}; known: {known}")
    if driver in _BROWSERS and driver not in installed:
        raise Unsupported(f"driver {driver} needs a browser, and {_NO_BROWSER} of that kind.")
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
        if name in _BROWSERS and name not in installed:
            left_out.append(name)
        else:
            steps.append(Attempts(_concrete(name, installed, warnings), step.count))
    if not steps:
        wanted = ", ".join(left_out) or "no driver"
        raise Unsupported(f"auto_driver_configuration leaves {wanted}, and {_NO_BROWSER}.")
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
