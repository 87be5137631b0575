"""Task: everything that happens. Outcome: what a handler has to say about one."""

from __future__ import annotations

import time
from datetime import datetime
from enum import StrEnum
from uuid import UUID

import msgspec

from windlass.model.delivery import Delivery, Sight
from windlass.model.page import Failure
from windlass.model.request import Cookie
from windlass.model.visit import Visit

DELIVERIES = frozenset({"upload", "webhook"})
"""Kinds of task that take another task's result or news to its owner."""


class State(StrEnum):
    """queued → running → succeeded | failed | cancelled. Terminal states never change."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def terminal(self) -> bool:
        """Whether a task in this state has ended."""
        return self in (State.SUCCEEDED, State.FAILED, State.CANCELLED)


class Priority:
    """Smaller starts first."""

    INTERACTIVE = 0
    NORMAL = 1
    BULK = 2


class NewTask(msgspec.Struct, frozen=True, kw_only=True):
    """A task to be created. `input` and `request` are JSON texts.

    `lane` is the politeness lane ("web:example.com:443"): tasks of one lane share a budget.
    `listed` False keeps it out of the caller's task list (synchronous calls).
    `deadline_s` is the run time one attempt may take. `delivery` is what the task's end sets off;
    `parent_id` is the task whose result or news this one delivers. A delivery
    fails a set time after `tried_since`.
    """

    id: UUID
    account_id: int
    kind: str
    api: str
    lane: str
    input: str
    request: str
    priority: int = Priority.NORMAL
    listed: bool = True
    deadline_s: float = 120.0
    not_before: datetime | None = None
    delivery: Delivery | None = None
    parent_id: UUID | None = None
    tried_since: datetime | None = None
    group_id: UUID | None = None

    def as_accepted(self, account: str, created_at: datetime) -> Task:
        """The task that this became when it was stored."""
        return Task(
            id=self.id,
            account_id=self.account_id,
            account=account,
            kind=self.kind,
            api=self.api,
            state=State.QUEUED,
            lane=self.lane,
            priority=self.priority,
            input=self.input,
            request="{}",
            deadline_s=self.deadline_s,
            created_at=created_at,
            modified_at=created_at,
            listed=self.listed,
            delivery=self.delivery,
            parent_id=self.parent_id,
            group_id=self.group_id,
        )


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """A task as stored. `attempt` counts starts, `failures` those that ended in a retry, `losses`
    those whose worker died since the latest retry. `result_address` names its bytes in blobs.
    `retry_at`: when the host of a failed one may be asked again, if that is known. `gap_s`: seconds
    that the lane of a running one keeps between two fetches; `wait_s`: until that lane opens."""

    id: UUID
    account_id: int
    account: str
    kind: str
    api: str
    state: State
    input: str
    request: str
    lane: str
    priority: int = Priority.NORMAL
    attempt: int = 0
    failures: int = 0
    losses: int = 0
    created_at: datetime
    modified_at: datetime
    started_at: datetime | None = None
    deadline_s: float = 120.0
    status_code: int | None = None
    failure: Failure | None = None
    result_address: str | None = None
    result_expired: bool = False
    listed: bool = True
    delivery: Delivery | None = None
    parent_id: UUID | None = None
    group_id: UUID | None = None
    retry_at: datetime | None = None
    gap_s: float = 0.0
    wait_s: float = 0.0

    @property
    def awaited(self) -> bool:
        """Whether somebody waits for its answer."""
        return self.priority == Priority.INTERACTIVE

    def may_fail_again(self, max_attempts: int) -> bool:
        """Whether an attempt is left after this one, if this one fails."""
        return self.failures + 1 < max_attempts


class HostSign(msgspec.Struct, frozen=True, kw_only=True):
    """What an attempt showed of the host that it asked.

    `answered`: somebody is there. `refused`: with 429 or 503. `strained`: it is to be asked less.
    `quiet_until`: until when (time.monotonic) it asked to be left alone. `lane`: its own, if a
    redirect led elsewhere.
    """

    answered: bool
    refused: bool = False
    strained: bool = False
    quiet_until: float | None = None
    lane: str | None = None

    @property
    def quiet_s(self) -> float:
        """Seconds that are left until then."""
        return 0.0 if self.quiet_until is None else max(self.quiet_until - time.monotonic(), 0.0)


class SessionUpdate(msgspec.Struct, frozen=True):
    """The cookies that a session has after a request, to be kept `timeout_s` longer."""

    account_id: int
    id: str
    cookies: tuple[Cookie, ...]
    timeout_s: float


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What one attempt came to; applied whole, or not at all if the attempt is no longer ours.

    Terminal states end the task. QUEUED sends it back, to start again after `retry_in_s`;
    `counts` False gives the attempt back (shutdown, not a failure).
    `result` are the bytes to be readable at the task's results, in the caller's dialect.
    A delivery says what it saw (`sight`, kept with the attempt) and whether the receiver's endpoint
    works (`healthy`); the end of an upload is its parent's end, too, with `failure` if it failed.
    A crawl's tasks say what they saw of it (`visit`). A fetch says what it showed of its `host`;
    `retry_in_s` of a failed one is when that may be asked again.
    """

    state: State
    result: bytes | None = None
    status_code: int | None = None
    failure: Failure | None = None
    retry_in_s: float = 0.0
    counts: bool = True
    follow_ups: tuple[NewTask, ...] = ()
    session: SessionUpdate | None = None
    sight: Sight | None = None
    healthy: bool | None = None
    visit: Visit | None = None
    host: HostSign | None = None

    @property
    def calm(self) -> bool:
        """Whether whoever was asked bore it well, and may be asked the next before this is applied.
        Not within a session: the next wants its cookies."""
        if self.session is not None:
            return False
        sign = self.host
        if sign is None:
            return self.healthy is True
        return sign.answered and not (sign.refused or sign.strained or sign.quiet_until)


class ListPage(msgspec.Struct, frozen=True):
    """One page of a keyset-ordered list, newest first. `next_cursor` None at the end."""

    tasks: tuple[Task, ...]
    next_cursor: str | None
    total: int
