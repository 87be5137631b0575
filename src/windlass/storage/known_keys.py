"""API keys in use: whose they are, remembered for a moment, and that they were used.

Asked by the service for every call, so most calls cost the database nothing.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from uuid import UUID

from windlass.lately import Lately
from windlass.model.account import Account
from windlass.storage.accounts import Accounts, digest_of
from windlass.storage.database import CONNECTION_ERRORS

_REMEMBERED_S = 10.0
_REMEMBERED = 10_000
_TOUCH_EVERY_S = 30.0


class KnownKeys:
    """The keys that one process has seen lately."""

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts
        self._known: Lately[bytes, Account] = Lately(_REMEMBERED, _REMEMBERED_S)
        self._used: set[UUID] = set()

    async def account_of(self, key: str) -> Account:
        """Whose key this is, or was ten seconds ago. Raises Unauthorized."""
        digest = digest_of(key)
        known = self._known.get(digest)
        if known is not None:
            return known
        asked_at = time.monotonic()
        account = await self._accounts.find(key)
        self._known.keep(digest, account, asked_at)
        self._used.add(account.key_id)
        return account

    def forget(self) -> None:
        """Asks the database for every key again."""
        self._known.clear()

    async def note_use(self) -> None:
        """Writes down now and then which keys were used; never returns."""
        while True:
            await asyncio.sleep(_TOUCH_EVERY_S)
            used, self._used = self._used, set()
            if used:
                with suppress(*CONNECTION_ERRORS):
                    await self._accounts.used(list(used))
