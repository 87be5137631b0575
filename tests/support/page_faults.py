"""A page reader that misbehaves on request, for tests of the pool. Runs in the children."""

from __future__ import annotations

import ctypes
import os
import time
from collections.abc import Callable


def read(request: bytes) -> bytes:
    """Does what the first word says; the rest is its argument."""
    word, _, argument = request.partition(b" ")
    return FAULTS[word.decode()](argument)


def _crash(_: bytes) -> bytes:
    return ctypes.string_at(0)


def _spin(_: bytes) -> bytes:
    while True:
        pass


def _nap(seconds: bytes) -> bytes:
    time.sleep(float(seconds))
    return b"rested"


def _eat(_: bytes) -> bytes:
    hoard = []
    while True:
        hoard.append(bytes(10_000_000))


def _leave(_: bytes) -> bytes:
    os._exit(7)


FAULTS: dict[str, Callable[[bytes], bytes]] = {
    "crash": _crash,
    "eat": _eat,
    "echo": lambda text: text,
    "environment": lambda _: repr(dict(os.environ)).encode(),
    "leave": _leave,
    "long": lambda size: bytes(int(size)),
    "nap": _nap,
    "pid": lambda _: str(os.getpid()).encode(),
    "spin": _spin,
}
