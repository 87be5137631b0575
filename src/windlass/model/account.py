"""Accounts, their API keys and webhook secrets. A key's text exists only in the reply that
creates it."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import msgspec

MAIN = "main"
"""The account that administers the server."""


class Account(msgspec.Struct, frozen=True):
    """Who a request belongs to, and the key that proved it."""

    id: int
    name: str
    key_id: UUID

    @property
    def administers(self) -> bool:
        """Whether this account may manage keys and accounts."""
        return self.name == MAIN


class KeyRecord(msgspec.Struct, frozen=True):
    """What is known of a key: never the key itself, only its first characters."""

    id: UUID
    account: str
    prefix: str
    created_at: datetime
    last_used_at: datetime | None = None
    revoked_at: datetime | None = None


class WebhookSecret(msgspec.Struct, frozen=True):
    """What webhooks of an account are signed with ("whsec_…"), until `expires_at` if that is
    set: then a newer one has replaced it."""

    secret: str
    created_at: datetime
    expires_at: datetime | None = None

    def __repr__(self) -> str:
        return "WebhookSecret(…)"
