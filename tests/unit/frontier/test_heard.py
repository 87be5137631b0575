"""What a process remembers of the URLs that crawls have heard of."""

from __future__ import annotations

from uuid import uuid4

from windlass.frontier.heard import Heard
from windlass.frontier.links import frontier_of
from windlass.model.crawl import CrawlPlan
from windlass.model.request import ExtractRequest


def _key(number: int) -> bytes:
    return number.to_bytes(16, "big")


def test_a_crawl_has_heard_of_what_was_added_and_another_has_not() -> None:
    heard, one, other = Heard(), uuid4(), uuid4()
    heard.add(one, [_key(1), _key(2)])
    assert _key(1) in heard.of(one)
    assert _key(3) not in heard.of(one)
    assert _key(1) not in heard.of(other)


def test_the_latest_are_kept_and_the_rest_forgotten() -> None:
    heard, crawls = Heard(most=100), [uuid4() for _ in range(50)]
    for number in range(1000):
        heard.add(crawls[number % 50], [_key(number)])
        assert _key(number) in heard.of(crawls[number % 50])
    kept = [number for number in range(1000) if _key(number) in heard.of(crawls[number % 50])]
    assert 100 <= len(kept) <= 200
    assert kept == list(range(1000 - len(kept), 1000))


def test_links_that_were_heard_of_are_not_followed() -> None:
    url = "https://shop.test/"
    plan = CrawlPlan(url=url, request=ExtractRequest(url=url))
    frontier = frontier_of(plan, ())
    start = frontier.start(url)
    assert start is not None
    links = [f"{url}a", f"{url}b", f"{url}a#again"]
    both = frontier.follow(links, start).candidates
    heard = {both[0].key}
    assert [one.url for one in both] == [f"{url}a", f"{url}b"]
    assert [one.url for one in frontier.follow(links, start, heard).candidates] == [f"{url}b"]
