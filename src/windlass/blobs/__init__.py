"""Result bytes, and later uploads, inputs and artifacts. One seam, a file per store."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Protocol

from windlass.buckets import Source as Source
from windlass.errors import SettingsError
from windlass.registry import Registry
from windlass.settings import Settings


class Blobs(Protocol):
    """Stores bytes and says under which address they can be read again, by any process."""

    async def put(self, contents: Sequence[bytes]) -> Sequence[str]:
        """Durably stores everything; addresses in the same order. All, or raises StorageFull or
        ResultsUnavailable.

        Storing twice gives two addresses: a late worker never touches what another one stored.
        """
        ...

    async def get(self, address: str) -> bytes:
        """The bytes. Raises BlobMissing, ResultsUnavailable."""
        ...

    async def source(self, address: str) -> Source:
        """The bytes, to be read in pieces: for what may be large. Raises BlobMissing, as does
        reading."""
        ...

    async def expire(self, before: datetime) -> None:
        """Removes, within an hour or so, what was put before a moment."""
        ...

    async def aclose(self) -> None:
        """Waits for writes under way."""
        ...


BLOBS: Registry[Callable[[Settings], Blobs]] = Registry(
    "blobs",
    {
        "file": "windlass.blobs.file:open_file_blobs",
        "s3": "windlass.blobs.bucket:BucketBlobs",
        "gs": "windlass.blobs.bucket:BucketBlobs",
    },
)


def open_blobs(settings: Settings) -> Blobs:
    """The store that `settings.results_url` names by its scheme. Raises SettingsError."""
    scheme = settings.results_url.partition("://")[0] or "file"
    if scheme not in BLOBS:
        known = ", ".join(f"{name}://" for name in BLOBS)
        raise SettingsError(f"WINDLASS_RESULTS_URL must be empty or start with one of: {known}")
    return BLOBS.get(scheme)(settings)
