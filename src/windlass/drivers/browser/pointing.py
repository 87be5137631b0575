"""Elements found, pointed at, clicked and filled (contract 7.6). Used by actions.py."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence

from playwright.async_api import Error, Locator

from windlass.drivers.browser.mouse import Point, path
from windlass.drivers.browser.stage import Stage
from windlass.model.render import Click, Fill, MouseStrategy

_PACE_S = 0.006
"""Between two points of the pointer's way."""
_POINT_S = 5.0
"""To move the pointer by one point."""

_CENTRE = "e => e.scrollIntoView({block: 'center', inline: 'center', behavior: 'instant'})"
_KIND = """e => {
  const tag = e.localName, type = (e.type || '').toLowerCase();
  if (tag === 'select') return 'select';
  const whole = ['color', 'date', 'datetime-local', 'month', 'range', 'time', 'week'];
  if (tag === 'input' && whole.includes(type)) return 'whole';
  if (tag === 'input' && ['checkbox', 'radio', 'file', 'button', 'submit', 'image', 'reset']
      .includes(type)) return 'none';
  if (tag === 'input' || tag === 'textarea') return e.readOnly || e.disabled ? 'none' : 'text';
  return e.isContentEditable ? 'text' : 'none';
}"""
_SELECT_ALL = """e => {
  e.focus();
  if (typeof e.select === 'function') { e.select(); return; }
  const range = document.createRange();
  range.selectNodeContents(e);
  const selection = getSelection();
  selection.removeAllRanges();
  selection.addRange(range);
}"""


class UnfitError(Exception):
    """The page is not as the action needs it; the text is for the caller."""


class Hand:
    """The pointer of one page, which stays where the last action left it."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._at = Point(0, 0)
        self._random = random.Random()  # noqa: S311 - it imitates a hand, it keeps no secret

    async def move(self, to: Point, strategy: MouseStrategy = "", steps: int = 0) -> None:
        """Moves along a curve of that kind. Raises TimeoutError."""
        mouse = self._stage.page.mouse
        points = path(self._at, to, strategy, steps, self._random)
        for number, point in enumerate(points):
            if number:
                await asyncio.sleep(_PACE_S)
            await self._stage.within(mouse.move(point.x, point.y), _POINT_S)
            self._at = point

    async def click(self, action: Click, timeout_s: float | None) -> None:
        """Clicks what the action names, and goes along if that would open a window.

        Raises UnfitError, TimeoutError and the library's Error.
        """
        await self._clicked(action, timeout_s)
        await self._stage.follow_window(timeout_s)

    async def _clicked(self, action: Click, timeout_s: float | None) -> None:
        if not action.selectors:
            corner = await self._corner(action, timeout_s)
            at = Point(corner.x + (action.x or 0), corner.y + (action.y or 0))
            await self._click_at(at, action)
            return
        target, _ = await find(
            self._stage, action.selectors, visible=action.visible, timeout_s=timeout_s
        )
        if not action.visible and not await target.is_visible():
            for _ in range(action.count):
                await self._stage.within(target.dispatch_event("click"), timeout_s)
            return
        if self._is_plain(action):
            await self._click_plainly(target, action, timeout_s)
            return
        at = await self._centre(target, scroll=action.scroll, timeout_s=timeout_s)
        await self._click_at(Point(at.x + action.offset_x, at.y + action.offset_y), action)

    @staticmethod
    def _is_plain(action: Click) -> bool:
        """Whether the library may do it, which makes sure that nothing lies above the element."""
        bent = action.strategy or action.steps or action.offset_x or action.offset_y
        return action.scroll and not bent

    async def _click_plainly(self, target: Locator, action: Click, timeout_s: float | None) -> None:
        clicking = target.click(
            click_count=action.count, delay=action.delay_ms, timeout=self._stage.left_ms(timeout_s)
        )
        await self._stage.within(clicking, timeout_s)

    async def _click_at(self, at: Point, action: Click) -> None:
        await self.move(at, action.strategy, action.steps)
        clicking = self._stage.page.mouse.click(
            at.x, at.y, click_count=action.count, delay=action.delay_ms
        )
        await self._stage.within(clicking, None)

    async def _corner(self, action: Click, timeout_s: float | None) -> Point:
        if not action.relative_to:
            return Point(0, 0)
        target, _ = await find(self._stage, action.relative_to, visible=True, timeout_s=timeout_s)
        if action.scroll:
            await self._stage.within(target.scroll_into_view_if_needed(), timeout_s)
        box = await self._stage.within(target.bounding_box(), timeout_s)
        if box is None:
            raise UnfitError("relative_to has no place on the page")
        return Point(box["x"], box["y"])

    async def _centre(self, target: Locator, *, scroll: bool, timeout_s: float | None) -> Point:
        if scroll:
            await self._stage.within(target.scroll_into_view_if_needed(), timeout_s)
        box = await self._stage.within(target.bounding_box(), timeout_s)
        if box is None:
            raise UnfitError("the element has no place on the page")
        return Point(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)

    # ------------------------------------------------------------ writing

    async def fill(self, action: Fill, timeout_s: float | None) -> None:
        """Replaces what the field holds. Raises as `click` does."""
        target, selector = await find(
            self._stage, action.selectors, visible=action.visible, timeout_s=timeout_s
        )
        kind = await self._stage.within(target.evaluate(_KIND), timeout_s)
        if kind == "none":
            raise UnfitError(f"{selector} is no field that can be written to")
        if action.scroll:
            await self._stage.within(target.scroll_into_view_if_needed(), timeout_s)
        if action.click and kind == "text" and action.visible:
            at = await self._centre(target, scroll=False, timeout_s=timeout_s)
            await self.move(at, action.strategy)
            await self._stage.within(self._stage.page.mouse.click(at.x, at.y), timeout_s)
        if action.delay_ms:
            await self._stage.within(asyncio.sleep(action.delay_ms / 1000), None)
        if kind == "select":
            await self._choose(target, action, timeout_s)
        elif kind == "whole" or action.mode == "paste":
            filling = target.fill(
                action.value, timeout=self._stage.left_ms(timeout_s), force=not action.visible
            )
            await self._stage.within(filling, timeout_s)
        else:
            await self._type(target, action, timeout_s)

    async def _choose(self, target: Locator, action: Fill, timeout_s: float | None) -> None:
        """Chooses an option by its value or what it says."""
        timeout_ms = self._stage.left_ms(timeout_s)
        choosing = target.select_option(action.value, timeout=timeout_ms)
        await self._stage.within(choosing, timeout_s)

    async def _type(self, target: Locator, action: Fill, timeout_s: float | None) -> None:
        await self._stage.within(target.evaluate(_SELECT_ALL), timeout_s)
        keyboard = self._stage.page.keyboard
        if not action.value:
            await self._stage.within(keyboard.press("Delete"), timeout_s)
        elif action.typing == "simple":
            typing = keyboard.type(action.value, delay=action.interval_ms)
            await self._stage.within(typing, None)
        else:
            for letter in action.value:
                await self._stage.within(keyboard.type(letter), timeout_s)
                await asyncio.sleep(self._pause_s(letter, action.interval_ms))

    def _pause_s(self, letter: str, interval_ms: int) -> float:
        """Time to the next key, as people spread it: seldom short, sometimes long, and longer
        between words."""
        usual = (interval_ms or 100) / 1000
        drawn = self._random.lognormvariate(0, 0.4) * usual
        return min(drawn * (1.6 if letter.isspace() else 1.0), usual * 4)


async def find(
    stage: Stage, selectors: Sequence[str], *, visible: bool, timeout_s: float | None
) -> tuple[Locator, str]:
    """The first element of the first selector that matches one, as soon as any does.

    Raises UnfitError when none does in time.
    """
    tries = [_first(stage, selector, visible=visible) for selector in selectors]
    waits = [
        asyncio.ensure_future(one.wait_for(state="attached", timeout=stage.left_ms(timeout_s)))
        for one in tries
    ]
    try:
        await stage.within(_any_of(waits), timeout_s)
    except TimeoutError:
        pass  # said below, in the caller's words
    finally:
        for wait in waits:
            wait.cancel() if not wait.done() else None
        outcomes = await asyncio.gather(*waits, return_exceptions=True)
    for target, selector, outcome in zip(tries, selectors, outcomes, strict=True):
        if outcome is None:
            return target, selector
    for outcome in outcomes:
        if isinstance(outcome, Error) and type(outcome).__name__ != "TimeoutError":
            raise outcome
    seen = "can be seen" if visible else "is there"
    raise UnfitError(f"nothing {seen} that matches {' or '.join(selectors)}")


async def _any_of(waits: Sequence[asyncio.Future[None]]) -> None:
    """Returns when one has succeeded or all have failed."""
    pending = set(waits)
    while pending:
        done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
        if any(not one.cancelled() and one.exception() is None for one in done):
            return


def _first(stage: Stage, selector: str, *, visible: bool) -> Locator:
    seen = " >> visible=true" if visible else ""
    return stage.page.locator(f"css={selector}{seen}").first
