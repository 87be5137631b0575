"""An answer's body within a bound, for whoever wants all of it or none. Reads, decides nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aiohttp import StreamReader


async def read_whole(content: StreamReader, limit_bytes: int) -> bytes | None:
    """All that comes; None once it is more than the limit. Raises what reading raises."""
    parts, size = [], 0
    async for part in content.iter_any():
        parts.append(part)
        size += len(part)
        if size > limit_bytes:
            return None
    return b"".join(parts)
