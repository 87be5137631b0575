"""Calls that manage API keys. Ours, not the vendor's; only account main sees that they exist."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import Meta

from windlass.api.call import Call, Reply
from windlass.api.verbs import Verbs
from windlass.errors import NotFound
from windlass.model.account import MAIN, KeyRecord
from windlass.wire.document import read_document
from windlass.wire.v1_terms import Time, timestamp


class KeyBody(msgspec.Struct, kw_only=True):
    """Whose key to make; an account that does not exist yet is made too."""

    account: Annotated[
        str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$", description="Account name.")
    ] = MAIN


class KeyCreated(msgspec.Struct, kw_only=True):
    """A new key. `key` is its text, which no later answer shows again."""

    id: UUID
    key: str
    account: str
    created_at: Time


class KeyItem(msgspec.Struct, kw_only=True):
    """What is known of a key."""

    id: UUID
    account: str
    prefix: str
    created_at: Time
    last_used_at: Time | None
    revoked_at: Time | None


class KeyList(msgspec.Struct):
    """All keys, newest first."""

    data: list[KeyItem]


class Keys:
    """Handlers for account main; for everybody else these paths do not exist."""

    def __init__(self, service: Verbs) -> None:
        self._service = service

    async def create(self, call: Call) -> Reply:
        """Makes a key."""
        _require_administrator(call)
        body = read_document(call.body or b"{}", KeyBody)
        record, key = await self._service.create_key(call.account, body.account)
        created = KeyCreated(
            id=record.id,
            key=key,
            account=record.account,
            created_at=timestamp(record.created_at),
        )
        return Reply(msgspec.json.encode(created), headers=(("cache-control", "no-store"),))

    async def list(self, call: Call) -> Reply:
        """All keys."""
        _require_administrator(call)
        records = await self._service.keys(call.account)
        return Reply(msgspec.json.encode(KeyList([_item(record) for record in records])))

    async def revoke(self, call: Call) -> Reply:
        """Revokes a key."""
        _require_administrator(call)
        key_id = call.path_id("key_id", NotFound("Key not found"))
        await self._service.revoke_key(call.account, key_id)
        return Reply(b"", 204)


def _require_administrator(call: Call) -> None:
    if not call.account.administers:
        raise NotFound


def _item(record: KeyRecord) -> KeyItem:
    used, revoked = record.last_used_at, record.revoked_at
    return KeyItem(
        id=record.id,
        account=record.account,
        prefix=record.prefix,
        created_at=timestamp(record.created_at),
        last_used_at=None if used is None else timestamp(used),
        revoked_at=None if revoked is None else timestamp(revoked),
    )
