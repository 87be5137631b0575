"""What becomes of a delivery that broke on our side."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from tests.support.made_tasks import made_task
from windlass.errors import EngineError, RequestTimeout, WindlassError, WorkerLost
from windlass.kinds.upload import UploadResult
from windlass.kinds.webhook import SendWebhook
from windlass.model.page import Failure
from windlass.model.task import Outcome, State
from windlass.settings import Settings

NOW = datetime(2026, 3, 1, tzinfo=UTC)
TASK = made_task(kind="upload", lane="put:s3://lake", attempt=4, failures=3)


@pytest.fixture(params=[UploadResult, SendWebhook])
def kind(request: pytest.FixtureRequest) -> Any:
    context = SimpleNamespace(
        settings=Settings(), tasks=None, accounts=None, crawls=None, blobs=None
    )
    return request.param(context)


def given_up(kind: Any, error: WindlassError, failures: int = 3) -> Outcome:
    task = msgspec.structs.replace(TASK, failures=failures)
    outcome: Outcome = kind.give_up(task, Outcome(state=State.FAILED, failure=Failure.of(error)))
    return outcome


@pytest.mark.parametrize("error", [EngineError(), RequestTimeout(), WorkerLost()])
def test_what_broke_on_our_side_is_tried_again(kind: Any, error: WindlassError) -> None:
    outcome = given_up(kind, error)
    assert outcome.state is State.QUEUED
    assert 240 <= outcome.retry_in_s <= 2160
    assert outcome.healthy is None


@pytest.mark.parametrize("error", [EngineError(), WorkerLost()])
def test_what_breaks_until_the_schedule_ends_has_failed(kind: Any, error: WindlassError) -> None:
    assert given_up(kind, error, failures=7).state is State.FAILED
