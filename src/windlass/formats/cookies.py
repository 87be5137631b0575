"""The `cookies` format: the cookies that apply after the page was loaded (contract 7.2)."""

from __future__ import annotations

from windlass.formats import PageFormat
from windlass.model.page import Page
from windlass.model.request import Cookie


def cookies_of(page: Page) -> list[Cookie]:
    """Cookies as the driver's jar holds them."""
    return list(page.cookies)


COOKIES = PageFormat("cookies", cookies_of)
