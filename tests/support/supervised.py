"""A supervisor over children that only report what happens to them; run as a script.

Argument: a scenario of `SCENARIOS`. Every line on stdout is one event: `api ready PID`,
`worker 1 told`, `keeper released ID`, `announced`.
"""

from __future__ import annotations

import os
import select
import signal
import sys
from collections.abc import Callable

from windlass.server import logs
from windlass.server.channel import Failed, Ready, Release, Stop
from windlass.server.supervisor import Birth, Plan, Slot, Supervisor
from windlass.settings import Settings

SLOTS = (Slot("api"), Slot("worker", 1), Slot("worker", 2))
GRACE_S = 1.0


def say(birth: Birth, *words: object) -> None:
    """One event."""
    line = " ".join(str(word) for word in (birth.slot.name, *words))
    os.write(1, f"{line}\n".encode())  # at once: lines of several processes must not mix


def keep(birth: Birth) -> int:
    """A keeper: notes what it is told, ends when it is told to."""
    say(birth, "ready", "alone" if birth.alone else "again")
    birth.channel.send(Ready("the database"))
    while True:
        select.select([birth.channel], [], [])
        messages = birth.channel.receive()
        if messages is None:
            return 0
        for message in messages:
            if isinstance(message, Release):
                say(birth, "released", message.worker_id)
            elif isinstance(message, Stop):
                say(birth, "told")
                return 0


def work(birth: Birth) -> int:
    """A child that ends at SIGTERM."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    say(birth, "ready", os.getpid(), birth.id, birth.dsn.replace(" ", "_"))
    birth.channel.send(Ready())
    signal.sigwait({signal.SIGTERM})
    say(birth, "told")
    return 0


def stubborn(birth: Birth) -> int:
    """A child that does not end at SIGTERM."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    say(birth, "ready")
    birth.channel.send(Ready())
    while True:
        signal.sigwait({signal.SIGTERM})
        say(birth, "told")


def short_lived(birth: Birth) -> int:
    """A child that ends as soon as it is ready."""
    say(birth, "ready")
    birth.channel.send(Ready())
    return 7


def refusing(birth: Birth) -> int:
    """A child that cannot work with the settings."""
    birth.channel.send(Failed("WINDLASS_SOMETHING must be something else", by_settings=True))
    return 2


SCENARIOS: dict[str, dict[str, Callable[[Birth], int]]] = {
    "plain": {},
    "stubborn worker": {"worker": stubborn},
    "short-lived worker": {"worker": short_lived},
    "refusing api": {"api": refusing},
    "refusing keeper": {"keeper": refusing},
}


def main(scenario: str) -> int:
    """The supervisor's exit status."""
    logs.configure(Settings(log_format="json"), "supervisor")
    bodies = {"keeper": keep, "api": work, "worker": work} | SCENARIOS[scenario]
    plan = Plan(
        SLOTS,
        lambda birth: bodies[birth.slot.role](birth),
        lambda: os.write(1, b"announced\n"),
        GRACE_S,
    )
    return Supervisor(plan).run()


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))
