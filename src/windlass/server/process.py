"""What a forked process must do before it is itself: signals, death with its parent, its name.

Called by the supervisor. Linux gets the full service; elsewhere a child notices its parent's
death by the end of its channel, and keeps its parent's name.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_PR_SET_NAME = 15
_WANTED_FILES = 65536
_name = "supervisor"


def die_with(parent: int) -> None:
    """From now on the kernel kills this process when `parent` ends; at once if it has."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def forget_signals(*ignored: signal.Signals) -> None:
    """Undoes the supervisor's signal handling. Ctrl-C and a hang-up reach every process of a
    terminal; only the supervisor answers them."""
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGTERM, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    for number in (signal.SIGINT, signal.SIGHUP, *ignored):
        signal.signal(number, signal.SIG_IGN)


def name() -> str:
    """What this process was last called; as "worker-2", the same for its successor."""
    return _name


def rename(*words: str) -> None:
    """Calls this process `words`, the program's name first; `ps` shows them if they fit."""
    global _name
    _name = "-".join(words[1:])
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(_PR_SET_NAME, "-".join(words).encode()[:15])
    # Fields 48 and 49 of proc(5): where our own argument strings lie on the stack.
    fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    start, end = int(fields[45]), int(fields[46])
    if 0 < start < end:
        title = b"\0".join(word.encode() for word in words)[: end - start - 1]
        ctypes.memset(start, 0, end - start)
        ctypes.memmove(start, title, len(title))


def allow_many_files() -> int:
    """Raises the limit of open files as far as we may; what it is now."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _WANTED_FILES if hard == resource.RLIM_INFINITY else min(hard, _WANTED_FILES)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return _WANTED_FILES if soft == resource.RLIM_INFINITY else soft
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return wanted


def wait_status(status: int) -> str:
    """A wait status in words: "exit status 1" or "signal SIGKILL"."""
    code = os.waitstatus_to_exitcode(status)
    if code >= 0:
        return f"exit status {code}"
    try:
        return f"signal {signal.Signals(-code).name}"
    except ValueError:
        return f"signal {-code}"
