"""Crawls in the database: create, read, list, begin and cancel. crawling.py moves them on.

A crawl is a group whose tasks are found while it runs. How many pages it has is kept; its other
numbers are counted when they are read.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid4

from windlass.errors import GroupNotFound, IdempotencyConflict
from windlass.frontier.heard import Heard
from windlass.frontier.traps import Standing, stopped
from windlass.model.account import Account
from windlass.model.crawl import (
    Crawl,
    CrawlList,
    CrawlNotes,
    CrawlPage,
    CrawlPlan,
    Holdup,
    NewCrawl,
)
from windlass.model.group import Idempotency
from windlass.model.page import Failure
from windlass.model.task import State
from windlass.model.visit import Candidate
from windlass.settings import Settings
from windlass.storage.admission import Admission
from windlass.storage.cancelling import cancel
from windlass.storage.crawlrows import (
    decode_options,
    decode_plan,
    encode,
    family_columns,
    news_of,
    page_columns,
    page_task,
    standing_of,
)
from windlass.storage.cursors import cursor_at, position_of
from windlass.storage.database import Database, retrying
from windlass.storage.groups import SLICE, claim_key
from windlass.storage.rows import new_columns, state_of

SHOWN = 100
"""Stopped families that an answer names."""
WAITED_FOR = 5
"""URLs that hold a crawl up that an answer names."""


class Crawls:
    """The crawls among the groups. One per process."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database = database
        self._admission = Admission(database, settings)
        self.heard = Heard()
        """What outcomes.py has stored of their URLs in this process."""

    async def accept(
        self, crawl: NewCrawl, start: Candidate, idempotency: Idempotency | None = None
    ) -> tuple[Crawl, Sequence[str]]:
        """Stores a crawl with its first page; the crawl, made before with the same key if there
        was one, and the lanes where something waits now.

        Raises IdempotencyConflict, and DatabaseUnavailable, after which it may or may not have
        been stored.
        """
        return await retrying(lambda: self._accept(crawl, start, idempotency), for_s=8)

    async def _accept(
        self, crawl: NewCrawl, start: Candidate, idempotency: Idempotency | None
    ) -> tuple[Crawl, Sequence[str]]:
        sql, lanes = self._database.sql, []
        async with self._database.durable.acquire() as connection, connection.transaction():
            made = await claim_key(connection, crawl.account_id, crawl.id, idempotency)
            if made == crawl.id:
                task = page_task(crawl.id, crawl.account_id, crawl.plan, crawl.delivery, start)
                await connection.execute(sql("insert_crawl"), *_columns(crawl))
                await connection.execute(
                    sql("add_pages"), crawl.id, *page_columns([(start, "admitted", "", task.id)])
                )
                standings = {family: Standing(admitted=1) for family in start.families}
                families = family_columns(standings)
                await connection.execute(sql("keep_crawl"), crawl.id, *families, 1, None)
                await connection.execute(sql("insert_tasks"), *new_columns([task]))
                lanes = [task.lane]
            row = await connection.fetchrow(sql("get_crawl"), made, crawl.account_id)
            if row is None:  # made with the key, but nothing is left of it
                raise IdempotencyConflict
            return _to_crawl(row), lanes

    # ------------------------------------------------------------ read

    async def get(self, account: Account | None, crawl_id: UUID) -> Crawl:
        """One crawl, of whoever owns it for None. Raises GroupNotFound."""
        row = await self._database.fetch_row("get_crawl", crawl_id, account.id if account else None)
        if row is None:
            raise GroupNotFound("Crawl not found")
        return _to_crawl(row)

    async def list(
        self, account: Account, cursor: str | None, limit: int, state: State | None = None
    ) -> CrawlList:
        """Crawls, newest first. Raises InvalidRequest for a cursor that is not ours."""
        position = position_of(cursor)
        rows = await self._database.fetch("list_crawls", account.id, *position, limit + 1, state)
        crawls = tuple(_to_crawl(row) for row in rows[:limit])
        after = cursor_at(crawls[-1].created_at, crawls[-1].id) if len(rows) > limit else None
        count = await self._database.fetch_row("count_crawls", account.id, state)
        return CrawlList(crawls, after, count[0] if count else 0)

    async def pages(
        self, crawl_id: UUID, after: int = 0, limit: int = SLICE
    ) -> tuple[tuple[CrawlPage, ...], int | None]:
        """Some of a crawl's pages in the order in which they were found, and where to go on (None
        at the end)."""
        rows = await self._database.fetch("crawl_pages", crawl_id, after, limit)
        pages = tuple(_to_page(row) for row in rows)
        return pages, rows[-1]["seq"] if len(rows) == limit else None

    async def notes(self, crawl_id: UUID) -> CrawlNotes:
        """What a crawl left out, and what holds it up."""
        counts = await self._database.fetch("crawl_left_out", crawl_id)
        families = await self._database.fetch("crawl_stopped", crawl_id, SHOWN)
        waiting = await self._database.fetch("crawl_waiting_for", crawl_id, WAITED_FOR)
        by_state: dict[str, int] = {row["state"]: row["count"] for row in counts}
        standings: dict[str, Standing] = {
            row["name"]: standing_of(row["standing"]) for row in families
        }
        return CrawlNotes(
            aliases=by_state.get("alias", 0),
            excluded=by_state.get("excluded", 0),
            held=by_state.get("held", 0),
            beyond=by_state.get("beyond", 0),
            stopped=tuple(stopped(standings)),
            holdups=tuple(Holdup(row["url"], row["reason"], row["until"]) for row in waiting),
        )

    # ------------------------------------------------------------ its life

    async def begin(self, crawl_id: UUID, first_task: UUID) -> None:
        """The first page is taken: says so once, to the receiver too."""
        lanes = await retrying(lambda: self._begin(crawl_id, first_task), for_s=8)
        if lanes:
            await self._admission.arm(lanes)

    async def _begin(self, crawl_id: UUID, first_task: UUID) -> Sequence[str]:
        sql = self._database.sql
        async with self._database.durable.acquire() as connection, connection.transaction():
            row = await connection.fetchrow(sql("begin_crawl"), crawl_id)
            if row is None:
                return []
            news = news_of(
                "started", first_task, row["account_id"], decode_options(row["delivery"])
            )
            if news:
                await connection.execute(sql("insert_tasks"), *new_columns(news))
            return [task.lane for task in news]

    async def plan(self, crawl_id: UUID) -> CrawlPlan:
        """What a crawl is to do, as it knows it now. Raises GroupNotFound."""
        return (await self.get(None, crawl_id)).plan

    async def cancel(self, account: Account, crawl_id: UUID) -> Sequence[str]:
        """Ends a crawl and its tasks that have not ended; the lanes where something waits because
        of it. One that has ended stays as it is. Raises GroupNotFound."""
        row = await self._database.fetch_row("cancel_crawl", crawl_id, account.id, durable=True)
        if row is None:
            raise GroupNotFound("Crawl not found")
        lanes: set[str] = set()
        while rows := await self._database.fetch("unfinished_crawl_tasks", crawl_id, SLICE):
            ids = [row["id"] for row in rows]
            lanes.update(await cancel(self._database, account.id, ids, tell=False))
        return sorted(lanes)

    async def news_ahead(self, crawl_id: UUID, webhook_id: UUID, *, of_end: bool) -> bool:
        """Whether other news of a crawl is under way that must arrive before this webhook."""
        first = await self._database.fetch_row("first_task", crawl_id)
        row = await self._database.fetch_row(
            "news_ahead", crawl_id, webhook_id, of_end, first["task_id"] if first else uuid4()
        )
        return bool(row and row[0])


def _columns(crawl: NewCrawl) -> list[Any]:
    delivery = encode(crawl.delivery) if crawl.delivery else None
    return [crawl.id, crawl.account_id, crawl.input, crawl.name, encode(crawl.plan), delivery]


def _to_crawl(row: Any) -> Crawl:
    total, pending, failed = row["total"], row["pending"], row["failed"]
    return Crawl(
        id=row["id"],
        account_id=row["account_id"],
        account=row["account"],
        name=row["name"],
        input=row["input"],
        plan=decode_plan(row["options"]),
        state=State(row["state"]),
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        finished_at=row["finished_at"],
        delivery=decode_options(row["delivery"]),
        total=total,
        pending=pending,
        completed=total - pending - failed,
        failed=failed,
    )


def _to_page(row: Any) -> CrawlPage:
    code = row["failure_code"]
    return CrawlPage(
        task_id=row["task_id"],
        url=row["url"],
        state=state_of(row["state"]),
        depth=row["depth"],
        created_at=row["created_at"],
        modified_at=row["modified_at"],
        finished_at=row["finished_at"],
        status_code=row["status_code"],
        failure=Failure(code, row["failure_message"] or code) if code else None,
        found_on=row["found_on"],
        copy_of=row["copy_of"],
        unlike=row["unlike"],
    )
