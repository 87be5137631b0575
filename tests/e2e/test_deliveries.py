"""The delivery log and webhook secrets of a running server, over HTTP and by command."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from standardwebhooks import WebhookVerificationError

from tests.support.delivering import SECRET, Delivering, delivering
from tests.support.origin import Origin
from tests.support.waiting import eventually
from windlass.cli import deliveries as commands
from windlass.settings import Settings

MISSING = "00000000-0000-4000-8000-000000000000"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Delivering]:
    """A server that tries every delivery once."""
    data = tmp_path_factory.mktemp("deliveries") / "data"
    with delivering(data, webhook_schedule="0", upload_schedule="0", grace="1") as made:
        yield made


@pytest.fixture(scope="module")
def http(world: Delivering) -> Iterator[httpx.Client]:
    with world.http() as client:
        yield client


@pytest.fixture(scope="module")
def other(world: Delivering) -> Iterator[httpx.Client]:
    """A client of another account."""
    made = json.loads(world.server.command("keys", "create", "--account", "b", "--json").stdout)
    bearer = {"Authorization": f"Bearer {made['key']}"}
    with httpx.Client(base_url=world.server.url, headers=bearer, timeout=15) as client:
        yield client


def sent(world: Delivering, origin: Origin, url: str, **options: Any) -> dict[str, Any]:
    """The log's item for the webhook of a new task, once it has ended."""
    task_id = world.submit(origin.page("log"), callback_url=url, **options)
    world.ended(task_id)
    return only(world, task=task_id, kind="webhook")


def failed(world: Delivering, origin: Origin, name: str) -> dict[str, Any]:
    """A webhook that has failed, and would be taken now."""
    return sent(world, origin, world.receiver.url("status", name, code=500, times=1))


def listed(world: Delivering, **query: Any) -> list[dict[str, Any]]:
    with world.http() as http:
        answer = http.get("/v1/deliveries", params=query).raise_for_status().json()
    items: list[dict[str, Any]] = answer["data"]
    return items


def only(world: Delivering, **query: Any) -> dict[str, Any]:
    (item,) = listed(world, **query)
    return item


def state_of(http: httpx.Client, delivery_id: str) -> str:
    return str(http.get(f"/v1/deliveries/{delivery_id}").raise_for_status().json()["state"])


def succeeds(http: httpx.Client, delivery_id: str) -> None:
    eventually(lambda: state_of(http, delivery_id) == "succeeded", f"{delivery_id} is taken")


def hours_ago(hours: float) -> str:
    return (datetime.now(UTC) - timedelta(hours=hours)).isoformat()


# ---------------------------------------------------------------- reading


def test_a_delivery_is_read_with_what_every_attempt_saw(
    world: Delivering, http: httpx.Client, origin: Origin
) -> None:
    url = world.receiver.url("status", "read", code=418, text="short and stout", token="t0ps3cret")
    item = sent(world, origin, url.replace("http://", "http://user:pw@"))
    assert (item["kind"], item["state"], item["error_code"]) == (
        "webhook",
        "failed",
        "webhook_rejected",
    )
    assert item["destination"] == url.partition("?")[0]
    read = http.get(f"/v1/deliveries/{item['id']}")
    assert read.headers["x-task-id"] == item["task_id"]
    detail = read.json()
    assert {name: detail[name] for name in item if name != "destination"} == {
        name: value for name, value in item.items() if name != "destination"
    }
    assert "code=***" in detail["destination"] and "token=***" in detail["destination"]
    assert detail["headers"] == {"Authorization": "***"}
    (attempt,) = detail["attempts"]
    assert (attempt["outcome"], attempt["status_code"]) == ("failed", 418)
    assert attempt["answer"] == "short and stout"
    assert attempt["duration_ms"] >= 0
    assert attempt["started_at"] <= attempt["finished_at"]
    assert (attempt["next_attempt_at"], detail["next_attempt_at"]) == (None, None)
    for shown in (read.text, json.dumps(item)):
        assert "pw" not in shown and "t0ps3cret" not in shown


def test_filters_and_pages(world: Delivering, http: httpx.Client, origin: Origin) -> None:
    url = world.receiver.url("ok", "filtered")
    made = [sent(world, origin, url)["id"] for _ in range(3)]
    assert [one["id"] for one in listed(world, destination=url)] == made[::-1]
    assert listed(world, destination=url, state="failed") == []
    assert listed(world, destination=url, kind="upload") == []
    found: list[str] = []
    query: dict[str, Any] = {"destination": url, "limit": 2}
    while True:
        page = http.get("/v1/deliveries", params=query).json()
        found += [one["id"] for one in page["data"]]
        assert page["pagination"]["total"] == 3
        if not page["pagination"]["has_next"]:
            break
        query["cursor"] = page["pagination"]["next_cursor"]
    assert found == made[::-1]


@pytest.mark.parametrize(
    ("query", "place"),
    [
        ("state=error", "/state"),
        ("state=", "/state"),
        ("kind=mail", "/kind"),
        ("task=x", "/task"),
        ("destination=", "/destination"),
        ("destination=%00", "/destination"),
        ("limit=0", "/limit"),
        ("cursor=x", "/cursor"),
    ],
)
def test_a_wrong_filter_is_named(http: httpx.Client, query: str, place: str) -> None:
    answer = http.get(f"/v1/deliveries?{query}")
    assert answer.status_code == 400
    named = answer.json()["details"]["schema_validation_errors"]
    assert place in [one["instancePath"] for one in named]


def test_other_accounts_and_the_task_calls_know_nothing_of_it(
    world: Delivering, http: httpx.Client, other: httpx.Client, origin: Origin
) -> None:
    delivery_id = failed(world, origin, "mine")["id"]
    assert other.get("/v1/deliveries").json()["data"] == []
    for client, unknown in ((other, delivery_id), (http, MISSING), (http, "x")):
        for answer in (
            client.get(f"/v1/deliveries/{unknown}"),
            client.post(f"/v1/deliveries/{unknown}/resend"),
        ):
            assert (answer.status_code, answer.json()["error"]) == (404, "Delivery not found")
    again = other.post("/v1/deliveries/resend", json={"since": hours_ago(1)})
    assert again.json()["resent"] == 0
    assert http.get(f"/v1/tasks/{delivery_id}").status_code == 404
    assert state_of(http, delivery_id) == "failed"


# ---------------------------------------------------------------- sending again


def test_one_is_sent_again_and_recognised_by_its_id(
    world: Delivering, http: httpx.Client, origin: Origin
) -> None:
    item = failed(world, origin, "again")
    answer = http.post(f"/v1/deliveries/{item['id']}/resend")
    assert answer.status_code == 200
    assert (answer.json()["id"], answer.json()["postponed_until"]) == (item["id"], None)
    succeeds(http, item["id"])
    told = world.told(item["task_id"])
    assert [one.delivery_id for one in told] == [item["id"]] * 2
    assert [one.attempt for one in told] == [1, 2]
    assert len(http.get(f"/v1/deliveries/{item['id']}").json()["attempts"]) == 2


def test_one_that_was_taken_is_sent_again_if_asked(
    world: Delivering, http: httpx.Client, origin: Origin
) -> None:
    item = sent(world, origin, world.receiver.url("ok", "lost"))
    http.post(f"/v1/deliveries/{item['id']}/resend").raise_for_status()
    assert {one.delivery_id for one in world.news(item["task_id"], 2)} == {item["id"]}


def test_one_under_way_is_refused(world: Delivering, http: httpx.Client, origin: Origin) -> None:
    url = world.receiver.url("hang", "busy")
    world.submit(origin.page("busy"), callback_url=url)
    item = eventually(
        lambda: listed(world, destination=url, state="running"), "the webhook is under way"
    )[0]
    answer = http.post(f"/v1/deliveries/{item['id']}/resend")
    assert (answer.status_code, answer.json()["error_code"]) == (409, "not_resendable")
    assert answer.headers["x-should-retry"] == "false"
    asked = world.server.command("deliveries", "resend", item["id"], check=False)
    assert (asked.returncode, asked.stdout) == (4, "")


def test_all_that_failed_since_a_time_are_sent_again(
    world: Delivering, http: httpx.Client, origin: Origin
) -> None:
    made = [failed(world, origin, f"many/{n}")["id"] for n in range(3)]
    prefix = world.receiver.url("status", "many/")
    wanted = {"since": hours_ago(1), "destination": prefix}
    for never in ({"until": hours_ago(1)}, {"kind": "upload"}, {"task": MISSING}):
        assert http.post("/v1/deliveries/resend", json=wanted | never).json()["resent"] == 0
    answer = http.post("/v1/deliveries/resend", json=wanted).json()
    assert (answer["resent"], answer["more"]) == (3, False)
    for delivery_id in made:
        succeeds(http, delivery_id)
    assert http.post("/v1/deliveries/resend", json=wanted).json()["resent"] == 0


def test_an_endpoint_that_is_left_alone_postpones_what_is_sent_again(
    world: Delivering, http: httpx.Client, origin: Origin
) -> None:
    url = world.receiver.url("status", "down", code=500)
    items = [sent(world, origin, url) for _ in range(10)]
    answer = http.post(f"/v1/deliveries/{items[0]['id']}/resend").json()
    assert (answer["state"], answer["circuit"]["state"]) == ("queued", "open")
    assert answer["circuit"]["failures_in_a_row"] == 10
    assert answer["postponed_until"] == answer["next_attempt_at"] == answer["circuit"]["open_until"]
    assert (answer["error_code"], len(answer["attempts"])) == ("webhook_rejected", 1)
    shown = world.server.command("deliveries", "get", items[0]["id"]).stdout
    assert f"open until {answer['postponed_until']}" in shown

    def told() -> bool:
        lines = http.get("/metrics").text.splitlines()
        return {
            "windlass_webhook_circuits_open 1.0",
            'windlass_queue_depth{kind="webhook",state="waiting"} 1.0',
        } <= set(lines)

    eventually(told, "the numbers of /metrics")


# ---------------------------------------------------------------- what metrics say


def test_deliveries_that_failed_are_counted_by_kind_and_code(
    world: Delivering, http: httpx.Client, origin: Origin
) -> None:
    failed(world, origin, "counted")
    task_id = world.submit(origin.page("up"), storage_url="s3://lake/in/")
    world.ended(task_id, "upload")
    item = only(world, task=task_id)
    assert (item["kind"], item["state"]) == ("upload", "failed")
    assert item["destination"] == f"s3://lake/in/{task_id}.json"

    def counted() -> bool:
        text = http.get("/metrics").text
        return (
            'windlass_tasks_finished_total{code="webhook_rejected",kind="webhook",outcome="failed"}'
            in text
            and f'windlass_tasks_finished_total{{code="{item["error_code"]}",kind="upload"' in text
        )

    eventually(counted, "both are counted")


# ---------------------------------------------------------------- commands


def test_commands_list_show_and_send_again(
    world: Delivering, http: httpx.Client, origin: Origin
) -> None:
    first, second = (failed(world, origin, f"cli/{n}") for n in range(2))
    run = world.server.command
    prefix = world.receiver.url("status", "cli/")
    lines = run("deliveries", "list", "--destination", prefix, "--state", "failed").stdout
    assert [line.split("\t")[0] for line in lines.splitlines()] == [second["id"], first["id"]]
    shown = run("deliveries", "get", first["id"], check=False)
    assert shown.returncode == 3
    assert "webhook_rejected" in shown.stdout and "as asked" in shown.stdout
    assert json.loads(run("deliveries", "get", first["id"], "--json", check=False).stdout)["id"]
    again = run("deliveries", "resend", first["id"])
    assert (again.stdout, first["id"] in again.stderr) == ("", True)
    succeeds(http, first["id"])
    assert run("deliveries", "get", first["id"]).returncode == 0
    many = run("deliveries", "resend", "--failed-since", "1h", "--destination", prefix, "--json")
    assert json.loads(many.stdout)["resent"] == 1
    succeeds(http, second["id"])
    newest = run("deliveries", "list", "--destination", prefix, "--limit", "1", "--json")
    answer = json.loads(newest.stdout)
    assert ([one["id"] for one in answer["data"]], answer["more"]) == ([second["id"]], True)


def test_long_lists_are_read_page_by_page(
    world: Delivering, origin: Origin, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = world.receiver.url("ok", "paged")
    made = [sent(world, origin, url)["id"] for _ in range(3)]
    monkeypatch.setattr(commands, "_PAGE", 1)
    settings = Settings(url=world.server.url, api_key=world.server.api_key)
    for limit, more in ((2, True), (3, False), (9, False)):
        newest = commands._newest(settings, {"destination": url}, limit)
        found, rest = asyncio.run(newest)
        assert ([one["id"] for one in found], rest) == (made[::-1][:limit], more)


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (("get", MISSING), 4),
        (("resend", MISSING), 4),
        (("resend",), 2),
        (("resend", MISSING, "--failed-since", "1h"), 2),
        (("resend", MISSING, "--kind", "upload"), 2),
        (("resend", "--failed-since", "yesterday"), 2),
        (("resend", "--failed-since", "9e99d"), 2),
        (("list", "--task", "x"), 2),
        (("list", "--state", "error"), 2),
    ],
)
def test_what_cannot_be_done_has_its_exit_status(
    world: Delivering, arguments: tuple[str, ...], status: int
) -> None:
    done = world.server.command("deliveries", *arguments, check=False)
    assert (done.returncode, done.stdout) == (status, "")
    assert "Traceback" not in done.stderr


def test_times_may_be_written_as_people_do(world: Delivering) -> None:
    for text in ("2099-01-01", "2099-01-01 12:00", "2099-01-01T12:00:00Z"):
        done = world.server.command("deliveries", "resend", "--failed-since", text, "--json")
        assert json.loads(done.stdout)["resent"] == 0


# ---------------------------------------------------------------- secrets


def test_the_secret_of_the_settings_is_shown(world: Delivering, http: httpx.Client) -> None:
    answer = http.get("/v1/webhooks/secret")
    assert answer.headers["cache-control"] == "no-store"
    (current,) = answer.json()["data"]
    assert (current["secret"], current["expires_at"]) == (SECRET, None)
    assert world.server.command("webhooks", "secret", "show").stdout.startswith(f"{SECRET}\t")


def test_webhooks_are_signed_with_both_secrets_after_a_change(
    world: Delivering, other: httpx.Client, origin: Origin
) -> None:
    (old,) = (one["secret"] for one in other.get("/v1/webhooks/secret").json()["data"])
    key = other.headers["authorization"].removeprefix("Bearer ")
    done = world.server.command("webhooks", "secret", "rotate", "--overlap", "1h", api_key=key)
    new = done.stdout.strip()
    assert "a former secret signs, too, until " in done.stderr
    assert new.startswith("whsec_") and new != old
    data = other.get("/v1/webhooks/secret").json()["data"]
    assert [(one["secret"], one["expires_at"] is None) for one in data] == [
        (new, True),
        (old, False),
    ]
    body = {"url": origin.page("signed"), "callback_url": world.receiver.url("ok", "signed")}
    task_id = other.post("/v1/extract/async", json=body).json()["task_id"]
    (told,) = world.news(task_id)
    for secret in (old, new):
        told.verify(secret)
    with pytest.raises(WebhookVerificationError):
        told.verify(SECRET)


def test_a_former_secret_may_end_at_once_and_many_do_not_pile_up(other: httpx.Client) -> None:
    for _ in range(7):
        other.post("/v1/webhooks/secret/rotate", json={"overlap": 3600}).raise_for_status()
    data = other.get("/v1/webhooks/secret").json()["data"]
    assert len(data) == 5
    assert [one["created_at"] for one in data] == sorted(
        (one["created_at"] for one in data), reverse=True
    )
    latest = other.post("/v1/webhooks/secret/rotate", json={"overlap": 0}).json()["data"]
    assert data[0]["secret"] not in [one["secret"] for one in latest]


@pytest.mark.parametrize("overlap", [-1, "day", None, 1e9])
def test_a_wrong_overlap_is_refused(http: httpx.Client, overlap: object) -> None:
    answer = http.post("/v1/webhooks/secret/rotate", json={"overlap": overlap})
    assert answer.status_code == 400
    (problem,) = answer.json()["details"]["schema_validation_errors"]
    assert problem["instancePath"] == "/overlap"
