"""Whose turn it is among the processes of one test run: most tests share the machine, some want it
for themselves.

Used by tests/conftest.py only. Locks are the kernel's, so that a process which dies gives its up.
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def turn(folder: Path, *, alone: bool) -> Iterator[None]:
    """Waits until this test may run beside those that run, and holds off those that may not."""
    with (folder / "queue").open("w") as queue, (folder / "machine").open("w") as machine:
        # Who waits for the machine holds the queue: else one alone might wait for ever.
        fcntl.flock(queue, fcntl.LOCK_EX)
        fcntl.flock(machine, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        fcntl.flock(queue, fcntl.LOCK_UN)
        yield
