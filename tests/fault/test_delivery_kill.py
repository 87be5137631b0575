"""500 tasks that are polled for, uploaded and told of, and `kill -9` at random moments: every task
has one object with the right bytes and one webhook, repeated only under the same id.

FAULT_ROUNDS says how often (3; 20 in `make soak`), FAULT_SEED repeats the moments of a run. A round
does not wait for the one before it.
"""

from __future__ import annotations

import gzip
import os
import random
import time
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import pytest

from tests.support.blows import VICTIMS, strike
from tests.support.delivering import Delivering, delivering
from tests.support.inside import leftovers, reported_and_ended, rows
from tests.support.ledger import Ledger, listed
from tests.support.origin import Origin
from tests.support.receiver import Received, Receiver
from tests.support.s3_faults import INTERNAL, LOST, RESET, SLOW_DOWN, FaultyS3
from tests.support.waiting import eventually

ROUNDS = int(os.environ.get("FAULT_ROUNDS", "3"))
SEED = int(os.environ.get("FAULT_SEED") or random.SystemRandom().randrange(10**6))
TASKS = max(510 // ROUNDS, 100)
"""Of one round."""
WORKERS = 2
PAGE_S = 0.05
LATEST_KILL_S = 3.0
ENDED_WITHIN_S = 60.0
SETTINGS = {
    "host_concurrency": "16",
    "webhook_schedule": "0,0.2,0.5,1,1,1",
    "upload_schedule": "0,0.2,0.5,1,1,1",
}


def options(receiver: Receiver, token: str) -> dict[str, Any]:
    """All three modes; every third receiver answers 500 first, every second object is gzipped."""
    number = int(token.rpartition("-")[2])
    ill = number % 3 == 0
    hook = (
        receiver.url("status", token, code=500, times=1)
        if ill
        else receiver.url("ok", str(number % 10))
    )
    return {
        "callback_url": hook,
        "storage_url": "s3://lake/pages/",
        "storage_compress": number % 2 == 0,
    }


@pytest.mark.timeout(120 + 30 * ROUNDS)
def test_deliveries_survive_kill_9(tmp_path: Path, origin: Origin, faulty_s3: FaultyS3) -> None:
    moment = random.Random(SEED)
    origin.delay_s = PAGE_S
    settings = SETTINGS | faulty_s3.settings()
    with delivering(tmp_path / "data", WORKERS, **settings) as world:
        ledger = Ledger(world.server, origin, lambda token: options(world.receiver, token))
        for number, victim in enumerate(drawn(moment)):
            threads = ledger.submit([f"r{number}-{n}" for n in range(TASKS)])
            faulty_s3.fail("PutObject", *moment.choices((SLOW_DOWN, INTERNAL, LOST, RESET), k=4))
            delay_s = moment.uniform(0.0, LATEST_KILL_S)
            time.sleep(delay_s)
            blow = strike(world.server, victim, moment)
            print(
                f"FAULT_SEED={SEED} round {number}: {victim} after {delay_s:.3f} s, back in "
                f"{blow.restarted_at - blow.killed_at:.2f} s, webhooks {len(world.receiver.seen)}"
            )
            for thread in threads:
                thread.join()
        began = time.monotonic()
        ledger.wait_all_ended(ENDED_WITHIN_S)
        eventually(
            lambda: leftovers(world.server) == {}, "all is delivered", within_s=30, every_s=0.2
        )
        print(f"  {time.monotonic() - began:.1f} s to the end; not accepted: {ledger.refused}")
        ledger.check_each_ended_once()
        tokens = tokens_of_all(world)
        assert tokens.items() >= ledger.accepted.items()
        check_objects(world, tokens, faulty_s3)
        check_webhooks(world, tokens)
        reported, ended = reported_and_ended(world.server)
        assert reported == ended, "an end was reported twice, or not at all"


def drawn(moment: random.Random) -> list[str]:
    """The victims of all rounds: each as often as any other, in any order."""
    victims: list[str] = []
    while len(victims) < ROUNDS:
        victims += moment.sample(VICTIMS, len(VICTIMS))
    return victims[:ROUNDS]


def tokens_of_all(world: Delivering) -> dict[str, str]:
    """All tasks and their pages. Those whose caller got no answer are to be delivered, too."""
    with world.http() as http:
        return {task["id"]: task["input"]["url"].rpartition("/")[2] for task in listed(http)}


def check_objects(world: Delivering, tokens: dict[str, str], s3: FaultyS3) -> None:
    """Every task has one object, with the bytes of /results; no put had any others."""
    wanted = set()
    with world.http() as http:
        for task_id, token in tokens.items():
            zipped = options(world.receiver, token)["storage_compress"]
            content = http.get(f"/v1/tasks/{task_id}/results").raise_for_status().content
            key = f"lake/pages/{task_id}.json{'.gz' if zipped else ''}"
            stored = s3.objects.get(key)
            assert stored is not None, f"{key} is lost"
            assert (gzip.decompress(stored) if zipped else stored) == content
            assert len(set(s3.puts[key])) == 1, f"{key} had other bytes for a while"
            wanted.add(key)
    assert s3.objects.keys() == wanted, "objects of no task"
    repeated = sum(len(made) > 1 for made in s3.puts.values())
    print(f"  {len(wanted)} objects, {repeated} of them put more than once")


def check_webhooks(world: Delivering, tokens: dict[str, str]) -> None:
    """Every task has one webhook, answered with 2xx at least once, repeated under the same id."""
    told: defaultdict[str, list[Received]] = defaultdict(list)
    for received in world.receiver.seen:
        told[received.document()["task_id"]].append(received)
    assert told.keys() == tokens.keys()
    kept = rows(world.server, "SELECT parent_id, id, state::text FROM task WHERE kind = 'webhook'")
    assert {row["state"] for row in kept} == {"succeeded"}
    ids = {str(row["parent_id"]): str(row["id"]) for row in kept}
    assert len(kept) == len(ids) == len(told)
    for task_id, token in tokens.items():
        news = told[task_id]
        assert {one.delivery_id for one in news} == {ids[task_id]}
        assert len({one.body for one in news}) == 1
        assert news[0].document()["task"]["state"] == "success"
        ill = "times=1" in options(world.receiver, token)["callback_url"]
        assert len(news) >= 1 + ill
        attempts = [one.attempt for one in news]
        assert attempts == sorted(attempts)
    repeats = Counter(len(news) for news in told.values())
    print(f"  webhooks per task: {dict(sorted(repeats.items()))}")
