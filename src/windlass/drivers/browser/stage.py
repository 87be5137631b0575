"""One page at work: Playwright's page, its protocol session, and the time that is left.

Made by the driver for each fetch; actions, captures and pictures work on it. Every wait goes
through `within`, because a spinning page answers nothing and the library may wait for ever.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any, TypeVar

from playwright.async_api import Error, Page

from windlass.drivers.browser.failures import is_interrupted
from windlass.drivers.browser.loading import Loading
from windlass.drivers.browser.simple import SimplePage
from windlass.drivers.browser.targets import Session
from windlass.model.render import Click, Goto, LoadState, WaitForNavigation
from windlass.model.request import ExtractRequest

T = TypeVar("T")

_SPARE_S = 0.5
"""Beyond the library's own time-outs, so that its better error message comes first."""


class Stage:
    """Use `open`. `deadline` is the loop's time when the task must be done with the browser.

    `limit_bytes` bounds each single thing that the page hands back.
    """

    def __init__(self, visited: Page | SimplePage, *, deadline: float, limit_bytes: int) -> None:
        self.visited = visited
        self.deadline = deadline
        self.limit_bytes = limit_bytes
        self.frame = ""
        """Id of the main frame, known once its documents are watched."""
        self.busy = False
        """Whether the page was found not to answer."""
        self.due = deadline
        """When it should have loaded, in the loop's time: from then on it gets little patience."""
        self._window = ""
        """Where a click would have opened a window."""
        self._loading: Loading | None = None
        self._session: Session | None = None
        if isinstance(visited, SimplePage):
            self._loading, self._session = visited.loading, visited.session

    @classmethod
    async def open(
        cls,
        page: Page | SimplePage,
        request: ExtractRequest,
        *,
        deadline: float,
        limit_bytes: int,
    ) -> Stage:
        """A stage for a page that has not begun to load; watches what the request needs watched."""
        stage = cls(page, deadline=deadline, limit_bytes=limit_bytes)
        if stage._loading is None and _needs_watching(request):
            stage._loading = Loading()
            await stage._loading.start(await stage.session())
        if any(isinstance(action, Click) for action in request.actions):
            (await stage.session()).on("Page.windowOpen", stage._on_window)
            await stage.send("Page.enable")
        if request.render_options.performance_metrics:
            await stage.send("Performance.enable")
        return stage

    @property
    def page(self) -> Page:
        """Playwright's page. Nothing that needs it is done with a simple one."""
        if isinstance(self.visited, SimplePage):
            raise TypeError("a page that is only loaded and read")
        return self.visited

    async def session(self) -> Session:
        """The page's own session of the DevTools protocol."""
        if self._session is None:
            opening = self.page.context.new_cdp_session(self.page)
            self._session = await self.within(opening, None)
        assert self._session is not None
        return self._session

    async def send(
        self, method: str, timeout_s: float | None = None, /, **params: object
    ) -> dict[str, object]:
        """The answer to a command of the DevTools protocol."""
        session = await self.session()
        answer = await self.within(session.send(method, params), timeout_s)
        return answer if isinstance(answer, dict) else {}

    def left_s(self, timeout_s: float | None = None) -> float:
        """Seconds until the deadline, or until the time-out if that is less; never below 0."""
        left = max(0.0, self.deadline - asyncio.get_running_loop().time())
        return left if timeout_s is None else min(left, timeout_s)

    def left_ms(self, timeout_s: float | None = None) -> float:
        """The same for the library, whose 0 would mean without end."""
        return max(1.0, self.left_s(timeout_s) * 1000)

    async def within(self, awaitable: Awaitable[T], timeout_s: float | None) -> T:
        """The result, in time. Raises TimeoutError, at the deadline at the latest."""
        async with asyncio.timeout(self.left_s(timeout_s) + (_SPARE_S if timeout_s else 0)):
            return await awaitable

    async def loaded(self, state: LoadState, timeout_s: float | None = None) -> None:
        """Returns when the page has come so far. Raises TimeoutError."""
        if self._loading is not None:
            await self.within(self._loading.reached(state), timeout_s)
            return
        known = {"commit": "commit", "domready": "domcontentloaded", "idle0": "networkidle"}
        wanted = known.get(state, "load")
        if wanted == "commit":
            return
        waiting = self.page.wait_for_load_state(wanted, timeout=self.left_ms(timeout_s))  # type: ignore[arg-type]  # three of its states
        try:
            await self.within(waiting, timeout_s)
        except Error as error:
            if type(error).__name__ == "TimeoutError":
                raise TimeoutError(f"the page did not reach {state}") from error
            raise

    async def follow_window(self, timeout_s: float | None) -> None:
        """Goes where a click wanted to open a window since the last call: there is one tab only.

        Raises TimeoutError, the library's Error.
        """
        url, self._window = self._window, ""
        if not url:
            return
        here = self.page.url
        going = self.page.goto(
            url, wait_until="commit", timeout=self.left_ms(timeout_s), referer=here
        )
        try:
            await self.within(going, timeout_s)
        except Error as error:
            if not is_interrupted(error):  # the click led elsewhere in this tab, too
                raise

    def _on_window(self, event: dict[str, Any]) -> None:
        url = str(event.get("url", ""))
        if event.get("userGesture") and url.startswith(("http:", "https:")):
            self._window = self._window or url

    @property
    def navigations(self) -> int:
        """How often the page has moved on, itself or by script; 0 while nobody watches."""
        return 0 if self._loading is None else self._loading.navigations

    async def navigated(self, since: int, timeout_s: float | None) -> None:
        """Returns when the page has moved on more often than that. Raises TimeoutError."""
        if self._loading is not None:
            await self.within(self._loading.moved(since), timeout_s)


def _needs_watching(request: ExtractRequest) -> bool:
    states = [request.render_options.wait_until]
    for action in request.actions:
        if isinstance(action, WaitForNavigation):
            return True
        if isinstance(action, Goto):
            states.append(action.wait_until)
    return any(state in ("idle0", "idle2") for state in states)


def is_gone(error: Error) -> bool:
    """Whether an error means that the page is no more, not that it could not do something."""
    return type(error).__name__ == "TargetClosedError" or "crashed" in error.message
