"""What tests need from elsewhere: fetched once, kept in the cache outside the tree.

Debian packages, npm packages and source archives of Python packages, unpacked without installing
them. What cannot be had is a failure of the machine, never a reason to skip.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

from tests.support.loopback import cache_folder

DOWNLOAD_LIMIT_S = 300.0


def debian_package(name: str) -> Path:
    """The root folder of a package's files. Raises RuntimeError with apt's words if it fails."""
    return _kept("debian", name, lambda fetching: _debian(name, fetching))


def npm_package(name: str, version: str) -> Path:
    """The `node_modules` folder with a release and what it needs. Raises RuntimeError with npm's
    words if it fails."""
    label = f"{name.replace('/', '+')}-{version}"  # a scope is no folder
    return _kept("npm", label, lambda to: _npm(f"{name}@{version}", to)) / "node_modules"


def sdist(name: str, version: str) -> Path:
    """The unpacked source of a Python release, for the test data that its wheel leaves out. Raises
    RuntimeError with pip's words if it fails."""
    return _kept("sdists", f"{name}-{version}", lambda fetching: _sdist(name, version, fetching))


def _kept(kind: str, name: str, fetch: Callable[[Path], Path]) -> Path:
    """What `fetch` left in the folder that it was given, or did in an earlier run. Processes that
    want the same wait for the first."""
    cache = cache_folder(kind)
    target = cache / name
    with (cache / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not target.is_dir():
            fetching = cache / f"{name}.fetching"
            shutil.rmtree(fetching, ignore_errors=True)
            fetching.mkdir()
            fetch(fetching).rename(target)
            shutil.rmtree(fetching, ignore_errors=True)
    return target


def _debian(package: str, folder: Path) -> Path:
    try:
        _run(["apt-get", "-q", "download", package], folder)
    except RuntimeError:
        if os.geteuid() != 0:
            raise
        _run(["apt-get", "-q", "update"], folder)
        _run(["apt-get", "-q", "download", package], folder)
    (archive,) = folder.glob("*.deb")
    _run(["dpkg-deb", "-x", str(archive), str(folder / "root")], folder)
    return folder / "root"


def _npm(release: str, folder: Path) -> Path:
    options = ["--no-fund", "--no-audit", "--ignore-scripts", "--prefix", str(folder)]
    _run(["npm", "install", *options, release], folder)
    return folder


def _sdist(name: str, version: str, folder: Path) -> Path:
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--no-binary", name]
    _run([*command, "--dest", str(folder), f"{name}=={version}"], folder)
    (archive,) = folder.glob("*.tar.gz")
    with tarfile.open(archive) as packed:
        packed.extractall(folder / "out", filter="data")
    (unpacked,) = (folder / "out").iterdir()
    return unpacked


def _run(command: list[str], folder: Path) -> None:
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=DOWNLOAD_LIMIT_S, check=False
    )
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
