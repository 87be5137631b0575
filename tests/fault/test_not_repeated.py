"""A POST that may have reached its site is never sent again by us."""

from __future__ import annotations

from typing import Any

import pytest
from nimble_python import Nimble

from tests.conftest import StartServer
from tests.support.blows import lazy_disk, strike
from tests.support.origin import Origin
from tests.support.server import WindlassServer
from tests.support.waiting import eventually


def submit(nimble: Nimble, url: str, method: Any) -> str:
    return nimble.extract_async(url=url, method=method).task.id


def kill_worker(server: WindlassServer) -> None:
    server.kill("worker")


def stop_and_start(server: WindlassServer) -> None:
    server.terminate()
    assert server.wait_stopped() == 0
    server.start()


def cut_the_power(server: WindlassServer) -> None:
    strike(server, "everything")


@pytest.mark.timeout(120)
@pytest.mark.parametrize("interrupt", [kill_worker, stop_and_start, cut_the_power])
def test_an_interrupted_post_fails_while_a_get_runs_again(
    start_server: StartServer, origin: Origin, interrupt: Any
) -> None:
    server = start_server(rate_limit="0", grace="0")
    if interrupt is cut_the_power:
        lazy_disk(server)
    origin.hold()
    with Nimble(base_url=server.url, api_key=server.api_key) as nimble:
        post = submit(nimble, origin.page("order"), "POST")
        get = submit(nimble, origin.page("look"), "GET")
        eventually(lambda: len(origin.all_visits()) == 2, "both pages are asked for")
        interrupt(server)
        eventually(lambda: len(origin.visits("/page/look")) == 2, "one is asked for again")
        origin.release()

        def ended(task_id: str) -> bool:
            return nimble.tasks.get(task_id).task.state in ("success", "error")

        eventually(lambda: ended(post) and ended(get), "both have ended")
        assert nimble.tasks.get(get).task.state == "success"
        assert nimble.tasks.get(post).task.state == "error"
        result: Any = nimble.tasks.results(post)
    assert result["metadata"]["error_code"] == "not_repeated"
    assert len(origin.visits("/page/order")) == 1
