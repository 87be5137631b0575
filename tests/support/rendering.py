"""The browser driver for tests: it may dial 127.0.0.1 alone, and nothing is left of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from windlass.drivers.browser.driver import BrowserDriver
from windlass.net.guard import AddressGuard
from windlass.net.resolving import Resolve
from windlass.settings import Settings, parse_networks


@asynccontextmanager
async def rendering(
    data: Path, resolve: Resolve | None = None, **settings: Any
) -> AsyncIterator[BrowserDriver]:
    """A driver for the length of a block; a folder that it leaves behind fails the test."""
    guard = AddressGuard(parse_networks("127.0.0.1/32"))
    driver = BrowserDriver(Settings(data=data, **settings), guard, resolve=resolve)
    try:
        yield driver
    finally:
        await driver.aclose()
    assert list((data / "browsers").glob("*")) == []
