"""Decides as whom PostgreSQL runs, since it refuses to be root and needs a named account.

Called by the embedded server at each start. The order: as ourselves; inside a user namespace
where we have another name (files stay ours); as an existing unprivileged account, with the
programs copied to where it can read them. Must change no mode and no account of the system.
"""

from __future__ import annotations

import asyncio
import os
import pwd
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from windlass import launch
from windlass.errors import SettingsError
from windlass.storage.embedded import runtime
from windlass.storage.embedded.binaries import Binaries
from windlass.storage.embedded.runtime import Runtime

PROBE_TIMEOUT_S = 20.0
HERE = "/proc/self/cwd"


@dataclass(frozen=True)
class Identity:
    """As whom PostgreSQL runs.

    `how` is the launcher's word for it, `owner` and `group` own its files on disk, `peer` is the
    account name by which it knows us when we connect.
    """

    how: str
    owner: int
    group: int
    peer: str

    @property
    def changed(self) -> bool:
        """Whether PostgreSQL has less access to folders than we have."""
        return self.how != "same"

    def cluster_argument(self, cluster: Path) -> str:
        """How PostgreSQL addresses its cluster, which is always its working folder.

        A changed identity may be unable to walk the folders above (0700, root's), so it goes by
        the link to its own working folder, which needs no such right.
        """
        return HERE if self.changed else str(cluster)


@dataclass(frozen=True)
class Host:
    """Where PostgreSQL runs: programs it can execute, identity, private folder for its socket."""

    binaries: Binaries
    identity: Identity
    folder: Runtime

    @property
    def runtime(self) -> Path:
        """The folder's path."""
        return self.folder.path


def launch_command(identity: Identity, folder: Path, *command: str) -> list[str]:
    """The command line that runs `command` in `folder` as `identity` and ends it with us, fast as
    PostgreSQL calls it."""
    script = str(Path(launch.__file__))
    words = [sys.executable, "-I", "-S", script, str(os.getpid()), str(folder), identity.how]
    return [*words, "SIGINT", *command]


def environment() -> dict[str, str]:
    """A plain environment: none of our secrets, no locale, no PG* variables."""
    return {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}


async def settle(binaries: Binaries, former: Path | None) -> Host:
    """The first way to run PostgreSQL that works here, with its private folder made.

    The folder of a run that was killed, `former`, is made anew under its old name where possible:
    clients of that run need no new address. Raises SettingsError naming what was tried.
    """
    reasons: list[str] = []
    if former is not None:
        await asyncio.to_thread(runtime.remove_left, former)
    for identity in _candidates():
        host = await _try(binaries, identity, former, reasons)
        if host is not None:
            return host
    raise SettingsError(
        "PostgreSQL cannot be run here (" + "; ".join(reasons) + "); "
        "run Windlass as an ordinary user or set WINDLASS_DATABASE_URL"
    )


async def _try(
    binaries: Binaries, identity: Identity, former: Path | None, reasons: list[str]
) -> Host | None:
    places = runtime.bases()
    # A changed identity may be unable to enter some of them.
    for base in places if identity.changed else places[:1]:
        folder = runtime.make(base, former)
        own(folder.path, identity)
        refusal = await _refusal(identity, folder.path, binaries)
        if refusal and identity.changed:
            copied = await asyncio.to_thread(_copy, binaries, folder.path, identity)
            refusal = await _refusal(identity, folder.path, copied)
            if not refusal:
                return Host(copied, identity, folder)
        if not refusal:
            return Host(binaries, identity, folder)
        reasons.append(f"{_describe(identity)} in {base}: {refusal}")
        await asyncio.to_thread(folder.remove)
    return None


def _candidates() -> Iterator[Identity]:
    own_uid, own_gid = os.geteuid(), os.getegid()
    own_name = _account_name(own_uid)
    if own_uid != 0 and own_name:
        yield Identity("same", own_uid, own_gid, own_name)
        return
    if sys.platform != "linux":
        raise SettingsError("run Windlass as an ordinary user or set WINDLASS_DATABASE_URL")
    inside = _namespace_account()
    if inside is not None:
        yield Identity(f"map:{inside.pw_uid}", own_uid, own_gid, inside.pw_name)
    if own_uid == 0:
        for entry in runtime.fallback_accounts():
            how = f"become:{entry.pw_uid}:{entry.pw_gid}"
            yield Identity(how, entry.pw_uid, entry.pw_gid, own_name or "root")


def _namespace_account() -> pwd.struct_passwd | None:
    """An account to be inside a user namespace; it gains nothing by that, but must have a name.

    Never the overflow id: every stranger who connects would bear it too.
    """
    overflow = int(Path("/proc/sys/kernel/overflowuid").read_text())
    usable = [entry for entry in pwd.getpwall() if entry.pw_uid not in (0, overflow)]
    return min(usable, key=lambda entry: entry.pw_uid, default=None)


def _account_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return ""


async def _refusal(identity: Identity, runtime: Path, binaries: Binaries) -> str:
    """Why `identity` cannot run these programs; empty when it can."""
    if not identity.changed:
        return ""
    process = await asyncio.create_subprocess_exec(
        *launch_command(identity, runtime, str(binaries.initdb), "--version"),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=environment(),
    )
    try:
        async with asyncio.timeout(PROBE_TIMEOUT_S):
            output, _ = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        return "no answer"
    return "" if process.returncode == 0 else output.decode(errors="replace").strip()[-300:]


def _copy(binaries: Binaries, runtime: Path, identity: Identity) -> Binaries:
    """The programs in the private folder, laid out as in the wheel since they find libraries by
    relative paths; readable by `identity`."""
    root = runtime / "wheel" / binaries.root.parent.name / binaries.root.name
    for part in ("bin/postgres", "bin/initdb", "lib/postgresql", "share"):
        source, target = binaries.root / part, root / part
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("pgxs"))
        else:
            shutil.copy2(source, target)
    libraries = runtime / "wheel" / binaries.libraries.name
    if binaries.libraries.is_dir():
        shutil.copytree(binaries.libraries, libraries)
    own(runtime / "wheel", identity)
    return replace(binaries, root=root, libraries=libraries)


def own(folder: Path, identity: Identity) -> None:
    """Gives `folder` and all in it to `identity`."""
    if identity.owner == folder.stat().st_uid:
        return
    # From the leaves up: a folder that is its own was given whole, should we be killed on the way.
    for parent, _, files in os.walk(folder, topdown=False):
        os.chown(parent, identity.owner, identity.group)
        for name in files:
            os.chown(Path(parent, name), identity.owner, identity.group, follow_symlinks=False)


def _describe(identity: Identity) -> str:
    if identity.how.startswith("map:"):
        return "in a user namespace"
    return f"as account {_account_name(identity.owner)}"
