"""How a page's text is remembered and compared, in a few hundred bytes. No URL, no rule.

`fingerprint` runs where the text is (a page-reading process); traps.py compares. A text is taken as
the set of its units (lines, sentences): which are new, among all that a family has shown?
"""

from __future__ import annotations

import re
from array import array
from bisect import bisect_left
from hashlib import blake2b
from zlib import crc32

import msgspec

DIGEST_BYTES = 16

_MAX_UNIT = 160
_SAMPLE = 256
_SPACE = 1 << 32

# Digits say nothing: a counter, a date and a price change where nothing else does.
_DIGITS = b"0123456789"
_ENDS = bytes.maketrans(b".!?\t\r", b"\n\n\n\n\n")
_IN_URL = re.compile(r"[/?&=;]")
_DRAWN = re.compile(r"(?=.*\d).{6,}")


class Fingerprint(msgspec.Struct, frozen=True):
    """What is kept of a text. Stored only as long as its page is being weighed."""

    digest: bytes
    """Equal for equal texts (DIGEST_BYTES)."""
    likeness: int
    """Signed 64 bits, equal for texts with the same units in any order, numbers apart."""
    size: int
    """Bytes of the text."""
    units: bytes
    """The units with the smallest hashes, as array("Q"): hash << 32 | bytes, ascending."""


def fingerprint(text: str, url: str) -> Fingerprint:
    """The fingerprint of a page's visible text (title first, if it has one).

    Numbers and ids of its URL that the page repeats are no content.
    """
    for part in _IN_URL.split(url)[3:]:
        if _DRAWN.match(part):
            text = text.replace(part, "")
    raw = text.encode("utf-8", "surrogatepass")
    lines = set(raw.lower().translate(_ENDS, _DIGITS).split(b"\n"))
    hashed = [crc32(line) << 32 | len(line) for line in lines if 2 < len(line) <= _MAX_UNIT]
    hashed += [crc32(part) << 32 | len(part) for part in _cut(lines)]
    hashed.sort()
    whole = blake2b(array("Q", hashed).tobytes(), digest_size=8).digest()
    return Fingerprint(
        digest=blake2b(raw, digest_size=DIGEST_BYTES).digest(),
        likeness=int.from_bytes(whole, "big", signed=True),
        size=sum([value & 0xFFFF for value in hashed]),
        units=array("Q", hashed[:_SAMPLE]).tobytes(),
    )


def _cut(lines: set[bytes]) -> set[bytes]:
    """The parts of lines that are too long to be one unit."""
    return {
        line[start : start + _MAX_UNIT]
        for line in lines
        if len(line) > _MAX_UNIT
        for start in range(0, len(line), _MAX_UNIT)
    }


class Memory(msgspec.Struct, frozen=True):
    """The units that a family has shown: all whose hash is below `limit`, at most _SAMPLE."""

    hashes: array[int]
    limit: int = _SPACE


def recall(stored: bytes) -> Memory:
    """A memory from what `stored` gave; an empty one from b""."""
    values = array("I", stored)
    if not values:
        return Memory(values)
    limit = values.pop()
    return Memory(values, limit or _SPACE)


def stored(memory: Memory) -> bytes:
    """A memory as bytes, about 1 KB when it is full."""
    return memory.hashes.tobytes() + array("I", [memory.limit % _SPACE]).tobytes()


_DIVERSE = _SPACE // 64
"""A memory that had to forget so much has seen too much for any text to be nothing new."""


def is_diverse(memory: Memory) -> bool:
    """Whether so much was different here that comparing says nothing."""
    return memory.limit < _DIVERSE


def learn(memory: Memory, page: Fingerprint) -> Memory:
    """The memory after another page. Bounded: the more it has seen, the thinner its sample."""
    if is_diverse(memory):
        return memory
    values = array("Q", page.units)
    limit = memory.limit
    if len(values) == _SAMPLE:
        limit = min(limit, (values[-1] >> 32) + 1)
    known = set(memory.hashes)
    known.update(value >> 32 for value in values)
    hashes = sorted(value for value in known if value < limit)
    if len(hashes) > _SAMPLE:
        limit = hashes[_SAMPLE]
        del hashes[_SAMPLE:]
    return Memory(array("I", hashes), limit)


def news(memory: Memory, page: Fingerprint) -> int:
    """About how many bytes of a page the memory has not seen; all of it if that cannot be said."""
    if is_diverse(memory):
        return page.size
    values = array("Q", page.units)
    limit = memory.limit
    if len(values) == _SAMPLE:
        limit = min(limit, (values[-1] >> 32) + 1)
    compared = values[: bisect_left(values, limit << 32)] if limit < _SPACE else values
    if not compared:
        return page.size
    known = set(memory.hashes)
    new = sum(value & 0xFFFF for value in compared if value >> 32 not in known)
    return new * page.size // sum(value & 0xFFFF for value in compared)
