"""The `headers` format: names in lower case, several of one name joined (contract 7.2)."""

from __future__ import annotations

from windlass.formats import PageFormat
from windlass.model.page import Page


def headers_of(page: Page) -> dict[str, str]:
    """The final answer's headers, in the order they came."""
    joined: dict[str, str] = {}
    for name, value in page.headers:
        key = name.lower()
        # A comma separates values (RFC 9110, section 5.3); in Set-Cookie it may be part of one.
        separator = "\n" if key == "set-cookie" else ", "
        joined[key] = f"{joined[key]}{separator}{value}" if key in joined else value
    return joined


HEADERS = PageFormat("headers", headers_of)
