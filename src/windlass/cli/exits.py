"""From errors to exit statuses: one line on stderr, never a traceback.

One of the three places that read the error tree. The statuses are listed in `windlass --help`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import NoReturn

from windlass.errors import (
    DeliveryError,
    EngineError,
    NotFound,
    NotResendable,
    RateLimited,
    RequestError,
    ServerUnreachable,
    SettingsError,
    StorageUnconfigured,
    TargetError,
    Unauthorized,
    WindlassError,
)

FAILED = 1
USAGE = 2
TARGET = 3
ABSENT = 4
REFUSED = 5
UNREACHABLE = 6
CHANGED = 7
INTERRUPTED = 130

_STDOUT = 1

_STATUSES: tuple[tuple[type[WindlassError], int], ...] = (
    (ServerUnreachable, UNREACHABLE),
    (SettingsError, USAGE),
    (StorageUnconfigured, USAGE),
    (NotFound, ABSENT),
    (NotResendable, ABSENT),
    (Unauthorized, REFUSED),
    (RateLimited, REFUSED),
    (RequestError, USAGE),
    (TargetError, TARGET),
    (DeliveryError, TARGET),
    (EngineError, FAILED),
)
"""The first class that fits decides."""


def status_of(error: WindlassError) -> int:
    """The exit status that an error stands for."""
    return next((status for kind, status in _STATUSES if isinstance(error, kind)), FAILED)


def run(command: Callable[[], object]) -> None:
    """Runs a command line and ends the process."""
    try:
        try:
            command()
        finally:
            sys.stdout.flush()
    except WindlassError as error:
        _end(error.message, status_of(error))
    except KeyboardInterrupt:
        _end("interrupted", INTERRUPTED)
    except BrokenPipeError:
        _end_of_readers()
    except SystemExit as end:
        # The library makes a failure of a pipe that closed.
        if isinstance(end.__context__, BrokenPipeError):
            _end_of_readers()
        raise
    except OSError as error:
        _end(str(error), FAILED)
    except Exception as error:
        if os.environ.get("WINDLASS_LOG_LEVEL", "").lower() == "debug":
            raise
        _end(f"internal error: {error!r} (WINDLASS_LOG_LEVEL=debug shows where)", FAILED)


def _end_of_readers() -> NoReturn:
    """Whoever read our output has read enough. Python would complain once more at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), _STDOUT)
    raise SystemExit(0) from None


def _end(message: str, status: int) -> None:
    line = " ".join(message.split())
    sys.stderr.write(f"windlass: {line}\n")
    raise SystemExit(status) from None
