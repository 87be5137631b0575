"""What tests do with the vendor's SDK again and again. Used by contract, e2e and fault tests."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from nimble_python import Nimble
from nimble_python.types.task_get_response import Task

from tests.support.waiting import eventually

TERMINAL = ("success", "error")
UNKNOWN_ID = "4b2d6c5e-0f11-4c0e-9c57-7d3a1b8f2e60"
"""Of no task, batch or crawl."""


def finished(client: Nimble, task_id: str, within_s: float = 20.0) -> Task:
    """The task once it is terminal."""

    def probe() -> Task | None:
        task = client.tasks.get(task_id).task
        return task if task.state in TERMINAL else None

    return eventually(probe, f"task {task_id} ends", within_s=within_s)


def every_listed_task(client: Nimble, limit: int = 100) -> Iterator[Any]:
    """All tasks of the account, newest first, page by page."""
    page = client.tasks.list(limit=limit)
    yield from page.data
    while page.pagination.has_next:
        assert page.pagination.next_cursor is not None
        page = client.tasks.list(limit=limit, cursor=page.pagination.next_cursor)
        yield from page.data
