"""Drivers get a Page for a request. They know nothing of tasks or formats.

One file per driver; reached by name through DRIVERS.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from windlass.model.page import Page
from windlass.model.request import ExtractRequest
from windlass.net.cookies import CookieJar
from windlass.net.guard import AddressGuard
from windlass.registry import Registry
from windlass.settings import Settings

if TYPE_CHECKING:
    from windlass.drivers.proxies import Proxies


class Driver(Protocol):
    """Fetches pages. Safe for many concurrent fetches; one instance per process."""

    async def fetch(self, request: ExtractRequest, session: CookieJar) -> Page:
        """The final answer for `request.url`, redirects followed, at most the byte cap.

        `session` holds the cookies to send besides the request's own, and takes in what is set on
        the way; pass a fresh jar to share nothing. A body that is not whole comes back as a Page
        with `failure`. No usable answer raises a TargetError, a request that cannot be put on the
        wire InvalidRequest, nothing else but CancelledError; every wait has a deadline.
        """
        ...

    async def aclose(self) -> None:
        """Releases connections and processes."""
        ...


DriverMaker = Callable[[Settings, AddressGuard, "Proxies"], Driver]
"""Drivers are made of the settings, the guard that every connection passes, and the proxies."""

DRIVERS: Registry[DriverMaker] = Registry(
    "driver",
    {
        "vx6": "windlass.drivers.http:HttpDriver",
        "vx6-stealth": "windlass.drivers.impersonate:ImpersonatingDriver",
        "vx8": "windlass.drivers.browser.driver:BrowserDriver",
    },
    extras={"vx6-stealth": "impersonate", "vx8": "browser"},
)
