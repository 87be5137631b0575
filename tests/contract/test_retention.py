"""Results are kept for a while and then answered as expired, later as unknown (section 2.7)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nimble_python import Nimble, NotFoundError

from tests.conftest import StartServer
from tests.support.inside import rows
from tests.support.origin import Origin
from tests.support.sdk import finished
from tests.support.waiting import eventually

TTL_DAYS = 7


def refusal(call: Callable[[str], object], task_id: str) -> dict[str, Any]:
    """The body of the 404 that the call is answered with, {} if it is not."""
    try:
        call(task_id)
    except NotFoundError as error:
        body: Any = error.body
        return dict(body)
    return {}


def test_results_expire_before_their_task_is_forgotten(
    start_server: StartServer, origin: Origin
) -> None:
    server = start_server()
    with Nimble(base_url=server.url, api_key=server.api_key) as nimble:
        old, kept = (nimble.extract_async(url=origin.page(name)).task.id for name in ("a", "b"))
        finished(nimble, old)
        finished(nimble, kept)
        age = "UPDATE task SET finished_at = finished_at - interval '1 day' * $2::int WHERE id = $1"
        rows(server, age, old, TTL_DAYS + 1)
        server.restart()
        body = eventually(lambda: refusal(nimble.tasks.results, old), "the results expire")
        assert body["status"] == "failed"
        assert body["error"] == body["msg"] == "Task results expired"
        assert nimble.tasks.get(old).task.state == "success"
        assert isinstance(nimble.tasks.results(kept), dict)
        rows(server, age, old, TTL_DAYS)
        server.restart()
        gone = eventually(lambda: refusal(nimble.tasks.get, old), "the task is forgotten")
        assert gone["error"] == "Task not found"


def test_a_task_that_could_not_start_within_a_day_fails_with_its_reason(
    start_server: StartServer, origin: Origin
) -> None:
    server = start_server(host_delay_for="127.0.0.9=3600")
    with Nimble(base_url=server.url, api_key=server.api_key) as nimble:
        ids = [nimble.extract_async(url=f"http://127.0.0.9:9/{n}").task.id for n in range(3)]
        waiting = [one for one in ids if nimble.tasks.get(one).task.state == "pending"]
        assert waiting
        rows(server, "UPDATE task SET created_at = created_at - interval '25 hours'")
        server.restart()
        task = finished(nimble, waiting[-1])
        assert task.state == "error"
        assert task.error
        assert task.model_extra is not None
        assert task.model_extra["error_code"] == "task_expired"
