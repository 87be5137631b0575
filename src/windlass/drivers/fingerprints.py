"""Which TLS and HTTP/2 fingerprint comes closest to the browser a request asks for.

Pure; used by drivers/impersonate.py, which hands in the names of the profiles its library has
("Chrome154", "FirefoxAndroid135", "SafariIos26_2", "SafariIPad26").
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import msgspec

from windlass.drivers.looks import look_of
from windlass.model.request import Emulation

_PROFILE = re.compile(
    r"(Chrome|FirefoxAndroid|Firefox|SafariIos|SafariIPad)([0-9]+(?:_[0-9]+)*)", re.IGNORECASE
)
_REMEMBERED = 256
_PLATFORMS = {
    "windows": "Windows",
    "mac os": "MacOS",
    "linux": "Linux",
    "android": "Android",
    "ios": "IOS",
}


class Fingerprint(msgspec.Struct, frozen=True):
    """A profile and platform by name, and the emulation whose headers go with them.

    The headers name the version of the profile: a version that does not fit its own handshake is
    what sites look for. `warning` tells when that is not the one asked for.
    """

    profile: str
    platform: str
    emulation: Emulation
    warning: str | None = None


class Profiles:
    """The known profiles, by family, oldest first."""

    def __init__(self, names: Iterable[str]) -> None:
        self._families: dict[str, list[tuple[tuple[int, ...], str]]] = {}
        for name in names:
            if found := _PROFILE.fullmatch(name):
                version = tuple(int(part) for part in found[2].split("_"))
                self._families.setdefault(found[1].lower(), []).append((version, name))
        for family in self._families.values():
            family.sort()
        self._found: dict[Emulation, Fingerprint] = {}

    def closest(self, emulation: Emulation) -> Fingerprint:
        """The closest fingerprint. A missing version means the newest."""
        found = self._found.get(emulation)
        if found is None:
            if len(self._found) >= _REMEMBERED:
                self._found.clear()
            found = self._found[emulation] = self._search(emulation)
        return found

    def _search(self, emulation: Emulation) -> Fingerprint:
        look = look_of(emulation)
        platform = _PLATFORMS[look.os]
        if look.webkit:
            # Whatever it is called, a browser on iOS is the system's WebKit: the newest is it.
            family = "safariipad" if look.device == "tablet" else "safariios"
            return Fingerprint(self._families[family][-1][1], platform, emulation)
        family = look.browser
        if (look.browser, look.os) == ("firefox", "android"):
            family = "firefoxandroid"
        known = self._families[family]
        asked = look.version if emulation.browser_version else known[-1][0][0]
        version, name = min(known, key=lambda one: (abs(one[0][0] - asked), -one[0][0]))
        used = version[0]
        return Fingerprint(
            name,
            platform,
            msgspec.structs.replace(emulation, browser_version=str(used)),
            None
            if used == asked
            else f"{look.browser} {asked} requested, {used} used: the closest fingerprint known",
        )
