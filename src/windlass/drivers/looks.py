"""Which browser to look like, and what it calls itself.

Used by drivers/headers.py. Versions move on once or twice a year: the two numbers at the top.
"""

from __future__ import annotations

import re
from typing import Literal

import msgspec

from windlass.model.request import Emulation

CHROME_VERSION = 154
FIREFOX_VERSION = 152
_SAFARI_IOS = "18_6"


class Look(msgspec.Struct, frozen=True):
    """What of a browser shows in its headers."""

    browser: Literal["chrome", "firefox"]
    version: int
    os: Literal["windows", "mac os", "linux", "android", "ios"]
    device: Literal["desktop", "mobile", "tablet"]

    @property
    def webkit(self) -> bool:
        """Every browser on iOS is WebKit underneath and sends what that sends."""
        return self.os == "ios"


def look_of(emulation: Emulation) -> Look:
    """The browser to look like, gaps filled with what fits: Chrome on Windows if nothing is set."""
    device, system = emulation.device, emulation.os
    if not system:
        system = "android" if device in ("mobile", "tablet") else "windows"
    handheld = system in ("android", "ios")
    if not device or (handheld and device == "desktop"):
        device = "mobile" if handheld else "desktop"
    browser = emulation.browser or "chrome"
    newest = CHROME_VERSION if browser == "chrome" else FIREFOX_VERSION
    digits = re.match(r"[0-9]{1,4}", emulation.browser_version)
    return Look(browser, int(digits[0]) if digits else newest, system, device)


def user_agent(look: Look) -> str:
    """The User-Agent string, with the details frozen that browsers freeze in theirs."""
    if look.webkit:
        return _webkit_agent(look)
    if look.browser == "firefox":
        kind = "Tablet" if look.device == "tablet" else "Mobile"
        system = {
            "windows": "Windows NT 10.0; Win64; x64",
            "mac os": "Macintosh; Intel Mac OS X 10.15",
            "linux": "X11; Linux x86_64",
            "android": f"Android 15; {kind}",
        }[look.os]
        gecko = f"{look.version}.0" if look.os == "android" else "20100101"
        return f"Mozilla/5.0 ({system}; rv:{look.version}.0) Gecko/{gecko} Firefox/{look.version}.0"
    system = {
        "windows": "Windows NT 10.0; Win64; x64",
        "mac os": "Macintosh; Intel Mac OS X 10_15_7",
        "linux": "X11; Linux x86_64",
        "android": "Linux; Android 10; K",
    }[look.os]
    mobile = " Mobile" if look.device == "mobile" else ""
    return (
        f"Mozilla/5.0 ({system}) AppleWebKit/537.36 (KHTML, like Gecko) "
        f"Chrome/{look.version}.0.0.0{mobile} Safari/537.36"
    )


def _webkit_agent(look: Look) -> str:
    device = "iPad; CPU OS" if look.device == "tablet" else "iPhone; CPU iPhone OS"
    name = "FxiOS" if look.browser == "firefox" else "CriOS"
    return (
        f"Mozilla/5.0 ({device} {_SAFARI_IOS} like Mac OS X) AppleWebKit/605.1.15 "
        f"(KHTML, like Gecko) {name}/{look.version}.0 Mobile/15E148 Safari/604.1"
    )


def brands(version: int) -> str:
    """The Sec-CH-UA value of a Chrome version: three brands, shuffled and greased by the version.

    Chromium does so that sites do not depend on an order or on a list without unknown names.
    """
    signs = " (:-./);=?_"
    invented = f"Not{signs[version % 11]}A{signs[(version + 1) % 11]}Brand"
    names = (
        f'"{invented}";v="{("8", "99", "24")[version % 3]}"',
        f'"Chromium";v="{version}"',
        f'"Google Chrome";v="{version}"',
    )
    places = ((0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0))[version % 6]
    return ", ".join(name for _, name in sorted(zip(places, names, strict=True)))
