"""What stores of results have in common: packs by hour, addresses inside them, reading in pieces.

"results/2026112204/1a2b-9f3a….pack:4711:1024": the pack, the offset in it, the length.
"""

from __future__ import annotations

import os
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta

import msgspec

from windlass.errors import BlobMissing

RESULTS = "results"
HOUR = "%Y%m%d%H"
_ADDRESS = re.compile(r"(results/\d{10}/[0-9a-f-]+\.pack):(\d{1,15}):(\d{1,15})")
_STILL_WRITTEN = timedelta(hours=2)
"""An hour's packs are left alone for so long after it began, whatever is asked."""


class Address(msgspec.Struct, frozen=True):
    """Where the bytes of one result are."""

    pack: str
    offset: int
    length: int

    def __str__(self) -> str:
        return f"{self.pack}:{self.offset}:{self.length}"

    @classmethod
    def of(cls, text: str) -> Address:
        """The address that was once made into a text. Raises BlobMissing."""
        known = _ADDRESS.fullmatch(text)
        if known is None:
            raise BlobMissing(f"{text!r} is not an address of this store")
        return cls(known[1], int(known[2]), int(known[3]))

    def piece(self, start: int, length: int) -> Address:
        """A part of it, cut at its end."""
        return Address(self.pack, self.offset + start, min(length, self.length - start))


class Pieces(msgspec.Struct, frozen=True):
    """A result read piece by piece with `read`, each of at most `piece` bytes."""

    address: Address
    read: Callable[[Address], Awaitable[bytes]]
    piece: int = 1024 * 1024

    @property
    def size(self) -> int:
        """Bytes of the result."""
        return self.address.length

    async def chunks(self) -> AsyncIterator[bytes]:
        """Its bytes, in order. Raises BlobMissing."""
        for start in range(0, self.size, self.piece):
            yield await self.read(self.address.piece(start, self.piece))


def pack_name(hour: str) -> str:
    """A name for a pack of an hour, no other process's and never given again."""
    return f"{RESULTS}/{hour}/{os.getpid():x}-{os.urandom(6).hex()}.pack"


def hour_over(name: str, before: datetime) -> bool:
    """Whether a folder is one of ours and all in it was put before a moment."""
    try:
        began = datetime.strptime(name, HOUR).replace(tzinfo=UTC)
    except ValueError:
        return False
    return began + timedelta(hours=1) < min(before, datetime.now(UTC) - _STILL_WRITTEN)
