"""How often does the SDK try? Counted at a proxy between it and the server (section 1.4)."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest
from nimble_python import (
    AuthenticationError,
    BadRequestError,
    InternalServerError,
    Nimble,
    NotFoundError,
    RateLimitError,
)

from tests.conftest import StartServer
from tests.support.loopback import free_port
from tests.support.origin import Origin
from tests.support.relay import CountingProxy
from tests.support.server import WindlassServer, send

UNKNOWN = "123e4567-e89b-12d3-a456-426614174000"


@pytest.fixture
def nimble(server: WindlassServer, counted: CountingProxy) -> Iterator[Nimble]:
    """The SDK with its own default of two retries, behind the counting proxy."""
    with Nimble(base_url=counted.url, api_key=server.api_key) as made:
        yield made


def test_a_400_is_tried_once(nimble: Nimble, counted: CountingProxy) -> None:
    with pytest.raises(BadRequestError):
        nimble.extract(url="not a url")
    assert len(counted.passed) == 1


def test_a_401_is_tried_once(counted: CountingProxy) -> None:
    with (
        Nimble(base_url=counted.url, api_key="wrong") as stranger,
        pytest.raises(AuthenticationError),
    ):
        stranger.tasks.list()
    assert len(counted.passed) == 1


def test_a_404_is_tried_once(nimble: Nimble, counted: CountingProxy) -> None:
    with pytest.raises(NotFoundError):
        nimble.tasks.get(UNKNOWN)
    assert len(counted.passed) == 1


def test_unready_results_are_tried_once(
    nimble: Nimble, counted: CountingProxy, origin: Origin
) -> None:
    origin.hold()
    task_id = nimble.extract_async(url=origin.page("unready")).task.id
    with pytest.raises(NotFoundError):
        nimble.tasks.results(task_id)
    assert len(counted.passed) == 2
    origin.release()


def test_a_target_that_fails_is_tried_once_by_the_sdk(
    nimble: Nimble, counted: CountingProxy
) -> None:
    with pytest.raises(InternalServerError):
        nimble.extract(url=f"http://127.0.0.1:{free_port()}/")
    assert [one.status for one in counted.passed] == [500]


def test_a_timed_out_target_is_tried_once_by_the_sdk(
    nimble: Nimble, counted: CountingProxy, origin: Origin
) -> None:
    with pytest.raises(InternalServerError):
        nimble.extract(url=f"{origin.base}/hang", request_timeout=300)
    assert [one.status for one in counted.passed] == [555]


def test_a_429_is_tried_three_times_and_then_shown(start_server: StartServer) -> None:
    """The limit is so low that the waits that the server asks for do not suffice."""
    server = start_server(rate_limit="0.01")
    proxy = CountingProxy(server.url)
    try:
        with Nimble(base_url=proxy.url, api_key=server.api_key) as nimble:
            with pytest.raises(RateLimitError):
                for _ in range(5):
                    nimble.with_options(max_retries=0).tasks.list()
            before = len(proxy.passed)
            with pytest.raises(RateLimitError):
                nimble.tasks.list()
    finally:
        proxy.close()
    tries = proxy.passed[before:]
    assert [one.status for one in tries] == [429, 429, 429]
    assert [one.headers["x-stainless-retry-count"] for one in tries] == ["0", "1", "2"]


def test_a_429_that_passes_is_invisible_to_the_caller(start_server: StartServer) -> None:
    server = start_server(rate_limit="5")
    proxy = CountingProxy(server.url)
    try:
        with Nimble(base_url=proxy.url, api_key=server.api_key) as nimble:
            for _ in range(12):
                nimble.tasks.list()
    finally:
        proxy.close()
    statuses = [one.status for one in proxy.passed]
    assert statuses.count(200) == 12
    assert 429 in statuses


def test_our_own_failure_is_tried_three_times(start_server: StartServer) -> None:
    """The database is dead and its keeper cannot start it again: a 5xx that may be retried."""
    server = start_server()
    proxy = CountingProxy(server.url)
    keepers = [one.pid for one in (*server.processes("supervisor"), *server.processes("keeper"))]
    for pid in keepers:
        send(pid, signal.SIGSTOP)
    try:
        server.kill("postgres")
        with (
            Nimble(base_url=proxy.url, api_key=server.api_key) as nimble,
            pytest.raises(InternalServerError) as failed,
        ):
            nimble.tasks.list()
    finally:
        for pid in keepers:
            send(pid, signal.SIGCONT)
        proxy.close()
    assert failed.value.response.headers.get("x-should-retry") != "false"
    assert len(proxy.passed) == 3
    assert all(one.status >= 500 for one in proxy.passed)
    server.wait_ready()
