"""The verbs of Service that the API uses, as a seam: what it is given and what it may call."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Protocol
from uuid import UUID

from windlass.model.account import Account, KeyRecord, WebhookSecret
from windlass.model.agent import Agent, AgentDocument, AgentSummary
from windlass.model.crawl import Crawl, CrawlList, CrawlNotes, CrawlPage, NewCrawl
from windlass.model.deliverylog import (
    DeliveryFilter,
    DeliveryPage,
    DeliveryRecord,
    Resending,
    Resent,
)
from windlass.model.group import Group, GroupPage, Idempotency
from windlass.model.map import MapWish
from windlass.model.request import Submission
from windlass.model.stats import Stats
from windlass.model.task import ListPage, State, Task


class Verbs(Protocol):
    """What a Windlass server can be asked to do; errors as windlass.service documents them."""

    async def extract(
        self,
        account: Account,
        wanted: Submission,
        *,
        interactive: bool,
        idempotency: Idempotency | None = None,
    ) -> Task: ...

    async def map(
        self,
        account: Account,
        wanted: MapWish,
        *,
        interactive: bool,
        idempotency: Idempotency | None = None,
    ) -> Task: ...

    async def wait(self, task: Task, timeout_s: float) -> Task: ...

    async def get(self, account: Account, task_id: UUID) -> Task: ...

    async def list(self, account: Account, cursor: str | None, limit: int) -> ListPage: ...

    async def results(self, account: Account, task_id: UUID) -> tuple[Task, bytes]: ...

    async def cancel(self, account: Account, task_id: UUID) -> Task: ...

    async def extract_batch(
        self,
        account: Account,
        wanted: Sequence[Submission],
        idempotency: Idempotency | None = None,
    ) -> tuple[Group, tuple[Task, ...]]: ...

    async def batch(self, account: Account, batch_id: UUID) -> Group: ...

    def batch_tasks(self, batch: Group) -> AsyncIterator[tuple[Task | None, ...]]: ...

    async def batches(self, account: Account, cursor: str | None, limit: int) -> GroupPage: ...

    async def cancel_batch(self, account: Account, batch_id: UUID) -> None: ...

    async def start_crawl(
        self, account: Account, new: NewCrawl, idempotency: Idempotency | None = None
    ) -> Crawl: ...

    async def crawl(self, account: Account, crawl_id: UUID) -> Crawl: ...

    def crawl_pages(self, crawl: Crawl) -> AsyncIterator[tuple[CrawlPage, ...]]: ...

    async def crawl_notes(self, crawl: Crawl) -> CrawlNotes: ...

    async def crawls(
        self, account: Account, state: State | None, cursor: str | None, limit: int
    ) -> CrawlList: ...

    async def cancel_crawl(self, account: Account, crawl_id: UUID) -> None: ...

    async def agent(self, account: Account, name: str, version: int | None = None) -> Agent: ...

    async def agents(self, account: Account) -> tuple[AgentSummary, ...]: ...

    async def save_agent(self, account: Account, document: AgentDocument) -> Agent: ...

    async def delete_agent(self, account: Account, name: str) -> None: ...

    async def deliveries(
        self, account: Account, which: DeliveryFilter, cursor: str | None, limit: int
    ) -> DeliveryPage: ...

    async def delivery(self, account: Account, delivery_id: UUID) -> DeliveryRecord: ...

    async def resend(self, account: Account, delivery_id: UUID) -> DeliveryRecord: ...

    async def resend_all(self, account: Account, wanted: Resending) -> Resent: ...

    async def webhook_secrets(self, account: Account) -> tuple[WebhookSecret, ...]: ...

    async def rotate_webhook_secret(
        self, account: Account, overlap_s: float
    ) -> tuple[WebhookSecret, ...]: ...

    async def authenticate(self, key: str) -> Account: ...

    async def create_key(self, account: Account, name: str) -> tuple[KeyRecord, str]: ...

    async def keys(self, account: Account) -> tuple[KeyRecord, ...]: ...

    async def revoke_key(self, account: Account, key_id: UUID) -> None: ...

    async def ready(self) -> dict[str, str]: ...

    async def stats(self) -> Stats: ...
