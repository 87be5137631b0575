"""A graceful stop: running work gets its grace, then goes back to the queue unharmed."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest
from nimble_python import Nimble

from tests.conftest import StartServer
from tests.support.inside import rows
from tests.support.ledger import Ledger
from tests.support.origin import Origin
from tests.support.waiting import eventually

GRACE_S = 1.0
TASKS = 6


def submit_all(ledger: Ledger) -> None:
    """TASKS accepted tasks, all of them asked for at the site."""
    for thread in ledger.submit([f"t{n}" for n in range(TASKS)]):
        thread.join()
    eventually(lambda: len(ledger.origin.all_visits()) == TASKS, "all pages are asked for")


@pytest.mark.timeout(120)
def test_sigterm_gives_running_work_back_without_costing_an_attempt(
    start_server: StartServer, origin: Origin
) -> None:
    server = start_server(rate_limit="0", grace=str(GRACE_S))
    ledger = Ledger(server, origin)
    origin.hold()
    submit_all(ledger)
    began = time.monotonic()
    server.terminate()
    assert server.wait_stopped() == 0
    assert GRACE_S <= time.monotonic() - began <= GRACE_S + 8
    server.start()
    eventually(lambda: len(origin.all_visits()) == 2 * TASKS, "all pages are asked for again")
    lives = rows(server, "SELECT failures, losses FROM task")
    assert {(one["failures"], one["losses"]) for one in lives} == {(0, 0)}
    origin.release()
    ledger.wait_all_ended(within_s=20)
    ledger.check_each_ended_once()


@pytest.mark.timeout(120)
def test_sigterm_lets_work_finish_that_ends_within_the_grace(
    start_server: StartServer, origin: Origin
) -> None:
    server = start_server(rate_limit="0", grace="10")
    ledger = Ledger(server, origin)
    origin.delay_s = 1.0
    submit_all(ledger)
    server.terminate()
    assert server.wait_stopped() == 0
    server.start()
    ledger.wait_all_ended(within_s=5)
    ledger.check_each_ended_once()
    assert len(origin.all_visits()) == TASKS


@pytest.mark.timeout(120)
def test_a_caller_who_waits_gets_the_page_although_the_server_stops(
    start_server: StartServer, origin: Origin
) -> None:
    server = start_server(rate_limit="0", grace="10")
    origin.delay_s = 1.0
    answers: list[Any] = []

    def call() -> None:
        with Nimble(base_url=server.url, api_key=server.api_key, max_retries=0) as nimble:
            answers.append(nimble.extract(url=origin.page("waiting")))

    caller = threading.Thread(target=call)
    caller.start()
    eventually(lambda: origin.visits("/page/waiting"), "the page is asked for")
    server.terminate()
    caller.join(timeout=20)
    assert server.wait_stopped() == 0
    assert [answer.status for answer in answers] == ["success"]
