"""Gzip of what passes by, the same bytes for the same content every time. Used by Buckets."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator

LEVEL = 6
_GZIP = 31
"""Window bits that make zlib write a gzip header; its time and name are left empty (RFC 1952)."""
_INLINE_BYTES = 16_384
"""Below this a thread costs more than compressing."""
_PIECE_BYTES = 1024 * 1024


async def gzipped(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """One gzip member of all chunks; the event loop does none of the work to speak of."""
    compressor = zlib.compressobj(LEVEL, zlib.DEFLATED, _GZIP)
    async for chunk in chunks:
        for start in range(0, len(chunk), _PIECE_BYTES):
            piece = memoryview(chunk)[start : start + _PIECE_BYTES]
            if len(piece) <= _INLINE_BYTES:
                made = compressor.compress(piece)
            else:
                made = await asyncio.to_thread(compressor.compress, piece)
            if made:
                yield made
    yield compressor.flush()
