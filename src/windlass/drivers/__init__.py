"""Drivers get a Page for a request. They know nothing of tasks or formats.

One file per driver; reached by name through DRIVERS.
"""

from __future__ import annotations

from typing import Protocol

from windlass.model.page import Page
from windlass.model.request import ExtractRequest
from windlass.registry import Registry


class Driver(Protocol):
    """Fetches pages. Safe for many concurrent fetches; one instance per process."""

    capabilities: frozenset[str]
    """What it honours: "http2", "impersonate", "render", "actions", "capture", "screenshot"."""

    async def fetch(self, request: ExtractRequest, session: SessionState) -> Page:
        """The final answer for `request.url`, redirects followed, at most the byte cap.

        A body that is not whole comes back as a Page with `failure`. No usable answer raises a
        TargetError. Never raises anything else but CancelledError; every wait has a deadline.
        """
        ...

    async def aclose(self) -> None:
        """Releases connections and processes."""
        ...


class SessionState(Protocol):
    """The cookies that one session (or one single request) carries across hops and calls."""

    def cookies_for(self, url: str) -> str:
        """The Cookie header value for a URL, "" if there is none."""
        ...

    def store(self, url: str, set_cookie: list[str]) -> None:
        """Takes in Set-Cookie lines that `url` answered with."""
        ...


DRIVERS: Registry[type[Driver]] = Registry(
    "driver",
    {
        "vx6": "windlass.drivers.http:HttpDriver",
        "vx6-stealth": "windlass.drivers.impersonate:ImpersonatingDriver",
    },
    extras={"vx6-stealth": "impersonate"},
)
