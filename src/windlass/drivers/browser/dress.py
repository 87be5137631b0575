"""What a browser is made to look like for one request: names, languages, screen.

Pure. The same tables serve the plain drivers (drivers/looks.py, drivers/locales.py), so that a
visitor who comes by plain HTTP first and with a browser then looks like one and the same.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from windlass.drivers.locales import accept_language, resolved_locale
from windlass.drivers.looks import Look, brands, look_of, user_agent
from windlass.model.request import Emulation, ExtractRequest

_BRAND = re.compile(r'"([^"]*)";v="([^"]*)"')
_WEIGHT = re.compile(r";q=[0-9.]+")


class Screen(msgspec.Struct, frozen=True):
    """A screen in CSS pixels, `scale` device pixels to each."""

    width: int
    height: int
    scale: float = 1.0
    touch: bool = False


class Dress(msgspec.Struct, frozen=True):
    """Everything a page can see of who visits. `languages` is the value without weights."""

    agent: str
    hints: dict[str, Any]
    platform: str
    locale: str
    languages: str
    screen: Screen
    mobile: bool
    warnings: tuple[str, ...] = ()


_SCREENS = {
    "desktop": Screen(1920, 1080),
    "android mobile": Screen(412, 915, 2.625, True),
    "android tablet": Screen(800, 1280, 2.0, True),
    "ios mobile": Screen(393, 852, 3.0, True),
    "ios tablet": Screen(820, 1180, 2.0, True),
}
_PLATFORMS = {
    "windows": ("Win32", "Windows", "15.0.0", "x86"),
    "mac os": ("MacIntel", "macOS", "15.5.0", "x86"),
    "linux": ("Linux x86_64", "Linux", "", "x86"),
    "android": ("Linux armv81", "Android", "15.0.0", ""),
    "ios": ("iPhone", "iOS", "18.6.0", ""),
}
"""navigator.platform, then the client hints platform, its version and the architecture."""


def dressed(request: ExtractRequest, version: int, agent: str = "") -> Dress:
    """The dress for a request in a Chromium of this major version.

    `agent` replaces the generated User-Agent, and so does the caller's own header.
    """
    emulation, warnings = _possible(request.emulation, version)
    look = look_of(emulation)
    if not emulation.browser_version:
        # The version that the rest of the browser shows, or TLS would tell another one.
        look = msgspec.structs.replace(look, version=version)
    locale = resolved_locale(request.locale, request.place.country)
    languages = _WEIGHT.sub("", _header(request, "accept-language") or accept_language(locale))
    return Dress(
        agent=_header(request, "user-agent") or agent or user_agent(look),
        hints=_hints(look),
        platform=_PLATFORMS[look.os][0],
        locale=locale,
        languages=languages,
        screen=_screen(look),
        mobile=look.device == "mobile",
        warnings=warnings,
    )


def _possible(emulation: Emulation, version: int) -> tuple[Emulation, tuple[str, ...]]:
    """What Chromium can pass for: itself."""
    warnings: list[str] = []
    if emulation.browser == "firefox":
        warnings.append("browser=firefox requested: pages are rendered by Chromium, as chrome")
        emulation = msgspec.structs.replace(emulation, browser="chrome", browser_version="")
    asked = re.match(r"[0-9]{1,4}", emulation.browser_version)
    if asked and int(asked[0]) != version:
        warnings.append(f"browser version {asked[0]} requested: Chromium {version} renders as it")
    return emulation, tuple(warnings)


def _screen(look: Look) -> Screen:
    if look.device == "desktop":
        return _SCREENS["desktop"]
    system = "ios" if look.os == "ios" else "android"
    return _SCREENS[f"{system} {look.device}"]


def _hints(look: Look) -> dict[str, Any]:
    """User-Agent Client Hints, as Emulation.setUserAgentOverride takes them."""
    _, platform, system_version, architecture = _PLATFORMS[look.os]
    named = [
        {"brand": name, "version": major} for name, major in _BRAND.findall(brands(look.version))
    ]
    full = [{"brand": one["brand"], "version": f"{one['version']}.0.0.0"} for one in named]
    return {
        "brands": named,
        "fullVersionList": full,
        "fullVersion": f"{look.version}.0.0.0",
        "platform": platform,
        "platformVersion": system_version,
        "architecture": architecture,
        "bitness": "64" if architecture else "",
        "model": "",
        "mobile": look.device == "mobile",
        "wow64": False,
    }


def _header(request: ExtractRequest, name: str) -> str:
    """The caller's own value of a header, "" if there is none."""
    for key, value in request.headers.items():
        if key.lower() == name and value:
            return value if isinstance(value, str) else ", ".join(value)
    return ""
