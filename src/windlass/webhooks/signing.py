"""Signatures by the Standard Webhooks scheme, one for each active secret. Used by headers.py."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from standardwebhooks import Webhook


def signatures(secrets: Iterable[str], delivery_id: str, at: datetime, body: bytes) -> str:
    """The value of `webhook-signature`: receivers take any one of them ("v1,… v1,…").

    `at` must be in UTC: the library replaces another zone instead of converting it.
    """
    text = body.decode()
    return " ".join(Webhook(secret).sign(delivery_id, at, text) for secret in secrets)
