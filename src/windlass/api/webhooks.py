"""Calls about what webhooks of the calling account are signed with. Ours, not the vendor's."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from windlass.api.call import Call, Reply
from windlass.api.verbs import Verbs
from windlass.model.account import WebhookSecret
from windlass.wire.document import read_document
from windlass.wire.v1_terms import Time, timestamp

_NOT_STORED = (("cache-control", "no-store"),)


class SecretItem(msgspec.Struct, kw_only=True):
    """What webhooks are signed with."""

    secret: Annotated[
        str, Meta(description="In the form that Standard Webhooks libraries take: whsec_….")
    ]
    created_at: Time
    expires_at: Annotated[Time | None, Meta(description="Null: it is the current one.")]


class SecretList(msgspec.Struct):
    """All active secrets, the current one first. Webhooks carry a signature by each."""

    data: list[SecretItem]


class RotateBody(msgspec.Struct, kw_only=True):
    """How long the secret before stays active beside the new one."""

    overlap: Annotated[
        float,
        Meta(
            ge=0,
            le=30 * 86400,
            description="Seconds. 0 takes up to ten seconds, too: until every process knows.",
        ),
    ] = 86400.0


class WebhookSecrets:
    """Handlers that show and change the secrets of the calling account."""

    def __init__(self, service: Verbs) -> None:
        self._service = service

    async def show(self, call: Call) -> Reply:
        """All active secrets."""
        return _listed(await self._service.webhook_secrets(call.account))

    async def rotate(self, call: Call) -> Reply:
        """Makes a new secret."""
        body = read_document(call.body or b"{}", RotateBody)
        return _listed(await self._service.rotate_webhook_secret(call.account, body.overlap))


def _listed(secrets: tuple[WebhookSecret, ...]) -> Reply:
    items = [
        SecretItem(
            secret=each.secret,
            created_at=timestamp(each.created_at),
            expires_at=None if each.expires_at is None else timestamp(each.expires_at),
        )
        for each in secrets
    ]
    return Reply(msgspec.json.encode(SecretList(items)), headers=_NOT_STORED)
