"""Webhooks: one signed POST to one receiver, and what was seen. Knows no tasks and no vendor.

`sender.Sender` sends a Post and gives an Answer; kinds/webhook.py calls it, schedules by
`schedule.next_delay` and keeps what was seen. Light to import: only sender.py loads aiohttp.
"""

from __future__ import annotations

from uuid import UUID

import msgspec

from windlass.model.delivery import Sight
from windlass.model.page import Failure


class Post(msgspec.Struct, frozen=True, kw_only=True):
    """One try to send one webhook.

    `headers` are the caller's own; `body` is JSON in UTF-8; `attempt` counts from 1; `secrets` are
    all that are active ("whsec_…"), none leaves the webhook unsigned.
    """

    url: str
    headers: dict[str, str]
    body: bytes
    delivery_id: UUID
    attempt: int
    secrets: tuple[str, ...]


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a Post. `failure` None: any 2xx. `retry_after_s` is the receiver's wish."""

    sight: Sight
    failure: Failure | None = None
    retry_after_s: float | None = None
