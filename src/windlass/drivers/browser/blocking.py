"""Which of a page's requests are not sent: by kind, by host, by list. Pure; asked by the tab.

Chromium stops and asks only about what the patterns name, so everything else costs nothing.
"""

from __future__ import annotations

from urllib.parse import urlsplit

import msgspec

from windlass.drivers.browser.advertisers import ADVERTISERS
from windlass.model.render import RenderOptions, ResourceType, TakeScreenshot
from windlass.model.request import ExtractRequest

SEEN_ONLY: tuple[ResourceType, ...] = ("image", "media", "font")
"""What a page is not loaded with unless somebody looks at it (contract 7.5)."""

NAMES: dict[ResourceType, str] = {
    "other": "Other",
    "document": "Document",
    "stylesheet": "Stylesheet",
    "image": "Image",
    "media": "Media",
    "font": "Font",
    "script": "Script",
    "texttrack": "TextTrack",
    "xhr": "XHR",
    "fetch": "Fetch",
    "eventsource": "EventSource",
    "websocket": "WebSocket",
    "manifest": "Manifest",
    "signedexchange": "SignedExchange",
    "ping": "Ping",
    "cspviolationreport": "CSPViolationReport",
    "prefetch": "Prefetch",
    "preflight": "Preflight",
    "fedcm": "FedCM",
}
"""What Chromium's debugging protocol calls them."""


_CALLS = frozenset({"XHR", "Fetch"})
"""Chromium stops both under one name."""


class Blocked(msgspec.Struct, frozen=True):
    """What to stop: kinds as Chromium names them, and hosts that stand for their subdomains."""

    kinds: frozenset[str] = frozenset()
    hosts: frozenset[str] = frozenset()

    def stops(self, kind: str, url: str) -> bool:
        """Whether a request is not to be sent."""
        return kind in self.kinds or (bool(self.hosts) and _within(url, self.hosts))

    def patterns(self) -> list[dict[str, str]]:
        """What Chromium has to ask about: rather too much than too little."""
        by_kind = [{"urlPattern": "*", "resourceType": kind} for kind in sorted(self.kinds)]
        return by_kind + [{"urlPattern": f"*://*{host}*"} for host in sorted(self.hosts)]


def blocked(request: ExtractRequest) -> Blocked:
    """What a request's page does without."""
    options = request.render_options
    kinds = options.disabled_resources
    if kinds is None:
        kinds = () if _is_looked_at(request) else _not_caught(request)
    hosts = frozenset(host.strip(".").lower() for host in options.blocked_domains if host)
    if options.adblock:
        hosts |= ADVERTISERS
    named = frozenset(NAMES[kind] for kind in kinds)
    return Blocked(named | _CALLS if named & _CALLS else named, hosts)


def warnings(options: RenderOptions) -> tuple[str, ...]:
    """What cannot be left out, or not alone."""
    disabled = options.disabled_resources or ()
    found: list[str] = []
    if "websocket" in disabled:
        found.append("disabled_resources: a browser here cannot be kept from WebSockets")
    if ("xhr" in disabled) != ("fetch" in disabled):
        found.append("disabled_resources: xhr and fetch are left out together")
    return tuple(found)


def _is_looked_at(request: ExtractRequest) -> bool:
    shown = any(
        isinstance(action, TakeScreenshot) and not action.skip for action in request.actions
    )
    return shown or "screenshot" in request.formats


def _not_caught(request: ExtractRequest) -> tuple[ResourceType, ...]:
    """What of it no capture asks for; one that names no kind asks for all."""
    asked: set[ResourceType] = set()
    for one in request.captures:
        kinds = one.resource_type
        if kinds is None:
            return ()
        asked.update(kinds if isinstance(kinds, tuple) else (kinds,))
    return tuple(kind for kind in SEEN_ONLY if kind not in asked)


def _within(url: str, hosts: frozenset[str]) -> bool:
    try:
        host = (urlsplit(url).hostname or "").rstrip(".")
    except ValueError:
        return False
    while host:
        if host in hosts:
            return True
        host = host.partition(".")[2]
    return False
