"""Moves crawls on: what a page's end means for its crawl, in the transaction that ends the page.

Called by outcomes.py, and by the worker for crawls whose last task ended in an unusual way. The
rules are the frontier's; here are its rows. The crawl's row is locked all the while.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg
import msgspec

from windlass.frontier.scope import scope_of
from windlass.frontier.traps import IDLE, Standing, Verdict, sift
from windlass.frontier.worth import settle
from windlass.model.crawl import CrawlEvent, CrawlPlan
from windlass.model.delivery import DeliveryOptions
from windlass.model.task import NewTask
from windlass.model.visit import Candidate, Visit
from windlass.settings import Settings
from windlass.storage import following
from windlass.storage.admission import Admission
from windlass.storage.crawlpages import Known, Pages, Waiting
from windlass.storage.crawlrows import (
    Placed,
    alias_columns,
    candidate_of,
    decode_options,
    decode_plan,
    encode,
    family_columns,
    hears,
    known_of,
    news_of,
    page_columns,
    page_task,
    release_columns,
    sitemaps_task,
    standing_of,
    standings_of,
    texts_of,
)
from windlass.storage.database import Database
from windlass.storage.rows import new_columns

_SIFTED_AT_ONCE = 500
_STALLED_AT_ONCE = 20
_GOING_ON = ("queued", "running")


class Locked(NamedTuple):
    """A crawl whose row is ours until the end of the transaction."""

    id: UUID
    account_id: int
    state: str
    plan: CrawlPlan
    delivery: DeliveryOptions | None
    taken: int
    """Its pages that are admitted or fetched."""


class Ended(NamedTuple):
    """A task of a crawl that has ended, or whose page is done and being uploaded."""

    task_id: UUID
    visit: Visit
    page: Candidate | None = None
    """What it fetched; None if it was no page's task."""
    goes_on: bool = False
    """Whether it has made a task that goes on with its work."""


class Moved(NamedTuple):
    """The tasks that come next, those that turned out to be no pages, of which nobody hears, and
    the URLs (by key) that the crawl has heard of once this is committed."""

    tasks: list[NewTask]
    silent: frozenset[UUID]
    heard: frozenset[bytes]


async def lock(
    connection: asyncpg.Connection, database: Database, ids: Iterable[UUID]
) -> dict[UUID, Locked]:
    """Locks crawls; groups of another kind are left alone."""
    rows = await connection.fetch(database.sql("lock_crawls"), sorted(set(ids)))
    return {
        row["id"]: Locked(
            row["id"],
            row["account_id"],
            row["state"],
            decode_plan(row["options"]),
            decode_options(row["delivery"]),
            row["taken"],
        )
        for row in rows
    }


async def sweep(database: Database, settings: Settings) -> int:
    """Moves crawls on that have no task left to do so; how many."""
    rows = await database.fetch("stalled_crawls", _STALLED_AT_ONCE)
    lanes: list[str] = []
    for row in rows:
        async with database.durable.acquire() as connection, connection.transaction():
            found = await lock(connection, database, [row["id"]])
            for crawl in found.values():
                tasks = await Crawling(connection, database, crawl).resume()
                lanes += [task.lane for task in tasks]
    if lanes:
        await Admission(database, settings).arm(lanes)
    return len(rows)


class Crawling:
    """One crawl's part of a transaction."""

    def __init__(self, connection: asyncpg.Connection, database: Database, crawl: Locked) -> None:
        self._connection = connection
        self._sql = database.sql
        self._crawl = crawl
        self._plan = crawl.plan
        self._tasks: list[NewTask] = []
        self._news: list[NewTask] = []
        self._standings: dict[str, Standing] = {}
        self._changed: set[str] = set()
        self._busy = False
        self._turn = IDLE
        self._room = crawl.plan.limit - crawl.taken
        self._held = self._due = self._beyond = False

    async def move(self, ended: Sequence[Ended]) -> Moved:
        """Enters what the ended tasks saw, makes the tasks that come next, ends the crawl when
        there is nothing left."""
        if self._crawl.state not in _GOING_ON:
            return Moved([], frozenset(), frozenset())
        self._busy = any(one.goes_on for one in ended)
        pages = await self._enter({one.task_id: one for one in ended})
        await self._go_on()
        tasks = [*self._tasks, *self._news]
        silent = [one.task_id for one in ended if one.page and one.page.key in pages.silent]
        return Moved(tasks, frozenset(silent), pages.heard)

    async def resume(self) -> list[NewTask]:
        """The same for a crawl whose tasks have all ended; stores the tasks itself."""
        if self._crawl.state not in _GOING_ON:
            return []
        rows = await self._fetch("lost_pages", self._crawl.id)
        lost = [Ended(row["task_id"], Visit(), candidate_of(row)) for row in rows]
        await self._enter({one.task_id: one for one in lost})
        await self._go_on()
        return [*self._tasks, *self._news]

    async def _fetch(self, name: str, *arguments: Any) -> list[Any]:
        rows: list[Any] = await self._connection.fetch(self._sql(name), *arguments)
        return rows

    async def _run(self, name: str, *arguments: Any) -> None:
        await self._connection.execute(self._sql(name), self._crawl.id, *arguments)

    # ------------------------------------------------------------ what the pages say

    async def _enter(self, ended: dict[UUID, Ended]) -> Pages:
        """Enters pages and what they named; what is known now."""
        pages = await self._look_around(ended)
        fetched = [one for one in ended.values() if one.page and pages.under_way(one.page)]
        for place, one in enumerate(fetched):
            later = (other.page.turn for other in fetched[place + 1 :] if other.page)
            self._enter_page(pages, one, min(later, default=IDLE))
        for one in ended.values():
            if one.page is None:
                self._enter_list(pages, one.visit)
        self._room += pages.settle_waiting()
        await self._store(pages)
        await self._tell(pages)
        return pages

    async def _look_around(self, ended: dict[UUID, Ended]) -> Pages:
        """Where the crawl stands but for these tasks, and what is known of all that they name."""
        visits = [one.visit for one in ended.values()]
        fetched = [one.page for one in ended.values() if one.page]
        named = [page for visit in visits for page in (*visit.found, *visit.excluded)]
        other = {key for visit in visits for key, _ in visit.aliases}
        other.update(visit.canonical for visit in visits if visit.canonical)
        prints = [visit.fingerprint for visit in visits if visit.fingerprint]
        own = [page.key for page in fetched]
        rows = await self._fetch(
            "look_around",
            self._crawl.id,
            list(ended),
            own,
            list({*own, *other, *(page.key for page in named)}),
            sorted({family for page in (*fetched, *named) for family in page.families}),
            [one.likeness for one in prints],
            [one.digest for one in prints],
        )
        standing = rows[0]
        self._turn = IDLE if standing["turn"] is None else standing["turn"]
        self._held, self._due = standing["held"], standing["due"]
        self._beyond = standing["beyond"]
        self._standings.update(standings_of(rows))
        known = known_of(rows)
        sketches = await self._sketches(known, other) if other else {}
        waiting = []
        if standing["waited_for"]:
            waiting = await self._fetch("waiting_pages", self._crawl.id, own)
        return Pages(known, texts_of(rows), sketches, [Waiting(*row) for row in waiting])

    async def _sketches(self, known: Known, other: set[bytes]) -> dict[bytes, bytes]:
        """What is remembered of the texts of other addresses, and of the pages that they mean."""
        meant = {known.get(key, ("", None))[1] or key for key in other}
        rows = await self._fetch("page_sketches", self._crawl.id, list(meant | other))
        return {row["key"]: row["sketch"] for row in rows}

    def _enter_list(self, pages: Pages, visit: Visit) -> None:
        """Enters what sitemaps named."""
        found = pages.new(visit.found) if self._room > 0 else []
        sifted = sift(found, self._standings, self._turn)
        self._learn(sifted.changed)
        self._place(pages, found, sifted.verdicts, None)
        pages.exclude(visit.excluded, None)

    def _enter_page(self, pages: Pages, ended: Ended, later: int) -> None:
        """Enters a fetched page and what it named; `later` is the lowest turn of those after it."""
        task_id, visit, page, _ = ended
        assert page is not None
        turn = min(self._turn, later)
        self._follow_start(page, visit)
        counts = self._counts(page, visit)
        brought = counts and self._bring(pages, visit, task_id, turn)
        seen, state = pages.enter(page, visit, counts=counts, brought=brought)
        self._room += state in ("alias", "excluded")
        named = pages.new(visit.found) if self._room > 0 else []
        settled = settle(seen, named, self._standings, turn)
        self._learn(settled.changed)
        self._place(pages, settled.candidates, settled.verdicts, task_id)
        pages.exclude(visit.excluded, task_id)

    def _bring(self, pages: Pages, visit: Visit, task_id: UUID, turn: int) -> bool:
        """Files the page that a page names as canonical, if nobody has heard of it; whether that
        will be fetched."""
        if not visit.canonical or visit.fingerprint is None or self._room <= 0:
            return False
        one = next((one for one in visit.found if one.key == visit.canonical), None)
        if one is None or pages.knows(one):
            return False
        sifted = sift([one], self._standings, turn)
        if sifted.verdicts[0].decision == "stop":
            return False
        self._learn(sifted.changed)
        self._place(pages, pages.new([one]), sifted.verdicts, task_id)
        return True

    async def _load(self, candidates: Iterable[Candidate]) -> None:
        """Brings in the standings of their families."""
        names = {family for one in candidates for family in one.families}
        missing = sorted(names.difference(self._standings))
        if missing:
            rows = await self._fetch("read_families", self._crawl.id, missing)
            self._standings.update({row["name"]: standing_of(row["standing"]) for row in rows})

    def _learn(self, changed: dict[str, Standing]) -> None:
        self._standings.update(changed)
        self._changed.update(changed)

    def _counts(self, page: Candidate, visit: Visit) -> bool:
        """Whether it is one of the crawl's pages: the start page is fetched even if it is not."""
        if page.depth:
            return not visit.refused
        return scope_of(page.url, self._plan.bounds).counts(page.url)

    def _follow_start(self, page: Candidate, visit: Visit) -> None:
        """After the start page, the site's sitemaps; where they lie its redirect has told."""
        if page.depth:
            return
        if visit.moved_to:
            self._plan = msgspec.structs.replace(self._plan, moved_to=visit.moved_to)
        if self._plan.sitemap != "skip":
            crawl = self._crawl
            where = self._plan.moved_to or self._plan.url
            self._tasks.append(sitemaps_task(crawl.id, crawl.account_id, where))

    # ------------------------------------------------------------ what becomes of URLs

    def _place(
        self,
        pages: Pages,
        candidates: Sequence[Candidate],
        verdicts: Sequence[Verdict],
        found_on: UUID | None,
    ) -> None:
        for one, verdict in zip(candidates, verdicts, strict=True):
            pages.place(self._placed(one, verdict), found_on)

    def _placed(self, page: Candidate, verdict: Verdict) -> Placed:
        if verdict.decision == "hold":
            self._held = self._due = True
            return page, "held", verdict.family, None
        if verdict.decision == "stop":
            return page, "stopped", "", None
        if self._room <= 0:
            self._beyond = True
            return page, "beyond", "", None
        self._room -= 1
        self._turn = min(self._turn, page.turn)
        crawl = self._crawl
        task = page_task(crawl.id, crawl.account_id, self._plan, crawl.delivery, page)
        self._tasks.append(task)
        return page, "admitted", "", task.id

    async def _store(self, pages: Pages) -> None:
        if pages.ended:
            await self._run("end_pages", *map(list, zip(*pages.ended.values(), strict=True)))
        if pages.aliases:
            await self._run("add_pages", *alias_columns(pages.aliases))
        if pages.placed:
            await self._run("add_pages", *page_columns(pages.placed, pages.found_on))

    async def _tell(self, pages: Pages) -> None:
        """Of pages that waited to be told from others, and are none of those."""
        delivery = self._crawl.delivery
        if pages.late and delivery is not None and hears(delivery.webhook, "page"):
            hook = following.as_json(delivery.webhook)
            rows = await self._fetch("unsilence_tasks", pages.late, hook)
            due = [row["id"] for row in rows if row["due"]]
            account_id = self._crawl.account_id
            self._news += [
                following.webhook_for(task_id, account_id, "extract", delivery.webhook)
                for task_id in due
            ]

    # ------------------------------------------------------------ what comes next

    async def _go_on(self) -> None:
        """Lets go what waited for what is known now; ends the crawl if nothing is left."""
        if self._due:
            await self._release_held([*self._changed, ""])
        # With nothing under way all that waits is judged, a slice after the other.
        while self._held and self._turn == IDLE and await self._release_held(None):
            pass
        await self._use_room()
        await self._wait_no_more()
        await self._keep()
        await self._end_if_done()

    async def _release_held(self, families: list[str] | None) -> int:
        """Judges URLs that wait for these families, or for anything; how many wait no more."""
        if self._room <= 0:
            return 0
        crawl_id, most = self._crawl.id, _SIFTED_AT_ONCE
        rows = await self._fetch("held_pages", crawl_id, families, self._turn, most)
        return await self._release([candidate_of(row) for row in rows]) if rows else 0

    async def _release(self, waiting: list[Candidate]) -> int:
        """Judges URLs again; how many wait no more."""
        await self._load(waiting)
        sifted = sift(waiting, self._standings, self._turn)
        self._learn(sifted.changed)
        placed = [
            self._placed(one, verdict)
            for one, verdict in zip(waiting, sifted.verdicts, strict=True)
        ]
        await self._run("release_pages", *release_columns(placed))
        return sum(state != "held" for _, state, _, _ in placed)

    async def _use_room(self) -> None:
        """Pages that turned out to be aliases leave room under the limit."""
        if self._room <= 0 or not self._beyond:
            return
        rows = await self._fetch("beyond_pages", self._crawl.id, self._room)
        placed = [self._placed(candidate_of(row), Verdict("admit")) for row in rows]
        if placed:
            await self._run("release_pages", *release_columns(placed))

    async def _wait_no_more(self) -> None:
        """With nothing under way, no page will come that others might be copies of."""
        if self._tasks or self._turn != IDLE:
            return
        rows = await self._fetch("waiting_pages", self._crawl.id, None)
        pages = Pages(Known(), (set(), set()), {}, [Waiting(*row) for row in rows])
        self._room += pages.settle_waiting(everything=True)
        await self._store(pages)
        await self._tell(pages)

    async def _keep(self) -> None:
        changed = {name: self._standings[name] for name in self._changed}
        moved = None if self._plan is self._crawl.plan else encode(self._plan)
        taken = self._crawl.plan.limit - self._room
        await self._run("keep_crawl", *family_columns(changed), taken, moved)
        await self._insert([*self._tasks, *self._news])

    async def _insert(self, tasks: Sequence[NewTask]) -> None:
        if tasks:
            await self._connection.execute(self._sql("insert_tasks"), *new_columns(tasks))

    async def _end_if_done(self) -> None:
        if self._tasks or self._busy or self._turn != IDLE:
            return
        crawl = self._crawl
        (row,) = await self._fetch("crawl_end", crawl.id)
        if row["busy"]:
            return
        state = "succeeded" if row["succeeded"] else "failed"
        if not await self._fetch("end_crawl", crawl.id, state):
            return
        event: CrawlEvent = "completed" if row["succeeded"] else "failed"
        (first,) = await self._fetch("first_task", crawl.id)
        news = news_of(event, first["task_id"], crawl.account_id, crawl.delivery)
        await self._insert(news)
        self._news += news
