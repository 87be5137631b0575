"""Turns the process it runs in into another program: folder, identity, death signal, exec.

Started as a plain script (`python -I -S`) for PostgreSQL and Chromium, because a hook between
fork and exec is unsafe in a process with threads. Must import nothing but the standard library.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from pathlib import Path

CLONE_NEWUSER = 0x10000000
PR_SET_PDEATHSIG = 1

FAILED = 125
"""Exit status when the program could not be started as asked; stderr says why."""


def _libc_call(name: str, *arguments: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if getattr(libc, name)(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")


def _enter_user_namespace(uid: int, gid: int | None) -> None:
    """Be `uid` to ourselves and our children while files stay those of whoever started us.

    Without a `gid` of its own a process cannot make namespaces within this one.
    """
    outside, group = os.geteuid(), os.getegid()
    _libc_call("unshare", CLONE_NEWUSER)
    Path("/proc/self/uid_map").write_text(f"{uid} {outside} 1")
    if gid is not None:
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/gid_map").write_text(f"{gid} {group} 1")


def _become(uid: int, gid: int) -> None:
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)


def main(parent: str, folder: str, identity: str, ending: str, *command: str) -> None:
    """Replace this process by `command`, working in `folder`.

    `identity` is "same", "map:UID", "map:UID:GID" or "become:UID:GID". The command gets the signal
    named `ending` ("SIGINT") when process `parent` ends.
    """
    os.chdir(folder)
    os.umask(0o077)
    how, *ids = identity.split(":")
    if how == "map":
        _enter_user_namespace(int(ids[0]), int(ids[1]) if len(ids) > 1 else None)
    elif how == "become":
        _become(int(ids[0]), int(ids[1]))
    if sys.platform == "linux":
        # After the change of identity, which clears it.
        _libc_call("prctl", PR_SET_PDEATHSIG, signal.Signals[ending])
        if os.getppid() != int(parent):
            raise SystemExit(FAILED)
    os.execv(command[0], command)  # noqa: S606


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except OSError as error:
        sys.stderr.write(f"{error}\n")
        raise SystemExit(FAILED) from error
