"""The browser contexts that sessions keep between their pages: storage, caches, connections.

One keeper per browser, with which they end. Cookies are not its affair: they come with every
request and go back with it. Called by tab.py and, for what nobody came back to, the pool.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from playwright.async_api import Browser, BrowserContext, Error

MOST_KEPT = 16
_IDLE_S = 300.0
_AGE_S = 3600.0
_CLOSES_S = 5.0


@dataclass
class _Kept:
    context: BrowserContext
    options: Mapping[str, Any]
    idle_s: float
    born_at: float = field(default_factory=time.monotonic)
    used_at: float = 0.0
    users: int = 0

    @property
    def over(self) -> bool:
        """Whether it is to be used no more."""
        now = time.monotonic()
        return now - self.born_at > _AGE_S or (not self.users and now - self.used_at > self.idle_s)


@dataclass(frozen=True)
class Lent:
    """A context for one page. `alone`: nobody else has a page in it now; `fresh`: nobody ever had;
    `kept`: it outlives the page, which has to be closed then."""

    context: BrowserContext
    alone: bool = True
    fresh: bool = True
    kept: bool = False


class Contexts:
    """Makes contexts, and keeps those of sessions."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._kept: dict[str, _Kept] = {}
        self._making = asyncio.Lock()

    def __len__(self) -> int:
        return len(self._kept)

    @asynccontextmanager
    async def lend(
        self, key: str, idle_s: float, options: Mapping[str, Any]
    ) -> AsyncIterator[Lent]:
        """A context with such options for the block; the same to all who name the same key.

        No key, other options than those it was made with while somebody uses it, or no room: one
        of its own, which the caller has to close. Raises the library's Error.
        """
        kept = await self._shared(key, idle_s, options) if key else None
        if kept is None:
            yield Lent(await self._browser.new_context(**options))
            return
        lent = Lent(kept.context, alone=not kept.users, fresh=not kept.used_at, kept=True)
        kept.users += 1
        kept.used_at = time.monotonic()
        try:
            yield lent
        finally:
            kept.users -= 1
            kept.used_at = time.monotonic()

    async def sweep(self) -> None:
        """Closes those that nobody came back to in time."""
        for key, kept in list(self._kept.items()):
            if kept.over and not kept.users:
                await self._drop(key)

    async def _shared(self, key: str, idle_s: float, options: Mapping[str, Any]) -> _Kept | None:
        async with self._making:
            kept = self._kept.get(key)
            if kept is not None and (kept.over or kept.options != options):
                if kept.users:
                    return None
                await self._drop(key)
                kept = None
            if kept is None and await self._has_room():
                context = await self._browser.new_context(**options)
                kept = self._kept[key] = _Kept(context, options, min(idle_s, _IDLE_S))
            return kept

    async def _has_room(self) -> bool:
        """Whether one more may be kept, for which the one longest unused goes."""
        if len(self._kept) < MOST_KEPT:
            return True
        unused = [key for key, kept in self._kept.items() if not kept.users]
        if not unused:
            return False
        await self._drop(min(unused, key=lambda key: self._kept[key].used_at))
        return True

    async def _drop(self, key: str) -> None:
        context = self._kept.pop(key).context
        # One that cannot be closed goes with its browser, whose next page will find it stuck.
        with suppress(Error, TimeoutError):
            async with asyncio.timeout(_CLOSES_S):
                await context.close()
