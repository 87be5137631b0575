"""A crawl with webhooks, and `kill -9` at random moments of it: no page is missed, none is counted
twice, none that was finished is fetched again, and its end is told once.

FAULT_ROUNDS says how often (3; 10 in `make soak`), FAULT_SEED repeats the moments of a run.
"""

from __future__ import annotations

import os
import random
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from nimble_python import Nimble

from tests.support.blows import VICTIMS, strike
from tests.support.delivering import Delivering, delivering
from tests.support.smallsite import Reply, SmallSite, page, small_site
from tests.support.waiting import eventually

ROUNDS = int(os.environ.get("FAULT_ROUNDS", "3"))
SEED = int(os.environ.get("FAULT_SEED") or random.SystemRandom().randrange(10**6))
PAGES = max(100 * ROUNDS, 300)
PAGE_S = 0.03
AT_ONCE = 8
BRANCHES = 4
NEXT_PAGE_WITHIN_S = 5.0
"""After the restart, whatever was killed, the time until the server is ready included."""
SECRET = {"Authorization": "Bearer s3cr3t-of-the-receiver", "X-Odd": 'a, b;c="d" é'}
"""Headers for the receiver: sent as they are, never shown."""
ENDED_WITHIN_S = 90.0
WORDS = ("river", "stone", "cloud", "maple", "tiger", "violin", "harbour", "lantern", "meadow")


class Slow(dict[str, Reply]):
    """Replies that take a while, as those of sites do."""

    def get(self, path: str, default: Any = None) -> Any:
        """One reply."""
        time.sleep(PAGE_S)
        return super().get(path, default)


def tree() -> Slow:
    """Pages with texts of their own, each of which leads to BRANCHES more."""
    words = random.Random(1)
    replies = Slow()
    for number in range(PAGES):
        children = range(number * BRANCHES + 1, number * BRANCHES + 1 + BRANCHES)
        links = [path_of(child) for child in children if child < PAGES]
        text = " ".join(f"{words.choice(WORDS)} {words.randrange(10**6)}" for _ in range(60))
        replies[path_of(number)] = page(*links, text=f"{number} {text}")
    return replies


def path_of(number: int) -> str:
    """A path in a name of its own: numbers would look like one program's pages."""
    if number == 0:
        return "/"
    name = random.Random(number)
    return "/" + "-".join(name.sample(WORDS, 4)) + "-" + "".join(name.sample("bcdfghjklm", 6))


@pytest.mark.alone
@pytest.mark.timeout(150 + 30 * ROUNDS)
def test_a_crawl_survives_kill_9(tmp_path: Path) -> None:
    moment = random.Random(SEED)
    settings = {"host_concurrency": str(AT_ONCE), "webhook_schedule": "0,0.2,0.5,1,1,1"}
    with (
        small_site(tree()) as site,
        delivering(tmp_path / "data", 2, **settings) as world,
        Nimble(base_url=world.server.url, api_key=world.server.api_key) as client,
    ):
        crawl_id = client.crawl.run(
            url=f"{site.base}/",
            callback={"url": world.receiver.url("ok"), "headers": SECRET},
            max_discovery_depth=20,
        ).crawl_id
        for number in range(ROUNDS):
            wanted = PAGES * (number + 1) // (ROUNDS + 1) - moment.randrange(20)
            eventually(lambda: len(finished(client, crawl_id)) >= wanted, "pages", within_s=60)  # noqa: B023
            victim = moment.choice(VICTIMS)
            strike_and_resume(world.server, site, client, crawl_id, (victim, moment, number))
        crawl = eventually(
            lambda: ended(client, crawl_id), "the crawl ends", within_s=ENDED_WITHIN_S
        )
        check_pages(crawl, site)
        check_news(world.receiver, crawl)
        check_secrets(world, crawl)


def strike_and_resume(
    server: Any, site: SmallSite, client: Nimble, crawl_id: str, blow: tuple[str, Any, int]
) -> None:
    """One kill: what was finished before it stays so and is not asked for again, and the next page
    comes soon."""
    victim, moment, number = blow
    done = finished(client, crawl_id)
    asked = Counter(site.paths())
    struck = strike(server, victim, moment)
    eventually(
        lambda: site.times()[-1] > struck.restarted_at,
        "the crawl goes on",
        within_s=30,
        every_s=0.1,
    )
    later_s = next(at for at in site.times() if at > struck.restarted_at) - struck.restarted_at
    print(
        f"FAULT_SEED={SEED} round {number}: {victim} at {len(done)} pages, back in "
        f"{struck.restarted_at - struck.killed_at:.2f} s, next page {later_s:.2f} s later"
    )
    assert later_s < NEXT_PAGE_WITHIN_S
    again = Counter(site.paths())
    for url in done:
        path = url.removeprefix(site.base)
        assert again[path] == asked[path], f"{path} was finished and is fetched again"


def finished(client: Nimble, crawl_id: str) -> set[str]:
    """URLs of pages that have ended; the numbers add up at every look."""
    crawl: Any = client.crawl.status(crawl_id)
    assert crawl.total == crawl.completed + crawl.failed + crawl.pending == len(crawl.tasks)
    return {task.url for task in crawl.tasks if task.status != "pending"}


def ended(client: Nimble, crawl_id: str) -> Any:
    """The crawl once it has ended."""
    crawl = client.crawl.status(crawl_id)
    return crawl if crawl.status in ("succeeded", "failed", "canceled") else None


def check_pages(crawl: Any, site: SmallSite) -> None:
    """Every page once, and hardly one was fetched twice."""
    assert (crawl.status, crawl.total, crawl.completed) == ("succeeded", PAGES, PAGES)
    urls = [task.url.removeprefix(site.base) for task in crawl.tasks]
    assert sorted(urls) == sorted(path_of(number) for number in range(PAGES))
    asked = Counter(site.paths())
    repeated = {path for path in urls if asked[path] > 1}
    print(f"  {len(repeated)} of {PAGES} pages fetched more than once")
    assert len(repeated) <= AT_ONCE * ROUNDS


def check_news(receiver: Any, crawl: Any) -> None:
    """One delivery for the start, one for each page, one for the end, and that last."""

    def bodies() -> dict[str, Any]:
        return {one.delivery_id: one.document() for one in receiver.requests("ok")}

    eventually(lambda: len(bodies()) >= PAGES + 2, "all is told", within_s=60)
    told = list(bodies().values())
    events = Counter(body["event"] for body in told)
    assert events == {"started": 1, "page": PAGES, "completed": 1}
    assert {body["task"]["id"] for body in told if body["event"] == "page"} == {
        task.task_id for task in crawl.tasks
    }
    assert (told[0]["event"], told[-1]["event"]) == ("started", "completed")
    assert told[-1]["crawl"]["completed"] == PAGES


def check_secrets(world: Delivering, crawl: Any) -> None:
    """Every webhook had the headers as they were given, and nothing else shows them."""
    told = world.receiver.requests("ok")
    for name, value in SECRET.items():
        assert {one.header(name) for one in told} == {value}
    assert crawl.crawl_options.callback.headers == dict.fromkeys(SECRET, "***")
    with world.http() as http:
        task_id = crawl.tasks[0].task_id
        paths = (f"crawl/{crawl.crawl_id}", "crawl", f"tasks/{task_id}", "tasks", "deliveries")
        shown = [http.get(f"/v1/{path}").raise_for_status().text for path in paths]
    shown += [world.server.log_file.read_text(), *(one.body for one in told)]
    assert not any("s3cr3t" in text for text in shown)
