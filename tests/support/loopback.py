"""Loopback ports and where test downloads are kept. Used by everything that starts a server."""

from __future__ import annotations

import os
import socket
from pathlib import Path


def free_port(host: str = "127.0.0.1") -> int:
    """A TCP port that nobody listens on right now."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
        return port


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
