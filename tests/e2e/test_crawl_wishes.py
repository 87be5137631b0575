"""What pages ask of crawls: to leave links or the page itself alone, to be known under another
address; and what is no page at all. By a real worker over a real PostgreSQL."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from nimble_python import Nimble

from tests.support.delivering import Delivering, delivering
from tests.support.http_double import Handler
from tests.support.receiver import Receiver
from tests.support.server import WindlassServer, running
from tests.support.smallsite import Reply, SmallSite, moved, page, plain, small_site
from tests.support.waiting import eventually

ENDED = ("succeeded", "failed", "canceled")
WORDS = ("river", "stone", "cloud", "maple", "tiger", "violin", "harbour", "lantern", "meadow")


@pytest.fixture(scope="module")
def settled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WindlassServer]:
    """A server with the defaults of an operator who has settled nothing."""
    with running(tmp_path_factory.mktemp("wishes") / "data", rate_limit="0") as started:
        yield started


def crawled(server: WindlassServer, site: SmallSite, path: str = "/", **options: Any) -> Any:
    """A crawl that has ended; its numbers add up at every look."""
    with Nimble(base_url=server.url, api_key=server.api_key) as client:
        crawl_id = client.crawl.run(url=site.base + path, sitemap="skip", **options).crawl_id

        def probe() -> Any:
            crawl = client.crawl.status(crawl_id)
            assert crawl.total == crawl.completed + crawl.failed + crawl.pending
            return crawl if crawl.status in ENDED else None

        return eventually(probe, "the crawl ends", within_s=60)


def pages_of(crawl: Any, site: SmallSite) -> dict[str, Any]:
    return {task.url.removeprefix(site.base): task for task in crawl.tasks}


def told(number: int, words: int = 60) -> str:
    """A text of its own."""
    draw = random.Random(number)
    lines = (" ".join(draw.choices(WORDS, k=6)) for _ in range(words // 6))
    return ". ".join(f"{line} {draw.choice(WORDS)}{draw.randrange(10**6)}" for line in lines)


# ---------------------------------------------------------------- nofollow, noindex


def header(reply: Reply, name: str, value: str) -> Reply:
    return reply._replace(headers=(*reply.headers, (name, value)))


def nofollow(link: str) -> Reply:
    return Reply(f'<html><body><a rel="external nofollow" href="{link}">to it</a></body></html>')


META = '<meta name="{}" content="{}">'
ASKING = {
    "/": page("/all", "/us", "/others", "/header", "/our-header", "/their-header", "/link"),
    "/all": page("/a", head=META.format("robots", "nofollow")),
    "/us": page("/b", head=META.format("Windlass", "NOFOLLOW")),
    "/others": page("/c", head=META.format("otherbot", "nofollow")),
    "/header": header(page("/d"), "X-Robots-Tag", "nofollow"),
    "/our-header": header(page("/e"), "X-Robots-Tag", "windlass: nofollow"),
    "/their-header": header(page("/f"), "X-Robots-Tag", "otherbot: nofollow"),
    "/link": nofollow("/g"),
    **{f"/{name}": page(text=told(ord(name))) for name in "abcdefg"},
}


def test_links_that_robots_are_asked_to_leave_alone_are_left_alone(
    settled: WindlassServer,
) -> None:
    with small_site(ASKING) as site:
        found = pages_of(crawled(settled, site), site)
        assert found.keys() & {f"/{name}" for name in "abcdefg"} == {"/c", "/f"}


@contextmanager
def with_settings(folder: Path, **settings: str) -> Iterator[WindlassServer]:
    with running(folder / "data", rate_limit="0", **settings) as started:
        yield started


@pytest.mark.parametrize("settings", [{"obey_directives": ""}, {"obey_robots": "false"}])
def test_an_operator_may_follow_them_all(tmp_path: Path, settings: dict[str, str]) -> None:
    with small_site(ASKING) as site, with_settings(tmp_path, **settings) as server:
        found = pages_of(crawled(server, site), site)
        assert found.keys() == ASKING.keys()


def test_a_page_that_asks_for_it_is_none_if_the_operator_wants_that(
    settled: WindlassServer, tmp_path: Path
) -> None:
    site_of = {
        "/": page("/hidden", "/header"),
        "/hidden": page("/a", head=META.format("robots", "noindex")),
        "/header": header(page("/b"), "X-Robots-Tag", "googlebot: nofollow, windlass: none"),
        "/a": page(text=told(1)),
        "/b": page(text=told(2)),
    }
    with small_site(site_of) as site:
        kept = crawled(settled, site)
        assert pages_of(kept, site).keys() == {"/", "/hidden", "/header", "/a"}
        with with_settings(tmp_path, obey_directives="noindex") as server:
            crawl = crawled(server, site)
            assert pages_of(crawl, site).keys() == {"/", "/a", "/b"}
            assert crawl.model_extra["excluded"] == 2


# ---------------------------------------------------------------- canonical addresses


def canonical(path: str) -> str:
    return f'<link rel="canonical" href="{path}">'


def test_a_site_that_names_its_front_page_as_canonical_everywhere_is_brought_whole(
    settled: WindlassServer,
) -> None:
    paths = ["/", *(f"/{word}" for word in WORDS)]
    everywhere = {
        path: page(*paths, head=canonical("/") + f"<title>{path}</title>", text=told(number))
        for number, path in enumerate(paths)
    }
    with small_site(everywhere) as site:
        crawl = crawled(settled, site, "/river", crawl_entire_domain=True)
        found = pages_of(crawl, site)
        assert found.keys() == set(paths)
        assert {site.count(path) for path in paths} == {1}
        del found["/"]
        for task in found.values():
            assert task.model_extra["warnings"] == [
                f"names {site.base}/ as its canonical URL, which shows something else: ignored"
            ]
        assert crawl.model_extra["aliases"] == 0


def test_pages_that_differ_by_a_number_only_are_not_lost_to_one(settled: WindlassServer) -> None:
    names = [f"/{word}" for word in WORDS]
    site_of = {"/": page(*names, text="Page 0", head=canonical("/"))}
    for number, name in enumerate(names, 1):
        site_of[name] = Reply(
            f"<html><head>{canonical('/')}</head><body><h1>Page {number}</h1>"
            f"<p>This is what page {number} has to say.</body></html>"
        )
    with small_site(site_of) as site:
        assert pages_of(crawled(settled, site), site).keys() == {"/", *names}


@pytest.mark.parametrize("by", ["link", "header"])
def test_all_addresses_of_a_page_are_one_page_in_whatever_order_they_come(
    settled: WindlassServer, by: str
) -> None:
    text = told(5)
    named = [f"/{word}" for word in WORDS]
    if by == "link":
        same = page(head=canonical("/the-one"), text=text)
    else:
        same = header(page(text=text), "Link", '</the-one>; rel="canonical"')
    slightly = same._replace(body=same.body.replace("</body>", "<i>for you</i></body>"))
    # Nobody links to the one that counts.
    site_of = {"/": page(*named), **dict.fromkeys(named, slightly), "/the-one": same}
    with small_site(site_of) as site:
        crawl = crawled(settled, site)
        assert pages_of(crawl, site).keys() == {"/", "/the-one"}
        assert crawl.model_extra["aliases"] == len(named)
        assert {site.count(path) for path in (*named, "/the-one")} == {1}


@pytest.mark.parametrize(
    ("one", "expected"),
    [
        (Reply("gone", 404), {"/", "/a", "/one"}),
        (page(text=told(9)), {"/", "/a", "/one"}),
    ],
    ids=["missing", "another"],
)
def test_a_page_is_kept_when_its_canonical_address_is_no_copy_of_it(
    settled: WindlassServer, one: Reply, expected: set[str]
) -> None:
    site_of = {"/": page("/a"), "/a": page(head=canonical("/one"), text=told(3)), "/one": one}
    with small_site(site_of) as site:
        found = pages_of(crawled(settled, site), site)
        assert found.keys() == expected
        assert found["/a"].status == "completed"


def test_a_canonical_address_that_leads_back_is_the_pages_own(settled: WindlassServer) -> None:
    named = page(head=canonical("/one"), text=told(3))
    with small_site({"/": page("/a"), "/a": named, "/one": moved("/a")}) as site:
        crawl = crawled(settled, site)
        assert pages_of(crawl, site).keys() == {"/", "/one"}
        assert (crawl.total, crawl.model_extra["aliases"]) == (2, 1)


def test_a_page_is_no_alias_of_what_the_limit_leaves_out(settled: WindlassServer) -> None:
    text = told(8)
    site_of = {
        "/": page("/a"),
        "/a": page(head=canonical("/one"), text=text),
        "/one": page(text=text),
    }
    with small_site(site_of) as site:
        found = pages_of(crawled(settled, site, limit=2), site)
        assert found.keys() == {"/", "/a"}
        assert site.count("/one") == 0


def test_pages_that_name_each_other_as_canonical_are_one(settled: WindlassServer) -> None:
    text = told(4)
    site_of = {
        "/": page("/a", "/b"),
        "/a": page(head=canonical("/b"), text=text),
        "/b": page(head=canonical("/a"), text=text),
    }
    with small_site(site_of) as site:
        crawl = crawled(settled, site)
        assert crawl.total == 2
        assert crawl.model_extra["aliases"] == 1


def test_a_receiver_hears_of_a_page_when_it_is_certain_that_it_is_one(tmp_path: Path) -> None:
    copy, other = told(6), told(7)
    site_of = {
        "/": page("/slow", "/copy", "/other"),
        "/slow": page(text=copy),
        "/copy": page(head=canonical("/slow"), text=copy),
        "/other": page(head=canonical("/slow"), text=other),
    }
    with small_site(site_of) as site, delivering(tmp_path / "data") as world:
        site.slow.add("/slow")
        client, receiver = world.client, world.receiver
        crawl_id = client.crawl.run(
            url=f"{site.base}/", callback=receiver.url("ok"), sitemap="skip"
        ).crawl_id

        def waits() -> bool:
            return {"/copy", "/other"} <= done_of(world, crawl_id, site)

        eventually(waits, "the others have been fetched", within_s=20)
        eventually(lambda: len(receiver.requests("ok")) == 2, "the start is told")
        site.open.set()
        eventually(lambda: len(receiver.requests("ok")) >= 5, "all is told", within_s=20)
        assert sorted(events(receiver, site)[2:-1]) == [("page", "/other"), ("page", "/slow")]
        assert events(receiver, site)[-1] == ("completed", "")
        crawl: Any = client.crawl.status(crawl_id)
        assert (crawl.total, crawl.completed) == (3, 3)


def done_of(world: Delivering, crawl_id: str, site: SmallSite) -> set[str]:
    """Paths of pages that have ended."""
    crawl: Any = world.client.crawl.status(crawl_id)
    return {task.url.removeprefix(site.base) for task in crawl.tasks if task.status == "completed"}


def events(receiver: Receiver, site: SmallSite) -> list[tuple[str, str]]:
    """What was told, and of which path."""
    bodies = [one.document() for one in receiver.requests("ok")]
    return [
        (body["event"], body.get("task", {}).get("url", "").removeprefix(site.base))
        for body in bodies
    ]


# ---------------------------------------------------------------- no pages

HUGE = 4_000_000_000
MUCH = 40_000_000
"""Bytes that the buffers of sockets and of our own proxy take before anybody hangs up, and more."""


class _Huge(Handler):
    site: SmallSite
    kinds: Mapping[str, str]
    sent: Counter[str]

    def do_GET(self) -> None:
        self.site.asked.append((self.path, 0.0))
        reply = self.site.replies.get(self.path)
        body = reply.body.encode() if reply else b""
        kind = self.kinds.get(self.path) or (reply and dict(reply.headers)["Content-Type"])
        self.send_response(200 if kind else 404)
        self.send_header("Content-Type", kind or "text/plain")
        self.send_header("Content-Length", str(HUGE if self.path in self.kinds else len(body)))
        self.end_headers()
        self.wfile.write(body)
        while self.path in self.kinds and self.sent[self.path] < HUGE:
            self.sent[self.path] += self.wfile.write(bytes(65536))


@contextmanager
def huge_files(kinds: Mapping[str, str]) -> Iterator[tuple[SmallSite, Counter[str]]]:
    """A page that leads to files of these types, and to a short note; how much of each was sent."""
    sent: Counter[str] = Counter()
    note = plain("a note", "text/plain; charset=utf-8")
    site = SmallSite({"/": page("/note.txt", *kinds), "/note.txt": note})
    site.serve(_Huge, site=site, kinds=kinds, sent=sent)
    try:
        yield site, sent
    finally:
        site.close()


@pytest.mark.parametrize("driver", ["vx6", "vx6-stealth"])
def test_files_cost_their_headers_and_say_what_they_are(
    settled: WindlassServer, driver: str
) -> None:
    kinds = {
        "/doc.pdf": "application/pdf",
        "/disk.iso": "application/octet-stream",
        "/photo": "image/png",
        "/api": "application/json",
    }
    with huge_files(kinds) as (site, sent):
        crawl = crawled(settled, site, extract_options={"driver": driver, "formats": ["text"]})
        found = pages_of(crawl, site)
        assert found.keys() == {"/", "/note.txt", *kinds}
        assert (crawl.status, crawl.completed, crawl.failed) == ("succeeded", 2, len(kinds))
        for path, kind in kinds.items():
            task = found[path]
            assert (task.status, task.model_extra["status_code"]) == ("failed", 200)
            assert task.model_extra["error_code"] == "not_a_page"
            assert kind in task.model_extra["error"]
            assert site.count(path) == 1
            assert sent[path] < MUCH
        with Nimble(base_url=settled.url, api_key=settled.api_key) as client:
            result: Any = client.tasks.results(found["/doc.pdf"].task_id)
            assert (result["status"], result["data"]) == ("failed", {"text": ""})
            assert "partial" not in result["metadata"]
