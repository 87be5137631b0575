"""Undoes gzip piece by piece and keeps all that can be had of a damaged file.

Used by sitemaps.py. net/decoding.py does the same for whole bodies and more codings; a sitemap is
told by its first bytes, not by a header, and must not be held in memory.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator

MAX_MEMBERS = 1_024
_MAGIC = b"\x1f\x8b"
_SLICE = 1_024
"""Bytes given to zlib at a time: at most a megabyte comes out."""
_GZIP = 31


def gunzipped(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The chunks inflated if they begin as gzip does, else as they are. Never raises for data."""
    source = iter(chunks)
    start = b""
    for chunk in source:
        start += chunk
        if len(start) >= len(_MAGIC):
            break
    if not start.startswith(_MAGIC):
        yield start
        yield from source
        return
    members = _Members()
    yield from members.pieces(start)
    for chunk in source:
        if members.ended:
            return
        yield from members.pieces(chunk)


class _Members:
    """The members of a gzip file, one behind the other (RFC 1952, section 2.2)."""

    def __init__(self) -> None:
        self.ended = False
        self._engine = zlib.decompressobj(_GZIP)
        self._left = MAX_MEMBERS

    def pieces(self, data: bytes) -> Iterator[bytes]:
        for begin in range(0, len(data), _SLICE):
            part = data[begin : begin + _SLICE]
            while part and not self.ended:
                yield from self._run(part)
                part = self._behind()

    def _run(self, part: bytes) -> Iterator[bytes]:
        before = self._engine.copy()
        try:
            yield self._engine.decompress(part)
        except zlib.error:
            self.ended = True
            yield from _salvaged(before, part)

    def _behind(self) -> bytes:
        """What follows a member that has ended, if it is another one."""
        if not self._engine.eof:
            return b""
        rest = self._engine.unused_data
        self._left -= 1
        if self._left <= 0 or (rest and not rest.startswith(_MAGIC[: len(rest)])):
            self.ended = True
        self._engine = zlib.decompressobj(_GZIP)
        return rest


def _salvaged(engine: zlib._Decompress, part: bytes) -> Iterator[bytes]:
    """What came out before the damage: zlib gives nothing of a call that fails."""
    for position in range(len(part)):
        try:
            yield engine.decompress(part[position : position + 1])
        except zlib.error:
            return
