"""Accounts and API keys. The database holds hashes only."""

from __future__ import annotations

import base64
import hashlib
import secrets
from uuid import UUID, uuid4

from windlass.errors import NotFound, Unauthorized
from windlass.model.account import MAIN, Account, KeyRecord, WebhookSecret
from windlass.storage.database import Database

SECRET_OVERLAP_S = 24 * 3600.0
"""How long a webhook secret stays active beside the one that has replaced it."""
_SHOWN = 8
"""Characters of a key that lists may show."""


def new_key() -> str:
    """A fresh API key with 256 random bits."""
    return "wl_" + secrets.token_urlsafe(32)


def digest_of(key: str) -> bytes:
    """What is kept of a key."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()


class Accounts:
    """The account and key tables."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(self, key: str) -> Account:
        """Whose key this is. Raises Unauthorized."""
        row = await self._database.fetch_row("find_key", digest_of(key))
        if row is None:
            raise Unauthorized
        return Account(row["id"], row["name"], row["key_id"])

    async def used(self, key_ids: list[UUID]) -> None:
        """Remembers that keys were used."""
        await self._database.execute("touch_keys", key_ids)

    async def create_key(self, account: str, key: str | None = None) -> tuple[KeyRecord, str]:
        """A key for an account, which is made if it is new. The key's text is returned once."""
        text = key or new_key()
        row = await self._database.fetch_row("ensure_account", account, durable=True)
        if row is None:  # made by someone else between the two halves of the statement
            row = await self._database.fetch_row("ensure_account", account, durable=True)
        assert row is not None
        made = await self._database.fetch_row(
            "insert_key", uuid4(), row["id"], digest_of(text), text[:_SHOWN], durable=True
        )
        assert made is not None
        return KeyRecord(made["id"], account, text[:_SHOWN], made["created_at"]), text

    async def keys(self) -> tuple[KeyRecord, ...]:
        """All keys of all accounts, newest first."""
        rows = await self._database.fetch("list_keys")
        return tuple(
            KeyRecord(
                row["id"],
                row["account"],
                row["prefix"],
                row["created_at"],
                row["last_used_at"],
                row["revoked_at"],
            )
            for row in rows
        )

    async def webhook_secrets(self, account_id: int) -> tuple[WebhookSecret, ...]:
        """What an account's webhooks are signed with, the newest first: from one to five."""
        rows = await self._database.fetch("active_secrets", account_id)
        if not rows:
            # Of two that make the first one at once, one wins.
            await self._database.execute(
                "first_secret", account_id, new_webhook_secret(), durable=True
            )
            rows = await self._database.fetch("active_secrets", account_id)
        return tuple(
            WebhookSecret(row["secret"], row["created_at"], row["expires_at"]) for row in rows
        )

    async def rotate_webhook_secret(
        self, account_id: int, overlap_s: float, secret: str | None = None
    ) -> tuple[WebhookSecret, ...]:
        """Makes a new secret, or `secret` unless the account has had it before, the current one;
        the one before it stays active for `overlap_s` seconds. All that are active."""
        new = secret or new_webhook_secret()
        await self._database.execute("rotate_secret", account_id, new, overlap_s, durable=True)
        return await self.webhook_secrets(account_id)

    async def revoke(self, key_id: UUID) -> None:
        """Revokes a key; again is no error. Raises NotFound."""
        if await self._database.fetch_row("revoke_key", key_id, durable=True) is None:
            raise NotFound("Key not found")


def new_webhook_secret() -> str:
    """A fresh secret to sign webhooks with, in the form that the Standard Webhooks project has."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()


async def ensure_bootstrap(dsn: str, key: str, webhook_secret: str) -> None:
    """Makes the operator's key, and the webhook secret if there is one, those of account main."""
    database = await Database.open(dsn, size=1)
    try:
        accounts = Accounts(database)
        await accounts.create_key(MAIN, key)
        if webhook_secret:
            account = await accounts.find(key)
            await accounts.rotate_webhook_secret(account.id, SECRET_OVERLAP_S, webhook_secret)
    finally:
        await database.aclose()
