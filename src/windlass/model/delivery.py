"""Delivery: where a task's result and its news go, and what one attempt to bring them saw.

`DeliveryOptions` is a caller's wish, valid for many tasks; `Delivery` one task's, stored with it.
"""

from __future__ import annotations

from uuid import UUID

import msgspec


class Webhook(msgspec.Struct, frozen=True, kw_only=True):
    """A receiver of news. `headers` are the caller's own, sent verbatim."""

    url: str
    headers: dict[str, str] = {}


class Upload(msgspec.Struct, frozen=True, kw_only=True):
    """One object in a bucket. `url` is whole: "s3://bucket/prefix/name.json.gz"."""

    url: str
    compress: bool = False


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """What one task's end sets off. `base` is the address that links in its webhook start with,
    without a final slash."""

    upload: Upload | None = None
    webhook: Webhook | None = None
    base: str = ""


class Folder(msgspec.Struct, frozen=True, kw_only=True):
    """Where objects go: "s3://bucket/prefix/" (always with the final slash) or "gs://…".

    `name` replaces the task id as an object's name; `shared` says that several tasks have it, so
    that their ids are added. The extension is not part of it.
    """

    url: str
    name: str | None = None
    shared: bool = False
    compress: bool = False

    def upload_of(self, task_id: UUID) -> Upload:
        """The object of one task (contract 6.3)."""
        name = self.name or str(task_id)
        for extension in (".gz", ".json"):
            name = name.removesuffix(extension)
        if self.name and self.shared:
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
