"""Which sites' pages are nothing without a browser, shared by all processes.

Asked by extraction before it tries plain HTTP in vain. What was seen holds for a day.
"""

from __future__ import annotations

import structlog

from windlass.lately import Lately
from windlass.storage.database import CONNECTION_ERRORS, Database

log = structlog.get_logger(__name__)

_HELD = 2048
_HELD_S = 300.0


class RenderedSites:
    """The rendered_site table, with what was asked lately in memory. One per process."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._held: Lately[str, bool] = Lately(_HELD, _HELD_S)

    async def needs_browser(self, site: str) -> bool:
        """Whether a page of the site (host and port) proved to need one within a day.

        Without the database: no, for a plain try costs little.
        """
        held = self._held.get(site)
        if held is not None:
            return held
        try:
            row = await self._database.fetch_row("read_rendered_site", site)
        except CONNECTION_ERRORS as error:
            log.info("rendered_sites_unknown", reason=repr(error))
            return False
        self._held.keep(site, row is not None)
        return row is not None

    async def remember(self, site: str) -> None:
        """Takes note that a page of the site needed one."""
        self._held.keep(site, True)
        try:
            await self._database.execute("save_rendered_site", site)
        except CONNECTION_ERRORS as error:
            log.info("rendered_site_not_kept", reason=repr(error))
