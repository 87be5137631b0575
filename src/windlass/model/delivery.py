"""Delivery: where a task's result and its news go, and what one attempt to bring them saw.

`DeliveryOptions` is a caller's wish, valid for many tasks; `Delivery` one task's, stored with it.
"""

from __future__ import annotations

import re
from typing import Any
from uuid import UUID

import msgspec

RESERVED_HEADERS = frozenset(
    (
        "content-encoding",
        "content-length",
        "content-type",
        "host",
        "webhook-id",
        "webhook-signature",
        "webhook-timestamp",
        "x-nimble-attempt",
        "x-nimble-delivery-id",
    )
)
"""Headers that a webhook has of its own, in lower case: callers may not set them."""

_EXTENSION = re.compile(r"\.json(?:\.gz)?\Z")


class Webhook(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A receiver of news. `url` holds neither user nor password. `headers` are the caller's own,
    sent verbatim, and secret.

    A group's receiver hears of `events` only (empty: of all), with `metadata` in every body.
    """

    url: str
    headers: dict[str, str] = {}
    events: tuple[str, ...] = ()
    metadata: dict[str, Any] = {}

    def __repr__(self) -> str:
        return f"Webhook({self.url.split('?')[0]!r})"


class Upload(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One object in a bucket. `url` is whole: "s3://bucket/prefix/name.json.gz". What follows the
    bucket is the key, character by character: nothing in it is percent-encoded."""

    url: str
    compress: bool = False


class Delivery(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one task's end sets off. `base` is the address that links in its webhook start with,
    without a final slash."""

    upload: Upload | None = None
    webhook: Webhook | None = None
    base: str = ""


class Folder(msgspec.Struct, frozen=True, kw_only=True):
    """Where objects go: "s3://bucket/prefix/" (always with the final slash) or "gs://…".

    `name` replaces the task id as an object's name; `shared` says that several tasks have it, so
    that their ids are added. An extension that it ends with already is not doubled.
    """

    url: str
    name: str | None = None
    shared: bool = False
    compress: bool = False

    def upload_of(self, task_id: UUID) -> Upload:
        """The object of one task (contract 6.3)."""
        name = str(task_id) if self.name is None else _EXTENSION.sub("", self.name)
        if self.name is not None and self.shared:
            name = f"{name}-{task_id}"
        extension = ".json.gz" if self.compress else ".json"
        return Upload(url=f"{self.url}{name}{extension}", compress=self.compress)


class DeliveryOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How the results of the tasks of one call reach their owner, beside polling."""

    folder: Folder | None = None
    webhook: Webhook | None = None
    base: str = ""

    def for_task(self, task_id: UUID) -> Delivery | None:
        """One task's part, None if there is nothing but polling."""
        if self.folder is None and self.webhook is None:
            return None
        upload = self.folder.upload_of(task_id) if self.folder else None
        return Delivery(upload=upload, webhook=self.webhook, base=self.base)


class Sight(msgspec.Struct, frozen=True, kw_only=True):
    """What one attempt to deliver saw: the receiver's status, how long it took, the first bytes of
    its answer as text."""

    status_code: int | None = None
    duration_ms: int = 0
    answer: str = ""
