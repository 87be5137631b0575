"""How the texts of many pages are remembered in at most 4 KB, and what is new in another.

`fingerprint` runs where the text is (a page-reading process), worth.py compares. A text is taken as
the set of its units (lines, sentences). Not as a sample of them: what is new on a page is often two
lines among a hundred of menu, and a sample would miss them.
"""

from __future__ import annotations

import re
import string
from array import array
from bisect import bisect_right
from collections.abc import Collection, Iterator, Sequence
from functools import lru_cache
from hashlib import blake2b
from math import isqrt
from zlib import crc32

from windlass.model.visit import Fingerprint

DIGEST_BYTES = 16

_MIN_UNIT = 3
_MAX_UNIT = 160
_MAX_UNITS = 1024
_SKETCHED = 64
_CLEARLY = 5

# Digits say nothing: a counter, a date and a price change where nothing else does.
_DIGITS = b"0123456789"
_MASK = bytes.maketrans(_DIGITS, b"0" * 10)
# Capitals say as little, and what ends a sentence ends a unit.
_ENDS = bytes.maketrans(
    b".!?\t\r" + string.ascii_uppercase.encode(), b"\n\n\n\n\n" + string.ascii_lowercase.encode()
)
_IN_URL = re.compile(r"[/?&=;]")
_DRAWN = re.compile(r"(?=.*\d).{6,}")


def fingerprint(text: str, url: str) -> Fingerprint:
    """The fingerprint of a page's visible text (title first, if it has one).

    Numbers and ids of its URL that the page repeats are no content.
    """
    for part in _IN_URL.split(url)[3:]:
        if _DRAWN.match(part):
            text = text.replace(part, "")
    raw = text.encode("utf-8", "surrogatepass")
    lines = set(raw.translate(_ENDS).split(b"\n"))
    # Most lines have no digits: they are hashed once, for the units and for the sketch.
    numbered = set(_numbered(b"\n".join(lines)))
    plain = sorted(lines - numbered, key=len)
    sizes, hashes = _measured(plain)
    first, last = bisect_right(sizes, _MIN_UNIT - 1), bisect_right(sizes, _MAX_UNIT)
    bare = {line.translate(None, _DIGITS) for line in numbered}.difference(plain)
    more_sizes, more_hashes = _measured(_units_of([*bare, *plain[last:]]))
    units = (sizes[first:last] + more_sizes, hashes[first:last] + more_hashes)
    size = sum(units[0])
    # A sum is the same in any order, and needs no sorting.
    whole = (sum(units[1]) << 24 ^ size) & 0xFFFF_FFFF_FFFF_FFFF
    more_sizes, more_hashes = _measured(numbered)
    return Fingerprint(
        digest=blake2b(raw, digest_size=DIGEST_BYTES).digest(),
        likeness=whole - (1 << 63),
        size=size,
        units=_packed(*units, _MAX_UNITS),
        sketch=_packed(sizes + more_sizes, hashes + more_hashes, _SKETCHED),
    )


def _numbered(text: bytes) -> Iterator[bytes]:
    """The lines with digits."""
    masked = text.translate(_MASK)  # one byte is found faster than one of ten
    end = 0
    while (digit := masked.find(b"0", end)) >= 0:
        start = masked.rfind(b"\n", end, digit) + 1 or end
        end = masked.find(b"\n", digit)
        if end < 0:
            end = len(text)
        yield text[start:end]


def _measured(lines: Collection[bytes]) -> tuple[list[int], list[int]]:
    """Sizes and hashes of lines."""
    return list(map(len, lines)), list(map(crc32, lines))


def _units_of(lines: Sequence[bytes]) -> list[bytes]:
    """What of these lines counts: nothing tiny, long ones in parts."""
    whole = [line for line in lines if _MIN_UNIT <= len(line) <= _MAX_UNIT]
    parts = {
        line[start : start + _MAX_UNIT]
        for line in lines
        if len(line) > _MAX_UNIT
        for start in range(0, len(line), _MAX_UNIT)
    }
    return [*whole, *parts]


def _packed(sizes: list[int], hashes: list[int], most: int) -> bytes:
    """Size and hash of units in turns, as array("I"): of the `most` with the smallest hashes."""
    if len(hashes) > most:
        hashes, sizes = map(list, zip(*_smallest(hashes, sizes, most), strict=True))
    values = [0] * (2 * len(hashes))
    values[::2] = sizes
    values[1::2] = hashes
    return array("I", values).tobytes()


def _smallest(hashes: list[int], sizes: list[int], most: int) -> list[tuple[int, int]]:
    """The `most` smallest hashes with their sizes. They are spread evenly: only those below a limit
    that almost always leaves enough are sorted."""
    limit = (most + 4 * isqrt(most) << 32) // len(hashes)
    found = [pair for pair in zip(hashes, sizes, strict=True) if pair[0] < limit]
    if len(found) < most:
        found = list(zip(hashes, sizes, strict=True))
    return sorted(found)[:most]


def is_unlike(sketch: bytes, other: bytes) -> bool:
    """Whether a page clearly shows what another does not have: over a fifth of its text.

    Numbers count here: a page may differ from others in nothing else, and be lost for it.
    """
    pairs, known = _pairs(sketch), {own for _, own in _pairs(other)}
    if len(known) >= _SKETCHED:  # beyond its last unit it is not known
        last = max(known)
        pairs = [pair for pair in pairs if pair[1] <= last]
    new = sum([size for size, own in pairs if own not in known])
    return _CLEARLY * new > sum([size for size, _ in pairs])


@lru_cache(maxsize=8)
def _pairs(packed: bytes) -> list[tuple[int, int]]:
    values = array("I", packed)
    return list(zip(values[::2], values[1::2], strict=True))


# A memory is b"", then the hashes of up to _EXACT units, then a field of bits, one for each unit's
# hash, wherein a new unit looks known as often as bits are set. Beyond _DIVERSE it says nothing.
_EXACT = 512
_FIELD_BYTES = 4096
_FIELD_BITS = 8 * _FIELD_BYTES
_DIVERSE = _FIELD_BITS * 3 // 10


def learn(memory: bytes, page: Fingerprint) -> bytes:
    """A family's memory after another page. It stops learning when it has seen too much."""
    units = set(array("I", page.units)[1::2])
    if len(memory) < _FIELD_BYTES:
        known = units.union(array("I", memory))
        if len(known) <= _EXACT:
            return array("I", sorted(known)).tobytes()
        field, units = 0, known
    else:
        field = int.from_bytes(memory, "little")
        if field.bit_count() > _DIVERSE:
            return memory
    bits = bytearray(_FIELD_BYTES)
    for unit in units:
        bits[unit % _FIELD_BITS >> 3] |= 1 << (unit & 7)
    return (field | int.from_bytes(bits, "little")).to_bytes(_FIELD_BYTES, "little")


def news(memory: bytes, page: Fingerprint) -> int:
    """About how many bytes of a page a memory has not seen; all of it if that cannot be said."""
    pairs = _pairs(page.units)
    if not memory or not pairs:
        return page.size
    if len(memory) < _FIELD_BYTES:
        known = set(array("I", memory))
        new = sum([size for size, own in pairs if own not in known])
    else:
        set_bits = int.from_bytes(memory, "little").bit_count()
        if set_bits > _DIVERSE:
            return page.size
        new = sum([size for size, own in pairs if not _is_set(memory, own)])
        new = new * _FIELD_BITS // (_FIELD_BITS - set_bits)
    if len(pairs) < _MAX_UNITS:
        return min(new, page.size)
    return min(new * page.size // sum([size for size, _ in pairs]), page.size)


def _is_set(field: bytes, unit: int) -> int:
    return field[unit % _FIELD_BITS >> 3] >> (unit & 7) & 1
