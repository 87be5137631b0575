"""Group: a set of tasks that were asked for together. Its numbers are counted, never kept."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import msgspec

from windlass.model.task import NewTask


class NewGroup(msgspec.Struct, frozen=True, kw_only=True):
    """A group to be created with its tasks. `input` is the caller's JSON as answers show it."""

    id: UUID
    account_id: int
    kind: str
    input: str
    tasks: tuple[NewTask, ...]


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """A group as stored. `members` are the ids of its tasks in the order of its inputs, `ended` how
    many of them have ended; those that retention has removed are among both. `finished_at`: when
    the last one that is still known ended, if all have."""

    id: UUID
    account_id: int
    account: str
    kind: str
    members: tuple[UUID, ...]
    ended: int
    created_at: datetime
    finished_at: datetime | None = None
    cancelled: bool = False

    @property
    def complete(self) -> bool:
        """Whether all of its tasks have ended."""
        return self.ended >= len(self.members)


class GroupPage(msgspec.Struct, frozen=True):
    """One page of a keyset-ordered list of groups, newest first."""

    groups: tuple[Group, ...]
    next_cursor: str | None
    total: int


class Idempotency(msgspec.Struct, frozen=True):
    """A caller's key for one creating call, and the digest of what was asked with it."""

    key: str
    digest: bytes
