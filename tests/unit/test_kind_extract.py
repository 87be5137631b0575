"""What an attempt to extract comes to when its request must not be sent twice."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from tests.support.made_tasks import made_task
from windlass.errors import (
    ConnectionRefused,
    DatabaseUnavailable,
    EngineError,
    NotRepeated,
    ReadTimeout,
)
from windlass.kinds.extract import Extract
from windlass.model.page import Extraction, Failure
from windlass.model.request import ExtractRequest, Session
from windlass.model.task import Outcome, State, Task
from windlass.settings import Settings

NOW = datetime(2026, 3, 1, tzinfo=UTC)
URL = "http://site.test/"
PAGE = Extraction(url=URL, status=200, values={"html": "<p>"}, driver="vx6")


class World:
    """A site and a database that do as told; counts what the site is asked."""

    def __init__(self, answer: Extraction | Exception = PAGE) -> None:
        self.answer = answer
        self.sent = 0
        self.settled = 0
        self.database: Exception | None = None
        self.kind = Extract(
            SimpleNamespace(settings=Settings(), tasks=self, turns=self, extractor=self)
        )  # type: ignore[arg-type]

    async def settle_start(self, task: Task) -> None:
        self.settled += 1

    async def extract(self, request: ExtractRequest, jar: object) -> Extraction:
        self.sent += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    async def session_cookies(self, account_id: int, session_id: str) -> tuple[()]:
        if self.database is not None:
            raise self.database
        return ()

    async def handle(self, method: str, **changes: Any) -> Outcome:
        request = ExtractRequest(url=URL, method=method, session=Session(id="s"))  # type: ignore[arg-type]
        wish = msgspec.json.encode(request).decode()
        return await self.kind.handle(made_task(**{"request": wish, "attempt": 1} | changes))


@pytest.mark.parametrize("method", ["POST", "PATCH"])
@pytest.mark.parametrize(
    "life",
    [{"attempt": 2, "losses": 1}, {"attempt": 2}, {"attempt": 3, "failures": 1}],
    ids=["its worker died", "it was given back", "given back after a refused connection"],
)
async def test_what_may_have_been_sent_is_not_sent_again(method: str, life: dict[str, int]) -> None:
    world = World()
    outcome = await world.handle(method, **life)
    assert world.sent == 0
    assert outcome.state is State.FAILED
    assert outcome.failure is not None
    assert outcome.failure.code == "not_repeated"
    assert json.loads(outcome.result or b"")["metadata"]["error_code"] == "not_repeated"


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
async def test_what_may_be_sent_twice_is(method: str) -> None:
    world = World()
    outcome = await world.handle(method, attempt=3, losses=1)
    assert (world.sent, outcome.state) == (1, State.SUCCEEDED)


async def test_what_was_never_sent_is_tried_again() -> None:
    world = World(ConnectionRefused())
    first = await world.handle("POST")
    assert (first.state, first.counts) == (State.QUEUED, True)
    world.answer = PAGE
    second = await world.handle("POST", attempt=2, failures=1)
    assert (world.sent, second.state) == (2, State.SUCCEEDED)


async def test_what_was_sent_and_not_answered_fails_as_the_site_did() -> None:
    outcome = await World(ReadTimeout()).handle("POST")
    assert outcome.state is State.FAILED
    assert outcome.failure is not None
    assert outcome.failure.code == "read_timeout"


async def test_a_fault_of_ours_after_it_may_have_left_is_final() -> None:
    world = World(EngineError("broke"))
    with pytest.raises(NotRepeated) as raised:
        await world.handle("POST")
    assert raised.value.__cause__ is world.answer
    assert not raised.value.retryable
    with pytest.raises(EngineError) as raised_again:
        await world.handle("GET")
    assert raised_again.value.retryable


async def test_a_database_that_was_away_before_costs_a_start_but_not_the_task() -> None:
    world = World()
    world.database = DatabaseUnavailable()
    outcome = await world.handle("POST")
    assert (outcome.state, outcome.counts, world.sent) == (State.QUEUED, True, 0)
    assert outcome.retry_in_s > 0
    world.database = None
    assert (await world.handle("POST", attempt=2, failures=1)).state is State.SUCCEEDED


@pytest.mark.parametrize(("method", "settled"), [("GET", 0), ("PUT", 0), ("POST", 1), ("PATCH", 1)])
async def test_only_what_is_never_repeated_waits_for_the_disk(method: str, settled: int) -> None:
    world = World()
    await world.handle(method)
    assert (world.sent, world.settled) == (1, settled)


async def test_a_page_that_its_caller_wants_again_is_fetched_again_while_it_may() -> None:
    again = Failure("browser_actions_failed", "Browser action click: no", retryable=True)
    world = World(msgspec.structs.replace(PAGE, again=again))
    outcome = await world.handle("GET")
    assert (outcome.state, outcome.failure) == (State.QUEUED, again)
    last = await world.handle("GET", failures=Settings().max_attempts - 1)
    assert last.state is State.SUCCEEDED
    assert last.failure is None
    once = await world.handle("POST")
    assert once.state is State.SUCCEEDED
