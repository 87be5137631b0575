"""The database is away for ten seconds while callers go on: no half-created task, no lost one."""

from __future__ import annotations

import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from tests.support.ledger import Ledger, listed
from tests.support.origin import Origin
from tests.support.relay import CuttableRelay
from tests.support.server import running
from tests.support.waiting import eventually

AWAY_S = 10.0
ANSWERS_WITHIN_S = 15.0
TASKS = 30


@pytest.fixture
def relay(tmp_path: Path) -> Iterator[CuttableRelay]:
    """A way to a PostgreSQL of its own that the test can cut."""
    host = Path(__file__).parents[1] / "support" / "postgres_host.py"
    command = [sys.executable, str(host), str(tmp_path / "database"), "hold"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as database:
        try:
            assert database.stdout is not None
            word, dsn, _ = database.stdout.readline().split()
            assert word == "ready"
            folder = parse_qs(urlsplit(dsn).query)["host"][0]
            made = CuttableRelay(f"{folder}/.s.PGSQL.5432")
            yield made
            made.cut()
        finally:
            database.kill()


@pytest.mark.timeout(180)
def test_ten_seconds_without_a_database_lose_and_invent_nothing(
    tmp_path: Path, origin: Origin, relay: CuttableRelay
) -> None:
    url = f"postgresql://windlass@127.0.0.1:{relay.port}/windlass"
    with running(tmp_path / "data", rate_limit="0", database_url=url) as server:
        ledger = Ledger(server, origin)
        origin.delay_s = 0.2
        for thread in ledger.submit([f"before-{n}" for n in range(TASKS)]):
            thread.join()
        pids = {role: [p.pid for p in server.processes(role)] for role in ("api", "worker")}
        relay.cut()
        answers = submissions_for(AWAY_S, ledger)
        assert not answers.keys() & {200, 400, 401, 404}, answers
        assert sum(answers.values()) >= 1
        assert httpx.get(f"{server.url}/readyz", timeout=10).status_code == 503
        assert httpx.get(f"{server.url}/healthz", timeout=10).status_code == 200
        relay.restore()
        eventually(
            lambda: httpx.get(f"{server.url}/readyz", timeout=10).status_code == 200,
            "ready again",
            within_s=10,
        )
        ledger.wait_all_ended(within_s=60)
        ledger.check_each_ended_once()
        with ledger.http() as http:
            assert {task["id"] for task in listed(http)} == set(ledger.accepted)
        assert pids == {r: [p.pid for p in server.processes(r)] for r in ("api", "worker")}


def submissions_for(seconds: float, ledger: Ledger) -> Counter[int]:
    """Submits without rest for that long; how often each status was answered, and in time."""
    statuses: Counter[int] = Counter()
    deadline = time.monotonic() + seconds
    with ledger.http() as http:
        while time.monotonic() < deadline:
            began = time.monotonic()
            answer = http.post(
                "/v1/extract/async", json={"url": ledger.origin.page("away")}, timeout=60
            )
            assert time.monotonic() - began <= ANSWERS_WITHIN_S
            assert answer.headers.get("x-should-retry") != "false"
            statuses[answer.status_code] += 1
    return statuses
