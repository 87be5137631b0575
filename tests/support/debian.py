"""Debian packages unpacked into the cache, without installing them. Used by sites.py and bench/.

apt-get downloads by name, dpkg-deb unpacks; nothing outside the cache folder changes.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.loopback import cache_folder

DOWNLOAD_LIMIT_S = 300.0


def unpacked(package: str) -> Path:
    """The root folder of an unpacked package, downloaded first if it is not in the cache.

    Raises RuntimeError with apt's own words when the package cannot be had: a missing package is
    a failure of the machine, never a reason to skip.
    """
    cache = cache_folder("debian")
    with _only_one(cache / f"{package}.lock"):
        target = cache / package
        if not target.is_dir():
            _unpack(package, cache, target)
        return target


@contextmanager
def _only_one(lock: Path) -> Iterator[None]:
    with lock.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _unpack(package: str, cache: Path, target: Path) -> None:
    fetching = cache / f"{package}.fetching"
    shutil.rmtree(fetching, ignore_errors=True)
    fetching.mkdir()
    _download(package, fetching)
    (archive,) = fetching.glob("*.deb")
    _run(["dpkg-deb", "-x", str(archive), str(fetching / "root")], fetching)
    (fetching / "root").rename(target)
    shutil.rmtree(fetching)


def _download(package: str, folder: Path) -> None:
    try:
        _run(["apt-get", "-q", "download", package], folder)
    except RuntimeError:
        if os.geteuid() != 0:
            raise
        _run(["apt-get", "-q", "update"], folder)
        _run(["apt-get", "-q", "download", package], folder)


def _run(command: list[str], folder: Path) -> None:
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=DOWNLOAD_LIMIT_S, check=False
    )
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
