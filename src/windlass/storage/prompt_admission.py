"""Admission right when a task is accepted, where its lane is free; workers do the rest.

Run by the service of every API process, which says where something waits.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence

import asyncpg
import structlog

from windlass.settings import Settings
from windlass.storage.admission import Admission
from windlass.storage.closedlanes import turn_away
from windlass.storage.database import CONNECTION_ERRORS, Database

log = structlog.get_logger(__name__)


class PromptAdmission:
    """The lanes where something waits now. One per API process."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database = database
        self._settings = settings
        self._admission = Admission(database, settings)
        self._told = asyncio.Event()
        self._armed: list[str] = []
        self._urgent: list[str] = []

    def arm(self, lanes: Iterable[str]) -> None:
        """Has lanes looked at where something waits now."""
        self._armed.extend(lanes)
        if self._armed:
            self._told.set()

    def hurry(self, lane: str) -> None:
        """The same where somebody waits for it: ahead of the backlog."""
        self._urgent.append(lane)
        self._told.set()

    async def run(self) -> None:
        """Admits; never returns."""
        while True:
            await self._told.wait()
            self._told.clear()
            armed, urgent = self._armed, self._urgent
            self._armed, self._urgent = [], []
            try:
                await self._admission.arm([*armed, *urgent])
                await self._admit_urgent(urgent)
                if armed:
                    await self._admission.admit()
            except (asyncpg.PostgresError, *CONNECTION_ERRORS) as error:
                # The tasks are safe; a worker's recovery arms their lanes.
                log.warning("admission_deferred", reason=repr(error), tasks=len(armed + urgent))

    async def _admit_urgent(self, lanes: Sequence[str]) -> None:
        """Hands on what somebody waits for; who asks for a host that is left alone is told so."""
        if not lanes:
            return
        closed = (await self._admission.admit_interactive(lanes)).closed
        if closed:
            await turn_away(self._database, self._settings, closed)
