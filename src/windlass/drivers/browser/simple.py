"""A page that is loaded and read, and nothing else done with: no Playwright page is made for it.

Stands for the page in stage.py and navigation.py. What Playwright does to keep a page from
stalling (dialogs, downloads, service workers) is done here. Opened by tab.py.
"""

from __future__ import annotations

import asyncio
from typing import Any

import structlog
from playwright.async_api import Error

from windlass.drivers.browser.dress import Screen
from windlass.drivers.browser.loading import Loading
from windlass.drivers.browser.targets import Targets, TargetSession
from windlass.model.render import LoadState

log = structlog.get_logger(__name__)

_NO_WORKERS = """if (self.ServiceWorkerContainer)
  ServiceWorkerContainer.prototype.register = async () => {};"""
_STATES: dict[str, LoadState] = {"domcontentloaded": "domready", "load": "load"}


class SimpleContext:
    """A browser context, whose pages leave by one proxy alone. Use `open`."""

    def __init__(self, targets: Targets, number: str) -> None:
        self._targets = targets
        self._number = number

    @classmethod
    async def open(cls, targets: Targets, door: str) -> SimpleContext:
        """A context that shares nothing with others. Raises the library's Error."""
        wish = {"disposeOnDetach": True, "proxyServer": door, "proxyBypassList": "<-loopback>"}
        made: Any = await targets.browser.send("Target.createBrowserContext", wish)
        return cls(targets, made["browserContextId"])

    async def close(self) -> None:
        """Ends it with its pages. Raises the library's Error."""
        await self._targets.browser.send("Target.disposeBrowserContext", self._named())

    async def page(self, screen: Screen) -> SimplePage:
        """An empty page, in a window of the screen's size, to be prepared. Raises the library's
        Error."""
        send = self._targets.browser.send
        size = {"width": screen.width, "height": screen.height}
        answers: tuple[Any, ...] = await asyncio.gather(
            send("Target.createTarget", self._named(url="about:blank", **size)),
            send("Browser.setDownloadBehavior", self._named(behavior="deny")),
            send("Browser.grantPermissions", self._named(permissions=[])),
        )
        return SimplePage(await self._targets.attach(answers[0]["targetId"]))

    def _named(self, **wish: Any) -> dict[str, Any]:
        return {"browserContextId": self._number, **wish}


class SimplePage:
    """See above. Made by its context."""

    def __init__(self, session: TargetSession) -> None:
        self.session = session
        self.loading = Loading()
        self._answers: set[asyncio.Task[None]] = set()
        session.on("Page.javascriptDialogOpening", self._on_dialog)

    @property
    def url(self) -> str:
        """Where it is now."""
        return self.loading.url

    async def goto(
        self, url: str, *, wait_until: str, timeout: float, referer: str | None = None
    ) -> None:
        """Loads an address that far; in how many milliseconds is the caller's affair, too.

        Raises TimeoutError, the library's Error with Chromium's word for what went wrong.
        """
        async with asyncio.timeout(timeout / 1000):
            begun = self.loading.documents
            wish = {"url": url, "referrerPolicy": "unsafeUrl"}
            if referer:
                wish["referrer"] = referer
            answer = await self.session.send("Page.navigate", wish)
            if failure := answer.get("errorText"):
                raise Error(f"{failure} at {url}")
            await self.loading.begun(begun)
            if state := _STATES.get(wait_until):
                await self.loading.reached(state)

    async def prepare(self, screen: Screen) -> None:
        """Makes it ready to load something. Raises the library's Error."""
        touch = {"enabled": screen.touch}
        send = self.session.send
        await asyncio.gather(
            self.loading.start(self.session),
            send("Page.addScriptToEvaluateOnNewDocument", {"source": _NO_WORKERS}),
            send("Emulation.setFocusEmulationEnabled", {"enabled": True}),
            send("Emulation.setTouchEmulationEnabled", touch),
        )

    def _on_dialog(self, event: dict[str, Any]) -> None:
        answer = asyncio.ensure_future(self._dismiss(event.get("type") == "beforeunload"))
        self._answers.add(answer)
        answer.add_done_callback(self._answers.discard)

    async def _dismiss(self, accept: bool) -> None:
        try:
            await self.session.send("Page.handleJavaScriptDialog", {"accept": accept})
        except Error as error:
            log.debug("browser_dialog_gone", reason=str(error)[:200])
