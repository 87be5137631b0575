"""Compression on the way to a bucket."""

from __future__ import annotations

import gzip
import random
from collections.abc import AsyncIterator

import pytest

from windlass.buckets.gzipping import gzipped


async def pieces(content: bytes, size: int) -> AsyncIterator[bytes]:
    for start in range(0, len(content), size):
        yield content[start : start + size]


async def compressed(content: bytes, size: int) -> bytes:
    return b"".join([chunk async for chunk in gzipped(pieces(content, size))])


def text(size: int) -> bytes:
    words = random.Random(7).choices([b"price ", b"<td>", b"1234", b"\xc3\xbc"], k=size // 4)
    return b"".join(words)[:size]


@pytest.mark.parametrize("size", [0, 1, 20_000, 3_000_000])
async def test_the_same_content_makes_the_same_file_every_time(size: int) -> None:
    content = text(size)
    once = await compressed(content, 1_000_000)
    assert gzip.decompress(once) == content
    assert await compressed(content, 1_000_000) == once
    assert once[4:8] == b"\0\0\0\0", "the header carries no time"


async def test_how_the_content_is_cut_does_not_show() -> None:
    content = text(2_500_000)
    assert await compressed(content, 10_000) == await compressed(content, 2_500_000)
