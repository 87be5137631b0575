"""The verbs every edge uses: submit, wait, get, list, results, cancel; maps, batches, crawls, keys.

Opened once per API process (and by the command line for what runs in-process). Edges translate to
and from their own shapes; nothing here knows HTTP.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from uuid import UUID, uuid4

import msgspec

from windlass.agents.builtins import builtins, summary_of
from windlass.blobs import Blobs, open_blobs
from windlass.errors import (
    AgentNotFound,
    BlobMissing,
    EngineError,
    InvalidRequest,
    NotFound,
    Problem,
    ResultsExpired,
    ResultsNotReady,
    SearchUnconfigured,
    TaskNotFound,
)
from windlass.frontier.identity import identify, sameness
from windlass.frontier.links import Frontier
from windlass.frontier.scope import scope_of
from windlass.model.account import Account, KeyRecord, WebhookSecret
from windlass.model.agent import Agent, AgentDocument, AgentSummary
from windlass.model.crawl import (
    CRAWL_TASKS,
    Crawl,
    CrawlList,
    CrawlNotes,
    CrawlPage,
    CrawlPlan,
    NewCrawl,
)
from windlass.model.deliverylog import (
    DeliveryFilter,
    DeliveryPage,
    DeliveryRecord,
    Resending,
    Resent,
)
from windlass.model.group import Group, GroupPage, Idempotency, NewGroup
from windlass.model.map import MAP, MapWish
from windlass.model.request import ExtractRequest, Submission
from windlass.model.stats import Stats
from windlass.model.task import DELIVERIES, ListPage, NewTask, Priority, State, Task
from windlass.model.visit import Candidate
from windlass.net.endpoints import web_lane
from windlass.settings import Settings
from windlass.storage.accounts import Accounts
from windlass.storage.agents import Agents
from windlass.storage.crawls import Crawls
from windlass.storage.database import CONNECTION_ERRORS, Database, retrying
from windlass.storage.deliveries import FIRST, Deliveries
from windlass.storage.groups import Groups
from windlass.storage.known_keys import KnownKeys
from windlass.storage.maintenance import Maintenance
from windlass.storage.outcomes import DONE_CHANNEL
from windlass.storage.prompt_admission import PromptAdmission
from windlass.storage.tasks import Tasks

_WAIT_FLOOR_S = 1.0
"""How often a waiting call looks for itself, should a notification get lost."""
_STATS_CACHE_S = 2.0
_BATCH = "batch"
_HIDDEN = DELIVERIES | (CRAWL_TASKS - {"crawl_page"})
"""Kinds of task that callers do not know as tasks."""
_BUILT_AT_ONCE = 25
_READ_AT_ONCE = 100
"""Tasks of a batch that are in memory at a time; what a caller sent may be 64 kB in each."""
_RESEND_S = 15.0
"""How long one call sends again; there may be more than an HTTP client has patience for."""


class Service:
    """What a Windlass server can be asked to do."""

    def __init__(self, settings: Settings, database: Database, blobs: Blobs) -> None:
        self._settings = settings
        self._database = database
        self._blobs = blobs
        self._tasks = Tasks(database)
        self._groups = Groups(database)
        self._crawls = Crawls(database, settings)
        self._deliveries = Deliveries(database)
        self._accounts = Accounts(database)
        self._keys = KnownKeys(self._accounts)
        self._agents = Agents(database)
        self._admission = PromptAdmission(database, settings)
        self._maintenance = Maintenance(database, settings)
        self._waiting: dict[UUID, asyncio.Future[None]] = {}
        self._stats: tuple[Stats, float] | None = None
        self._background: list[asyncio.Task[None]] = []

    @classmethod
    async def open(cls, settings: Settings, dsn: str) -> Service:
        """Connects. Raises DatabaseUnavailable or SettingsError."""
        database = await Database.open(dsn)
        service = cls(settings, database, open_blobs(settings))
        service._background = [
            asyncio.create_task(service._listen(), name="listen"),
            asyncio.create_task(service._admission.run(), name="admit"),
            asyncio.create_task(service._keys.note_use(), name="touch-keys"),
        ]
        return service

    async def watch(self) -> None:
        """Never returns; raises what ended background work, without which calls half work."""
        ended, _ = await asyncio.wait(self._background, return_when=asyncio.FIRST_COMPLETED)
        for task in ended:
            task.result()
            raise EngineError(f"{task.get_name()} ended")

    async def close(self) -> None:
        """Ends background work and closes connections."""
        for task in self._background:
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)
        await self._blobs.aclose()
        await self._database.aclose()

    # ------------------------------------------------------------ tasks

    async def extract(
        self,
        account: Account,
        wanted: Submission,
        *,
        interactive: bool,
        idempotency: Idempotency | None = None,
    ) -> Task:
        """Accepts an extraction. When this returns the task survives anything.

        `interactive` means somebody waits for it: it starts before other work and does not show in
        lists; it has no `idempotency`. Raises IdempotencyConflict.
        """
        priority = Priority.INTERACTIVE if interactive else Priority.NORMAL
        new = self._extraction(account, wanted, priority)
        return await self._accept(account, new, idempotency)

    async def map(
        self,
        account: Account,
        wanted: MapWish,
        *,
        interactive: bool,
        idempotency: Idempotency | None = None,
    ) -> Task:
        """Accepts a map; `interactive` and the rest as for an extraction. Raises
        IdempotencyConflict."""
        plan, delivery = wanted.plan, wanted.delivery
        if interactive:
            plan = msgspec.structs.replace(plan, answered_in_s=self._settings.sync_timeout)
        task_id = uuid4()
        new = NewTask(
            id=task_id,
            account_id=account.id,
            kind=MAP,
            api="extract",  # published clients know no name for maps
            lane=web_lane(plan.request.url),
            input=wanted.input.decode("utf-8"),
            request=msgspec.json.encode(plan).decode("utf-8"),
            priority=Priority.INTERACTIVE if interactive else Priority.NORMAL,
            listed=not interactive,
            deadline_s=self._settings.task_timeout,
            delivery=delivery.for_task(task_id) if delivery else None,
        )
        return await self._accept(account, new, idempotency)

    async def _accept(
        self, account: Account, new: NewTask, idempotency: Idempotency | None
    ) -> Task:
        interactive = new.priority == Priority.INTERACTIVE
        if idempotency is not None:
            made = await self._groups.accept_task(new, idempotency)
            self._admission.arm([new.lane] if made == new.id else [])
            return await self.get(account, made)
        if interactive:
            self._waiting[new.id] = asyncio.get_running_loop().create_future()
        try:
            created_at = await self._tasks.accept(new)
        except BaseException:
            self._waiting.pop(new.id, None)
            raise
        if interactive:
            self._admission.hurry(new.lane)
        else:
            self._admission.arm([new.lane])
        return new.as_accepted(account.name, created_at)

    def _extraction(
        self,
        account: Account,
        wanted: Submission,
        priority: int,
        group_id: UUID | None = None,
    ) -> NewTask:
        request, delivery = wanted.request, wanted.delivery
        timeout_s, kind = self._settings.task_timeout, "search"
        url = self._settings.search_url
        if isinstance(request, ExtractRequest):
            kind, url = "extract", request.url
            if request.timeout_ms is not None:
                timeout_s = min(timeout_s, request.timeout_ms / 1000)
        elif not url.strip():
            raise SearchUnconfigured
        task_id = uuid4()
        return NewTask(
            id=task_id,
            account_id=account.id,
            kind=kind,
            api="agent" if request.agent else "extract",
            lane=web_lane(url),
            input=wanted.input.decode("utf-8"),
            request=msgspec.json.encode(request).decode("utf-8"),
            priority=priority,
            listed=priority != Priority.INTERACTIVE,
            deadline_s=timeout_s,
            delivery=delivery.for_task(task_id) if delivery else None,
            group_id=group_id,
        )

    async def wait(self, task: Task, timeout_s: float) -> Task:
        """The task once it has ended, or as it is after `timeout_s` seconds."""
        account = Account(task.account_id, task.account, UUID(int=0))
        give_up_at = time.monotonic() + timeout_s
        future = self._waiting.setdefault(task.id, asyncio.get_running_loop().create_future())
        try:
            while True:
                left = give_up_at - time.monotonic()
                await asyncio.wait({future}, timeout=max(min(left, _WAIT_FLOOR_S), 0))
                # A database that is away may be back before the caller's time is over.
                now = await retrying(
                    lambda: self._tasks.get(account, task.id), for_s=give_up_at - time.monotonic()
                )
                if now.state.terminal or time.monotonic() >= give_up_at:
                    return now
                if now.state == State.QUEUED:
                    # Its lane was full before; it goes ahead of the backlog all the same.
                    self._admission.hurry(task.lane)
                if future.done():
                    future = asyncio.get_running_loop().create_future()
                    self._waiting[task.id] = future
        finally:
            self._waiting.pop(task.id, None)

    async def get(self, account: Account, task_id: UUID) -> Task:
        """One task of the account. Raises TaskNotFound."""
        task = await self._tasks.get(account, task_id)
        if task.kind in _HIDDEN:
            raise TaskNotFound
        return task

    async def list(self, account: Account, cursor: str | None, limit: int) -> ListPage:
        """Listed tasks of the account, newest first. Raises InvalidRequest for a bad cursor."""
        return await self._tasks.list(account, cursor, limit)

    async def results(self, account: Account, task_id: UUID) -> tuple[Task, bytes]:
        """A finished task and its result bytes.

        Raises TaskNotFound, ResultsNotReady (details["task"]) or ResultsExpired.
        """
        task = await self.get(account, task_id)
        if not task.state.terminal:
            raise ResultsNotReady(task=task)
        if task.result_expired:
            raise ResultsExpired(task=task)
        if task.result_address is None:
            return task, b""
        try:
            return task, await self._blobs.get(task.result_address)
        except BlobMissing:
            # Expired between the two reads, or an operator emptied the folder.
            again = await self._tasks.get(account, task_id)
            raise ResultsExpired(task=again) from None

    async def cancel(self, account: Account, task_id: UUID) -> Task:
        """Ends a task that has not ended; a finished one stays as it is. Raises TaskNotFound."""
        task, lanes = await self._tasks.cancel(account, task_id)
        self._admission.arm(lanes)
        if task.kind in _HIDDEN:  # never cancelled by themselves
            raise TaskNotFound
        return task

    # ------------------------------------------------------------ batches

    async def extract_batch(
        self,
        account: Account,
        wanted: Sequence[Submission],
        idempotency: Idempotency | None = None,
    ) -> tuple[Group, tuple[Task, ...]]:
        """Accepts extractions as one group, all or none; the group and its tasks, those made
        before with the same key if there are any. Raises IdempotencyConflict."""
        group_id = uuid4()
        new: list[NewTask] = []
        for start in range(0, len(wanted), _BUILT_AT_ONCE):
            part = wanted[start : start + _BUILT_AT_ONCE]
            new += [self._extraction(account, one, Priority.BULK, group_id) for one in part]
            await asyncio.sleep(0)  # other calls have their turn
        group = await self._groups.accept(
            NewGroup(id=group_id, account_id=account.id, kind=_BATCH, input="{}", tasks=tuple(new)),
            idempotency,
        )
        if group.id != group_id:
            found = [task async for tasks in self.batch_tasks(group) for task in tasks]
            return group, tuple(task for task in found if task is not None)
        self._admission.arm({task.lane for task in new})
        return group, tuple(task.as_accepted(account.name, group.created_at) for task in new)

    async def batch(self, account: Account, batch_id: UUID) -> Group:
        """One batch of the account. Raises GroupNotFound."""
        return await self._groups.get(account, _BATCH, batch_id)

    async def batch_tasks(self, batch: Group) -> AsyncIterator[tuple[Task | None, ...]]:
        """The tasks of a batch in the order of its inputs, a slice at a time; None where retention
        has removed one."""
        for start in range(0, len(batch.members), _READ_AT_ONCE):
            yield await self._groups.tasks(batch, slice(start, start + _READ_AT_ONCE))

    async def batches(self, account: Account, cursor: str | None, limit: int) -> GroupPage:
        """Batches of the account, newest first, at most so many; without the time of their end.
        Raises InvalidRequest for a bad cursor."""
        return await self._groups.list(account, _BATCH, cursor, limit)

    async def cancel_batch(self, account: Account, batch_id: UUID) -> None:
        """Ends all tasks of a batch that have not ended. Raises GroupNotFound."""
        self._admission.arm(await self._groups.cancel(account, _BATCH, batch_id))

    # ------------------------------------------------------------ crawls

    async def start_crawl(
        self, account: Account, new: NewCrawl, idempotency: Idempotency | None = None
    ) -> Crawl:
        """Accepts a crawl; the one made before with the same key if there is one. When this
        returns the crawl survives anything. Raises IdempotencyConflict, or InvalidRequest for a
        URL that no page can have."""
        timeout_s = self._settings.task_timeout
        if new.plan.request.timeout_ms is not None:
            timeout_s = min(timeout_s, new.plan.request.timeout_ms / 1000)
        plan = msgspec.structs.replace(new.plan, deadline_s=timeout_s)
        new = msgspec.structs.replace(new, plan=plan)
        crawl, lanes = await self._crawls.accept(new, self._first_page(plan), idempotency)
        self._admission.arm(lanes)
        return crawl

    def _first_page(self, plan: CrawlPlan) -> Candidate:
        rules = sameness(self._settings.tracking_parameters, ignore_query=plan.ignore_query)
        start = identify(plan.url, rules)
        page = start and Frontier(scope_of(start.url, plan.bounds), rules).start(start.url)
        if page is None:
            problem = Problem("/url", "must be the URL of a page", keyword="format")
            raise InvalidRequest("url must be the URL of a page", (problem,))
        return page

    async def crawl(self, account: Account, crawl_id: UUID) -> Crawl:
        """One crawl of the account. Raises GroupNotFound."""
        return await self._crawls.get(account, crawl_id)

    async def crawl_pages(self, crawl: Crawl) -> AsyncIterator[tuple[CrawlPage, ...]]:
        """The pages of a crawl in the order in which they were found, a slice at a time."""
        after: int | None = 0
        while after is not None:
            pages, after = await self._crawls.pages(crawl.id, after)
            yield pages

    async def crawl_notes(self, crawl: Crawl) -> CrawlNotes:
        """What a crawl left out, and what holds it up."""
        return await self._crawls.notes(crawl.id)

    async def crawls(
        self, account: Account, state: State | None, cursor: str | None, limit: int
    ) -> CrawlList:
        """Crawls of the account, newest first. Raises InvalidRequest for a bad cursor."""
        return await self._crawls.list(account, cursor, limit, state)

    async def cancel_crawl(self, account: Account, crawl_id: UUID) -> None:
        """Ends a crawl and its pages that have not ended. Raises GroupNotFound."""
        self._admission.arm(await self._crawls.cancel(account, crawl_id))

    # ------------------------------------------------------------ agents

    async def agent(self, account: Account, name: str, version: int | None = None) -> Agent:
        """An agent of the account, else the built-in one of that name. Raises AgentNotFound."""
        try:
            return await self._agents.get(account, name, version)
        except AgentNotFound:
            if name in builtins() and version in (None, 0):
                return builtins()[name]
            raise

    async def agents(self, account: Account) -> tuple[AgentSummary, ...]:
        """What the account can run, by name: its own, and built-in ones of other names."""
        own = {one.name: one for one in await self._agents.list(account)}
        known = {name: summary_of(one) for name, one in builtins().items()} | own
        return tuple(known[name] for name in sorted(known))

    async def save_agent(self, account: Account, document: AgentDocument) -> Agent:
        """Stores a checked document as the newest version; runs under way keep theirs. Raises
        InvalidRequest when the account has too many agents."""
        return await self._agents.save(account, document)

    async def delete_agent(self, account: Account, name: str) -> None:
        """Removes an agent of the account, all versions. Raises AgentNotFound."""
        await self._agents.delete(account, name)

    # ------------------------------------------------------------ deliveries

    async def deliveries(
        self, account: Account, which: DeliveryFilter, cursor: str | None, limit: int
    ) -> DeliveryPage:
        """Deliveries of the account, newest first. Raises InvalidRequest for a bad cursor."""
        return await self._deliveries.list(account, which, cursor, limit)

    async def delivery(self, account: Account, delivery_id: UUID) -> DeliveryRecord:
        """One delivery with its attempts. Raises NotFound."""
        return await self._deliveries.get(account, delivery_id)

    async def resend(self, account: Account, delivery_id: UUID) -> DeliveryRecord:
        """Sends a delivery that has ended again, under its id. An open circuit keeps it waiting
        like any other; a task that has ended stays as it is, whatever becomes of its upload.

        Raises NotFound or NotResendable.
        """
        self._admission.arm([await self._deliveries.resend(account, delivery_id)])
        return await self._deliveries.get(account, delivery_id)

    async def resend_all(self, account: Account, wanted: Resending) -> Resent:
        """Sends all deliveries that fit again, oldest first, in slices that are durable one by
        one. Asked again for the same, it goes on with those that are left."""
        count, position = 0, FIRST
        stop_at = time.monotonic() + _RESEND_S
        while True:
            done = await self._deliveries.resend_slice(account, wanted, position)
            count += len(done.lanes)
            self._admission.arm(set(done.lanes))
            if done.position is None:
                return Resent(count, more=False)
            if time.monotonic() > stop_at:
                return Resent(count, more=True)
            position = done.position

    async def webhook_secrets(self, account: Account) -> tuple[WebhookSecret, ...]:
        """What the account's webhooks are signed with, the newest first; made if there is none."""
        return await self._accounts.webhook_secrets(account.id)

    async def rotate_webhook_secret(
        self, account: Account, overlap_s: float
    ) -> tuple[WebhookSecret, ...]:
        """Makes a new secret; the one before it signs for `overlap_s` seconds more. Every process
        signs with the new one within ten seconds."""
        return await self._accounts.rotate_webhook_secret(account.id, overlap_s)

    # ------------------------------------------------------------ accounts

    async def authenticate(self, key: str) -> Account:
        """Whose key this is. Raises Unauthorized. Revocation takes at most 10 seconds."""
        return await self._keys.account_of(key)

    async def create_key(self, account: Account, name: str) -> tuple[KeyRecord, str]:
        """A new key for the account called `name`. Only the main account may; else NotFound."""
        _require_administrator(account)
        return await self._accounts.create_key(name)

    async def keys(self, account: Account) -> tuple[KeyRecord, ...]:
        """All keys. Only the main account may; else NotFound."""
        _require_administrator(account)
        return await self._accounts.keys()

    async def revoke_key(self, account: Account, key_id: UUID) -> None:
        """Revokes a key. Only the main account may; else NotFound."""
        _require_administrator(account)
        await self._accounts.revoke(key_id)
        self._keys.forget()

    # ------------------------------------------------------------ state of the server

    async def ready(self) -> dict[str, str]:
        """What must work for requests to be served: name → "ok" or what is wrong."""
        try:
            stats = await asyncio.wait_for(self._maintenance.stats(), 5)
        except CONNECTION_ERRORS as error:
            return {"database": type(error).__name__, "workers": "unknown"}
        return {"database": "ok", "workers": "ok" if stats.workers else "no worker is alive"}

    async def stats(self) -> Stats:
        """Numbers about all processes together, at most two seconds old."""
        now = time.monotonic()
        if self._stats is None or self._stats[1] < now:
            self._stats = (await self._maintenance.stats(), now + _STATS_CACHE_S)
        return self._stats[0]

    # ------------------------------------------------------------ background

    async def _listen(self) -> None:
        """Keeps a connection that hears of finished tasks; waiters fall back to looking."""
        await self._database.listen({DONE_CHANNEL: self._on_done})

    def _on_done(self, payload: str) -> None:
        for part in payload.split(","):
            future = self._waiting.get(UUID(part))
            if future is not None and not future.done():
                future.set_result(None)


def _require_administrator(account: Account) -> None:
    if not account.administers:
        raise NotFound
