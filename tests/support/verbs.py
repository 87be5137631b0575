"""A small double of Service for tests of the HTTP edge: one account's tasks in a dict."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import httpx
import msgspec

from windlass.api.app import create_app
from windlass.errors import (
    GroupNotFound,
    InvalidRequest,
    NotFound,
    ResultsExpired,
    ResultsNotReady,
    TaskNotFound,
    Unauthorized,
    WindlassError,
)
from windlass.model.account import Account, KeyRecord
from windlass.model.crawl import Crawl, CrawlList, CrawlNotes, CrawlPage, NewCrawl
from windlass.model.group import Group, GroupPage, Idempotency
from windlass.model.page import Extraction, Failure
from windlass.model.request import ExtractRequest, Submission
from windlass.model.stats import Depth, Stats, Tally
from windlass.model.task import ListPage, State, Task
from windlass.settings import Settings
from windlass.wire.v1_results import result_body

NOW = datetime(2026, 3, 1, 8, 15, 30, 120000, tzinfo=UTC)
ACCOUNTS = {
    "main-key": Account(1, "main", UUID(int=1)),
    "other-key": Account(2, "other", UUID(int=2)),
}
UNKNOWN_ID = str(UUID(int=404))
"""Of nothing."""


class FakeVerbs:
    """Remembers what it was asked. `finish` decides what a waited-for task comes to."""

    def __init__(self) -> None:
        self.tasks: dict[UUID, Task] = {}
        self.stored: dict[UUID, bytes] = {}
        self.requests: list[tuple[ExtractRequest, bytes, bool]] = []
        self.groups: dict[UUID, Group] = {}
        self.crawls_made: dict[UUID, Crawl] = {}
        self.pages: dict[UUID, list[CrawlPage]] = {}
        self.notes = CrawlNotes()
        self.keys_given: list[Idempotency | None] = []
        self.cancelled: list[UUID] = []
        self.records: dict[UUID, KeyRecord] = {}
        self.raises: WindlassError | Exception | None = None
        self.expired = False
        self.checks = {"database": "ok"}
        self.finish = asyncio.Event()
        self.finish.set()
        self.outcome: Extraction | Failure = Extraction(
            url="http://site.test/", status=200, values={"html": "<p>hi</p>"}, driver="vx6"
        )
        self.waiting = asyncio.Event()
        self.budgets: list[float] = []
        self.patience_s = 60.0

    async def authenticate(self, key: str) -> Account:
        if key not in ACCOUNTS:
            raise Unauthorized
        return ACCOUNTS[key]

    async def extract(
        self,
        account: Account,
        wanted: Submission,
        *,
        interactive: bool,
        idempotency: Idempotency | None = None,
    ) -> Task:
        if self.raises:
            raise self.raises
        self.keys_given.append(idempotency)
        self.requests.append((wanted.request, wanted.input, interactive))
        return self._store(account, wanted, listed=not interactive)

    def _store(
        self,
        account: Account,
        wanted: Submission,
        *,
        listed: bool = True,
        group_id: UUID | None = None,
    ) -> Task:
        task_id = uuid4()
        task = Task(
            id=task_id,
            account_id=account.id,
            account=account.name,
            kind="extract",
            api="extract",
            state=State.QUEUED,
            lane="web:site.test:80",
            input=wanted.input.decode(),
            request=msgspec.json.encode(wanted.request).decode(),
            created_at=NOW,
            modified_at=NOW,
            listed=listed,
            delivery=wanted.delivery.for_task(task_id) if wanted.delivery else None,
            group_id=group_id,
        )
        self.tasks[task.id] = task
        return task

    async def extract_batch(
        self,
        account: Account,
        wanted: Sequence[Submission],
        idempotency: Idempotency | None = None,
    ) -> tuple[Group, tuple[Task, ...]]:
        if self.raises:
            raise self.raises
        self.keys_given.append(idempotency)
        group_id = uuid4()
        tasks = tuple(self._store(account, one, group_id=group_id) for one in wanted)
        self.groups[group_id] = Group(
            id=group_id,
            account_id=account.id,
            account=account.name,
            kind="batch",
            members=tuple(task.id for task in tasks),
            ended=0,
            created_at=NOW,
        )
        return self.groups[group_id], tasks

    async def batch(self, account: Account, batch_id: UUID) -> Group:
        group = self.groups.get(batch_id)
        if group is None or group.account_id != account.id:
            raise GroupNotFound
        members = [self.tasks.get(task_id) for task_id in group.members]
        ended = sum(task is None or task.state.terminal for task in members)
        finished_at = NOW if ended == len(members) else None
        return msgspec.structs.replace(group, ended=ended, finished_at=finished_at)

    async def batch_tasks(self, batch: Group) -> AsyncIterator[tuple[Task | None, ...]]:
        for start in range(0, len(batch.members), 2):
            yield tuple(self.tasks.get(task_id) for task_id in batch.members[start : start + 2])

    async def batches(self, account: Account, cursor: str | None, limit: int) -> GroupPage:
        if cursor == "bad":
            raise InvalidRequest("cursor is not one of ours")
        mine = [await self.batch(account, one) for one in self.groups]
        return GroupPage(tuple(mine[:limit]), "next" if len(mine) > limit else None, len(mine))

    async def cancel_batch(self, account: Account, batch_id: UUID) -> None:
        for task_id in (await self.batch(account, batch_id)).members:
            if task_id in self.tasks:
                await self.cancel(account, task_id)

    async def start_crawl(
        self, account: Account, new: NewCrawl, idempotency: Idempotency | None = None
    ) -> Crawl:
        if self.raises:
            raise self.raises
        self.keys_given.append(idempotency)
        self.crawls_made[new.id] = Crawl(
            id=new.id,
            account_id=new.account_id,
            account=account.name,
            name=new.name,
            input=new.input,
            plan=new.plan,
            delivery=new.delivery,
            state=State.QUEUED,
            created_at=NOW,
            updated_at=NOW,
        )
        return self.crawls_made[new.id]

    async def crawl(self, account: Account, crawl_id: UUID) -> Crawl:
        found = self.crawls_made.get(crawl_id)
        if found is None or found.account_id != account.id:
            raise GroupNotFound("Crawl not found")
        return found

    async def crawl_pages(self, crawl: Crawl) -> AsyncIterator[tuple[CrawlPage, ...]]:
        pages = self.pages.get(crawl.id, ())
        for start in range(0, len(pages), 2):
            yield tuple(pages[start : start + 2])

    async def crawl_notes(self, crawl: Crawl) -> CrawlNotes:
        return self.notes

    async def crawls(
        self, account: Account, state: State | None, cursor: str | None, limit: int
    ) -> CrawlList:
        if cursor == "bad":
            raise InvalidRequest("cursor is not one of ours")
        mine = [
            one
            for one in self.crawls_made.values()
            if one.account_id == account.id and state in (None, one.state)
        ]
        return CrawlList(tuple(mine[:limit]), "next" if len(mine) > limit else None, len(mine))

    async def cancel_crawl(self, account: Account, crawl_id: UUID) -> None:
        found = await self.crawl(account, crawl_id)
        if not found.state.terminal:
            self.crawls_made[crawl_id] = msgspec.structs.replace(found, state=State.CANCELLED)

    def end(self, task_id: UUID, outcome: Extraction | Failure, *, stores: bool = True) -> Task:
        """Ends a task as the worker would."""
        task = self.tasks[task_id]
        page = outcome if isinstance(outcome, Extraction) else None
        failure = page.failure if page else outcome
        assert not isinstance(failure, Extraction)
        task = msgspec.structs.replace(
            task,
            state=State.FAILED if failure else State.SUCCEEDED,
            failure=failure,
            status_code=page.status if page else None,
        )
        self.tasks[task_id] = task
        if stores:
            self.stored[task_id] = result_body(
                extraction=page,
                failure=failure,
                task_id=task_id,
                request=msgspec.json.decode(task.request, type=ExtractRequest),
                received_at=NOW,
                duration_ms=12,
            )
        return task

    async def wait(self, task: Task, timeout_s: float) -> Task:
        self.waiting.set()
        self.budgets.append(timeout_s)
        try:
            await asyncio.wait_for(self.finish.wait(), min(timeout_s, self.patience_s))
        except TimeoutError:
            return self.tasks[task.id]
        return self.end(task.id, self.outcome)

    async def get(self, account: Account, task_id: UUID) -> Task:
        task = self.tasks.get(task_id)
        if task is None or task.account_id != account.id:
            raise TaskNotFound
        return task

    async def list(self, account: Account, cursor: str | None, limit: int) -> ListPage:
        if cursor == "bad":
            raise InvalidRequest("cursor is not one of ours")
        mine = [task for task in self.tasks.values() if task.account_id == account.id]
        more = "next" if len(mine) > limit else None
        return ListPage(tuple(mine[:limit]), more, len(mine))

    async def results(self, account: Account, task_id: UUID) -> tuple[Task, bytes]:
        task = await self.get(account, task_id)
        if not task.state.terminal:
            raise ResultsNotReady(task=task)
        if self.expired:
            raise ResultsExpired
        return task, self.stored.get(task_id, b"")

    async def cancel(self, account: Account, task_id: UUID) -> Task:
        task = await self.get(account, task_id)
        if not task.state.terminal:
            task = msgspec.structs.replace(task, state=State.CANCELLED)
            self.tasks[task_id] = task
            self.cancelled.append(task_id)
        return task

    async def create_key(self, account: Account, name: str) -> tuple[KeyRecord, str]:
        record = KeyRecord(uuid4(), name, "wl_abc", NOW)
        self.records[record.id] = record
        return record, "wl_abcdef"

    async def keys(self, account: Account) -> tuple[KeyRecord, ...]:
        return tuple(self.records.values())

    async def revoke_key(self, account: Account, key_id: UUID) -> None:
        if self.records.pop(key_id, None) is None:
            raise NotFound("Key not found")

    async def ready(self) -> dict[str, str]:
        return self.checks

    async def stats(self) -> Stats:
        if self.raises:
            raise self.raises
        return Stats(
            depths=(Depth("extract", "waiting", 3, 1.5),),
            tallies=(
                Tally("extract", "succeeded", "", 5, 1.0),
                Tally("extract", "failed", "dns_failed", 2, 0.5),
                Tally("extract", "retried", "read_timeout", 4, 0.5),
            ),
            workers=1,
            slots=32,
        )


def client_for(verbs: FakeVerbs, key: str = "main-key", **settings: Any) -> httpx.AsyncClient:
    """A client of the whole HTTP edge over the double, without a rate limit unless one is set."""
    app = create_app(Settings(**{"rate_limit": 0.0, **settings}), verbs)
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(app),
        base_url="http://windlass.test:8700",
        headers={"Authorization": f"Bearer {key}"} if key else {},
    )
