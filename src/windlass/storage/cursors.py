"""Keyset cursors: a position in a list that stays right while rows arrive (contract 2.6)."""

from __future__ import annotations

import base64
import binascii
from datetime import UTC, datetime
from uuid import UUID

from windlass.errors import InvalidRequest, Problem

START = (datetime(9999, 1, 1, tzinfo=UTC), UUID(int=2**128 - 1))
"""Before everything: lists go from the newest to the oldest."""


def cursor_at(created_at: datetime, last_id: UUID) -> str:
    """The cursor of what follows this row."""
    position = f"{created_at.isoformat()}/{last_id}"
    return base64.urlsafe_b64encode(position.encode()).decode().rstrip("=")


def position_of(cursor: str | None) -> tuple[datetime, UUID]:
    """Where a list goes on, its start for None. Raises InvalidRequest for what is not ours."""
    if cursor is None:
        return START
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        text = base64.urlsafe_b64decode(padded.encode("ascii")).decode("ascii")
        moment, _, row_id = text.partition("/")
        created_at = datetime.fromisoformat(moment)
        if created_at.tzinfo is None:
            raise ValueError("a position has a time zone")
        return created_at, UUID(row_id)
    except (ValueError, binascii.Error) as error:
        problem = Problem("/cursor", "must be a cursor from an earlier page", keyword="format")
        raise InvalidRequest("invalid cursor", (problem,)) from error
