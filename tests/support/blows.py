"""`kill -9` of parts of a running server, and waiting until they are back. Used by tests/fault."""

from __future__ import annotations

import random
import signal
import time
from dataclasses import dataclass

from tests.support.inside import rows
from tests.support.server import WindlassServer, send
from tests.support.waiting import eventually

VICTIMS = ("one worker", "worker", "api", "postgres", "everything")


@dataclass
class Blow:
    """One kill and what came after, on the clock of time.monotonic()."""

    killed_at: float
    restarted_at: float


def lazy_disk(server: WindlassServer) -> None:
    """From now on PostgreSQL writes down only what somebody waits for; a kill forgets the rest."""
    backends = server.processes("backend")
    (writer,) = (one for one in backends if "walwriter" in " ".join(one.command))

    def stopped() -> bool:
        send(writer.pid, signal.SIGSTOP)
        try:
            rows(server, "CREATE TEMPORARY TABLE written ()", within_s=2)
        except TimeoutError:  # it was writing, and nobody else can until it has done so
            send(writer.pid, signal.SIGCONT)
            return False
        return True

    eventually(stopped, "the writer is stopped between two writes", within_s=30)


def strike(server: WindlassServer, victim: str, moment: random.Random | None = None) -> Blow:
    """Kills, restarts what nobody else restarts, and waits until the processes are back."""
    if victim == "everything":
        server.kill_everything()
        killed_at = time.monotonic()
        server.launch()
        restarted_at = time.monotonic()
        server.wait_ready()
        return Blow(killed_at, restarted_at)
    if victim == "one worker":
        chosen = (moment or random.Random()).choice(server.processes("worker"))
        pids, role = server.kill_these([chosen]), "worker"
    else:
        pids, role = server.kill(victim), victim
    killed_at = time.monotonic()
    count = server.workers if role == "worker" else 1

    def back() -> bool:
        alive = [process.pid for process in server.processes(role)]
        return len(alive) == count and not set(alive) & set(pids)

    eventually(back, f"{role} is started again", within_s=10, every_s=0.01)
    return Blow(killed_at, time.monotonic())
