"""Scrolling: once, or until nothing more is loaded (contract 7.6). Used by actions.py."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
from playwright.async_api import Error

from windlass.drivers.browser.pointing import UnfitError, find
from windlass.drivers.browser.stage import Stage
from windlass.model.render import AutoScroll, Scroll

_STEP_S = 10.0
"""For a page to answer one step."""
_CLICK_S = 3.0
_PAUSE_S = 0.2
"""Between two looks at a page that is not to be scrolled now."""
_SHORTEST_S = 0.02

_SCROLL = """({container, x, y, edge}) => new Promise((resolve, reject) => {
  const box = container === null ? (document.scrollingElement || document.documentElement)
    : container.map(one => document.querySelector(one)).find(Boolean);
  if (!box) { reject(new Error('the container is not there')); return; }
  const to = {behavior: 'instant'};
  if (edge) box.scrollTo({...to, top: edge === 'top' ? 0 : box.scrollHeight});
  else box.scrollBy({...to, left: x, top: y});
  setTimeout(resolve, 50);
  requestAnimationFrame(() => requestAnimationFrame(resolve));
})"""
_CENTRE = "e => e.scrollIntoView({block: 'center', inline: 'nearest', behavior: 'instant'})"
_STEP = """({container, step, pause, loading, click}) => {
  const seen = selectors => selectors.some(one => [...document.querySelectorAll(one)].some(e => {
    const box = e.getBoundingClientRect();
    return box.width > 0 && box.height > 0 && getComputedStyle(e).visibility !== 'hidden';
  }));
  const box = container.length ? container.map(one => document.querySelector(one)).find(Boolean)
    : (document.scrollingElement || document.documentElement);
  if (!box) return null;
  const paused = seen(pause), before = box.scrollTop;
  const view = container.length ? box.clientHeight : innerHeight;
  if (!paused) box.scrollBy({top: step || view * 0.9, behavior: 'instant'});
  const atEnd = box.scrollTop + view >= box.scrollHeight - 2;
  return {paused, moved: box.scrollTop - before, height: box.scrollHeight, atEnd,
    loading: seen(loading), button: atEnd && seen(click)};
}"""


class _Step(msgspec.Struct):
    """What one step came to. `height` of all there is, `moved` in pixels."""

    paused: bool
    moved: float
    height: float
    atEnd: bool  # noqa: N815 - the page's words
    loading: bool
    button: bool


async def scroll(stage: Stage, action: Scroll, timeout_s: float | None) -> None:
    """Scrolls once. Raises UnfitError, TimeoutError and the library's Error."""
    if action.to:
        target, _ = await find(stage, action.to, visible=action.visible, timeout_s=timeout_s)
        await stage.within(target.evaluate(_CENTRE), timeout_s)
        return
    if action.container:
        await find(stage, action.container, visible=action.visible, timeout_s=timeout_s)
    wish = {
        "container": list(action.container) or None,
        "x": action.x,
        "y": action.y,
        "edge": action.edge,
    }
    await stage.within(stage.page.evaluate(_SCROLL, wish), timeout_s)


async def auto_scroll(stage: Stage, action: AutoScroll) -> int:
    """Scrolls until the end stays where it is, and says how many pixels that were."""
    loop = asyncio.get_running_loop()
    ends = loop.time() + stage.left_s(action.max_duration_ms / 1000)
    progress, height, scrolled = loop.time(), 0.0, 0.0
    while (now := loop.time()) < ends:
        step = await _step(stage, action)
        scrolled += step.moved
        clicked = step.button and await _click_more(stage, action)
        if step.moved >= 1 or step.height > height or step.loading or step.paused or clicked:
            progress = now
        elif now - progress >= action.idle_timeout_ms / 1000:
            break
        height = step.height
        pause_s = _PAUSE_S if step.paused else max(_SHORTEST_S, action.delay_ms / 1000)
        await asyncio.sleep(min(pause_s, max(0.0, ends - loop.time())))
    return round(scrolled)


async def _step(stage: Stage, action: AutoScroll) -> _Step:
    wish = {
        "container": list(action.container),
        "step": action.step_px,
        "pause": list(action.pause_on),
        "loading": list(action.loading),
        "click": list(action.click),
    }
    answer: Any = await stage.within(stage.page.evaluate(_STEP, wish), _STEP_S)
    if answer is None:
        raise UnfitError("the container is not there")
    return msgspec.convert(answer, _Step)


async def _click_more(stage: Stage, action: AutoScroll) -> bool:
    """Whether the button could be clicked; it may go just now, which is no failure."""
    selector = ", ".join(action.click)
    button = stage.page.locator(f"css=:is({selector}) >> visible=true").first
    try:
        await stage.within(button.click(timeout=stage.left_ms(_CLICK_S)), _CLICK_S)
    except (Error, TimeoutError):
        return False
    return True
