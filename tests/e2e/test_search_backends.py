"""Search backends: what they are asked, what is made of their answers, and how they fail."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from tests.support.searxng import Backend, searching
from windlass.errors import SearchFailed, SearchUnconfigured, SettingsError
from windlass.model.request import SearchRequest
from windlass.search import Answer, SearchBackend, open_backend
from windlass.settings import Settings
from windlass.wire.v1_serp import next_page_params, parsing_of

OTHER = {
    "results": "web.results[*]",
    "title": "title",
    "url": "url",
    "snippet": "description",
    "date": "age",
    "related": "related[*].query",
}


@pytest.fixture(scope="module")
def backend() -> Iterator[Backend]:
    with searching() as made:
        yield made


@asynccontextmanager
async def opened(url: str, **changes: object) -> AsyncIterator[SearchBackend]:
    settings = replace(Settings(search_url=url, search_timeout=2.0), **changes)  # type: ignore[arg-type]
    made = open_backend(settings)
    try:
        yield made
    finally:
        await made.aclose()


async def test_results_are_those_of_the_backend(backend: Backend) -> None:
    async with opened(backend.url) as made:
        found = await made.search(SearchRequest(query="nba", engine="google"))
    assert [hit.url for hit in found.hits] == [
        f"https://www.r{n}.test/a/?q={n}" for n in range(1, 11)
    ]
    assert found.hits[0].engines == ("google", "startpage")
    assert (found.hits[1].date, found.hits[2].snippet) == ("2026-01-02T00:00:00", "")
    assert found.answers == (
        Answer(text="It rained.", url="https://answers.test/nba"),
        Answer(text="A league.", url="https://en.wikipedia.test/wiki/NBA"),
    )
    assert found.related == ("nba today", "nba & more")
    assert found.notes == ("a search engine did not answer: brave (Suspended: too many requests)",)
    assert found.url == f"{backend.url}/search?q=nba"


async def test_what_the_backend_is_asked(backend: Backend) -> None:
    request = SearchRequest(
        query="a&b=c", engine="bing", count=3, page=2, time="hour", locale="de-DE"
    )
    async with opened(backend.url + "/") as made:
        found = await made.search(request)
    asked = backend.last()
    assert asked.path == "/search"
    assert asked.query == {
        "q": "a&b=c",
        "format": "json",
        "pageno": "2",
        "engines": "bing",
        "language": "de-DE",
        "time_range": "day",
    }
    assert len(found.hits) == 3
    assert "time hour is not known to SearXNG: day" in found.notes


async def test_an_operator_s_own_engines_and_key_go_first(backend: Backend) -> None:
    url = backend.url + "/search?engines=startpage&safesearch=1"
    async with opened(url, search_key="s3cret", search_header="X-Key: {key}") as made:
        found = await made.search(SearchRequest(query="x", engine="google"))
    asked = backend.last()
    assert (asked.query["engines"], asked.query["safesearch"]) == ("startpage", "1")
    assert asked.headers["X-Key"] == "s3cret"
    assert "s3cret" not in repr(found)


async def test_entities_name_only_what_was_answered(backend: Backend) -> None:
    request = SearchRequest(query="nba", engine="google", count=2, locale="en")
    async with opened(backend.url) as made:
        found = await made.search(request)
        links = {one: made.link(one) for one in found.related} | {"": made.link("nba", 2)}
    parsing = parsing_of(found, links)
    assert parsing["entities_count"] == {
        "AnswerBox": 2,
        "OrganicResult": 2,
        "RelatedSearch": 2,
        "Pagination": 1,
    }
    assert parsing["total_entities_count"] == 7
    first, second = parsing["entities"]["OrganicResult"]
    assert first == {
        "entity_type": "OrganicResult",
        "position": 1,
        "title": "nba 1",
        "url": "https://www.r1.test/a/?q=1",
        "snippet": "What 1 says.",
        "cleaned_domain": "r1.test",
        "displayed_url": "https://www.r1.test/a",
        "thumbnails": ["https://img.test/1.jpg"],
        "engines": ["google", "startpage"],
    }
    assert second["published_date"] == "2026-01-02T00:00:00"
    assert parsing["entities"]["RelatedSearch"][1] == {
        "entity_type": "RelatedSearch",
        "position": "2",
        "query": "nba & more",
        "url": f"{backend.url}/search?q=nba+%26+more",
    }
    expected = {"query": "nba", "page": 2, "num_results": 2, "locale": "en"}
    assert next_page_params(found, request) == expected


async def test_no_results_are_an_answer_without_entities(backend: Backend) -> None:
    async with opened(backend.url) as made:
        found = await made.search(SearchRequest(query="empty"))
    assert parsing_of(found, {}) == {
        "entities": {},
        "total_entities_count": 0,
        "entities_count": {},
        "metrics": {},
    }
    assert next_page_params(found, SearchRequest(query="empty")) is None


@pytest.mark.parametrize(
    ("query", "message", "wait_s"),
    [
        ("429", "asked too often (429); it wants to be asked again in 600 s", 600),
        ("500", "answered 500", 0),
        ("403", "refuses the request (403): its JSON format may be off", 0),
        ("elsewhere", "redirects (302)", 0),
        ("broken", "is not JSON", 0),
        ("html", "is not JSON", 0),
        ("silent", "The search engines did not answer: google (CAPTCHA)", 0),
        ("slow", "did not answer within 0.3 s", 0),
    ],
)
async def test_a_backend_s_failure_is_told(
    backend: Backend, query: str, message: str, wait_s: float
) -> None:
    async with opened(backend.url, search_timeout=0.3) as made:
        with pytest.raises(SearchFailed) as caught:
            await made.search(SearchRequest(query=query))
    assert message in caught.value.message
    assert caught.value.retry_after_s == wait_s


async def test_a_backend_that_is_away_is_told() -> None:
    async with opened("http://127.0.0.1:1/") as made:
        with pytest.raises(SearchFailed, match="cannot be reached"):
            await made.search(SearchRequest(query="x"))


async def test_another_json_api_is_a_template(backend: Backend) -> None:
    url = backend.url + "/api/web?q={query}&n={count}&from={offset}&lang={language}"
    async with opened(url, search_fields=OTHER, search_key="k") as made:
        found = await made.search(SearchRequest(query="a&b", count=5, page=3))
    asked = backend.last()
    assert asked.query == {"q": "a&b", "n": "5", "from": "10"}
    assert asked.headers["Authorization"] == "Bearer k"
    one, two = found.hits
    assert (one.title, one.url, one.snippet) == ("One", "https://one.test/", "a&b")
    assert (two.date, two.snippet) == ("2026-01-02", "")
    assert (found.related, found.next_page) == (("one more",), 4)


async def test_paths_that_find_no_url_are_told(backend: Backend) -> None:
    url = backend.url + "/api/web?q={query}"
    async with opened(url, search_fields={**OTHER, "url": "link"}) as made:
        with pytest.raises(SearchFailed, match="see WINDLASS_SEARCH_FIELDS"):
            await made.search(SearchRequest(query="x"))


def test_without_a_backend_the_setting_is_named() -> None:
    with pytest.raises(SearchUnconfigured, match="WINDLASS_SEARCH_URL"):
        open_backend(Settings())


@pytest.mark.parametrize(
    "settings",
    [
        {"search_url": "searx.test"},
        {"search_url": "ftp://x.test/"},
        {"search_url": "http://x.test/?q={query}&x={nope}"},
        {"search_url": "http://x.test/?q={query}", "search_fields": {"results": "a"}},
        {"search_url": "http://x.test/", "search_key": "k", "search_header": "no colon"},
        {"search_url": "http://x.test/", "search_key": "a\nb"},
    ],
)
def test_settings_that_cannot_work_are_refused(settings: dict[str, object]) -> None:
    with pytest.raises(SettingsError):
        open_backend(Settings(**settings))  # type: ignore[arg-type]
