"""Accounts that cannot see each other, through the SDK alone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from nimble_python import AuthenticationError, Nimble, NotFoundError

from tests.support.origin import Origin
from tests.support.sdk import every_listed_task, finished
from tests.support.server import WindlassServer


@pytest.fixture
def other(server: WindlassServer) -> Iterator[Nimble]:
    """The SDK of another account."""
    made: dict[str, Any] = json.loads(
        server.command("keys", "create", "--account", "other", "--json").stdout
    )
    with Nimble(base_url=server.url, api_key=made["key"]) as nimble:
        yield nimble


def test_a_task_of_another_account_does_not_exist(
    client: Nimble, other: Nimble, origin: Origin
) -> None:
    mine = client.extract_async(url=origin.page("mine")).task.id
    finished(client, mine)
    for call in (other.tasks.get, other.tasks.results):
        with pytest.raises(NotFoundError) as hidden:
            call(mine)
        body: Any = hidden.value.body
        assert body["error"] == "Task not found"


def test_lists_and_totals_hold_only_the_account_s_own_tasks(
    client: Nimble, other: Nimble, origin: Origin
) -> None:
    mine = client.extract_async(url=origin.page("m")).task.id
    theirs = other.extract_async(url=origin.page("o")).task
    assert theirs.account_name == "other"
    seen_by_other = [task.id for task in every_listed_task(other)]
    seen_by_main = [task.id for task in every_listed_task(client)]
    assert theirs.id in seen_by_other and mine not in seen_by_other
    assert mine in seen_by_main and theirs.id not in seen_by_main
    assert other.tasks.list().pagination.total == len(seen_by_other)


def test_a_cursor_of_another_account_shows_nothing_of_it(
    client: Nimble, other: Nimble, origin: Origin
) -> None:
    for n in range(3):
        client.extract_async(url=origin.page(f"cur{n}"))
    cursor = client.tasks.list(limit=1).pagination.next_cursor
    assert cursor is not None
    mine = {task.id for task in every_listed_task(client)}
    page = other.tasks.list(cursor=cursor)
    assert not mine & {task.id for task in page.data}


def test_a_batch_of_another_account_does_not_exist(
    client: Nimble, other: Nimble, origin: Origin
) -> None:
    origin.hold()
    made = client.extract_batch(inputs=[{"url": origin.page(f"b{n}")} for n in range(3)])
    theirs = other.extract_batch(inputs=[{"url": origin.page("theirs")}])
    for call in (other.batches.get, other.batches.progress):
        with pytest.raises(NotFoundError) as hidden:
            call(made.batch_id)
        body: Any = hidden.value.body
        assert body["error"] == "Batch not found"
    listed = other.batches.with_raw_response.list().json()
    assert [batch["id"] for batch in listed["data"]] == [theirs.batch_id]  # type: ignore[index]
    cursor = client.batches.with_raw_response.list(extra_query={"limit": 1})
    following = cursor.json()["pagination"]["next_cursor"]  # type: ignore[index]
    page = other.batches.with_raw_response.list(extra_query={"cursor": following or ""}).json()
    assert made.batch_id not in [batch["id"] for batch in page["data"]]  # type: ignore[index]
    assert theirs.tasks[0].id not in [task.id for task in every_listed_task(client)]
    origin.release()
    finished(client, made.tasks[0].id)


def test_nothing_of_another_account_can_be_cancelled(
    client: Nimble, other: Nimble, origin: Origin
) -> None:
    origin.hold()
    made = client.extract_batch(inputs=[{"url": origin.page("c")}] * 2)
    alone = client.extract_async(url=origin.page("c")).task.id
    for path in (f"batches/{made.batch_id}", f"tasks/{made.tasks[0].id}", f"tasks/{alone}"):
        with pytest.raises(NotFoundError):
            other.delete(f"/v1/{path}", cast_to=object)
    origin.release()
    for task_id in (alone, *(task.id for task in made.tasks)):
        assert finished(client, task_id).state == "success"


def test_sessions_of_the_same_name_are_apart(client: Nimble, other: Nimble, origin: Origin) -> None:
    session: Any = {"id": f"shared-{origin.base[-5:]}", "timeout": 60}
    client.extract(url=f"{origin.base}/cookie?name=mine&value=1", session=session)
    heard = other.extract(url=f"{origin.base}/echo", session=session)
    assert heard.data.html is not None
    assert "mine=1" not in heard.data.html


def test_a_revoked_key_stops_working_at_once(server: WindlassServer) -> None:
    made = json.loads(server.command("keys", "create", "--account", "gone", "--json").stdout)
    with Nimble(base_url=server.url, api_key=made["key"]) as nimble:
        nimble.tasks.list()
        server.command("keys", "revoke", str(made["id"]))
        with pytest.raises(AuthenticationError):
            nimble.tasks.list()


def test_keys_of_other_accounts_do_not_administer(server: WindlassServer, other: Nimble) -> None:
    assert server.command("keys", "list", "--json").returncode == 0
    refused = server.command("keys", "list", "--json", check=False, api_key=other.api_key)
    assert refused.returncode != 0
    assert "main" not in refused.stdout
