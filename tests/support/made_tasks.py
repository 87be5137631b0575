"""Tasks as the database would hand them out, for tests that need one and no database."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec

from windlass.model.task import State, Task

MADE_AT = datetime(2026, 3, 1, tzinfo=UTC)
_RUNNING = Task(
    id=UUID(int=1),
    account_id=1,
    account="main",
    kind="extract",
    api="extract",
    state=State.RUNNING,
    input="{}",
    request="{}",
    lane="web:site.test:80",
    created_at=MADE_AT,
    modified_at=MADE_AT,
)


def made_task(**changes: Any) -> Task:
    """A running extraction, but for the changes."""
    return msgspec.structs.replace(_RUNNING, **changes)
