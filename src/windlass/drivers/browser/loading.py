"""How far a page has come, as Chromium tells it: states of all its frames, and where it moved.

Chromium itself counts requests in flight: its two idle states are those that puppeteer made known.
Used by stage.py.
"""

from __future__ import annotations

import asyncio
from typing import Any

from playwright.async_api import Error

from windlass.drivers.browser.targets import ENDED, Session
from windlass.model.render import LoadState

_NAMES: dict[LoadState, str] = {
    "commit": "commit",
    "domready": "DOMContentLoaded",
    "load": "load",
    "idle2": "networkAlmostIdle",
    "idle0": "networkIdle",
}

_MOST_MOVES = 5
_GOES_S = 5.0
"""How often, and for how long, a page is waited for that has sent its visitors on."""


class Loading:
    """Use `start`. It needs no closing: the session ends with the page."""

    def __init__(self) -> None:
        self.navigations = 0
        self.documents = 0
        """How many the main frame had since the start."""
        self.url = "about:blank"
        """Where the main frame is, known since its first navigation."""
        self._leaving = False
        """Whether the main frame's scripts have asked for another document."""
        self._failure = ""
        self._main = ""
        self._frames: dict[str, set[str]] = {}
        self._changed = asyncio.Event()

    async def start(self, session: Session) -> None:
        """Watches from now on; the page should not have begun to load."""
        session.on("Page.lifecycleEvent", self._on_state)
        session.on("Page.frameNavigated", self._on_navigated)
        session.on("Page.navigatedWithinDocument", self._on_moved_within)
        session.on("Page.frameDetached", self._on_detached)
        session.on("Page.frameRequestedNavigation", self._on_requested)
        session.on("Page.frameStoppedLoading", self._on_stopped)
        session.on(ENDED, self._on_end)
        _, tree, _ = await asyncio.gather(
            session.send("Page.enable"),
            session.send("Page.getFrameTree"),
            session.send("Page.setLifecycleEventsEnabled", {"enabled": True}),
        )
        self._main = tree["frameTree"]["frame"]["id"]

    async def reached(self, state: LoadState) -> None:
        """Returns when the main frame is so far, and, for one of the idle states, all that it has.

        Has no time-out itself. Raises the library's Error if the page is gone.
        """
        name = _NAMES[state]
        for _ in range(_MOST_MOVES):
            while not self._is(name):
                await self._wait()
            if not await self._goes_on():
                return

    async def begun(self, since: int) -> None:
        """Returns when the main frame had more documents than `since`. Otherwise see `reached`."""
        while self.documents <= since:
            await self._wait()

    async def _goes_on(self) -> bool:
        """Whether the document has sent its visitors on to another, which is there now."""
        since = self.documents
        try:
            async with asyncio.timeout(_GOES_S):
                while self._leaving:
                    await self._wait()
        except TimeoutError:
            self._leaving = False
        return self.documents > since

    async def moved(self, since: int) -> None:
        """Returns when there were more navigations than `since`. Has no time-out itself."""
        while self.navigations <= since:
            await self._wait()

    def _is(self, name: str) -> bool:
        main = self._frames.get(self._main)
        if main is None or name not in main:
            return False
        if not name.startswith("network"):
            return True
        # A frame that has not begun (lazy, blocked) is not waited for.
        return all(name in seen for seen in self._frames.values() if "commit" in seen)

    async def _wait(self) -> None:
        if self._failure:
            raise Error(self._failure)
        self._changed.clear()
        await self._changed.wait()

    def _on_state(self, event: dict[str, Any]) -> None:
        frame, name = event["frameId"], event["name"]
        if name == "init":
            self._frames[frame] = set()
        self._frames.setdefault(frame, set()).add(name)
        self._changed.set()

    def _on_navigated(self, event: dict[str, Any]) -> None:
        frame = event["frame"]
        if frame.get("parentId"):
            return
        if frame["id"] != self._main:
            self._frames.pop(self._main, None)
            self._main = frame["id"]
        self._leaving = False
        self.navigations += 1
        self.documents += 1
        self.url = frame["url"] + frame.get("urlFragment", "")
        self._changed.set()

    def _on_moved_within(self, event: dict[str, Any]) -> None:
        if event["frameId"] == self._main:
            self.navigations += 1
            self.url = event["url"]
            self._changed.set()

    def _on_requested(self, event: dict[str, Any]) -> None:
        if event["frameId"] == self._main and event.get("disposition") == "currentTab":
            self._leaving = True

    def _on_stopped(self, event: dict[str, Any]) -> None:
        if event["frameId"] == self._main and self._leaving:
            self._leaving = False  # it was given up
            self._changed.set()

    def _on_detached(self, event: dict[str, Any]) -> None:
        if event["frameId"] != self._main:
            self._frames.pop(event["frameId"], None)
            self._changed.set()

    def _on_end(self, event: dict[str, Any]) -> None:
        self._failure = event["reason"]
        self._changed.set()
