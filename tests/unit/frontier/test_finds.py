"""What a map keeps of the URLs that it finds, and in which order it names them."""

from __future__ import annotations

import pytest

from windlass.frontier import finds as module
from windlass.frontier.finds import Finds, Place, Source
from windlass.frontier.identity import Identity, identify, sameness

RULES = sameness(["utm_*"])


def page(path: str, host: str = "site.test") -> Identity:
    found = identify(f"https://{host}{path}", RULES)
    assert found is not None
    return found


def urls(finds: Finds) -> list[str]:
    return [link.url.removeprefix("https://") for link in finds.links()]


def test_the_sites_own_come_first_each_in_the_order_of_finding() -> None:
    finds = Finds(10)
    finds.add(page("/", "other.test"), Place.ELSEWHERE)
    finds.add(page("/?colour=red"), Place.DOUBTED)
    finds.add(page("/b"), Place.SITE)
    finds.add(page("/a"), Place.SITE)
    assert urls(finds) == ["site.test/b", "site.test/a", "site.test/?colour=red", "other.test/"]


def test_spellings_of_a_page_are_one_entry_and_it_moves_to_the_better_place() -> None:
    finds = Finds(10)
    for path in ("/a?utm_source=x", "/%61", "/a#end"):
        finds.add(page(path), Place.DOUBTED)
    finds.add(page("/b"), Place.DOUBTED)
    finds.add(page("/b"), Place.SITE)
    finds.add(page("/b"), Place.ELSEWHERE)
    assert urls(finds) == ["site.test/b", "site.test/a"]


@pytest.mark.parametrize("order", [(1, 2, 3), (3, 2, 1), (2, 3, 1)])
def test_a_page_is_believed_before_a_sitemap_before_a_link(order: tuple[int, ...]) -> None:
    finds = Finds(10)
    finds.add(page("/a"), Place.SITE)
    for source in map(Source, order):
        finds.tell(page("/a").key, source, f"title by {source.name}")
    finds.tell(page("/a").key, Source.SITEMAP, "", "described by the sitemap")
    finds.tell(page("/a").key, Source.SITEMAP, "", "described again")
    (link,) = finds.links()
    assert (link.title, link.description) == ("title by PAGE", "described by the sitemap")


def test_what_was_dropped_stays_out_and_makes_room() -> None:
    finds = Finds(1)
    finds.add(page("/a"), Place.SITE)
    assert finds.full
    finds.drop(page("/a").key)
    finds.add(page("/a"), Place.SITE)
    assert not finds.full and not finds
    finds.add(page("/b"), Place.SITE)
    assert urls(finds) == ["site.test/b"] and finds.dropped(page("/a").key)


def test_the_limit_holds_for_the_answer_and_for_each_place() -> None:
    finds = Finds(3)
    for number in range(10):
        finds.add(page(f"/{number}", "other.test"), Place.ELSEWHERE)
        finds.add(page(f"/{number}"), Place.SITE)
    assert urls(finds) == ["site.test/0", "site.test/1", "site.test/2"]
    assert len(finds) == 6


def test_too_much_text_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_CHARACTERS", 100)
    finds = Finds(1000)
    for number in range(100):
        finds.add(page(f"/a-long-name-of-a-page-{number}"), Place.SITE)
    assert finds.full and finds.too_large
    assert 2 <= len(finds) <= 4
