"""Dialect v1's options of how to fetch (contract 7.1, 7.5, 7.10): drivers, places, sessions.

Called by wire/v1_extract.py and wire/v1_rendering.py. What needs something that this server lacks
is refused by name or, where the contract lets the server choose, done otherwise with a warning.
"""

from __future__ import annotations

from typing import TypeVar

from msgspec import UNSET, UnsetType

from windlass.model.request import Attempts, Emulation, Place, Referrer, Session
from windlass.wire.v1_body import BrowserSpec, ExtractBody, Format
from windlass.wire.v1_places import STATES_OF
from windlass.wire.v1_reading import Reading, Steps

T = TypeVar("T")

PLAIN_DRIVERS = {
    "vx6": "vx6",
    "fast-vx6": "vx6",
    "media-vx6": "vx6",
    "vx6-fast": "vx6",
    "vx6-stealth": "vx6-stealth",
}
"""Our driver by the vendor's name; all others need a browser and go by the same name."""

REFERRERS: dict[str, Referrer] = {
    "": "",
    "random": "random",
    "no-referer": "no-referrer",
    "no-referrer": "no-referrer",
    "same-origin": "same-origin",
    "google": "google",
    "bing": "bing",
    "facebook": "facebook",
    "twitter": "twitter",
    "instagram": "instagram",
}


def given(value: T | UnsetType, default: T) -> T:
    """The value, or the default if the caller left it out."""
    return default if isinstance(value, UnsetType) else value


def read_driver(body: ExtractBody, reading: Reading) -> tuple[str, tuple[Attempts, ...]]:
    """A concrete driver or an escalation plan; at most one of them."""
    name = given(body.driver, "auto")
    plan = given(body.auto_driver_configuration, {})
    if name != "auto":
        if plan:
            reading.warn("auto_driver_configuration is ignored: driver names one")
        return PLAIN_DRIVERS.get(name, name), ()
    return "", _read_plan({str(key): count for key, count in plan.items()}, reading)


def _read_plan(plan: dict[str, int], reading: Reading) -> tuple[Attempts, ...]:
    wanted = {name: count for name, count in plan.items() if count > 0}
    where: Steps = ("auto_driver_configuration",)
    if plan and not wanted:
        message = "must have at least one driver with attempts > 0"
        reading.wrong(where, message, "minProperties", {"limit": 1})
    return tuple(Attempts(PLAIN_DRIVERS.get(name, name), count) for name, count in wanted.items())


def check_others(body: ExtractBody, reading: Reading) -> None:
    """Notes options that have no effect here."""
    if given(body.skill, ""):
        reading.warn("skill is ignored")
    _check_parser(body, reading)


def _check_parser(body: ExtractBody, reading: Reading) -> None:
    names = [name for name in ("parser", "parsing") if getattr(body, name) is not UNSET]
    if body.parse and names:
        reading.unsupported((names[0],), "parse", "parsing schemas")
    elif names:
        reading.warn(f"{names[0]} is ignored: parse is not true")
    elif body.parse:
        reading.warn("parse is ignored: there is no parser")


def read_formats(body: ExtractBody) -> tuple[str, ...]:
    """Our format names, each once, in the order given."""
    formats: list[Format] = ["html"] if body.formats is UNSET else body.formats
    return tuple(dict.fromkeys("text" if name == "plain_text" else name for name in formats))


def read_emulation(body: ExtractBody) -> Emulation:
    """The browser to look like; nothing set if the caller did not ask."""
    browser = given(body.browser, None)
    if isinstance(browser, str):
        browser = BrowserSpec(browser)
    return Emulation(
        browser="" if browser is None else browser.name,
        browser_version="" if browser is None else given(browser.version, ""),
        os="" if body.os is UNSET else body.os,
        device="" if body.device is UNSET else body.device,
    )


def read_place(body: ExtractBody, reading: Reading) -> Place:
    """Where to leave from. A state goes with the US and Canada only (D34)."""
    country, state = given(body.country, ""), given(body.state, "")
    if state and country in ("", "ALL"):
        country = "US" if state in STATES_OF["US"] else "CA"
        reading.warn(f"state {state} without its country: {country} is assumed")
    elif state and country not in STATES_OF:
        message = "must NOT be given with a country other than US and CA"
        reading.wrong(("state",), message, "dependentSchemas", {"country": country})
    elif state and state not in STATES_OF[country]:
        message = f"must be a state or province of {country}"
        allowed = sorted(STATES_OF[country])
        reading.wrong(("state",), message, "enum", {"allowedValues": allowed})
    return Place(country=country, state=state, city=given(body.city, ""))


def read_session(body: ExtractBody, reading: Reading) -> Session | None:
    """The session that shares cookies; without an id there is nothing to share."""
    spec = body.session
    if isinstance(spec, UnsetType):
        return None
    if spec.prefetch_userbrowser:
        reading.warn("session.prefetch_userbrowser is ignored: browsers start when they are needed")
    if isinstance(spec.id, UnsetType):
        reading.warn("session is ignored: it has no id")
        return None
    for option in ("retry", "renew_on_blocked"):
        if getattr(spec, option):
            reading.warn(f"session.{option} is ignored: a session here is its cookies")
    if "\x00" in spec.id:
        reading.wrong(("session", "id"), "must NOT contain control characters", "pattern")
    return Session(
        id=spec.id,
        timeout_s=spec.timeout,
        retry=spec.retry,
        renew_on_blocked=spec.renew_on_blocked,
    )
