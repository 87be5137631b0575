"""What one host is asked of us, and what it gets: by whole servers, measured at the host."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from tests.conftest import StartServer
from tests.support.busysite import Answer, BusySite, busy_site, keep_apart
from tests.support.server import WindlassServer
from tests.support.smallsite import page, plain, small_site
from tests.support.waiting import eventually

ROBOTS = plain("User-agent: *\nCrawl-delay: 1\n")


class Caller:
    """Somebody with a key."""

    def __init__(self, server: WindlassServer, key: str | None = None) -> None:
        headers = {"Authorization": f"Bearer {key or server.api_key}"}
        self.http = httpx.Client(base_url=server.url, headers=headers, timeout=60)

    def post(self, path: str, **body: Any) -> Any:
        answer = self.http.post(path, json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def get(self, path: str) -> Any:
        answer = self.http.get(path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def submit(self, url: str, **options: Any) -> str:
        return str(self.post("/v1/extract/async", url=url, **options)["task"]["id"])

    def ended(self, task_id: str, within_s: float = 30.0) -> dict[str, Any]:
        def over() -> dict[str, Any] | None:
            task: dict[str, Any] = self.get(f"/v1/tasks/{task_id}")["task"]
            return task if task["state"] in ("success", "error") else None

        return eventually(over, f"{task_id} ends", within_s=within_s, every_s=0.1)

    def crawl_ended(self, crawl_id: str, within_s: float = 60.0) -> dict[str, Any]:
        def over() -> dict[str, Any] | None:
            crawl: dict[str, Any] = self.get(f"/v1/crawl/{crawl_id}?include_tasks=true")
            assert crawl["total"] == crawl["pending"] + crawl["completed"] + crawl["failed"]
            return crawl if crawl["status"] in ("succeeded", "failed", "canceled") else None

        return eventually(over, f"{crawl_id} ends", within_s=within_s, every_s=0.1)


@contextmanager
def calling(server: WindlassServer, key: str | None = None) -> Iterator[Caller]:
    caller = Caller(server, key)
    try:
        yield caller
    finally:
        caller.http.close()


def refusing_once(wish: str, status: int = 429) -> Callable[[int, str], Answer]:
    """The first visitor is turned away."""

    def script(number: int, path: str) -> Answer:
        return Answer(status, (("Retry-After", wish),)) if number == 0 else Answer()

    return script


# ---------------------------------------------------------------- gaps


def test_two_crawls_in_two_processes_keep_a_crawl_delay_together(start_server: StartServer) -> None:
    names = "abcde"
    replies = {"/robots.txt": ROBOTS}
    for top in ("/1/", "/2/"):
        replies[top] = page(*(top + name for name in names), text=top)
        replies |= {top + name: page(text=f"{top}{name} is here") for name in names}
    server = start_server(workers=2)
    with small_site(replies) as site, calling(server) as caller:
        crawls = [
            caller.post("/v1/crawl", url=site.base + top, sitemap="skip")["crawl_id"]
            for top in ("/1/", "/2/")
        ]
        for crawl_id in crawls:
            assert caller.crawl_ended(crawl_id)["completed"] == 6
        times = site.times()
        assert site.paths().count("/robots.txt") == 1
        assert len(times) == 13
        assert keep_apart(times, 1.0)
        assert times[-1] - times[2] < 15, "no turn is left out"


def test_extracts_in_two_processes_keep_a_host_delay_together(start_server: StartServer) -> None:
    server = start_server(workers=2, host_delay_for="127.0.0.1=500ms")
    with busy_site() as site, calling(server) as caller:
        tasks = [caller.submit(f"{site.url}/{number}") for number in range(12)]
        assert {caller.ended(task)["state"] for task in tasks} == {"success"}
        assert len(site.asked) == 12
        assert keep_apart(site.times(), 0.5)


# ---------------------------------------------------------------- wishes


@pytest.mark.parametrize("status", [429, 503])
def test_all_of_a_host_waits_as_long_as_it_asks(start_server: StartServer, status: int) -> None:
    server = start_server(workers=2)
    made = json.loads(server.command("keys", "create", "--account", "other", "--json").stdout)
    with busy_site(refusing_once("3", status)) as site, calling(server) as caller:
        first = caller.submit(f"{site.url}/first", request_timeout=1000)
        eventually(lambda: site.asked, "the first page is asked for")
        asked = site.asked[0][1]
        _until_quiet(caller, first, asked)
        others = [caller.submit(f"{site.url}/{number}") for number in range(4)]
        with calling(server, made["key"]) as stranger:
            task = stranger.submit(f"{site.url}/strange")
            assert stranger.ended(task)["state"] == "success"
        assert {caller.ended(task)["state"] for task in (first, *others)} == {"success"}
        waited = site.times()[1] - asked
        assert 3.0 <= waited < 6
        assert len(site.asked) == 7


def _until_quiet(caller: Caller, task_id: str, asked: float) -> None:
    """Returns once the refusal is known to the server, which the host's wish begins with."""

    def waits() -> bool:
        return caller.get(f"/v1/tasks/{task_id}")["task"]["state"] == "pending"

    eventually(waits, "the refused page waits")
    assert time.monotonic() - asked < 2.5


def test_a_longer_wish_fails_what_waits_and_says_how_long(start_server: StartServer) -> None:
    server = start_server(retry_after_limit="5")
    with busy_site(refusing_once("1000")) as site, calling(server) as caller:
        first = caller.ended(caller.submit(f"{site.url}/first"))
        assert (first["error_code"], first["status_code"]) == ("host_busy", 429)
        assert "1,000 s" in first["error"]
        result = caller.get(f"/v1/tasks/{first['id']}/results")
        assert "text of a page" in result["data"]["html"]
        later = caller.ended(caller.submit(f"{site.url}/later"))
        assert later["error_code"] == "host_busy"
        refused = caller.http.post("/v1/extract", json={"url": f"{site.url}/now"})
        assert (refused.status_code, refused.json()["error_code"]) == (500, "host_busy")
        assert refused.headers["x-should-retry"] == "false"
        assert 900 < int(refused.headers["retry-after"]) <= 1000
        assert len(site.asked) == 1


def test_who_waits_for_an_answer_gets_the_refusal_at_once(server: WindlassServer) -> None:
    with busy_site(refusing_once("30")) as site, calling(server) as caller:
        began = time.monotonic()
        answer = caller.http.post("/v1/extract", json={"url": f"{site.url}/"})
        assert time.monotonic() - began < 15
        assert answer.status_code == 200
        assert 25 <= int(answer.headers["retry-after"]) <= 30
        result = answer.json()
        assert (result["status"], result["status_code"]) == ("failed", 429)
        assert result["metadata"]["error_code"] == "unexpected_status"
        assert "the host asks to be left alone for 30 s" in result["warnings"]
        again = caller.http.post("/v1/extract", json={"url": f"{site.url}/"})
        assert (again.status_code, again.json()["error_code"]) == (500, "host_busy")
        assert again.headers["x-should-retry"] == "false"
        assert len(site.asked) == 1


def test_what_a_map_is_told_by_a_host_others_heed(server: WindlassServer) -> None:
    def script(number: int, path: str) -> Answer:
        if path == "/":
            return Answer(body='<html><title>Start</title><a href="/a">a</a></html>')
        return Answer(429, (("Retry-After", "600"),)) if path == "/a" else Answer(404)

    with busy_site(script) as site, calling(server) as caller:
        found = caller.post("/v1/map", url=f"{site.url}/")
        assert {link["url"] for link in found["links"]} == {f"{site.url}/", f"{site.url}/a"}
        asked = len(site.asked)
        answer = caller.http.post("/v1/extract", json={"url": f"{site.url}/b"})
        assert (answer.status_code, answer.json()["error_code"]) == (500, "host_busy")
        assert 590 < int(answer.headers["retry-after"]) <= 600
        assert len(site.asked) == asked


def test_a_map_asks_for_one_page_at_a_time(server: WindlassServer) -> None:
    inside: list[int] = []
    together: list[int] = []

    def script(number: int, path: str) -> Answer:
        inside.append(number)
        together.append(len(inside))
        threading.Event().wait(0.01)  # as long as a page takes
        inside.remove(number)
        if path == "/robots.txt" or path.endswith(".xml"):
            return Answer(404)
        links = "".join(f'<a href="/{path.strip("/")}{name}">x</a>' for name in "abc")
        return Answer(body=f"<html><title>{path}</title><p>{path} of its own</p>{links}</html>")

    with busy_site(script) as site, calling(server) as caller:
        found = caller.post("/v1/map", url=f"{site.url}/", limit=40)
        assert len(found["links"]) == 40
    assert len(together) > 10
    assert max(together) == 1


# ---------------------------------------------------------------- trouble


def test_a_host_that_refuses_everything_is_asked_ever_more_slowly_and_given_up(
    start_server: StartServer,
) -> None:
    server = start_server(retry_after_limit="6", host_concurrency="4")
    with busy_site(lambda number, path: Answer(429)) as site, calling(server) as caller:
        tasks = [caller.submit(f"{site.url}/{number}") for number in range(60)]
        ends = [caller.ended(task, within_s=40) for task in tasks]
        codes = {task["error_code"] for task in ends}
        assert "host_busy" in codes
        assert codes <= {"host_busy", "unexpected_status"}
        assert len(site.asked) < 40
        first = [at for at in site.times() if at < site.times()[0] + 1]
        assert site.gaps()[-1] > 0.4
        assert len(first) < 12


def test_a_page_refused_now_and_then_comes_all_the_same(server: WindlassServer) -> None:
    def script(number: int, path: str) -> Answer:
        return Answer(503) if number % 5 == 0 else Answer()

    with busy_site(script) as site, calling(server) as caller:
        tasks = [caller.submit(f"{site.url}/{number}") for number in range(8)]
        assert {caller.ended(task, within_s=50)["state"] for task in tasks} == {"success"}


def test_an_answer_with_a_status_stays_when_its_tries_run_out(server: WindlassServer) -> None:
    with busy_site(lambda number, path: Answer(503)) as site, calling(server) as caller:
        task = caller.ended(caller.submit(f"{site.url}/"))
        assert (task["error_code"], task["status_code"]) == ("unexpected_status", 503)
        result = caller.get(f"/v1/tasks/{task['id']}/results")
        assert "text of a page" in result["data"]["html"]
        assert len(site.asked) == 3


@pytest.mark.timeout(240)
def test_a_crawl_of_a_host_that_goes_down_ends_soon_and_the_host_gets_another_chance(
    start_server: StartServer,
) -> None:
    server = start_server(host_down_after="3")
    links = "".join(f'<a href="/{n}/p">x{n}</a>' for n in range(1000))

    def script(number: int, path: str) -> Answer:
        if path == "/robots.txt":
            return Answer(404)
        return Answer(body=f"<html><p>{path} {number * 7919} of its own</p>{links}</html>")

    with calling(server) as caller:
        with busy_site(script) as site:
            options = {"sitemap": "skip", "limit": 1000, "crawl_entire_domain": True}
            crawl_id = caller.post("/v1/crawl", url=site.url + "/", **options)["crawl_id"]
            eventually(lambda: len(site.asked) > 20, "the crawl is under way")
        down = time.monotonic()
        ended = caller.crawl_ended(crawl_id, within_s=150)
        assert time.monotonic() - down < 150
        codes = Counter(task.get("error_code") for task in ended["tasks"])
        assert codes["host_down"] > 100, codes
        assert set(codes) <= {None, "host_down", "connection_refused", "connection_lost"}
        refused = caller.http.post("/v1/extract", json={"url": f"{site.url}/now"})
        assert (refused.status_code, refused.json()["error_code"]) == (500, "host_down")
        assert refused.headers["x-should-retry"] == "false"
        wait_s = int(refused.headers["retry-after"])
        assert wait_s <= 60
        probe = caller.http.post("/v1/extract", json={"url": f"{site.url}/now"})
        assert probe.json()["error_code"] == "host_down"


@pytest.mark.alone
def test_a_cancelled_crawl_uses_no_network_after_a_second(server: WindlassServer) -> None:
    def script(number: int, path: str) -> Answer:
        if path == "/":
            links = "".join(f'<a href="/{n}/{name}">{n}</a>' for n, name in enumerate("abcdefgh"))
            return Answer(body=f"<html>{links}</html>")
        return Answer(drips=path != "/robots.txt", status=404 if path == "/robots.txt" else 200)

    with busy_site(script) as site, calling(server) as caller:
        crawl_id = caller.post("/v1/crawl", url=site.url + "/", sitemap="skip")["crawl_id"]
        eventually(lambda: len(site.asked) > 3 and len(site.sent) > 20, "pages drip")
        holdups = caller.get(f"/v1/crawl/{crawl_id}")["holdups"]
        assert "fetching" in {one["reason"] for one in holdups}
        caller.http.delete(f"/v1/crawl/{crawl_id}").raise_for_status()
        cancelled, asked = time.monotonic(), len(site.asked)
        _until_still(site)
        assert max(site.sent) - cancelled < 1.0
        assert len(site.asked) == asked


@pytest.mark.alone
def test_a_cancelled_task_uses_no_network_after_a_second(server: WindlassServer) -> None:
    with busy_site(lambda number, path: Answer(drips=True)) as site, calling(server) as caller:
        task_id = caller.submit(f"{site.url}/")
        eventually(lambda: len(site.sent) > 3, "the page drips")
        caller.http.delete(f"/v1/tasks/{task_id}").raise_for_status()
        cancelled = time.monotonic()
        _until_still(site)
        assert max(site.sent) - cancelled < 1.0


def _until_still(site: BusySite) -> None:
    """Returns when nothing has been taken from the site for a second."""
    eventually(lambda: time.monotonic() - max(site.sent) > 1.0, "the site has peace", within_s=20)


# ---------------------------------------------------------------- others


def test_long_pages_in_all_slots_hold_up_neither_a_caller_nor_another_account(
    start_server: StartServer,
) -> None:
    server = start_server(workers=1, slots="2", prompt_slots="2")
    over = threading.Event()

    def script(number: int, path: str) -> Answer:
        if path.startswith("/long"):
            over.wait(60)
        return Answer()

    with busy_site(script) as slow, busy_site(script) as quick, calling(server) as caller:
        other_key = caller.post("/v1/keys", account="other")["key"]
        with calling(server, other_key) as other:
            try:
                inputs = [{"url": f"{slow.url}/long/{number}"} for number in range(6)]
                batch = caller.post("/v1/extract/batch", inputs=inputs)
                eventually(lambda: len(slow.asked) == 2, "all slots are taken")
                began = time.monotonic()
                assert caller.post("/v1/extract", url=f"{quick.url}/")["status"] == "success"
                assert other.ended(other.submit(f"{quick.url}/b"))["state"] == "success"
                assert time.monotonic() - began < 5
                assert len(slow.asked) == 2
            finally:
                over.set()
            ends = [caller.ended(task["id"])["state"] for task in batch["tasks"]]
            assert ends == ["success"] * 6
