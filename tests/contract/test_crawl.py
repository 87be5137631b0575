"""Crawls through the unmodified SDK: start, read, list, end, and what a receiver hears (section 10,
6.8)."""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from nimble_python import AsyncNimble, BadRequestError, ConflictError, Nimble, NotFoundError
from nimble_python.types import CrawlStatusResponse

from tests.support.receiver import Receiver, receiving
from tests.support.sdk import every_listed_task
from tests.support.server import WindlassServer
from tests.support.smallsite import Reply, SmallSite, moved, page, plain, small_site
from tests.support.waiting import eventually

ASIDE = re.compile(r"^/(?:robots\.txt|[a-z-]*sitemap)")
ENDED = ("succeeded", "failed", "canceled")
PAGES = {
    "/": page("/a", "/b/", "/gone", "/a#part", text="home"),
    "/a": page("/", "/b/c", "/old", text="a"),
    "/b/": page("/b/c", "/b/d?utm_source=x", text="b"),
    "/b/c": page("/a", text="c"),
    "/b/d": page(text="d"),
    "/old": moved("/a", 301),
}
FETCHED = {"/", "/a", "/b/", "/b/c", "/b/d", "/gone"}


@pytest.fixture
def site() -> Iterator[SmallSite]:
    with small_site(dict(PAGES)) as served:
        yield served


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as started:
        yield started


def ended(client: Nimble, crawl_id: str, within_s: float = 30.0) -> CrawlStatusResponse:
    """The crawl once it is terminal; at every look its numbers add up."""

    def probe() -> CrawlStatusResponse | None:
        crawl = client.crawl.status(crawl_id)
        numbers = (crawl.completed, crawl.failed, crawl.pending)
        assert crawl.total == sum(number or 0 for number in numbers)
        assert crawl.tasks is not None and len(crawl.tasks) == crawl.total
        return crawl if crawl.status in ENDED else None

    return eventually(probe, f"crawl {crawl_id} ends", within_s=within_s)


def fetched(site: SmallSite) -> Counter[str]:
    """How often each page was asked for, without what every crawl looks at beside."""
    return Counter(path for path in site.paths() if not ASIDE.search(path))


def paths(crawl: CrawlStatusResponse, site: SmallSite) -> set[str]:
    """The paths of a crawl's pages."""
    tasks: Any = crawl.tasks
    urls = [task.url for task in tasks]
    assert len(set(urls)) == len(urls)
    return {url.removeprefix(site.base) for url in urls}


# ---------------------------------------------------------------- a whole crawl


def test_a_new_crawl_is_queued_and_echoes_its_options(client: Nimble, site: SmallSite) -> None:
    made = client.crawl.run(
        url=f"{site.base}/",
        name="docs",
        limit=50,
        include_paths=["/"],
        extract_options={"formats": ["markdown"]},
    )
    assert made.crawl_id == str(UUID(made.crawl_id))
    assert (made.status, made.name, made.url) == ("queued", "docs", f"{site.base}/")
    assert (made.account_name, made.completed_at) == ("main", None)
    assert (made.total, made.pending, made.completed, made.failed) == (0, 0, 0, 0)
    assert made.tasks == []
    assert made.crawl_options.to_dict() == {
        "sitemap": "include",
        "crawl_entire_domain": False,
        "limit": 50,
        "max_discovery_depth": 5,
        "ignore_query_parameters": False,
        "allow_external_links": False,
        "allow_subdomains": False,
        "include_paths": ["/"],
    }
    assert made.extract_options == {"formats": ["markdown"]}
    ended(client, made.crawl_id)


def test_every_page_is_fetched_once_and_is_a_task(client: Nimble, site: SmallSite) -> None:
    made = client.crawl.run(url=f"{site.base}/", extract_options={"formats": ["markdown"]})
    crawl = ended(client, made.crawl_id)
    assert (crawl.status, crawl.total, crawl.completed, crawl.failed) == ("succeeded", 6, 5, 1)
    assert crawl.completed_at is not None
    assert paths(crawl, site) == FETCHED
    assert fetched(site) == {"/old": 1, **dict.fromkeys(FETCHED, 1)} | {"/a": 2}
    assert crawl.tasks is not None
    for task in crawl.tasks:
        extra: Any = task.model_extra
        read = client.tasks.get(task.task_id).task
        assert read.api_type == "extract"
        assert (extra["id"], extra["state"]) == (task.task_id, read.state)
        assert read.batch_id is None
        result: Any = client.tasks.results(task.task_id)
        assert result["url"] == extra["url"]
        if task.status == "completed":
            assert result["data"]["markdown"].startswith("# ")
            assert "outline" not in result["data"]
        else:
            assert (extra["status_code"], extra["error_type"]) == (404, "http_error")


def test_pages_say_how_they_were_found(client: Nimble, site: SmallSite) -> None:
    crawl = ended(client, client.crawl.run(url=f"{site.base}/").crawl_id)
    tasks: Any = crawl.tasks
    found = {task.url.removeprefix(site.base): task for task in tasks}
    depths = {path: task.depth for path, task in found.items()}
    assert depths == {"/": 0, "/a": 1, "/b/": 1, "/gone": 1, "/b/c": 2, "/b/d": 2}
    assert found["/a"].parent_task_id == found["/"].task_id
    assert "parent_task_id" not in found["/"].model_extra


def test_pages_are_among_the_accounts_tasks(client: Nimble, site: SmallSite) -> None:
    crawl = ended(client, client.crawl.run(url=f"{site.base}/").crawl_id)
    assert crawl.tasks is not None
    listed = {task.id for task in every_listed_task(client)}
    assert {task.task_id for task in crawl.tasks} <= listed


def test_the_same_object_is_read_under_crawl(
    client: Nimble, server: WindlassServer, site: SmallSite
) -> None:
    crawl_id = ended(client, client.crawl.run(url=f"{site.base}/").crawl_id).crawl_id
    bearer = {"Authorization": f"Bearer {server.api_key}"}
    body = httpx.get(f"{server.url}/v1/crawl/{crawl_id}", headers=bearer).json()
    inner = body.pop("crawl")
    assert inner == body
    body = httpx.get(f"{server.url}/v1/crawl/{crawl_id}?include_tasks=false", headers=bearer).json()
    assert body["total"] == inner["total"]
    assert "tasks" not in body


def test_strict_clients_accept_every_answer(strict_client: Nimble, site: SmallSite) -> None:
    made = strict_client.crawl.run(url=f"{site.base}/", callback="http://127.0.0.1:9/none")
    strict_client.crawl.status(made.crawl_id)
    strict_client.crawl.list(status="all", limit=1)
    assert strict_client.crawl.terminate(made.crawl_id).status == "canceled"
    strict_client.crawl.status(made.crawl_id)


# ---------------------------------------------------------------- options


@pytest.mark.parametrize(("options", "expected"), [
    ({"max_discovery_depth": 1}, {"/", "/a", "/b/", "/gone"}),
    ({"exclude_paths": ["^/b/"]}, {"/", "/a", "/gone"}),
    ({"include_paths": ["^/$", "^/b"]}, {"/", "/b/", "/b/c", "/b/d"}),
    ({"limit": 1}, {"/"}),
])  # fmt: skip
def test_options_bound_a_crawl(
    client: Nimble, site: SmallSite, options: dict[str, Any], expected: set[str]
) -> None:
    crawl = ended(client, client.crawl.run(url=f"{site.base}/", **options).crawl_id)
    assert crawl.status == "succeeded"
    assert paths(crawl, site) == expected


def test_a_crawl_keeps_below_its_start(client: Nimble, site: SmallSite) -> None:
    below = ended(client, client.crawl.run(url=f"{site.base}/b/").crawl_id)
    assert paths(below, site) == {"/b/", "/b/c", "/b/d"}
    run = client.crawl.run(url=f"{site.base}/b/", crawl_entire_domain=True)
    assert paths(ended(client, run.crawl_id), site) == FETCHED


def test_sitemaps_may_be_all_that_is_read(client: Nimble) -> None:
    urls = "".join(f"<url><loc>{{base}}{path}</loc></url>" for path in ("/b/c", "/hidden"))
    more = {
        "/hidden": page("/never", text="hidden"),
        "/never": page(text="never"),
        "/sitemap.xml": plain(f"<urlset>{urls}</urlset>", "text/xml"),
    }
    with small_site(PAGES | more) as site:
        check_sitemaps(client, site)


def check_sitemaps(client: Nimble, site: SmallSite) -> None:
    only = ended(client, client.crawl.run(url=f"{site.base}/", sitemap="only").crawl_id)
    assert paths(only, site) - {"/"} == {"/b/c", "/hidden"}
    skip = ended(client, client.crawl.run(url=f"{site.base}/", sitemap="skip").crawl_id)
    assert paths(skip, site) == FETCHED
    both = ended(client, client.crawl.run(url=f"{site.base}/").crawl_id)
    assert paths(both, site) == FETCHED | {"/hidden", "/never"}


def test_what_robots_are_asked_to_leave_alone_is_no_page(client: Nimble) -> None:
    robots = plain("User-agent: *\nDisallow: /b/")
    with small_site(PAGES | {"/robots.txt": robots}) as site:
        crawl = ended(client, client.crawl.run(url=f"{site.base}/").crawl_id)
        assert paths(crawl, site) == {"/", "/a", "/gone"}
    extra: Any = crawl.model_extra
    assert extra["excluded"] == 3 - 1  # /b/d is named by /b/ only


# ---------------------------------------------------------------- its end


def test_a_seed_that_cannot_be_had_fails_the_crawl(client: Nimble, site: SmallSite) -> None:
    crawl = ended(client, client.crawl.run(url=f"{site.base}/nowhere").crawl_id)
    assert (crawl.status, crawl.total, crawl.failed) == ("failed", 1, 1)
    assert crawl.completed_at is not None


class Slow(dict[str, Reply]):
    """Replies that wait, but for the first page and what stands beside pages."""

    def __init__(self, replies: Mapping[str, Reply]) -> None:
        super().__init__(replies)
        self.gate = threading.Event()

    def get(self, path: str, default: Any = None) -> Any:
        """One reply when it may be given."""
        if path != "/" and not ASIDE.search(path):
            self.gate.wait(60)
        return super().get(path, default)


def test_cancelling_ends_a_crawl_and_keeps_its_pages(client: Nimble) -> None:
    slow = Slow({"/": page("/x", "/y", "/z", text="home")})
    with small_site(slow) as site:
        try:
            check_cancelling(client, site)
        finally:
            slow.gate.set()


def check_cancelling(client: Nimble, site: SmallSite) -> None:
    made = client.crawl.run(url=f"{site.base}/")
    wanted = {"/x", "/y", "/z"}
    eventually(lambda: fetched(site).keys() >= wanted, "pages are being fetched", within_s=20)
    running = client.crawl.status(made.crawl_id)
    assert (running.status, running.pending) == ("running", 3)
    extra: Any = running.model_extra
    assert extra["waiting_for"]
    assert client.crawl.terminate(made.crawl_id).status == "canceled"
    crawl = ended(client, made.crawl_id)
    assert (crawl.status, crawl.completed, crawl.failed, crawl.pending) == ("canceled", 1, 3, 0)
    tasks: Any = crawl.tasks
    assert {task.error_type for task in tasks if task.status == "failed"} == {"canceled"}
    (home,) = (task for task in tasks if task.status == "completed")
    assert client.tasks.results(home.task_id)["status"] == "success"
    assert client.crawl.terminate(made.crawl_id).status == "canceled"
    assert client.crawl.status(made.crawl_id).updated_at == crawl.updated_at


def test_a_crawl_that_succeeded_stays_so(client: Nimble, site: SmallSite) -> None:
    crawl = ended(client, client.crawl.run(url=f"{site.base}/b/d").crawl_id)
    assert client.crawl.terminate(crawl.crawl_id).status == "canceled"
    assert client.crawl.status(crawl.crawl_id).status == "succeeded"


# ---------------------------------------------------------------- lists


def test_crawls_are_listed_newest_first_by_status(client: Nimble, site: SmallSite) -> None:
    first = ended(client, client.crawl.run(url=f"{site.base}/b/d", name="1").crawl_id)
    second = ended(client, client.crawl.run(url=f"{site.base}/nowhere", name="2").crawl_id)
    listed = client.crawl.list(limit=2)
    assert [crawl.crawl_id for crawl in listed.data] == [second.crawl_id, first.crawl_id]
    assert listed.data[1].tasks is not None and len(listed.data[1].tasks) == 1
    assert listed.pagination.total is not None and listed.pagination.total >= 2
    (newest,) = client.crawl.list(limit=1).data
    cursor = client.crawl.list(limit=1).pagination.next_cursor
    (older,) = client.crawl.list(limit=1, cursor=cursor).data
    assert (newest.name, older.name) == ("2", "1")
    failed = client.crawl.list(status="failed", limit=1)
    assert failed.data[0].crawl_id == second.crawl_id
    good = client.crawl.list(status="succeeded", limit=1)
    assert good.data[0].crawl_id == first.crawl_id
    assert client.crawl.list(extra_query={"status": "completed"}, limit=1).data == good.data


def test_strangers_and_made_up_ids_are_not_found(client: Nimble) -> None:
    for call in (client.crawl.status, client.crawl.terminate):
        for crawl_id in (str(uuid4()), "none"):
            with pytest.raises(NotFoundError) as missing:
                call(crawl_id)
            body: Any = missing.value.body
            assert body["error"] == "Crawl not found"


# ---------------------------------------------------------------- refusals


def test_everything_wrong_is_named_at_once(client: Nimble) -> None:
    with pytest.raises(BadRequestError) as refused:
        client.crawl.run(url="ftp://a.test/", limit=0, exclude_paths=["(?=x)"])
    body: Any = refused.value.body
    entries = body["details"]["schema_validation_errors"]
    assert {entry["instancePath"]: entry["keyword"] for entry in entries} == {
        "/limit": "minimum",
        "/url": "format",
        "/exclude_paths/0": "format",
    }
    with pytest.raises(BadRequestError):
        client.crawl.list(extra_query={"status": "ended"})
    with pytest.raises(BadRequestError):
        client.crawl.list(cursor="none of ours")


def test_a_repeated_key_answers_the_same_crawl(client: Nimble, site: SmallSite) -> None:
    key = {"Idempotency-Key": str(uuid4())}
    first = client.crawl.run(url=f"{site.base}/b/d", extra_headers=key)
    again = client.crawl.run(url=f"{site.base}/b/d", extra_headers=key)
    assert again.crawl_id == first.crawl_id
    with pytest.raises(ConflictError):
        client.crawl.run(url=f"{site.base}/b/", extra_headers=key)
    ended(client, first.crawl_id)


# ---------------------------------------------------------------- news


def news(receiver: Receiver, crawl_id: str, count: int) -> list[dict[str, Any]]:
    """What a receiver heard of a crawl, once it is so much; one body per delivery."""

    def probe() -> list[dict[str, Any]] | None:
        bodies = {one.delivery_id: one.document() for one in receiver.requests("ok")}
        mine = [body for body in bodies.values() if body["crawl_id"] == crawl_id]
        return mine if len(mine) >= count else None

    return eventually(probe, f"{count} webhooks of {crawl_id}", within_s=30)


def test_a_receiver_hears_of_start_pages_and_end(
    client: Nimble, site: SmallSite, receiver: Receiver
) -> None:
    made = client.crawl.run(
        url=f"{site.base}/",
        callback={
            "url": receiver.url("ok"),
            "headers": {"X-Token": "t0k3n"},
            "metadata": {"team": "seo"},
        },
    )
    shown: Any = made.crawl_options.callback
    assert shown.headers == {"X-Token": "***"}
    crawl = ended(client, made.crawl_id)
    heard = news(receiver, made.crawl_id, 2 + 6)
    assert len(heard) == 8
    assert heard[0]["event"] == "started"
    assert heard[-1]["event"] == "completed"
    assert {body["event"] for body in heard[1:-1]} == {"page"}
    assert all(body["metadata"] == {"team": "seo"} for body in heard)
    assert all(one.header("x-token") == "t0k3n" for one in receiver.requests("ok"))
    tasks: Any = crawl.tasks
    assert {body["task"]["id"] for body in heard[1:-1]} == {task.task_id for task in tasks}
    last = heard[-1]
    assert (last["status"], last["type"]) == ("succeeded", "completed")
    assert (last["crawl"]["total"], last["crawl"]["completed"]) == (6, 5)
    assert "task" not in last


def test_a_receiver_hears_only_of_the_events_it_wants(
    client: Nimble, site: SmallSite, receiver: Receiver
) -> None:
    made = client.crawl.run(
        url=f"{site.base}/", callback={"url": receiver.url("ok"), "events": ["completed"]}
    )
    ended(client, made.crawl_id)
    (only,) = news(receiver, made.crawl_id, 1)
    assert only["event"] == "completed"


def test_a_receiver_hears_of_a_crawl_that_fails(
    client: Nimble, site: SmallSite, receiver: Receiver
) -> None:
    made = client.crawl.run(
        url=f"{site.base}/nowhere",
        callback={"url": receiver.url("ok"), "events": ["completed", "failed"]},
    )
    ended(client, made.crawl_id)
    (only,) = news(receiver, made.crawl_id, 1)
    assert (only["event"], only["status"]) == ("failed", "failed")


async def test_async_clients_crawl_too(server: WindlassServer, site: SmallSite) -> None:
    async with AsyncNimble(base_url=server.url, api_key=server.api_key) as client:
        made = await client.crawl.run(url=f"{site.base}/b/d")
        assert (await client.crawl.status(made.crawl_id)).crawl_id == made.crawl_id
        assert (await client.crawl.terminate(made.crawl_id)).status == "canceled"
