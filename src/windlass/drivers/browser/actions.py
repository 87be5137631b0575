"""A sequence of browser actions, performed one after the other and reported (contract 7.6).

Called by rendering.py. A failed action never fails the request: it is in the report.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import ada_url
from playwright.async_api import Error

from windlass.drivers.browser.pointing import Hand, UnfitError, find
from windlass.drivers.browser.screenshot import take_screenshot
from windlass.drivers.browser.scripts import evaluate, fetch
from windlass.drivers.browser.scrolling import auto_scroll, scroll
from windlass.drivers.browser.stage import Stage, is_gone
from windlass.model import render
from windlass.model.keys import EVENT_KEYS, KEYS, RARE_KEYS
from windlass.model.render import Action, ActionResult, ActionsReport, action_name
from windlass.model.request import Cookie

SEQUENCE_S = 240.0
"""All actions of a request together."""
_RESERVE_S = 2.0
"""Left for taking the page afterwards."""
_UNASKED_S = 15.0
"""For what has no time-out of its own, besides what it is told to take."""
_CALL = re.compile(r"^\w+\.\w+: ")
_IN_THE_WAY = re.compile(r"intercepts pointer events|is not (?:visible|stable|enabled|editable)")
_RESULTS = 1_000
"""Cookies of one `get_cookies` at most."""


@dataclass
class Performed:
    """What a sequence came to, besides what it did to the page."""

    report: ActionsReport = field(default_factory=ActionsReport)
    cookies: list[Cookie] = field(default_factory=list)
    evals: list[Any] = field(default_factory=list)
    fetches: list[render.FetchedCall] = field(default_factory=list)
    screenshots: list[render.Screenshot] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


async def perform(stage: Stage, actions: tuple[Action, ...]) -> Performed:
    """Performs them in their order, in at most SEQUENCE_S and never past the stage's deadline.

    Raises the library's Error only if the page is gone for good.
    """
    return await _Performance(stage).run(actions)


class _Performance:
    """One sequence on one page."""

    def __init__(self, stage: Stage) -> None:
        loop = asyncio.get_running_loop()
        self._loop = loop
        self._stage = stage
        self._ends = min(stage.deadline - _RESERVE_S, loop.time() + SEQUENCE_S)
        self._hand = Hand(stage)
        self._done = Performed()
        self._moves = 0
        """Navigations before the action that went before: what `wait_for_navigation` may count."""

    async def run(self, actions: tuple[Action, ...]) -> Performed:
        began = self._loop.time()
        results: list[ActionResult] = []
        stopped = False
        moves = 0
        for action in actions:
            name = action_name(action)
            if stopped:
                results.append(ActionResult(name=name))
                continue
            if action.skip:
                results.append(ActionResult(name=name, status="skipped"))
                continue
            self._moves, moves = moves, self._stage.navigations
            result = await self._result(action, name)
            results.append(result)
            stopped = result.status == "error" and (action.required or self._left_s() <= 0)
        total_ms = round((self._loop.time() - began) * 1000)
        self._done.report = ActionsReport(results=tuple(results), total_ms=total_ms)
        return self._done

    def _left_s(self) -> float:
        return max(0.0, self._ends - self._loop.time())

    async def _result(self, action: Action, name: str) -> ActionResult:
        began = self._loop.time()
        value, fault = None, ""
        try:
            async with asyncio.timeout(self._most_s(action)):
                value = await self._perform(action)
        except TimeoutError:
            fault = self._out_of_time(action)
        except UnfitError as error:
            fault = str(error)
        except Error as error:
            if is_gone(error):
                raise
            fault = _said(error)
        return ActionResult(
            name=name,
            status="error" if fault else "done",
            duration_ms=round((self._loop.time() - began) * 1000),
            error=fault,
            result=value,
        )

    def _most_s(self, action: Action) -> float:
        """What the action may take, the library's own time-outs a moment before."""
        wished = _timeout_s(action)
        return self._left_s() if wished is None else min(self._left_s(), wished + 1.0)

    def _out_of_time(self, action: Action) -> str:
        if self._left_s() <= 0:
            return "the time for all actions is over"
        return f"not done in {_timeout_s(action) or 0:g} s"

    async def _perform(self, action: Action) -> Any:
        return await _HOW[type(action)](self, action)

    # ------------------------------------------------------------ one method per action

    async def _goto(self, action: render.Goto) -> str:
        stage, timeout_s = self._stage, _timeout_s(action)
        url = _joined(stage.page.url, action.url)
        going = stage.page.goto(
            url,
            referer=action.referer or None,
            timeout=stage.left_ms(timeout_s),
            wait_until="commit",
        )
        await stage.within(going, timeout_s)
        await stage.loaded(action.wait_until, timeout_s)
        return stage.page.url

    async def _wait(self, action: render.Wait) -> None:
        await asyncio.sleep(action.duration_ms / 1000)

    async def _wait_for_element(self, action: render.WaitForElement) -> str:
        timeout_s = _timeout_s(action)
        _, selector = await find(
            self._stage, action.selectors, visible=action.visible, timeout_s=timeout_s
        )
        return selector

    async def _wait_for_navigation(self, action: render.WaitForNavigation) -> str:
        """Of a navigation that the action before it set off, however soon that was."""
        timeout_s = _timeout_s(action)
        await self._stage.navigated(self._moves, timeout_s)
        await self._stage.loaded(action.until, timeout_s)
        return self._stage.page.url

    async def _click(self, action: render.Click) -> None:
        await self._hand.click(action, _timeout_s(action))

    async def _fill(self, action: render.Fill) -> None:
        await self._hand.fill(action, _timeout_s(action))

    async def _press(self, action: render.Press) -> None:
        keyboard, held_ms = self._stage.page.keyboard, action.delay_ms
        key = "Enter" if action.key in "\r\n" else action.key
        if key in RARE_KEYS:
            await self._press_rare(key, held_ms)
        elif key in KEYS or (key.isascii() and key.isprintable()):
            await self._stage.within(keyboard.press(key, delay=held_ms), None)
        else:
            await self._stage.within(keyboard.insert_text(key), None)

    async def _press_rare(self, key: str, held_ms: int) -> None:
        stroke = {
            "key": EVENT_KEYS.get(key, key),
            "code": key,
            "windowsVirtualKeyCode": RARE_KEYS[key],
        }
        await self._stage.send("Input.dispatchKeyEvent", None, type="rawKeyDown", **stroke)
        await asyncio.sleep(held_ms / 1000)
        await self._stage.send("Input.dispatchKeyEvent", None, type="keyUp", **stroke)

    async def _scroll(self, action: render.Scroll) -> None:
        await scroll(self._stage, action, _timeout_s(action))

    async def _auto_scroll(self, action: render.AutoScroll) -> int:
        return await auto_scroll(self._stage, action)

    async def _screenshot(self, action: render.TakeScreenshot) -> int:
        taken = self._done.screenshots
        used = sum(len(one.data) for one in taken)
        if used >= self._stage.limit_bytes:
            raise UnfitError("the pictures of this page are too large already")
        picture, note = await take_screenshot(self._stage, action, by_action=True)
        if used + len(picture.data) > self._stage.limit_bytes:
            raise UnfitError("the pictures of this page are too large together")
        taken.append(picture)
        if note:
            self._done.warnings.append(note)
        return len(taken) - 1

    async def _get_cookies(self, action: render.GetCookies) -> int:
        context = self._stage.page.context
        found = await self._stage.within(context.cookies(), _UNASKED_S)
        cookies = [one for one in map(cookie_of, found) if _wanted(one, action)][:_RESULTS]
        self._done.cookies += cookies
        return len(cookies)

    async def _eval(self, action: render.Eval) -> Any:
        value = await evaluate(self._stage, action, _timeout_s(action))
        self._done.evals.append(value)
        return value

    async def _fetch(self, action: render.Fetch) -> dict[str, Any]:
        call = await fetch(self._stage, action, _timeout_s(action))
        if sum(len(one.body) for one in self._done.fetches) + len(call.body) > (
            self._stage.limit_bytes
        ):
            raise UnfitError("the answers of this page's calls are too large together")
        self._done.fetches.append(call)
        return {"url": call.url, "status": call.status}


_HOW: dict[type, Callable[[_Performance, Any], Awaitable[Any]]] = {
    render.Goto: _Performance._goto,
    render.Wait: _Performance._wait,
    render.WaitForElement: _Performance._wait_for_element,
    render.WaitForNavigation: _Performance._wait_for_navigation,
    render.Click: _Performance._click,
    render.Fill: _Performance._fill,
    render.Press: _Performance._press,
    render.Scroll: _Performance._scroll,
    render.AutoScroll: _Performance._auto_scroll,
    render.TakeScreenshot: _Performance._screenshot,
    render.GetCookies: _Performance._get_cookies,
    render.Eval: _Performance._eval,
    render.Fetch: _Performance._fetch,
}


def _timeout_s(action: Action) -> float | None:
    """The action's own limit; None = only that of the sequence."""
    if isinstance(action, render.Wait):
        return None
    if isinstance(action, render.AutoScroll):
        return action.max_duration_ms / 1000 + _UNASKED_S
    if isinstance(action, render.Press):
        return action.delay_ms / 1000 + _UNASKED_S
    if isinstance(action, render.TakeScreenshot):
        return 60.0
    if isinstance(action, render.GetCookies):
        return _UNASKED_S
    if isinstance(action, render.Fill) and action.timeout_ms:
        # Slow typing is what was asked for, no failure.
        asked_ms = action.delay_ms + len(action.value) * 4 * max(action.interval_ms, 1)
        return (action.timeout_ms + asked_ms) / 1000
    if isinstance(action, render.Click) and action.timeout_ms:
        return (action.timeout_ms + action.count * action.delay_ms) / 1000
    return action.timeout_ms / 1000 or None


def _joined(base: str, url: str) -> str:
    """Raises UnfitError for what is no web address."""
    try:
        joined = ada_url.join_url(base, url)
    except ValueError:
        raise UnfitError("that is no address") from None
    if not joined.startswith(("http://", "https://")):
        raise UnfitError("only http and https can be gone to")
    return joined


def _said(error: Error) -> str:
    """The library's error in one line: what it waited for, not how."""
    lines = error.message.splitlines() or ["failed"]
    reason = next((line.strip(" -") for line in lines if _IN_THE_WAY.search(line)), "")
    first = _CALL.sub("", lines[0]).strip()
    return f"{first} {reason}".strip()[:500]


def cookie_of(found: Any) -> Cookie:
    """The library's cookie as ours."""
    domain, expires = found.get("domain", ""), found.get("expires", -1)
    return Cookie(
        name=found.get("name", ""),
        value=found.get("value", ""),
        domain=domain.lstrip("."),
        path=found.get("path", "/"),
        expires=None if expires < 0 else float(expires),
        secure=bool(found.get("secure")),
        http_only=bool(found.get("httpOnly")),
        host_only=not domain.startswith("."),
        same_site=str(found.get("sameSite", "")).lower(),  # type: ignore[arg-type]  # Chromium's three
    )


def _wanted(cookie: Cookie, action: render.GetCookies) -> bool:
    domain = action.domain.lower().lstrip(".")
    if domain and cookie.domain != domain and not cookie.domain.endswith("." + domain):
        return False
    for name, value in action.filters.items():
        wanted = value.lower() if name == "same_site" and isinstance(value, str) else value
        if getattr(cookie, name) != wanted:
            return False
    return True
