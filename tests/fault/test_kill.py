"""200 accepted tasks and `kill -9` at random moments: nothing lost, stuck or reported twice.

FAULT_ROUNDS says how often (3; 20 in `make soak`), FAULT_SEED repeats the moments of a run.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator

import pytest

from tests.support.blows import VICTIMS, strike
from tests.support.inside import leftovers, reported_and_ended
from tests.support.ledger import Ledger
from tests.support.origin import Origin
from tests.support.server import WindlassServer, running
from tests.support.waiting import eventually

ROUNDS = int(os.environ.get("FAULT_ROUNDS", "3"))
SEED = int(os.environ.get("FAULT_SEED") or random.SystemRandom().randrange(10**6))
TASKS = 200
PAGE_S = 0.15
WHILE_SUBMITTING_S = 0.3
LATEST_KILL_S = 2.5
ENDED_WITHIN_S = 60.0
WORKS_AGAIN_WITHIN_S = 5.0
WORKERS = 2


@pytest.fixture(scope="module")
def hurt_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WindlassServer]:
    """One server for all rounds, so that what a round leaves behind meets the next."""
    folder = tmp_path_factory.mktemp("kill") / "data"
    with running(folder, workers=WORKERS, rate_limit="0") as server:
        yield server


@pytest.mark.timeout(180)
@pytest.mark.parametrize("number", range(ROUNDS))
@pytest.mark.parametrize("victim", VICTIMS)
def test_accepted_tasks_survive_kill_9(
    hurt_server: WindlassServer, origin: Origin, victim: str, number: int
) -> None:
    moment = random.Random(f"{SEED}/{victim}/{number}")
    # Submitting takes a fraction of the whole: without this few blows would fall into it.
    delay_s = moment.uniform(0.0, moment.choice((WHILE_SUBMITTING_S, LATEST_KILL_S)))
    print(f"FAULT_SEED={SEED} victim={victim} round={number} kill after {delay_s:.3f} s")
    origin.delay_s = PAGE_S
    ledger = Ledger(hurt_server, origin)
    threads = ledger.submit([f"{victim[:3]}{number}-{n}" for n in range(TASKS)])
    time.sleep(delay_s)
    visits = len(origin.all_visits())
    blow = strike(hurt_server, victim, moment)
    for thread in threads:
        thread.join()
    assert len(ledger.accepted) >= TASKS
    ledger.wait_all_ended(ENDED_WITHIN_S)
    resumed_at = first_visit_after(origin, blow.restarted_at)
    print(
        f"  {visits} pages before; restart after {blow.restarted_at - blow.killed_at:.2f} s, "
        f"work again {resumed_at - blow.restarted_at:.2f} s later, "
        f"{time.monotonic() - blow.killed_at:.1f} s to the end; not accepted: {ledger.refused}"
    )
    ledger.check_each_ended_once()
    # What recovery put back for an attempt that outlived the crash goes at the next look.
    eventually(lambda: leftovers(hurt_server) == {}, "nothing is left in the queue", within_s=10)
    reported, ended = reported_and_ended(hurt_server)
    assert reported == ended, "an end was reported twice, or not at all"
    assert resumed_at - blow.restarted_at <= WORKS_AGAIN_WITHIN_S


def first_visit_after(origin: Origin, moment: float) -> float:
    """When the site was next asked for a page."""
    later = [seen.at for seen in origin.all_visits() if seen.at > moment]
    assert later, "nothing was left to do after the restart: the site is too fast for this test"
    return min(later)
