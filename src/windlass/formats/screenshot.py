"""The `screenshot` format: the whole page as a picture (contract 7.2). Rendered pages have one."""

from __future__ import annotations

from windlass.formats import PageFormat
from windlass.model.page import Page


def screenshot_of(page: Page) -> bytes | None:
    """The picture that the format asked for; None if none could be taken."""
    pictures = page.rendering.screenshots if page.rendering else ()
    return next((one.data for one in pictures if one.source == "format"), None)


SCREENSHOT = PageFormat("screenshot", screenshot_of)
