"""Bytes by key: results now, uploads, inputs and artifacts later. One seam, a file per store."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from windlass.registry import Registry


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

    async def aclose(self) -> None: ...


BLOBS: Registry[type[Blobs]] = Registry("blobs", {"file": "windlass.blobs.file:FileBlobs"})
