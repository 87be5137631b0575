"""What the contract calls drivers (section 7.1), and what those names mean here."""

from __future__ import annotations

PLAIN = "vx6"
STEALTH = "vx6-stealth"
BROWSER = "vx8"

DRIVER_NAMES: tuple[str, ...] = (
    PLAIN,
    STEALTH,
    BROWSER,
    "vx8-pro",
    "vx10",
    "vx10-pro",
    "vx12",
    "vx12-pro",
)
"""Each a driver of its own, plain HTTP first, then browsers from light to heavy."""

ALIASES: dict[str, str] = {"vx6-fast": PLAIN, "fast-vx6": PLAIN, "media-vx6": PLAIN}
"""Names that the hosted product splits off and that plain HTTP serves here."""
