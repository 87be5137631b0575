"""Which Chromium is used, and how it is started: its path and its switches.

Asked by choose.py and the pool. Pure but for looking at the file system; installs nothing.
"""

from __future__ import annotations

import re
import shutil
from importlib.util import find_spec
from pathlib import Path

from windlass.settings import Settings

INSTALL = "apt-get install chromium-headless-shell"
"""What installs one on Debian and its kin."""
_COMMANDS = ("chromium-headless-shell", "chromium", "google-chrome")
_DEBIAN = Path("/usr/lib/chromium")
"""Where Debian keeps the program behind the command: a shell that waits for it, which would get
the signals that are meant for it."""
_CACHES = ("~/.cache/ms-playwright", "~/Library/Caches/ms-playwright")
_CACHED = (
    "chromium_headless_shell-*/*/chrome-headless-shell",
    "chromium_headless_shell-*/*/headless_shell",
    "chromium-*/*/chrome",
)
_SHARED_MEMORY = 512_000_000

_FEATURES_OFF = (
    # Playwright's own list, which ours replaces.
    "AimEnabled",
    "AvoidCorsURLLoaderRestartOnRedirect",
    "AvoidUnnecessaryBeforeUnloadCheckSync",
    "DestroyProfileOnBrowserClose",
    "HttpsFirstBalancedModeAutoEnable",
    "HttpsUpgrades",
    "LensOverlay",
    "MediaRouter",
    "NetworkTimeServiceQuerying",
    "OptimizationHints",
    "PaintHolding",
    "PreconnectToSearch",
    "ThirdPartyStoragePartitioning",
    # What would speak to others than the page's own servers, or keep what no page needs.
    "AutofillServerCommunication",
    "CertificateTransparencyComponentUpdater",
    "DialMediaRouteProvider",
    "InterestFeedContentSuggestions",
    "Translate",
    # Names are looked up where connections are made: by the egress proxy.
    "AsyncDns",
    "DnsOverHttps",
)


def find_chromium(settings: Settings) -> Path | None:
    """The program to render with, None if there is none."""
    if settings.chromium:
        named = shutil.which(str(Path(settings.chromium).expanduser()))
        return Path(named) if named else None
    for command in _COMMANDS:
        if found := shutil.which(command):
            behind = _DEBIAN / command
            return behind if behind.is_file() else Path(found)
    return _cached()


def lacking(settings: Settings) -> str:
    """What is missing to render pages, and what installs it; empty if nothing is."""
    if find_spec("playwright") is None:
        return "the extra 'browser' is not installed: pip install 'windlass[browser]'"
    if find_chromium(settings) is not None:
        return ""
    if settings.chromium:
        return f"WINDLASS_CHROMIUM names {settings.chromium!r}, which cannot be run"
    return f"there is no Chromium: {INSTALL}, or name one with WINDLASS_CHROMIUM"


def _cached() -> Path | None:
    """The newest that Playwright installed for this account."""
    found = [
        path
        for cache in _CACHES
        for pattern in _CACHED
        for path in Path(cache).expanduser().glob(pattern)
        if path.is_file()
    ]
    return max(found, key=_revision, default=None)


def _revision(path: Path) -> tuple[int, str]:
    number = re.search(r"-(\d+)/", str(path))
    return (int(number[1]) if number else 0, str(path))


def switches() -> list[str]:
    """What Chromium is told beyond Playwright's own switches."""
    return [
        # Every request goes to the proxy of its context, those to this machine too. A context
        # without one must reach nothing at all.
        "--proxy-server=http://127.0.0.1:9",
        "--proxy-bypass-list=<-loopback>",
        "--force-webrtc-ip-handling-policy=disable_non_proxied_udp",
        "--webrtc-ip-handling-policy=disable_non_proxied_udp",
        "--disable-quic",
        "--dns-prefetch-disable",
        "--disable-domain-reliability",
        "--no-pings",
        "--disable-features=" + ",".join(_FEATURES_OFF),
        "--disable-blink-features=AutomationControlled",
        # A window that a page opens is one more page that nobody asked for.
        "--block-new-web-contents",
        "--disable-notifications",
        "--disable-print-preview",
        "--deny-permission-prompts",
        "--disable-site-isolation-trials",
        "--autoplay-policy=user-gesture-required",
        "--js-flags=--max-old-space-size=1024",
    ]


def unwanted_switches() -> list[str]:
    """Those of Playwright's switches that are taken back."""
    taken = ["--disable-popup-blocking", "--enable-automation"]
    if _shared_memory() >= _SHARED_MEMORY:
        taken.append("--disable-dev-shm-usage")  # memory, where there is enough of it, is faster
    return taken


def _shared_memory() -> int:
    try:
        return shutil.disk_usage("/dev/shm").free  # noqa: S108 - where Chromium keeps it
    except OSError:
        return 0
