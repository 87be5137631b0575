"""Pictures of a page, whole or what is seen (contract 7.2, 7.6). Used by actions and the driver."""

from __future__ import annotations

from base64 import b64decode
from typing import Any

from playwright.async_api import Error

from windlass.drivers.browser.pointing import UnfitError
from windlass.drivers.browser.stage import Stage, is_gone
from windlass.model.render import Screenshot, TakeScreenshot

LONGEST_PX = 16_383
"""Beyond it Chromium repeats or leaves out parts: textures end at 16,384, WebP one before."""
_LARGEST_PX = 60_000_000
"""Pixels of a picture: 4 bytes each while it is made."""
_FONTS_S = 3.0
_TAKING_S = 60.0
_FONTS = "document.fonts ? document.fonts.ready.then(() => true) : true"


async def take_screenshot(
    stage: Stage, wish: TakeScreenshot, *, by_action: bool
) -> tuple[Screenshot, str]:
    """The picture, and what is missing of it ("" = nothing).

    Raises UnfitError, TimeoutError and the library's Error.
    """
    await _settle(stage)
    if wish.full_page:
        return await _whole(stage, wish, by_action=by_action)
    data = await _take(stage, wish, None)
    return _made(data, wish, by_action), ""


def _made(data: bytes, wish: TakeScreenshot, by_action: bool) -> Screenshot:
    return Screenshot(
        data=data,
        format=wish.format,
        full_page=wish.full_page,
        source="action" if by_action else "format",
    )


async def _settle(stage: Stage) -> None:
    """Waits for fonts that are being loaded; a page that does not tell is taken as it is."""
    try:
        await stage.within(stage.page.evaluate(_FONTS), _FONTS_S)
    except TimeoutError:
        return
    except Error as error:
        if is_gone(error):
            raise


async def _whole(stage: Stage, wish: TakeScreenshot, *, by_action: bool) -> tuple[Screenshot, str]:
    metrics: Any = await stage.send("Page.getLayoutMetrics", _TAKING_S)
    size = metrics["cssContentSize"]
    width = max(1, min(LONGEST_PX, round(size["width"])))
    full = max(1, round(size["height"]))
    height = min(full, LONGEST_PX, max(1, _LARGEST_PX // width))
    while True:
        clip = {"x": 0, "y": 0, "width": width, "height": height, "scale": 1}
        data = await _take(stage, wish, clip)
        if data and len(data) <= stage.limit_bytes:
            break
        if height < 64:
            raise UnfitError("the picture is too large")
        height //= 2
    note = "" if height == full else f"screenshot: the first {height} of {full} pixels are shown"
    return _made(data, wish, by_action), note


async def _take(stage: Stage, wish: TakeScreenshot, clip: dict[str, float] | None) -> bytes:
    params: dict[str, Any] = {"format": wish.format, "optimizeForSpeed": False}
    if wish.quality is not None and wish.format != "png":
        params["quality"] = wish.quality
    if clip is not None:
        params |= {"clip": clip, "captureBeyondViewport": True}
    answer = await stage.send("Page.captureScreenshot", _TAKING_S, **params)
    return b64decode(str(answer.get("data", "")))
