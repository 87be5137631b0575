"""A worker that freezes longer than its lease and comes back: its late commit must not count."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import psutil
import pytest
from nimble_python import Nimble

from tests.support.inside import leftovers
from tests.support.origin import Origin
from tests.support.sdk import finished
from tests.support.server import WindlassServer, running, send
from tests.support.waiting import eventually


def holder_of_connection(server: WindlassServer, origin: Origin) -> int | None:
    """The worker process that is connected to the site."""
    port = int(origin.base.rsplit(":", 1)[1])
    for worker in server.processes("worker"):
        for connection in psutil.Process(worker.pid).net_connections("tcp"):
            if connection.raddr and connection.raddr.port == port:
                return worker.pid
    return None


@pytest.mark.timeout(120)
def test_late_commit_is_dropped(tmp_path: Path, origin: Origin) -> None:
    with (
        running(tmp_path / "data", workers=2, rate_limit="0") as server,
        Nimble(base_url=server.url, api_key=server.api_key) as client,
    ):
        origin.hold()
        task_id = client.extract_async(url=origin.page("late")).task.id
        frozen = eventually(lambda: holder_of_connection(server, origin), "a worker fetches")
        assert len(origin.visits("/page/late")) == 1
        send(frozen, signal.SIGSTOP)
        try:
            eventually(
                lambda: len(origin.visits("/page/late")) == 2,
                "another worker takes the task over",
                within_s=20,
            )
            origin.release()
            task = finished(client, task_id)
        finally:
            send(frozen, signal.SIGCONT)
        result: Any = client.tasks.results(task_id)
        assert "Visit number 2" in result["data"]["html"]
        eventually(
            lambda: "late_outcome_dropped" in server.log_file.read_text(),
            "the frozen worker's outcome is dropped",
            within_s=20,
        )
        assert client.tasks.get(task_id).task == task
        assert client.tasks.results(task_id) == result
        assert leftovers(server) == {}
