"""Rows of the task table as tasks, and tasks as the columns of insert_tasks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import asyncpg

from windlass.model.page import Failure
from windlass.model.task import NewTask, State, Task
from windlass.storage.following import as_json, read_delivery

LINGER_S = 0.03
"""How long a batch waits for company while there is load."""
REFUSED = (asyncpg.PostgresError, ValueError, OverflowError)
"""What says that a value, not the database, is the trouble."""

_STATES = {
    "delayed": State.QUEUED,
    "waiting": State.QUEUED,
    "admitted": State.QUEUED,
    "running": State.RUNNING,
    "delivering": State.RUNNING,
    "succeeded": State.SUCCEEDED,
    "failed": State.FAILED,
    "cancelled": State.CANCELLED,
}


def state_of(word: str) -> State:
    """The state of a row as the rest of the program knows it."""
    return _STATES[word]


def words_of(state: State) -> list[str]:
    """What a row may have for that state."""
    return [word for word, meant in _STATES.items() if meant is state]


def to_task(row: Any) -> Task:
    """A task of a row with the columns of stored_task."""
    failure = None
    if row["failure_code"]:
        failure = Failure(row["failure_code"], row["failure_message"] or row["failure_code"])
    return Task(
        id=row["id"],
        account_id=row["account_id"],
        account=row["account"],
        kind=row["kind"],
        api=row["api"],
        state=state_of(row["state"]),
        lane=row["lane"],
        priority=row["priority"],
        input=row["input"],
        request=row["request"],
        attempt=row["attempt"],
        failures=row["failures"],
        losses=row["losses"],
        created_at=row["created_at"],
        modified_at=row["modified_at"],
        started_at=row["started_at"],
        deadline_s=row["deadline_s"],
        status_code=row["status_code"],
        failure=failure,
        result_address=row["result_address"],
        result_expired=row["result_expired"],
        listed=row["listed"],
        delivery=read_delivery(row["delivery"]),
        parent_id=row["parent_id"],
        group_id=row["group_id"],
        retry_at=row["retry_at"],
        gap_s=row["gap_s"],
        wait_s=row["wait_s"],
    )


def new_columns(tasks: Sequence[NewTask]) -> list[list[Any]]:
    """The arguments of insert_tasks."""
    return [
        [task.id for task in tasks],
        [task.account_id for task in tasks],
        [task.kind for task in tasks],
        [task.api for task in tasks],
        [task.lane for task in tasks],
        [task.input for task in tasks],
        [task.request for task in tasks],
        [task.priority for task in tasks],
        [task.listed for task in tasks],
        [task.deadline_s for task in tasks],
        [task.not_before for task in tasks],
        [as_json(task.delivery) if task.delivery else None for task in tasks],
        [task.parent_id for task in tasks],
        [task.tried_since for task in tasks],
        [task.group_id for task in tasks],
    ]


def storable(text: str) -> str:
    """Without what PostgreSQL refuses: messages may quote a site's bytes."""
    return text.replace("\x00", "").encode("utf-8", "replace").decode()
