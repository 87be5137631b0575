"""Loopback ports and where test downloads are kept. Used by everything that starts a server."""

from __future__ import annotations

import errno
import os
import random
import socket
from functools import cache
from pathlib import Path

_LOWEST = 10_000


def free_port(host: str = "127.0.0.1") -> int:
    """A TCP port that nobody listens on right now, nor soon: it is none of those that the kernel
    gives to whoever asks for any."""
    while True:
        port = random.randrange(_LOWEST, _first_ephemeral())
        with socket.socket() as probe:
            try:
                probe.bind((host, port))
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise
            else:
                return port


@cache
def _first_ephemeral() -> int:
    """32768 unless the machine is set otherwise."""
    return int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])


def accepts(host: str, port: int) -> bool:
    """Whether something listens there."""
    try:
        with socket.create_connection((host, port), timeout=1.0):
            return True
    except OSError:
        return False


def cache_folder(name: str) -> Path:
    """A folder outside the tree that survives test runs: $XDG_CACHE_HOME/windlass-tests/<name>."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = base / "windlass-tests" / name
    folder.mkdir(parents=True, exist_ok=True)
    return folder
