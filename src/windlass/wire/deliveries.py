"""The JSON of the delivery log. Ours, not the vendor's: our own words for states, and null for
what there is not.

The API reads and answers with it. Secrets of receivers are masked here.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType

from windlass.model.deliverylog import (
    BEGINNING,
    Attempt,
    AttemptOutcome,
    CircuitState,
    DeliveryFilter,
    DeliveryKind,
    DeliveryPage,
    DeliveryRecord,
    Resending,
    Resent,
)
from windlass.model.task import State
from windlass.wire.v1_masking import MASK, hide_callback
from windlass.wire.v1_options import given
from windlass.wire.v1_tasks import Pagination
from windlass.wire.v1_terms import Time, timestamp

DeliveryState = Literal["queued", "running", "succeeded", "failed", "cancelled"]
OfTask = Annotated[UUID, Meta(description="Only those of this task.")]
Destination = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=2048,
        pattern=r"^[^\x00-\x1f\x7f]+$",
        description="Only those whose URL begins with this.",
    ),
]
_InState = Annotated[DeliveryState, Meta(description="Only those in this state.")]
_OfKind = Annotated[DeliveryKind, Meta(description="Only these.")]


class DeliveryQuery(msgspec.Struct, kw_only=True):
    """Which deliveries a list holds, as query parameters."""

    task: OfTask | UnsetType = UNSET
    state: _InState | UnsetType = UNSET
    kind: _OfKind | UnsetType = UNSET
    destination: Destination | UnsetType = UNSET

    def filter(self) -> DeliveryFilter:
        """What is asked for."""
        return DeliveryFilter(
            task_id=given(self.task, None),
            state=None if self.state is UNSET else State(self.state),
            kind=given(self.kind, None),
            destination=given(self.destination, None),
        )


class DeliveryItem(msgspec.Struct, kw_only=True):
    """A delivery in a list."""

    id: Annotated[UUID, Meta(description="The webhook-id that its receiver sees.")]
    task_id: Annotated[UUID, Meta(description="The task whose result or news it delivers.")]
    kind: DeliveryKind
    state: DeliveryState
    destination: Annotated[
        str, Meta(description="URL of the receiver or object; in lists without its query.")
    ]
    attempt_count: int
    created_at: Time
    modified_at: Time
    finished_at: Time | None
    next_attempt_at: Annotated[
        Time | None, Meta(description="Not before then; null if it runs or has ended.")
    ]
    postponed_until: Annotated[
        Time | None,
        Meta(description="The receiver's circuit is open: nothing but probes is sent until then."),
    ]
    status_code: Annotated[
        int | None, Meta(description="What the receiver answered to the latest attempt.")
    ]
    error: Annotated[str | None, Meta(description="Why it failed, or why its latest attempt did.")]
    error_code: str | None


class AttemptItem(msgspec.Struct, kw_only=True):
    """One attempt to deliver."""

    number: int
    outcome: Annotated[
        AttemptOutcome,
        Meta(
            description="lost: its worker died, and nobody knows whether it was sent; "
            "released: it was not sent."
        ),
    ]
    started_at: Time
    finished_at: Time
    duration_ms: int | None
    status_code: int | None
    error: str | None
    error_code: str | None
    answer: Annotated[str | None, Meta(description="The beginning of what the receiver answered.")]
    next_attempt_at: Time | None


class CircuitItem(msgspec.Struct, kw_only=True):
    """The circuit breaker of the receiver's endpoint. Probing: the next attempt decides."""

    state: CircuitState
    open_until: Time | None
    failures_in_a_row: int


class DeliveryDetail(DeliveryItem, kw_only=True):
    """A delivery with its attempts, oldest first, at most the latest 200."""

    headers: Annotated[
        dict[str, str], Meta(description="The caller's own headers; their values are not shown.")
    ]
    circuit: CircuitItem
    attempts: list[AttemptItem]


class DeliveryList(msgspec.Struct, kw_only=True):
    """One page of deliveries, newest first. `total` counts no further than 10,000."""

    data: list[DeliveryItem]
    pagination: Pagination


class ResendBody(msgspec.Struct, kw_only=True):
    """Which deliveries to send again."""

    since: Annotated[datetime, Meta(tz=True, description="Only those that ended then or later.")]
    until: (
        Annotated[
            datetime,
            Meta(tz=True, description="Only those that ended before; else, before the call."),
        ]
        | UnsetType
    ) = UNSET
    state: Annotated[
        Literal["failed", "succeeded"], Meta(description="Only those that ended so.")
    ] = "failed"
    task: OfTask | UnsetType = UNSET
    kind: _OfKind | UnsetType = UNSET
    destination: Destination | UnsetType = UNSET

    def wanted(self, now: datetime) -> Resending:
        """What is asked for. Nothing that ends after `now` is meant: it may have been sent again by
        this very call."""
        which = DeliveryFilter(
            task_id=given(self.task, None),
            state=State(self.state),
            kind=given(self.kind, None),
            destination=given(self.destination, None),
        )
        until = min(max(given(self.until, now), BEGINNING), now)
        return Resending(which=which, since=min(max(self.since, BEGINNING), now), until=until)


class ResendReply(msgspec.Struct, kw_only=True):
    """How many deliveries wait to be sent again."""

    resent: int
    more: Annotated[
        bool, Meta(description="Whether some are left; ask again with the same `until`.")
    ]
    until: Time


_encoder = msgspec.json.Encoder()


def delivery_list(page: DeliveryPage) -> bytes:
    """One page of the log."""
    pagination = Pagination(
        has_next=page.next_cursor is not None, next_cursor=page.next_cursor, total=page.total
    )
    items = [_item(record) for record in page.deliveries]
    return _encoder.encode(DeliveryList(data=items, pagination=pagination))


def delivery_detail(record: DeliveryRecord) -> bytes:
    """One delivery with its attempts."""
    item, circuit = _item(record), record.circuit
    item.destination = hide_callback(record.url) if record.kind == "webhook" else record.url
    detail = DeliveryDetail(
        **msgspec.structs.asdict(item),
        headers=dict.fromkeys(record.header_names, MASK),
        circuit=CircuitItem(
            state=circuit.state,
            open_until=_time(circuit.open_until),
            failures_in_a_row=circuit.streak,
        ),
        attempts=[_attempt(attempt) for attempt in record.history],
    )
    return _encoder.encode(detail)


def resend_reply(resent: Resent, wanted: Resending) -> bytes:
    """What came of sending many again."""
    until = wanted.until.astimezone(UTC).isoformat()
    return _encoder.encode(ResendReply(resent=resent.count, more=resent.more, until=until))


def _item(record: DeliveryRecord) -> DeliveryItem:
    failure = record.failure
    # The query of a receiver may hold its key; in an object's name "?" is a letter like any other.
    url = record.url.partition("?")[0] if record.kind == "webhook" else record.url
    return DeliveryItem(
        id=record.id,
        task_id=record.task_id,
        kind=record.kind,
        state=record.state.value,
        destination=url,
        attempt_count=record.attempt_count,
        created_at=timestamp(record.created_at),
        modified_at=timestamp(record.modified_at),
        finished_at=_time(record.finished_at),
        next_attempt_at=_time(record.next_attempt_at),
        postponed_until=_time(record.postponed_until),
        status_code=record.status_code,
        error=failure.message if failure else None,
        error_code=failure.code if failure else None,
    )


def _attempt(attempt: Attempt) -> AttemptItem:
    failure, sight = attempt.failure, attempt.sight
    return AttemptItem(
        number=attempt.number,
        outcome=attempt.outcome,
        started_at=timestamp(attempt.started_at),
        finished_at=timestamp(attempt.finished_at),
        duration_ms=sight.duration_ms if sight else None,
        status_code=sight.status_code if sight else None,
        error=failure.message if failure else None,
        error_code=failure.code if failure else None,
        answer=sight.answer if sight else None,
        next_attempt_at=_time(attempt.next_at),
    )


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else timestamp(moment)
