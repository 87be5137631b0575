"""Which sites' pages are nothing without a browser, shared by all processes.

Asked by extraction before it tries plain HTTP in vain. What was seen holds for a day.
"""

from __future__ import annotations

import time

import structlog

from windlass.storage.database import CONNECTION_ERRORS, Database

log = structlog.get_logger(__name__)

_HELD = 2048
_HELD_S = 300.0


class RenderedSites:
    """The rendered_site table, with what was asked lately in memory. One per process."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._held: dict[str, tuple[float, bool]] = {}

    async def needs_browser(self, site: str) -> bool:
        """Whether a page of the site (host and port) proved to need one within a day.

        Without the database: no, for a plain try costs little.
        """
        held = self._held.get(site)
        if held is not None and held[0] > time.monotonic():
            return held[1]
        try:
            row = await self._database.fetch_row("read_rendered_site", site)
        except CONNECTION_ERRORS as error:
            log.info("rendered_sites_unknown", reason=repr(error))
            return False
        self._hold(site, row is not None)
        return row is not None

    async def remember(self, site: str) -> None:
        """Takes note that a page of the site needed one."""
        self._hold(site, True)
        try:
            await self._database.execute("save_rendered_site", site)
        except CONNECTION_ERRORS as error:
            log.info("rendered_site_not_kept", reason=repr(error))

    def _hold(self, site: str, needs: bool) -> None:
        self._held.pop(site, None)
        while len(self._held) >= _HELD:
            del self._held[next(iter(self._held))]
        self._held[site] = (time.monotonic() + _HELD_S, needs)
