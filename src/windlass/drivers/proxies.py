"""Operator-configured proxies: read from a file, checked, chosen by place. Asked by every driver.

A request that asks for a place gets a proxy that is there, or none and a warning: never a proxy
elsewhere. Credentials stay inside Upstream; nothing here shows them.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from windlass.drivers.names import ALIASES, DRIVER_NAMES
from windlass.errors import SettingsError
from windlass.model.request import Place
from windlass.net.upstream import ACCEPTED, Upstream, parse_upstream
from windlass.settings import Settings

_ANYWHERE = ("", "ALL")
_KEYS = ("url", "country", "state", "city", "driver", "weight", "label")
_SHAPE = "a JSON list of objects with the keys " + ", ".join(_KEYS)


class Proxy(msgspec.Struct, frozen=True, kw_only=True):
    """One listed proxy. `place` empty = not tied to a place; `driver` empty = for every driver.

    `label` names it in results and logs.
    """

    upstream: Upstream
    place: Place = Place()
    driver: str = ""
    weight: float = 1.0
    label: str = ""


class Choice(NamedTuple):
    """The proxy to use, None = the machine's own address; `warning` is for the caller."""

    proxy: Proxy | None
    warning: str | None


class Proxies:
    """The listed proxies. `dice` makes the weighted choice; tests pass their own."""

    def __init__(self, listed: Iterable[Proxy] = (), dice: random.Random | None = None) -> None:
        self._listed = tuple(listed)
        self._dice = dice or random.Random()  # noqa: S311 - spreads load, guards nothing

    def __len__(self) -> int:
        return len(self._listed)

    @classmethod
    def load(cls, settings: Settings) -> Proxies:
        """The proxies that `settings.proxies` names, none if it is empty.

        Raises SettingsError naming the file, the entry and what is accepted.
        """
        if not settings.proxies:
            return cls()
        return cls(_read(Path(settings.proxies).expanduser()))

    def choose(self, place: Place, driver: str) -> Choice:
        """A proxy for a place and a driver, by weight among the closest: city, state, country.

        Without a place (or with country ALL): one that is not tied to a place, else none, without
        a warning. With a place: one in that country at least (or, when only a state or a city is
        asked, in it), with a warning if it is not as close as asked; else none and a warning.
        """
        fitting = [p for p in self._listed if p.driver in ("", driver)]
        wanted = _normalised(place)
        if wanted == Place():
            return Choice(self._pick([p for p in fitting if p.place == Place()]), None)
        for level in _levels(wanted):
            there = [p for p in fitting if _covers(p.place, level)]
            if there:
                proxy = self._pick(there)
                closest = None if level == wanted else _described(level)
                return Choice(proxy, closest and f"{_described(wanted)} requested, {closest} used")
        return Choice(None, f"{_described(wanted)} requested, no matching proxy")

    def _pick(self, candidates: list[Proxy]) -> Proxy | None:
        if not candidates:
            return None
        return self._dice.choices(candidates, [p.weight for p in candidates])[0]


def _normalised(place: Place) -> Place:
    country = place.country.strip().upper()
    return Place(
        country="" if country in _ANYWHERE else country,
        state=place.state.strip().upper(),
        city="_".join(place.city.lower().split()),
    )


def _levels(wanted: Place) -> list[Place]:
    """What would do, closest first; nothing outside the country, if one is asked."""
    levels = [wanted]
    if wanted.city and wanted.state:
        levels.append(Place(country=wanted.country, state=wanted.state))
    if wanted.country and (wanted.city or wanted.state):
        levels.append(Place(country=wanted.country))
    return levels


def _covers(here: Place, level: Place) -> bool:
    # A proxy that tells its city but not its state still is in the city of the country asked for.
    state_fits = not level.state or here.state == level.state or (level.city and not here.state)
    return bool(
        (not level.country or here.country == level.country)
        and state_fits
        and (not level.city or here.city == level.city)
    )


def _described(place: Place) -> str:
    parts = (("country", place.country), ("state", place.state), ("city", place.city))
    return " ".join(f"{name}={value}" for name, value in parts if value)


# ---------------------------------------------------------------- the file


def _read(path: Path) -> list[Proxy]:
    name = f"WINDLASS_PROXIES: {path}"
    try:
        entries = msgspec.json.decode(path.read_bytes())
    except OSError as error:
        raise SettingsError(f"{name} cannot be read: {error.strerror}") from error
    except msgspec.DecodeError as error:
        raise SettingsError(f"{name} must hold {_SHAPE}, but is not JSON: {error}") from error
    if not isinstance(entries, list):
        raise SettingsError(f"{name} must hold {_SHAPE}")
    return [_entry(f"{name}, entry {index}", entry) for index, entry in enumerate(entries)]


def _entry(where: str, entry: Any) -> Proxy:
    if not isinstance(entry, dict):
        raise SettingsError(f"{where} must be an object with the keys {', '.join(_KEYS)}")
    unknown = sorted(set(entry) - set(_KEYS))
    if unknown:
        raise SettingsError(
            f"{where} has the unknown key {unknown[0]!r}; accepted: {', '.join(_KEYS)}"
        )
    upstream = _upstream(where, entry.get("url"))
    return Proxy(
        upstream=upstream,
        place=_place(where, entry),
        driver=_driver(where, entry),
        weight=_weight(where, entry.get("weight")),
        label=_text(where, entry, "label") or upstream.address,
    )


def _text(where: str, entry: dict[str, Any], key: str) -> str:
    value = entry.get(key)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise SettingsError(f"{where}: {key} must be text")
    return value.strip()


def _upstream(where: str, url: Any) -> Upstream:
    if not isinstance(url, str) or not url.strip():
        raise SettingsError(f"{where}: url is missing; it must look like {ACCEPTED}")
    try:
        return parse_upstream(url)
    except ValueError as error:
        # The value is not repeated: it may hold a password.
        raise SettingsError(f"{where}: url is not usable: {error}") from None


def _place(where: str, entry: dict[str, Any]) -> Place:
    place = _normalised(
        Place(
            country=_text(where, entry, "country"),
            state=_text(where, entry, "state"),
            city=_text(where, entry, "city"),
        )
    )
    if place.country and not (len(place.country) == 2 and place.country.isalpha()):
        raise SettingsError(
            f"{where}: country must be two letters (ISO 3166) such as DE, or ALL, or be left out"
        )
    if (place.state or place.city) and not place.country:
        raise SettingsError(f"{where}: state and city need a country")
    return place


def _driver(where: str, entry: dict[str, Any]) -> str:
    name = _text(where, entry, "driver").lower()
    name = ALIASES.get(name, name)
    if name and name not in DRIVER_NAMES:
        raise SettingsError(f"{where}: driver must be one of {', '.join(DRIVER_NAMES)}")
    return name


def _weight(where: str, value: Any) -> float:
    if value is None:
        return 1.0
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e9:
        raise SettingsError(f"{where}: weight must be a number above 0")
    return float(value)
