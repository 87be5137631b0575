"""The disk fills up under a running server and is emptied again: nothing accepted is lost."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from tests.support.ledger import Ledger
from tests.support.origin import Origin
from tests.support.server import WindlassServer, running
from tests.support.small_disk import small_disk
from tests.support.waiting import eventually

TASKS = 40


def answers_of(server: WindlassServer, origin: Origin) -> tuple[int, dict[str, str]]:
    """Status and headers of one more submission."""
    answer = httpx.post(
        f"{server.url}/v1/extract/async",
        json={"url": origin.page("more")},
        headers={"Authorization": f"Bearer {server.api_key}"},
        timeout=30,
    )
    return answer.status_code, dict(answer.headers)


def submit_and_join(ledger: Ledger, name: str) -> None:
    """TASKS accepted tasks."""
    for thread in ledger.submit([f"{name}-{n}" for n in range(TASKS)]):
        thread.join()
    assert len(ledger.accepted) >= TASKS


def wait_for_log(server: WindlassServer, words: str, within_s: float = 30) -> None:
    """Returns once the server has logged these words."""
    found: Callable[[], bool] = lambda: words in server.log_file.read_text()  # noqa: E731
    eventually(found, f"{words!r} is logged", within_s=within_s)


@pytest.mark.timeout(180)
def test_tasks_wait_for_space_when_results_cannot_be_stored(tmp_path: Path, origin: Origin) -> None:
    results = tmp_path / "results"
    results.mkdir()
    with (
        small_disk(results, megabytes=8) as disk,
        running(tmp_path / "data", rate_limit="0", results_url=results.as_uri()) as server,
    ):
        ledger = Ledger(server, origin)
        disk.fill(server)
        submit_and_join(ledger, "full")
        wait_for_log(server, "storage_full")
        assert ledger.unfinished() == len(ledger.accepted), "a task ended without its result"
        assert httpx.get(f"{server.url}/healthz", timeout=5).status_code == 200
        disk.free(server)
        ledger.wait_all_ended(within_s=60)
        ledger.check_each_ended_once()


@pytest.mark.timeout(240)
def test_a_full_data_directory_costs_time_but_no_task(tmp_path: Path, origin: Origin) -> None:
    data = tmp_path / "data"
    data.mkdir()
    with small_disk(data, megabytes=400) as disk, running(data, rate_limit="0") as server:
        ledger = Ledger(server, origin)
        origin.hold()
        submit_and_join(ledger, "before")
        disk.fill(server)
        origin.release()

        def refuses() -> bool:
            status, headers = answers_of(server, origin)
            return status >= 500 and headers.get("x-should-retry") != "false"

        eventually(refuses, "submissions are refused as retryable", within_s=60)
        disk.free(server)
        server.wait_ready()
        ledger.wait_all_ended(within_s=90)
        ledger.check_each_ended_once()
        submit_and_join(ledger, "after")
        ledger.wait_all_ended(within_s=60)
        ledger.check_each_ended_once()
