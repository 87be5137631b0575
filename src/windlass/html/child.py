"""What runs inside a page-reading process: answers requests one by one until its parent is gone.

Started by process.py as a fresh interpreter. Every import here costs memory in each child, and
whatever it reads is hostile: it holds no secrets, no network and no rights worth taking.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import resource
import signal
import socket
import sys
import traceback
from collections.abc import Callable
from importlib import import_module
from io import BufferedReader
from pathlib import Path
from typing import cast

from windlass.html.frames import FAILED, READY, REPLY, REQUEST, RETIRE, Terms

_PR_SET_PDEATHSIG = 1
_PR_SET_NO_NEW_PRIVS = 38
_LARGE_PAGE = 1_000_000
_LOOK_EVERY = 64
_READ_AT_ONCE = 262_144
"""Bytes: most requests come whole, with those sent ahead, in one call of the system."""

Read = Callable[[bytes], bytes]


def serve(terms: Terms) -> None:
    """Reads requests from the socket until it closes and answers each with the entry.

    An exception of the entry is an answer too. Nothing but a crash or a kill ends it earlier.
    """
    _outlive_signals()
    _die_with(terms.parent)
    os.nice(terms.nice)
    module, _, attribute = terms.entry.partition(":")
    read: Read = getattr(import_module(module), attribute)
    gc.freeze()  # what is loaded by now stays: no collection needs to look at it
    _confine(terms.memory)
    with socket.socket(fileno=terms.link) as link, link.makefile("rb", _READ_AT_ONCE) as stream:
        link.sendall(REPLY.pack(0, READY))
        _answer(link, cast(BufferedReader, stream), read, _Wear(terms.pages, terms.growth))


def _answer(link: socket.socket, stream: BufferedReader, read: Read, wear: _Wear) -> None:
    while head := stream.read(REQUEST.size):
        (size,) = REQUEST.unpack(head)
        request = stream.read(size)
        flags = 0
        try:
            reply = read(request)
        except MemoryError:
            reply, flags = b"it needs too much memory", FAILED | RETIRE
        except Exception as error:  # noqa: BLE001 - whatever a page provokes is news for the parent
            traceback.print_exc()
            reply, flags = type(error).__name__.encode(), FAILED
        if wear.worn(size):
            flags |= RETIRE
        link.sendall(REPLY.pack(len(reply), flags) + reply)


class _Wear:
    """Counts what a child has done, to tell when a fresh one is better."""

    def __init__(self, pages: int, growth: int) -> None:
        self._left = pages
        self._limit = _resident() + growth

    def worn(self, size: int) -> bool:
        """Whether this was the last request to take; looking costs, so it looks now and then."""
        self._left -= 1
        if size < _LARGE_PAGE and self._left % _LOOK_EVERY:
            return self._left <= 0
        return self._left <= 0 or _resident() > self._limit


def _resident() -> int:
    try:
        fields = Path("/proc/self/statm").read_bytes().split()
    except FileNotFoundError:  # no procfs: the peak is the next best
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return int(fields[1]) * resource.getpagesize()


def _outlive_signals() -> None:
    """A signal to the whole group stops the parent gracefully, which then closes our socket."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


def _die_with(parent: int) -> None:
    """A `kill -9` of the parent must not leave a child spinning on a page nobody waits for."""
    if sys.platform.startswith("linux"):
        libc = ctypes.CDLL(None, use_errno=True)
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


def _confine(memory: int) -> None:
    """Limits that turn a hostile page into this process's end instead of the machine's."""
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    limit = memory if hard == resource.RLIM_INFINITY else min(memory, hard)
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(OSError):  # absent or read-only in some sandboxes: only a preference
        Path("/proc/self/oom_score_adj").write_text("500")
