"""Webhooks of a running server: when they are tried, when they are given up, whom they wait for."""

from __future__ import annotations

import itertools
import socket
import statistics
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from tests.support.delivering import SECRET, Delivering, delivering
from tests.support.inside import rows
from tests.support.origin import Origin
from tests.support.receiver import Received, receiving
from tests.support.tlssite import make_authority
from tests.support.waiting import eventually

SCHEDULE = "0,0.2,1"
ANSWER_WITHIN_S = 1.0


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Delivering]:
    with delivering(
        tmp_path_factory.mktemp("delivery") / "data",
        webhook_schedule=SCHEDULE,
        webhook_timeout=str(ANSWER_WITHIN_S),
        grace="2",
    ) as made:
        yield made


def gaps(told: list[Received]) -> list[float]:
    """Seconds between one webhook and the next."""
    return [later.at - earlier.at for earlier, later in itertools.pairwise(told)]


# ---------------------------------------------------------------- tries


@pytest.mark.alone
def test_what_is_not_taken_is_tried_again_on_schedule(world: Delivering, origin: Origin) -> None:
    url = world.receiver.url("status", "twice", code=500, times=2)
    task_id = world.submit(origin.page("again"), callback_url=url)
    told = world.news(task_id, 3)
    assert [one.attempt for one in told] == [1, 2, 3]
    assert len({one.delivery_id for one in told}) == 1
    assert len({one.body for one in told}) == 1
    for one in told:
        one.verify(SECRET)
    first, second = gaps(told)
    assert 0.15 <= first < 2.0
    assert 0.75 <= second < 3.0
    assert world.ended(task_id)["state"] == "succeeded"
    seen = [(one["outcome"], one["status_code"], one["answer"]) for one in world.tries(task_id)]
    assert seen == [
        ("retried", 500, "as asked"),
        ("retried", 500, "as asked"),
        ("succeeded", 200, '{"ok":true}'),
    ]


def test_after_the_last_try_a_webhook_is_kept_as_failed(world: Delivering, origin: Origin) -> None:
    task_id = world.submit(
        origin.page("never"), callback_url=world.receiver.url("status", "never", code=503)
    )
    failed = world.ended(task_id)
    assert (failed["state"], failed["failure_code"]) == ("failed", "webhook_rejected")
    assert len(world.told(task_id)) == 3
    assert [one["outcome"] for one in world.tries(task_id)] == ["retried", "retried", "failed"]
    task = world.client.tasks.get(task_id).task
    assert (task.state, task.error) == ("success", None)


@pytest.mark.alone
@pytest.mark.parametrize("code", [429, 503])
def test_a_receiver_may_ask_for_more_time(world: Delivering, origin: Origin, code: int) -> None:
    url = world.receiver.url("status", f"after{code}", code=code, after=2, times=2)
    told = world.news(world.submit(origin.page("wait"), callback_url=url), 3)
    first, second = gaps(told)
    assert 0.38 <= first < 1.5, "not more than twice the planned delay"
    assert 1.95 <= second < 3.5, "the two seconds that were asked for"


def test_a_receiver_that_is_gone_is_left_alone(world: Delivering, origin: Origin) -> None:
    task_id = world.submit(
        origin.page("gone"), callback_url=world.receiver.url("status", "gone", code=410)
    )
    failed = world.ended(task_id)
    assert (failed["state"], failed["failure_code"]) == ("failed", "webhook_gone")
    assert len(world.told(task_id)) == 1


def test_redirects_are_not_followed(world: Delivering, origin: Origin) -> None:
    elsewhere = world.receiver.url("ok", "elsewhere")
    url = world.receiver.url("redirect", "moved", to=elsewhere, times=1)
    told = world.news(world.submit(origin.page("moved"), callback_url=url), 2)
    assert [one.path.split("?")[0] for one in told] == ["/redirect/moved"] * 2


@pytest.mark.parametrize(
    ("name", "query"),
    [
        ("hang", {}),
        ("drip-head", {}),
        ("endless-head", {}),
        ("endless-interim", {}),
        ("reset", {}),
        ("close", {}),
        ("garbage", {}),
        ("huge", {"code": 500}),
        ("drip", {"code": 500}),
        ("bomb", {"code": 500}),
    ],
)
def test_a_receiver_that_misbehaves_is_asked_again_on_schedule(
    world: Delivering, origin: Origin, name: str, query: dict[str, object]
) -> None:
    with receiving() as receiver:  # its connections are not kept from a webhook before
        url = receiver.url(name, times=1, **query)
        task_id = world.submit(origin.page(name), callback_url=url)
        told = receiver.wait_for(2)
    assert [one.attempt for one in told] == [1, 2]
    assert world.ended(task_id)["state"] == "succeeded"
    (gap,) = gaps(told)
    assert 0.15 <= gap < ANSWER_WITHIN_S + 3.5


def test_a_receiver_with_a_bad_certificate_hears_nothing(
    world: Delivering, origin: Origin, tmp_path: Path
) -> None:
    with receiving(make_authority(tmp_path).context("IP:127.0.0.1")) as untrusted:
        task_id = world.submit(origin.page("tls"), callback_url=untrusted.url("ok"))
        assert world.ended(task_id)["failure_code"] == "tls_failed"
        assert len(world.tries(task_id)) == 3
        assert untrusted.seen == []


def test_retries_survive_a_restart(tmp_path: Path, origin: Origin) -> None:
    with delivering(tmp_path / "data", webhook_schedule="0,2,0.2") as world:
        url = world.receiver.url("status", "restart", code=500, times=2)
        task_id = world.submit(origin.page("restart"), callback_url=url)
        world.news(task_id)
        eventually(lambda: world.tries(task_id), "the first try is written down")
        world.server.restart()
        told = world.news(task_id, 3)
        assert [one.attempt for one in told] == [1, 2, 3]
        assert len({one.delivery_id for one in told}) == 1
        assert gaps(told)[0] >= 1.6


def test_a_webhook_under_way_when_the_server_stops_is_sent_again(
    tmp_path: Path, origin: Origin
) -> None:
    with delivering(tmp_path / "data", grace="0.5") as world:
        url = world.receiver.url("hang", "stop", times=1)
        task_id = world.submit(origin.page("stop"), callback_url=url)
        world.news(task_id)
        world.server.restart()
        told = world.news(task_id, 2)
        assert [one.attempt for one in told] == [1, 2]
        assert len({one.delivery_id for one in told}) == 1
        assert world.ended(task_id)["state"] == "succeeded"


def test_the_first_try_may_be_planned_for_later(tmp_path: Path, origin: Origin) -> None:
    with delivering(tmp_path / "data", webhook_schedule="1,0.2") as world:
        url = world.receiver.url("status", "later", code=500, times=1)
        task_id = world.submit(origin.page("later"), callback_url=url)
        told = world.news(task_id, 2)
        assert [one.attempt for one in told] == [1, 2]
        ended_at = datetime.fromisoformat(world.client.tasks.get(task_id).task.modified_at or "")
        waited = told[0].at + offset() - ended_at.timestamp()
        assert 0.75 <= waited < 4.0


# ---------------------------------------------------------------- addresses


def test_an_address_that_may_not_be_dialled_is_not(tmp_path: Path, origin: Origin) -> None:
    with (
        delivering(tmp_path / "data", allow_addresses="127.0.0.1/32") as world,
        socket.create_server(("127.0.0.2", 0)) as inside,
    ):
        inside.setblocking(False)
        url = f"http://127.0.0.2:{inside.getsockname()[1]}/hook"
        task_id = world.submit(origin.page("in"), callback_url=url)
        failed = world.ended(task_id)
        assert (failed["state"], failed["failure_code"]) == ("failed", "address_refused")
        assert len(world.tries(task_id)) == 1
        assert world.client.tasks.get(task_id).task.state == "success"
        with pytest.raises(BlockingIOError):
            inside.accept()


# ---------------------------------------------------------------- lanes and breakers


def offset() -> float:
    """What makes a Unix time of a time.monotonic()."""
    return time.time() - time.monotonic()


def delays(world: Delivering, task_ids: list[str]) -> list[float]:
    """Seconds between the end of each task and the arrival of its webhook."""
    return [
        world.news(task_id)[0].at
        + offset()
        - datetime.fromisoformat(world.client.tasks.get(task_id).task.modified_at or "").timestamp()
        for task_id in task_ids
    ]


def p95(values: list[float]) -> float:
    """What 95 of 100 do not exceed."""
    return statistics.quantiles(values, n=20)[-1]


def test_receivers_that_hang_delay_no_other(tmp_path: Path, origin: Origin) -> None:
    with delivering(tmp_path / "data", grace="1", webhook_timeout="15") as world:
        live = world.receiver.url("ok", "live")
        world.news(world.submit(origin.page("first"), callback_url=live))
        alone = delays(
            world, [world.submit(origin.page(f"a{n}"), callback_url=live) for n in range(40)]
        )
        for number in range(60):
            url = world.receiver.url("hang", f"e{number % 30}")
            world.submit(origin.page(f"h{number}"), callback_url=url)
        eventually(lambda: len(world.receiver.requests("hang")) >= 30, "thirty receivers hang")
        beside = delays(
            world, [world.submit(origin.page(f"b{n}"), callback_url=live) for n in range(40)]
        )
        print(f"p95 alone {p95(alone) * 1000:.0f} ms, beside {p95(beside) * 1000:.0f} ms")
        assert len(world.receiver.requests("hang")) == 30, "one at a time to a receiver that hangs"
        assert p95(beside) < 1.0


def test_an_endpoint_that_keeps_failing_is_left_alone_until_a_probe_comes_through(
    tmp_path: Path, origin: Origin
) -> None:
    with delivering(tmp_path / "data", webhook_schedule="0,0.2,1,1") as world:
        url = world.receiver.url("sick")
        tasks = [world.submit(origin.page(f"s{n}"), callback_url=url) for n in range(14)]
        eventually(lambda: world.lane(url).get("open_until"), "the breaker opens", every_s=0.1)
        assert len(world.receiver.requests("sick")) == 10
        # Another endpoint of the same receiver is another matter.
        world.news(world.submit(origin.page("well"), callback_url=world.receiver.url("ok")))
        assert len(world.receiver.requests("sick")) == 10
        left = rows(
            world.server,
            "SELECT extract(epoch FROM next_at - now()) AS s FROM lane WHERE next_at = open_until",
        )[0]["s"]
        assert 40 < left <= 60
        probe(world)
        eventually(lambda: len(world.receiver.requests("sick")) == 11, "one probe")
        eventually(lambda: world.lane(url)["probe_s"] == 120, "the next probe is later")
        assert len(world.receiver.requests("sick")) == 11
        world.receiver.well = True
        probe(world)
        for task_id in tasks:
            assert world.ended(task_id)["state"] == "succeeded"
        lane = world.lane(url)
        assert (lane["open_until"], lane["streak"], lane["proven"]) == (None, 0, True)


def probe(world: Delivering) -> None:
    """Makes it time for the next probe."""
    rows(
        world.server,
        "UPDATE lane SET open_until = now(), next_at = now() WHERE open_until IS NOT NULL "
        "RETURNING key",
    )
