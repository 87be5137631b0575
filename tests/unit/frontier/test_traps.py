"""Traps end after a handful of pages, honest pages are all fetched, and the rules always end."""

from __future__ import annotations

from collections import Counter
from urllib.request import urlopen

import pytest

from tests.support.simulated import Fetch, SimulatedCrawl
from tests.support.trapsite import GENUINE, TRAPS, TrapSite, answer, trap_of
from windlass.frontier.families import families_of, turn_of
from windlass.frontier.identity import sameness
from windlass.frontier.likeness import fingerprint, learn, news
from windlass.frontier.links import Frontier
from windlass.frontier.scope import scope_of
from windlass.frontier.traps import Standing, judge, sift, stopped
from windlass.model.visit import Bounds, Candidate

HOST = "http://site.test"


def crawl(
    fetch: Fetch | None = None, *, slots: int = 8, seed: int = 0, limit: int = 5000
) -> SimulatedCrawl:
    scope = scope_of(f"{HOST}/", Bounds(max_discovery_depth=1000))
    site = fetch or (lambda url: answer(url[len(HOST) :]))
    one = SimulatedCrawl(Frontier(scope, sameness([])), site, slots=slots, seed=seed)
    one.run(f"{HOST}/", limit)
    return one


@pytest.mark.parametrize(("slots", "seed"), [(1, 0), (2, 1), (8, 2), (8, 3), (64, 4)])
def test_no_trap_gets_more_than_eight_fetches_and_no_honest_page_is_missed(
    slots: int, seed: int
) -> None:
    done = crawl(slots=slots, seed=seed)
    fetched = [url[len(HOST) :] for url in done.fetched]
    by_trap = Counter(trap_of(target) for target in fetched)
    assert set(fetched) >= GENUINE
    assert max(by_trap[name] for name in TRAPS) <= 8, by_trap
    assert set(by_trap) == {"", *TRAPS}
    assert len(fetched) == len(set(fetched)) == len(GENUINE) + sum(by_trap[name] for name in TRAPS)
    assert not done.held


def test_the_answer_names_the_families_that_were_stopped_and_why() -> None:
    found = {one.family: one for one in stopped(crawl().standings)}
    calendar = found["site.test/calendar/{n}"]
    assert calendar.refused > 20
    assert "showed nothing new" in calendar.reason
    assert found["site.test/s/{x}"].reason.startswith("ids: ")


def site(pages: dict[str, str]) -> Fetch:
    def fetch(url: str) -> tuple[int, str]:
        html = pages.get(url[len(HOST) :])
        return (404, "") if html is None else (200, html)

    return fetch


def test_a_long_chain_of_articles_that_only_name_each_other_is_followed_to_its_end() -> None:
    pages = {"/": '<a href="/articles/1">1</a>'}
    for number in range(1, 400):
        words = " ".join(
            f"w{chr(97 + number % 26)}{chr(97 + number // 26)}{n:b}" for n in range(40)
        )
        words = words.replace("0", "o").replace("1", "l")
        pages[f"/articles/{number}"] = f'<p>{words}</p><a href="/articles/{number + 1}">next</a>'
    assert len(set(crawl(site(pages)).fetched)) == 401  # one link leads nowhere


def test_pages_alike_but_listed_by_another_are_all_fetched() -> None:
    listing = "".join(f'<a href="/stores/{number}">{number}</a>' for number in range(200))
    pages = {"/": listing}
    pages |= {f"/stores/{number}": f"<p>Store {number} is open.</p>" for number in range(200)}
    assert len(crawl(site(pages)).fetched) == 201


def test_a_list_that_leads_to_honest_pages_goes_on_though_its_text_stays_the_same() -> None:
    pages = {"/": '<a href="/all?page=1">all</a>'}
    for page in range(1, 61):
        items = "".join(f'<a href="/item/{page * 10 + n}">.</a>' for n in range(10))
        pages[f"/all?page={page}"] = f'{items}<a href="/all?page={page + 1}">more</a>'
    for number in range(10, 611):
        name = "".join(chr(97 + int(digit)) for digit in str(number))
        pages[f"/item/{number}"] = (
            "<p>" + " ".join(f"{name}{c}" for c in "abcdefghijkl" * 2) + "</p>"
        )
    fetched = {url[len(HOST) :] for url in crawl(site(pages)).fetched}
    assert {f"/all?page={page}" for page in range(1, 61)} <= fetched
    assert {f"/item/{number}" for number in range(10, 610)} <= fetched


def test_an_endless_session_path_costs_a_handful() -> None:
    def fetch(url: str) -> tuple[int, str]:
        path = url[len(HOST) :]
        token = fingerprint(path, HOST).digest.hex()[:20]
        token = f"a1b2{token}"
        return 200, "".join(f'<a href="/{token}/{name}">{name}</a>' for name in "abcdefgh")

    assert len(crawl(fetch).fetched) <= 8


# ---------------------------------------------------------------- the rules one by one


@pytest.mark.parametrize(
    ("target", "family"),
    [
        ("/", "site.test/"),
        ("/docs/api/x.html", "site.test/docs/"),
        ("/calendar/2026/05", "site.test/calendar/{n}/{n}"),
        ("/calendar/2026-05-01/week", "site.test/calendar/{n}-{n}-{n}/*"),
        ("/page/12.html", "site.test/page/{n}.html"),
        ("/fcl/base64/index-4.html", "site.test/fcl/base64/index-{n}.html"),
        ("/p/10-best-phones-of-2024/", "site.test/p/"),
        ("/how-to-install-python3-on-windows", "site.test/"),
        ("/s/3f9a8c1d2e/about", "site.test/s/{x}/*"),
        ("/x/550e8400-e29b-41d4-a716-446655440000", "site.test/x/{x}"),
        ("/a/b/a", "site.test/{*}"),
        ("/2024/05/05/", "site.test/{n}/{n}/{n}"),
        ("/shop?size=m&colour=red", "site.test/shop?colour&size"),
        ("/list?f%5Ba%5D=1&f[b]=2", "site.test/list?f"),
    ],
)
def test_a_family_is_what_its_urls_have_in_common(target: str, family: str) -> None:
    assert families_of(HOST + target)[-1] == family
    assert len(families_of(HOST + target)) <= 5


def test_what_rearranges_pages_waits_for_the_pages() -> None:
    targets = ["/a", "/articles/5", "/list?page=2", "/view?id=2", "/shop?a=1&b=2&c=3", "/a/b/a"]
    turns = [turn_of(HOST + target) for target in targets]
    assert turns == sorted(turns)
    assert turns[:2] == [0, 0]


def candidate(target: str, **more: int | bool) -> Candidate:
    url = HOST + target
    return Candidate(
        url=url,
        key=url.encode(),
        depth=1,
        families=families_of(url),
        turn=turn_of(url),
        **more,  # type: ignore[arg-type]
    )


def test_a_turn_is_waited_for_unless_the_family_proved_itself() -> None:
    one = candidate("/list?page=2")
    assert judge(one, {}, under_way=0).decision == "hold"
    assert judge(one, {}).decision == "admit"
    proven = {"site.test/list?page": Standing(admitted=3, finished=3, novel=3)}
    assert judge(one, proven, under_way=0).decision == "admit"


def test_with_nothing_under_way_nothing_is_held() -> None:
    for barren in range(12):
        for novel in range(6):
            known = Standing(admitted=9, finished=9, novel=novel, barren=barren)
            one = candidate("/list?page=2")
            verdict = judge(one, dict.fromkeys(one.families, known))
            assert verdict.decision in ("admit", "stop")


def test_urls_wait_while_the_outcomes_of_their_family_are_due() -> None:
    many = [candidate(f"/calendar/2026/{day}", lineage=1) for day in range(1, 40)]
    verdicts, changed = sift(many, {})
    admitted = [verdict.decision for verdict in verdicts].count("admit")
    assert 1 <= admitted <= 6
    assert changed["site.test/calendar/{n}/{n}"].admitted == admitted
    assert {verdict.decision for verdict in verdicts} == {"admit", "hold"}


def test_what_a_sitemap_lists_is_never_a_trap() -> None:
    one = candidate("/calendar/2026/5", listed=True, lineage=9)
    worst = dict.fromkeys(one.families, Standing(admitted=99, finished=99, barren=99))
    assert judge(one, worst, under_way=0).decision == "admit"


def test_a_chain_of_barren_pages_ends_though_its_family_is_good() -> None:
    one = candidate("/list?page=40", lineage=4)
    good = dict.fromkeys(one.families, Standing(admitted=900, finished=900, novel=900))
    assert judge(one, good).decision == "stop"


# ---------------------------------------------------------------- texts


def test_numbers_and_order_do_not_make_a_text_another() -> None:
    one = fingerprint("Page 12\nFirst thing\nSecond thing", HOST)
    two = fingerprint("Page 345\nSecond thing\nFirst thing", HOST)
    assert one.likeness == two.likeness
    assert one.digest != two.digest
    assert one.likeness != fingerprint("Page 1\nFirst thing\nThird thing", HOST).likeness


def test_an_id_of_the_url_in_the_text_is_no_content() -> None:
    one = fingerprint("Your session is 3f9a8c1d2e", f"{HOST}/s/3f9a8c1d2e/about")
    two = fingerprint("Your session is 77bb01ff9c", f"{HOST}/s/77bb01ff9c/about")
    assert one.likeness == two.likeness


def letters(number: int) -> str:
    return "".join(chr(97 + int(digit)) for digit in str(number))


def test_a_memory_knows_what_it_was_shown_and_stays_small() -> None:
    memory = b""
    menu = "\n".join(f"menu {letters(number)}" for number in range(100))
    for number in range(1000):
        page = fingerprint(f"{menu}\n{letters(number)} told\n{letters(number)} more", HOST)
        assert news(memory, page) >= 8
        memory = learn(memory, page)
        assert news(memory, page) == 0
        assert len(memory) <= 4096


def test_a_memory_that_has_seen_too_much_lets_everything_be_new() -> None:
    memory = b""
    for number in range(400):
        lines = [f"{letters(number)} {letters(line)} said" for line in range(50)]
        memory = learn(memory, fingerprint("\n".join(lines), HOST))
    page = fingerprint("a a said", HOST)
    assert news(memory, page) == page.size
    assert learn(memory, page) == memory


@pytest.mark.parametrize("text", ["", "\n", "\ud800", "x" * 100_000, "日本語。" * 1000])
def test_any_text_has_a_fingerprint(text: str) -> None:
    page = fingerprint(text, HOST)
    assert len(page.digest) == 16
    assert -(2**63) <= page.likeness < 2**63
    assert len(page.units) <= 8192


def test_the_site_serves_what_it_says_and_counts_it() -> None:
    served = TrapSite()
    try:
        for target in ("/about", "/calendar/2030/01", "/about"):
            with urlopen(served.base + target, timeout=10) as reply:
                assert reply.read().decode() == answer(target).html
        assert served.by_trap() == {"": 2, "calendar in the path": 1}
    finally:
        served.close()
