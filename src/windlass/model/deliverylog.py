"""The delivery log: what is known of deliveries and their attempts, and which of them are meant.

Storage fills it, wire/ renders it. A delivery is a task of its own; what it brings, and where to,
is in model/delivery.py.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal
from uuid import UUID

import msgspec

from windlass.model.delivery import Sight
from windlass.model.page import Failure
from windlass.model.task import State

DeliveryKind = Literal["upload", "webhook"]
AttemptOutcome = Literal["succeeded", "retried", "failed", "cancelled", "released", "lost"]
"""released: given back unsent (not due yet, or its worker stopped). lost: its worker died."""
CircuitState = Literal["closed", "open", "probing"]

BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
"""Before every delivery."""


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """One start of a delivery, and when the next one was planned for. `sight` None: it saw
    nothing."""

    number: int
    started_at: datetime
    finished_at: datetime
    outcome: AttemptOutcome
    failure: Failure | None = None
    sight: Sight | None = None
    next_at: datetime | None = None


class Circuit(msgspec.Struct, frozen=True, kw_only=True):
    """The circuit breaker of a webhook's endpoint. `streak` counts failures in a row."""

    state: CircuitState = "closed"
    open_until: datetime | None = None
    streak: int = 0


class DeliveryRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One delivery. `failure` is why it failed, or why its latest attempt did.

    `attempt_count` counts starts. `next_attempt_at` is when it may start next, None if it runs or
    has ended; `postponed_until` says that an open circuit keeps it until then. `history` and
    `header_names` (of the caller's own headers, never their values) are only read for a single one.
    """

    id: UUID
    task_id: UUID
    kind: DeliveryKind
    state: State
    url: str
    attempt_count: int
    created_at: datetime
    modified_at: datetime
    finished_at: datetime | None = None
    status_code: int | None = None
    failure: Failure | None = None
    next_attempt_at: datetime | None = None
    postponed_until: datetime | None = None
    circuit: Circuit = Circuit()
    header_names: tuple[str, ...] = ()
    history: tuple[Attempt, ...] = ()

    def __repr__(self) -> str:
        return f"DeliveryRecord({self.id}, {self.kind}, {self.state})"


class DeliveryFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which deliveries of an account: all that fit every field given. `destination` is what their
    URL begins with."""

    task_id: UUID | None = None
    state: State | None = None
    kind: DeliveryKind | None = None
    destination: str | None = None


class DeliveryPage(msgspec.Struct, frozen=True):
    """One page of the log, newest first. `next_cursor` None at the end; `total` of all pages,
    counted no further than TOTAL_LIMIT."""

    deliveries: tuple[DeliveryRecord, ...]
    next_cursor: str | None
    total: int


TOTAL_LIMIT = 10_000


class Resending(msgspec.Struct, frozen=True, kw_only=True):
    """Which deliveries to send again: those that fit `which` and ended within this time,
    its end excluded. `which.state` is SUCCEEDED or FAILED."""

    which: DeliveryFilter
    since: datetime
    until: datetime


class Resent(msgspec.Struct, frozen=True):
    """How many were sent again; `more` says that some are left, because time ran out."""

    count: int
    more: bool
