"""Packages of npm, for tests that look at us from Node. Pinned, cached outside the tree."""

from __future__ import annotations

import fcntl
import shutil
import subprocess
from pathlib import Path

from tests.support.loopback import cache_folder

DOWNLOAD_LIMIT_S = 300.0


def npm_package(name: str, version: str) -> Path:
    """The `node_modules` folder with a release and what it needs. Raises RuntimeError with npm's
    words if it fails."""
    cache = cache_folder("npm")
    label = name.replace("/", "+")
    target = cache / f"{label}-{version}"
    with (cache / f"{label}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not target.is_dir():
            _install(f"{name}@{version}", cache / f"{label}.fetching", target)
    return target / "node_modules"


def _install(release: str, fetching: Path, target: Path) -> None:
    shutil.rmtree(fetching, ignore_errors=True)
    fetching.mkdir()
    options = ["--no-fund", "--no-audit", "--ignore-scripts", "--prefix", str(fetching)]
    done = subprocess.run(
        ["npm", "install", *options, release],
        capture_output=True,
        text=True,
        timeout=DOWNLOAD_LIMIT_S,
        check=False,
    )
    if done.returncode != 0:
        raise RuntimeError(f"npm could not install {release}:\n{done.stdout}{done.stderr}")
    fetching.rename(target)
