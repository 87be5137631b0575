"""Bytes by key: results now, uploads, inputs and artifacts later. One seam, a file per store."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol
from uuid import UUID

from windlass.errors import SettingsError
from windlass.registry import Registry
from windlass.settings import Settings


class Blobs(Protocol):
    """Stores bytes under keys such as "results/ab/abcd….json"."""

    async def put(self, items: Sequence[tuple[str, bytes]]) -> None:
        """Durably stores every item, replacing what was there; all or raises StorageFull."""
        ...

    async def get(self, key: str) -> bytes:
        """The bytes. Raises BlobMissing."""
        ...

    async def delete(self, keys: Sequence[str]) -> None:
        """Deletes; missing keys are no error."""
        ...

    async def sweep(self) -> None:
        """Removes what writers that were killed left behind."""
        ...

    async def aclose(self) -> None: ...


BLOBS: Registry[Callable[[Settings], Blobs]] = Registry(
    "blobs", {"file": "windlass.blobs.file:open_file_blobs"}
)


def open_blobs(settings: Settings) -> Blobs:
    """The store that `settings.results_url` names by its scheme. Raises SettingsError."""
    scheme = settings.results_url.partition("://")[0] or "file"
    if scheme not in BLOBS:
        known = ", ".join(f"{name}://" for name in BLOBS)
        raise SettingsError(f"WINDLASS_RESULTS_URL must be empty or start with one of: {known}")
    return BLOBS.get(scheme)(settings)


def result_key(task_id: UUID, attempt: int) -> str:
    """Where the result of one attempt lives, spread over 256 folders.

    Each attempt has a key of its own: a worker that comes back after its lease ran out writes
    its bytes before it learns that its outcome is dropped.
    """
    text = str(task_id)
    return f"results/{text[:2]}/{text}-{attempt}.json"


def result_keys(task_id: UUID, attempts: int) -> list[str]:
    """Every key that a task with so many attempts may have written to."""
    return [result_key(task_id, attempt) for attempt in range(1, attempts + 1)]
