"""A virtual environment in the cache for each peer: its pinned libraries never meet ours."""

from __future__ import annotations

import json
import subprocess
import venv
from collections.abc import Sequence
from pathlib import Path

from tests.support.loopback import cache_folder


def environment(name: str, pins: Sequence[str]) -> Path:
    """The Python of a peer's environment, made on first use and again when the pins change."""
    folder = cache_folder(f"bench-{name}")
    stamp = folder / "pins.json"
    python = folder / "bin" / "python"
    if not (stamp.exists() and json.loads(stamp.read_text()) == list(pins)):
        venv.create(folder, with_pip=True, clear=True)
        command = [str(python), "-m", "pip", "install", "-q", *pins]
        subprocess.run(command, check=True, timeout=1200, stderr=subprocess.DEVNULL)
        stamp.write_text(json.dumps(pins))
    return python
