"""Maps through the unmodified SDK (contract section 11)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from nimble_python import (
    AsyncNimble,
    AuthenticationError,
    BadRequestError,
    InternalServerError,
    Nimble,
    PermissionDeniedError,
)

from tests.support.loopback import free_port
from tests.support.server import WindlassServer
from tests.support.smallsite import SmallSite, moved, page, plain, small_site
from tests.support.waiting import eventually

HOME = "<title>Home</title><meta name='description' content='All of it'>"
PAGES = {
    "/": page("/a", "/b", "/gone", "/a#part", "http://other.test/", head=HOME),
    "/a": page("/c?utm_source=x", "/old", head="<title>A page</title>"),
    "/b": page("/a"),
    "/c": page("/"),
    "/old": moved("/a", 301),
}


@pytest.fixture
def site() -> Iterator[SmallSite]:
    with small_site(dict(PAGES)) as served:
        yield served


def paths(answer: Any, site: SmallSite) -> list[str]:
    return [link.url.removeprefix(site.base) for link in answer.links]


def urlset(*paths: str) -> str:
    inside = "".join(f"<url><loc>{{base}}{path}</loc></url>" for path in paths)
    return f"<?xml version='1.0'?><urlset>{inside}</urlset>"


# ---------------------------------------------------------------- what is answered


def test_a_map_names_the_pages_of_a_site(strict_client: Nimble, site: SmallSite) -> None:
    answer = strict_client.map(url=f"{site.base}/")
    assert answer.success is True and len(answer.task_id) == 36
    assert paths(answer, site) == ["/", "/a", "/b", "/c", "http://other.test/"]
    titles = {link.url.removeprefix(site.base): link.title for link in answer.links}
    assert (titles["/"], titles["/a"]) == ("Home", "A page")
    assert titles["http://other.test/"] == "to http://other.test/"
    assert answer.links[0].description == "All of it"


def test_an_ordinary_answer_has_the_published_fields_only(client: Nimble, site: SmallSite) -> None:
    raw = client.with_raw_response.map(url=f"{site.base}/")
    body = json.loads(raw.http_response.content)
    assert body.keys() == {"task_id", "success", "links"}
    assert all(link.keys() <= {"url", "title", "description"} for link in body["links"])
    assert raw.headers["x-task-id"] == body["task_id"]


@pytest.mark.parametrize(("options", "expected"), [
    ({"sitemap": "include"}, ["/", "/a", "/b", "/gone", "http://other.test/", "/listed", "/c"]),
    ({"sitemap": "only"}, ["/listed", "/a"]),
    ({"sitemap": "skip"}, ["/", "/a", "/b", "/c", "http://other.test/"]),
    ({"sitemap": "include", "domain_filter": "domain"}, ["/", "/a", "/b", "/listed", "/c"]),
    ({"limit": 2}, ["/", "/a"]),
])  # fmt: skip
def test_options_choose_what_is_named(
    client: Nimble, site: SmallSite, options: dict[str, Any], expected: list[str]
) -> None:
    site.replies["/sitemap.xml"] = plain(urlset("/listed", "/a"), "text/xml")
    answer = client.map(url=f"{site.base}/", **options)
    # The site's own come first; "/gone" is a 404 that is read in every case but "only".
    own = [path for path in expected if path not in ("/gone", "http://other.test/")]
    found = paths(answer, site)
    assert set(found) == set(expected) - {"/gone"}
    assert set(found[: len(own)]) == set(own)


def test_country_and_locale_go_to_the_site(client: Nimble, site: SmallSite) -> None:
    answer = client.map(url=f"{site.base}/", country="US", locale="de-DE")
    assert answer.success


async def test_async_clients_map_too(server: WindlassServer, site: SmallSite) -> None:
    async with AsyncNimble(base_url=server.url, api_key=server.api_key) as client:
        answer = await client.map(url=f"{site.base}/", limit=1)
    assert paths(answer, site) == ["/"]


def test_unknown_fields_are_ignored_and_told(client: Nimble, site: SmallSite) -> None:
    answer = client.map(url=f"{site.base}/", extra_body={"colour": "blue"})
    assert answer.model_extra == {"warnings": ["unknown field 'colour' is ignored"]}


def test_the_second_version_maps_as_well(server: WindlassServer, site: SmallSite) -> None:
    headers = {"Authorization": f"Bearer {server.api_key}"}
    body = {"url": f"{site.base}/", "limit": 1}
    answer = httpx.post(f"{server.url}/v2/map", json=body, headers=headers, timeout=60)
    assert answer.json()["links"][0]["url"] == f"{site.base}/"


# ---------------------------------------------------------------- what is refused


def test_wrong_fields_are_all_named(client: Nimble) -> None:
    with pytest.raises(BadRequestError) as refused:
        client.map(url="nothing", limit=100_001, sitemap="maybe")  # type: ignore[arg-type]
    body: Any = refused.value.body
    entries = body["details"]["schema_validation_errors"]
    assert {entry["instancePath"] for entry in entries} == {"/url", "/limit", "/sitemap"}
    (limit,) = (entry for entry in entries if entry["instancePath"] == "/limit")
    assert limit["keyword"] == "maximum"
    assert limit["params"] == {"comparison": "<=", "limit": 100_000}
    assert limit["message"] == "must be <= 100000"


def test_a_key_is_needed(server: WindlassServer) -> None:
    with (
        Nimble(base_url=server.url, api_key="wrong") as stranger,
        pytest.raises(AuthenticationError),
    ):
        stranger.map(url="https://x.test/")


@pytest.mark.parametrize("sitemap", ["include", "only", "skip"])
def test_a_site_that_cannot_be_reached_is_an_error(client: Nimble, sitemap: Any) -> None:
    with pytest.raises(InternalServerError) as failed:
        client.with_options(max_retries=0).map(
            url=f"http://127.0.0.1:{free_port()}/", sitemap=sitemap
        )
    body: Any = failed.value.body
    assert (failed.value.status_code, body["error_code"]) == (500, "connection_refused")
    assert failed.value.response.headers["x-should-retry"] == "false"


def test_a_start_page_that_robots_txt_disallows_is_an_error(
    client: Nimble, site: SmallSite
) -> None:
    site.replies["/robots.txt"] = plain("User-agent: *\nDisallow: /\n")
    with pytest.raises(PermissionDeniedError) as refused:
        client.map(url=f"{site.base}/")
    body: Any = refused.value.body
    assert body["error_code"] == "robots_denied"
    assert site.paths() == ["/robots.txt"]


def test_a_start_page_that_is_not_there_is_an_error_unless_a_sitemap_is(
    client: Nimble, site: SmallSite
) -> None:
    with pytest.raises(InternalServerError) as failed:
        client.with_options(max_retries=0).map(url=f"{site.base}/nowhere")
    body: Any = failed.value.body
    assert body["error_code"] == "unexpected_status"
    site.replies["/sitemap.xml"] = plain(urlset("/a"), "text/xml")
    answer = client.map(url=f"{site.base}/nowhere")
    assert paths(answer, site) == ["/a"]
    assert answer.model_extra is not None and "404" in answer.model_extra["warnings"][0]


# ---------------------------------------------------------------- as a task


def test_a_map_can_be_a_task(server: WindlassServer, client: Nimble, site: SmallSite) -> None:
    headers = {"Authorization": f"Bearer {server.api_key}", "Idempotency-Key": site.base}
    body = {"url": f"{site.base}/"}
    call = {"json": body, "headers": headers, "timeout": 60.0}
    made = httpx.post(f"{server.url}/v1/map/async", **call).json()  # type: ignore[arg-type]
    again = httpx.post(f"{server.url}/v1/map/async", **call).json()  # type: ignore[arg-type]
    assert made["task"]["state"] == "pending" and again["task_id"] == made["task_id"]
    task_id = made["task_id"]
    eventually(lambda: client.tasks.get(task_id).task.state == "success", "the map ends")
    result: Any = client.tasks.results(task_id)
    assert result["status"] == "success" and result["success"] is True
    assert result["task"]["id"] == result["task_id"] == task_id
    assert result["links"][0] == {
        "url": f"{site.base}/", "title": "Home", "description": "All of it"
    }  # fmt: skip
    shown: Any = client.tasks.get(task_id).task
    assert shown.api_type == "extract"
    assert shown.api_query == {
        "url": f"{site.base}/", "sitemap": "include", "domain_filter": "all", "limit": 5000
    }  # fmt: skip


def test_a_map_that_failed_has_a_result_that_says_so(
    server: WindlassServer, client: Nimble
) -> None:
    headers = {"Authorization": f"Bearer {server.api_key}"}
    body = {"url": f"http://127.0.0.1:{free_port()}/"}
    made = httpx.post(f"{server.url}/v1/map/async", json=body, headers=headers).json()
    task_id = made["task_id"]
    eventually(
        lambda: client.tasks.get(task_id).task.state == "error", "the map fails", within_s=60
    )
    result: Any = client.tasks.results(task_id)
    assert (result["status"], result["success"], result["links"]) == ("failed", False, [])
    assert result["error_code"] == result["task"]["error_code"] == "connection_refused"
