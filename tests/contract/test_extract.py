"""Does `extract` of the unmodified SDK do what the contract says? (sections 5.4 and 7)"""

from __future__ import annotations

import json
import re
from datetime import datetime
from typing import Any
from uuid import UUID

import httpx
import pytest
from nimble_python import AsyncNimble, BadRequestError, Nimble

from tests.support.origin import Origin
from tests.support.server import WindlassServer


def echoed(client: Nimble, origin: Origin, **options: Any) -> dict[str, Any]:
    """What the site received for an extract with these options."""
    result = client.extract(url=f"{origin.base}/echo", formats=["html"], **options)
    assert result.status == "success"
    assert result.data.html is not None
    heard: dict[str, Any] = json.loads(result.data.html)
    heard["names"] = [name.lower() for name, _ in heard["headers"]]
    heard["header"] = {name.lower(): value for name, value in heard["headers"]}
    return heard


def test_plain_extract_returns_the_raw_html_and_nothing_else(
    client: Nimble, origin: Origin
) -> None:
    url = origin.page("plain")
    result = client.extract(url=url)
    assert result.url == url
    assert result.status == "success"
    assert result.status_code == 200
    assert result.data.html is not None
    assert result.data.html.startswith("<!DOCTYPE html>")
    assert "<h1>Page plain</h1>" in result.data.html
    assert result.data.markdown is None
    assert result.data.links is None
    assert result.data.headers is None
    assert result.warnings == []
    assert str(UUID(result.task_id)) == result.task_id


def test_metadata_says_when_how_long_and_with_what(client: Nimble, origin: Origin) -> None:
    result = client.extract(url=origin.page("meta"), tag="nightly")
    metadata: Any = result.metadata
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", str(metadata.query_time))
    datetime.fromisoformat(str(metadata.query_time))
    assert 0 <= metadata.query_duration < 20_000
    assert metadata.response_parameters["input_url"] == origin.page("meta")
    assert metadata.driver == "vx6"
    assert metadata.tag == "nightly"


def test_every_format_of_plain_http_is_delivered(client: Nimble, origin: Origin) -> None:
    url = f"{origin.base}/page/all"
    result = client.extract(
        url=url,
        formats=["html", "markdown", "headers", "links", "text", "cookies"],  # type: ignore[list-item]
    )
    data = result.data
    assert data.html is not None and "<h1>Page all</h1>" in data.html
    assert data.markdown is not None
    assert "# Page all" in data.markdown
    assert "**bold**" in data.markdown
    assert f"({origin.base}/page/next-all)" in data.markdown
    assert "x = 1" in data.markdown
    assert "| mug" in data.markdown
    assert data.links == [f"{origin.base}/page/next-all", f"{origin.base}/up?q=1"]
    assert data.headers is not None
    assert data.headers["content-type"] == "text/html; charset=utf-8"
    assert data.headers["x-visit"] == "1"
    text = data.model_extra["text"] if data.model_extra else None
    assert isinstance(text, str)
    assert "some bold text & an entity" in text
    assert "<" not in text
    assert data.cookies == []


def test_explicit_formats_without_html_omit_html(client: Nimble, origin: Origin) -> None:
    result = client.extract(url=origin.page("md"), formats=["markdown"])
    assert result.data.html is None
    assert result.data.markdown is not None


def test_plain_text_is_the_text_format_under_its_other_name(client: Nimble, origin: Origin) -> None:
    result = client.extract(url=origin.page("pt"), formats=["plain_text"])  # type: ignore[list-item]
    assert result.data.model_extra is not None
    assert "Page pt" in str(result.data.model_extra["text"])


def test_markdown_backends_differ_in_what_surrounds_the_article(
    client: Nimble, origin: Origin
) -> None:
    for backend in ("full_page", "main_content"):
        result = client.extract(
            url=origin.page("backend"),
            formats=["markdown"],
            markdown_backend=backend,
        )
        assert result.data.markdown is not None
        assert "bold" in result.data.markdown


def test_strict_sdk_accepts_the_whole_result(strict_client: Nimble, origin: Origin) -> None:
    result = strict_client.extract(
        url=f"{origin.base}/redirect?to=/page/strict",
        formats=["html", "markdown", "headers", "links"],
        tag="strict",
    )
    assert result.status == "success"
    assert result.data.redirects is not None
    assert result.data.redirects[0].status_code == 302


async def test_asyncio_sdk_extracts(server: WindlassServer, origin: Origin) -> None:
    async with AsyncNimble(
        base_url=server.url, api_key=server.api_key, _strict_response_validation=True
    ) as nimble:
        result = await nimble.extract(url=origin.page("aio"), formats=["markdown"])
    assert result.data.markdown is not None
    assert "# Page aio" in result.data.markdown


def test_raw_response_carries_the_task_id_and_both_limit_families(
    client: Nimble, origin: Origin
) -> None:
    raw = client.with_raw_response.extract(url=origin.page("raw"))
    assert raw.headers["content-type"].startswith("application/json")
    assert raw.headers["x-task-id"] == raw.parse().task_id
    for name in ("ratelimit-limit", "ratelimit-remaining"):
        assert name in raw.headers
        assert f"x-{name}" in raw.headers
    assert int(raw.headers["x-ratelimit-reset"]) > 1_600_000_000


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
def test_method_reaches_the_target(client: Nimble, origin: Origin, method: Any) -> None:
    assert echoed(client, origin, method=method)["method"] == method


def test_object_body_goes_out_as_json(client: Nimble, origin: Origin) -> None:
    heard = echoed(client, origin, method="POST", body={"a": [1, None, "ü"]})
    assert json.loads(heard["body"]) == {"a": [1, None, "ü"]}
    assert heard["header"]["content-type"].startswith("application/json")


def test_text_body_goes_out_verbatim(client: Nimble, origin: Origin) -> None:
    heard = echoed(client, origin, method="POST", body="a=1&b=2 3")
    assert heard["body"] == "a=1&b=2 3"


def test_headers_replace_repeat_and_suppress(client: Nimble, origin: Origin) -> None:
    heard = echoed(
        client,
        origin,
        headers={"user-agent": "Tester/1.0", "X-Many": ["one", "two"], "Accept-Language": None},
    )
    assert heard["header"]["user-agent"] == "Tester/1.0"
    assert heard["names"].count("user-agent") == 1
    assert [v for k, v in heard["headers"] if k.lower() == "x-many"] == ["one", "two"]
    assert "accept-language" not in heard["names"]


@pytest.mark.parametrize(
    "cookies",
    [
        "first=1; second=two",
        [{"name": "first", "value": "1"}, {"name": "second", "value": "two"}],
        [{"key": "first", "value": "1"}, {"key": "second", "value": "two", "path": "/"}],
    ],
    ids=["string", "named", "keyed"],
)
def test_every_form_of_cookies_is_sent(client: Nimble, origin: Origin, cookies: Any) -> None:
    heard = echoed(client, origin, cookies=cookies)
    assert set(heard["header"]["cookie"].split("; ")) == {"first=1", "second=two"}


def test_cookies_beside_headers_are_merged_with_a_warning(client: Nimble, origin: Origin) -> None:
    result = client.extract(url=f"{origin.base}/echo", cookies="a=1", headers={"X-Other": "yes"})
    assert result.data.html is not None
    heard = dict(json.loads(result.data.html)["headers"])
    assert heard["X-Other"] == "yes"
    assert "a=1" in str(heard)
    assert result.warnings


def test_received_cookies_can_be_fed_back(client: Nimble, origin: Origin) -> None:
    first = client.extract(
        url=f"{origin.base}/cookie?name=sid&value=s3cret",
        formats=["cookies"],  # type: ignore[list-item]
    )
    assert first.data.cookies is not None
    (cookie,) = first.data.cookies
    assert isinstance(cookie, dict)
    assert (cookie["name"], cookie["value"], cookie["path"]) == ("sid", "s3cret", "/")
    assert cookie["httpOnly"] is True
    assert echoed(client, origin, cookies=[cookie])["header"]["cookie"] == "sid=s3cret"


def test_xhr_requests_look_like_xhr(client: Nimble, origin: Origin) -> None:
    heard = echoed(client, origin, is_xhr=True)
    assert heard["header"]["x-requested-with"] == "XMLHttpRequest"
    assert "json" in heard["header"]["accept"]


@pytest.mark.parametrize(
    ("policy", "expected"),
    [("google", "google."), ("bing", "bing."), ("same-origin", "127.0.0.1"), ("twitter", "t")],
)
def test_referrer_policy_makes_a_referer(
    client: Nimble, origin: Origin, policy: Any, expected: str
) -> None:
    assert expected in echoed(client, origin, referrer_type=policy)["header"]["referer"]


@pytest.mark.parametrize("spelling", ["no-referer", "no-referrer"])
def test_both_spellings_of_no_referrer_send_none(
    client: Nimble, origin: Origin, spelling: Any
) -> None:
    assert "referer" not in echoed(client, origin, referrer_type=spelling)["names"]


def test_locale_becomes_accept_language(client: Nimble, origin: Origin) -> None:
    heard = echoed(client, origin, locale="de-DE")
    assert heard["header"]["accept-language"].startswith("de-DE")


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"browser": "firefox"}, "Firefox"),
        ({"browser": {"name": "chrome"}, "os": "windows"}, "Windows"),
        ({"os": "android", "device": "mobile"}, "Android"),
        ({"os": "mac os"}, "Mac"),
    ],
    ids=["firefox", "windows", "android", "mac"],
)
def test_emulation_shows_in_the_user_agent(
    client: Nimble, origin: Origin, options: Any, expected: str
) -> None:
    assert expected in echoed(client, origin, **options)["header"]["user-agent"]


def test_driver_names_are_read_in_any_case(client: Nimble, origin: Origin) -> None:
    result = client.extract(url=origin.page("case"), driver="VX6")  # type: ignore[arg-type]
    assert result.metadata.driver == "vx6"


def test_redirects_are_followed_and_recorded(client: Nimble, origin: Origin) -> None:
    start = f"{origin.base}/redirect?status=301&to=/redirect%3Fto%3D/page/end"
    result = client.extract(url=start)
    assert result.url == f"{origin.base}/page/end"
    assert result.data.redirects is not None
    hops = [(hop.url, hop.status_code) for hop in result.data.redirects]
    assert hops == [(start, 301), (f"{origin.base}/redirect?to=/page/end", 302)]


def test_unexpected_status_is_a_failed_result_with_its_page(client: Nimble, origin: Origin) -> None:
    raw = client.with_raw_response.extract(url=f"{origin.base}/status/404")
    body = raw.json()
    assert raw.status_code == 200
    assert body["status"] == "failed"  # type: ignore[index]
    assert body["status_code"] == 404  # type: ignore[index]
    assert "<h1>Status 404</h1>" in body["data"]["html"]  # type: ignore[index]


def test_expected_status_codes_make_it_a_success(client: Nimble, origin: Origin) -> None:
    result = client.extract(url=f"{origin.base}/status/404", expected_status_codes=[200, 404])
    assert result.status == "success"
    assert result.status_code == 404


def test_a_2xx_outside_the_expected_list_is_a_failure(client: Nimble, origin: Origin) -> None:
    result = client.extract(url=origin.page("strictly"), expected_status_codes=[201])
    assert str(result.status) == "failed"
    assert result.status_code == 200


def test_session_keeps_cookies_between_calls_and_from_other_sessions(
    client: Nimble, origin: Origin
) -> None:
    session = {"id": f"s-{origin.base[-5:]}", "timeout": 60}
    client.extract(
        url=f"{origin.base}/cookie?name=kept&value=yes",
        session=session,  # type: ignore[arg-type]
    )
    assert echoed(client, origin, session=session)["header"]["cookie"] == "kept=yes"
    assert "cookie" not in echoed(client, origin)["names"]
    other = {"id": "another", "timeout": 60}
    assert "cookie" not in echoed(client, origin, session=other)["names"]


def test_country_without_a_proxy_is_a_warning_not_a_pretence(
    client: Nimble, origin: Origin
) -> None:
    result = client.extract(url=origin.page("de"), country="DE")
    assert result.status == "success"
    assert any("DE" in warning for warning in result.warnings or [])


def test_unknown_fields_are_ignored_with_a_warning_that_names_them(
    client: Nimble, origin: Origin
) -> None:
    result = client.extract(url=origin.page("extra"), extra_body={"frobnicate": 1})
    assert result.status == "success"
    assert any("frobnicate" in warning for warning in result.warnings or [])


@pytest.mark.parametrize(
    "options",
    [
        {"browser_actions": [{"wait": 10}]},
        {"network_capture": [{"method": "GET"}]},
    ],
    ids=["actions", "capture"],
)
def test_what_needs_rendering_is_refused_when_rendering_is_not_wanted(
    client: Nimble, origin: Origin, options: Any
) -> None:
    for off in ({"render": False}, {"driver": "vx6"}):
        with pytest.raises(BadRequestError) as refused:
            client.extract(url=origin.page("browser"), **off, **options)
        (problem,) = refused.value.body["details"]["schema_validation_errors"]  # type: ignore[index]
        assert problem["instancePath"] == "/" + next(iter(options))
    assert origin.all_visits() == []


@pytest.mark.parametrize("path", ["/v1/realtime/web", "/api/v1/realtime/web"])
def test_aliases_of_extract_answer_alike(server: WindlassServer, origin: Origin, path: str) -> None:
    answer = httpx.post(
        server.url + path,
        json={"url": origin.page("alias"), "formats": ["markdown"]},
        headers={"Authorization": f"Bearer {server.api_key}"},
        timeout=30,
    )
    assert answer.status_code == 200
    assert "# Page alias" in answer.json()["data"]["markdown"]


def test_two_clients_on_one_server_do_not_mix_their_answers(
    client: Nimble, strict_client: Nimble, origin: Origin
) -> None:
    one = client.extract(url=origin.page("one"))
    two = strict_client.extract(url=origin.page("two"))
    assert one.task_id != two.task_id
    assert one.data.html is not None and "Page one" in one.data.html
    assert two.data.html is not None and "Page two" in two.data.html
