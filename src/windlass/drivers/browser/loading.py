"""How far a page has come, as Chromium tells it: states of all its frames, and where it moved.

Chromium itself counts requests in flight: its two idle states are those that puppeteer made known.
Used by stage.py.
"""

from __future__ import annotations

import asyncio
from typing import Any

from playwright.async_api import CDPSession

from windlass.model.render import LoadState

_NAMES: dict[LoadState, str] = {
    "commit": "commit",
    "domready": "DOMContentLoaded",
    "load": "load",
    "idle2": "networkAlmostIdle",
    "idle0": "networkIdle",
}


class Loading:
    """Use `watch`. It needs no closing: the session ends with the page."""

    def __init__(self) -> None:
        self.navigations = 0
        self._main = ""
        self._frames: dict[str, set[str]] = {}
        self._changed = asyncio.Event()

    @classmethod
    async def watch(cls, session: CDPSession) -> Loading:
        """Watches from now on; the page should not have begun to load."""
        loading = cls()
        session.on("Page.lifecycleEvent", loading._on_state)
        session.on("Page.frameNavigated", loading._on_navigated)
        session.on("Page.navigatedWithinDocument", loading._on_moved_within)
        session.on("Page.frameDetached", loading._on_detached)
        await session.send("Page.enable")
        tree = await session.send("Page.getFrameTree")
        loading._main = tree["frameTree"]["frame"]["id"]
        await session.send("Page.setLifecycleEventsEnabled", {"enabled": True})
        return loading

    async def reached(self, state: LoadState) -> None:
        """Returns when the main frame and all that it has are so far. Has no time-out itself."""
        name = _NAMES[state]
        while not self._is(name):
            await self._wait()

    async def moved(self, since: int) -> None:
        """Returns when there were more navigations than `since`. Has no time-out itself."""
        while self.navigations <= since:
            await self._wait()

    def _is(self, name: str) -> bool:
        main = self._frames.get(self._main)
        if main is None or name not in main:
            return False
        # A frame that has not begun (lazy, blocked) is not waited for.
        return all(name in seen for seen in self._frames.values() if "commit" in seen)

    async def _wait(self) -> None:
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
        self.navigations += 1
        self._changed.set()

    def _on_moved_within(self, event: dict[str, Any]) -> None:
        if event["frameId"] == self._main:
            self.navigations += 1
            self._changed.set()

    def _on_detached(self, event: dict[str, Any]) -> None:
        if event["frameId"] != self._main:
            self._frames.pop(event["frameId"], None)
            self._changed.set()
