"""The decompressors behind one face: bounded output, lazy imports. Used by net/decoding.py."""

from __future__ import annotations

import sys
import zlib
from collections.abc import Callable
from typing import Protocol

import msgspec

PIECE = 65_536
"""About the most a decompressor is asked to put out at a time, in bytes."""

# Codings that exist but that no browser asks for; any other unknown name ("utf-8", "none") is a
# server's mistake, and browsers show such a body as it came.
UNSUPPORTED = frozenset({"compress", "x-compress", "dcb", "dcz", "exi", "pack200-gzip"})


class Engine(Protocol):
    """One decompressor for one member or frame. `pull` raises the library's own error."""

    @property
    def ended(self) -> bool:
        """Whether the member or frame is complete."""
        ...

    @property
    def rest(self) -> bytes:
        """Input behind its end."""
        ...

    def pull(self, data: bytes) -> bytes:
        """Takes in data; returns about PIECE bytes of output, b"" when it needs more input."""
        ...


class _Zlib:
    def __init__(self, wbits: int) -> None:
        self._z = zlib.decompressobj(wbits)

    @property
    def ended(self) -> bool:
        return self._z.eof

    @property
    def rest(self) -> bytes:
        return self._z.unused_data

    def pull(self, data: bytes) -> bytes:
        if self._z.eof:  # it keeps the unconsumed tail and would count it as unused once more
            return b""
        return self._z.decompress(self._z.unconsumed_tail + data, PIECE)


class _Brotli:
    def __init__(self) -> None:
        import brotli

        self._b = brotli.Decompressor()
        self.ended = False
        self.rest = b""

    def pull(self, data: bytes) -> bytes:
        if self.ended:
            return b""
        out: bytes = self._b.process(data, output_buffer_limit=PIECE)
        self.ended = self._b.is_finished()  # raises once the data were found damaged
        return out


class _Zstd:
    def __init__(self) -> None:
        if sys.version_info >= (3, 14):
            from compression import zstd
        else:
            from backports import zstd

        # 8 MiB windows are all that the content coding allows (RFC 9659).
        window = int(zstd.DecompressionParameter.window_log_max)
        self._z = zstd.ZstdDecompressor(options={window: 23})

    @property
    def ended(self) -> bool:
        return self._z.eof

    @property
    def rest(self) -> bytes:
        return self._z.unused_data

    def pull(self, data: bytes) -> bytes:
        if self._z.eof or (self._z.needs_input and not data):
            return b""
        return self._z.decompress(data, PIECE)


def _is_zlib(start: bytes) -> bool:
    return start[0] & 0x0F == 8 and (start[0] << 8 | start[1]) % 31 == 0


def _open_deflate(start: bytes) -> Engine | None:
    """zlib by its header (RFC 1950); else raw, which half the servers mean by "deflate"."""
    if start[:2] == b"\x1f\x8b":
        return _Zlib(31)
    return _Zlib(15 if _is_zlib(start) else -15)


def _open_gzip(start: bytes) -> Engine | None:
    if start[:2] == b"\x1f\x8b":
        return _Zlib(31)
    return _Zlib(15) if _is_zlib(start) else None


def _open_brotli(start: bytes) -> Engine | None:
    return _Brotli()


def _open_zstd(start: bytes) -> Engine | None:
    number = int.from_bytes(start[:4], "little")
    return _Zstd() if number == 0xFD2FB528 or number >> 4 == 0x184D2A5 else None


class Coding(msgspec.Struct, frozen=True):
    """`open` makes an engine for what a member starts with, or None if it is not this coding."""

    name: str
    open: Callable[[bytes], Engine | None]
    magic: int
    """Bytes that `open` must see."""
    repeats: bool
    """Whether members may follow each other (RFC 1952 section 2.2, RFC 8878 section 3)."""


_GZIP = Coding("gzip", _open_gzip, 2, True)
CODINGS = {
    "gzip": _GZIP,
    "x-gzip": _GZIP,
    "deflate": Coding("deflate", _open_deflate, 2, False),
    "br": Coding("br", _open_brotli, 1, False),
    "zstd": Coding("zstd", _open_zstd, 4, True),
}
