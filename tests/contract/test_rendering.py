"""Does rendering through the unmodified SDK do what the contract says? (sections 7.4 to 7.7)"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from nimble_python import BadRequestError, Nimble
from nimble_python.types import ExtractResponse

from tests.support.apps import swagger_ui
from tests.support.sdk import finished
from tests.support.server import WindlassServer
from tests.support.smallsite import Reply, small_site
from tests.support.stagesite import StageSite, stage_site
from tests.support.waiting import eventually

pytestmark = pytest.mark.timeout(180)


@pytest.fixture(scope="module")
def site() -> Iterator[StageSite]:
    with stage_site() as running:
        yield running


@pytest.fixture(scope="module")
def strict(server: WindlassServer) -> Iterator[Nimble]:
    """The vendor's client, refusing whatever its own models do not know."""
    made = Nimble(
        api_key=server.api_key,
        base_url=server.url,
        max_retries=0,
        timeout=120,
        _strict_response_validation=True,
    )
    with made:
        yield made


def extract(client: Nimble, url: str, /, **options: Any) -> ExtractResponse:
    """A rendered page that came."""
    result = client.extract(url=url, **options)
    assert result.status == "success", result
    assert result.metadata.driver == "vx8"
    return result


def reported(result: ExtractResponse) -> list[tuple[str, str, Any]]:
    """Name, status and result of each action."""
    report = result.data.browser_actions
    assert report is not None
    return [(one.name, one.status, one.result) for one in report.results]


# ---------------------------------------------------------------- the page


def test_what_scripts_make_is_in_every_format(strict: Nimble, site: StageSite) -> None:
    result = extract(
        strict,
        site.base + "/app",
        render=True,
        formats=["html", "markdown", "links", "headers"],
        browser_actions=[{"wait_for_element": ".item"}],
    )
    assert '<p class="item">item 1.0</p>' in (result.data.html or "")
    assert "item 1.2" in (result.data.markdown or "")
    assert result.data.headers is not None
    assert result.data.headers["content-type"].startswith("text/html")
    plain = strict.extract(url=site.base + "/app", formats=["html", "markdown"])
    assert plain.metadata.driver == "vx6"
    assert "item 1.0" not in (plain.data.markdown or "")


@pytest.mark.parametrize("kind", ["load", "domready", "idle0", "idle2"])
def test_every_kind_of_waiting_for_the_page(strict: Nimble, site: StageSite, kind: str) -> None:
    options = {"render_type": kind}
    result = extract(
        strict, site.base + "/app", render=True, extra_body={"render_options": options}
    )
    if kind == "idle0":
        assert "item 1.0" in (result.data.html or "")


def test_frames_are_inlined_when_asked(strict: Nimble, site: StageSite) -> None:
    url = site.base + "/html?body=<p>outer</p><iframe src='/csp'></iframe>"
    options = {"render_options": {"include_iframes": True}}
    result = extract(strict, url, render=True, formats=["html", "markdown"], extra_body=options)
    assert "<p>strict" in (result.data.html or "")
    assert "strict" in (result.data.markdown or "")
    assert "strict" not in (extract(strict, url, render=True).data.html or "")


def test_metrics_are_told_when_asked(strict: Nimble, site: StageSite) -> None:
    options = {"render_options": {"with_performance_metrics": True}}
    result = extract(strict, site.base + "/form", render=True, extra_body=options)
    assert result.debug is not None
    assert result.debug.performance_metrics is not None
    assert result.debug.performance_metrics["Nodes"] > 10


def test_the_legacy_flow_waits(strict: Nimble, site: StageSite) -> None:
    flow = {"render_flow": [{"wait_for": {"selectors": ["#late"]}}]}
    result = extract(strict, site.base + "/form", extra_body=flow)
    assert 'id="late"' in (result.data.html or "")


# ---------------------------------------------------------------- actions

SOME = "some pixels"
SEQUENCE: list[tuple[dict[str, Any], Any]] = [
    ({"wait": 10}, None),
    ({"wait": "20ms"}, None),
    ({"wait": {"duration": "0.01s"}}, None),
    ({"sleep": 5}, None),
    ({"type": "wait", "duration": 5}, None),
    ({"wait_for_element": ["#nowhere", "#late"]}, "#late"),
    ({"wait_for_element": {"selector": "#go", "visible": True, "timeout": "5s"}}, "#go"),
    ({"click": "#go"}, None),
    ({"click": {"selector": "#go", "count": 2, "delay": "5ms", "offset_x": 2}}, None),
    ({"click": {"selector": "#map", "strategy": "windmouse"}}, None),
    ({"click": {"selector": "#map", "strategy": "ghost-cursor", "steps": 12}}, None),
    ({"click": {"x": 3, "y": 4, "relative_to": "#map", "strategy": "linear"}}, None),
    ({"fill": {"selector": "#name", "value": "mug", "typing_interval": 10,
               "typing_strategy": "distribution", "mouse_movement_strategy": "linear"}}, None),
    ({"fill": {"selector": "#old", "value": "pasted", "mode": "paste"}}, None),
    ({"fill": {"selector": "#notes", "text": "noted", "click_on_element": False}}, None),
    ({"press": "Tab"}, None),
    ({"press": {"key": "KeyA", "delay": 10}}, None),
    ({"scroll": 300}, None),
    ({"scroll": "bottom"}, None),
    ({"scroll": "#far"}, None),
    ({"scroll": {"to": "top"}}, None),
    ({"auto_scroll": {"max_duration": "2s", "idle_timeout": 200, "step_size": 2000}}, SOME),
    ({"screenshot": True}, 0),
    ({"screenshot": {"full_page": True, "format": "jpeg", "quality": 60}}, 1),
    ({"screenshot": False}, "skipped"),
    ({"get_cookies": True}, 2),
    ({"get_cookies": {"domain": "127.0.0.1", "name": "theme"}}, 1),
    ({"eval": "document.getElementById('name').value"}, "mug"),
    ({"eval": {"code": "return document.title", "timeout": 2000}}, "Form"),
    ({"fetch": "/api/items?page=3"}, {"status": 200}),
    ({"fetch": {"url": "/api/echo", "method": "POST", "headers": {"X-A": "b"}, "body": "c"}},
     {"status": 200}),
    ({"click": {"selector": "#never", "timeout": 100, "required": "false"}}, "error"),
    ({"click": {"selector": "#go", "skip": True}}, "skipped"),
    ({"click": "#next"}, None),
    ({"wait_for_navigation": "load"}, "/form?next"),
    ({"goto": {"url": "/app", "wait_until": "networkidle0", "referer": "http://a.test/"}}, "/app"),
    ({"goto": "/form"}, "/form"),
]  # fmt: skip


def test_every_action_in_every_form(strict: Nimble, site: StageSite) -> None:
    result = extract(strict, site.base + "/form", browser_actions=[item for item, _ in SEQUENCE])
    report = reported(result)
    assert len(report) == len(SEQUENCE)
    for (item, expected), (name, status, value) in zip(SEQUENCE, report, strict=True):
        wanted = next(iter(item)) if "type" not in item else item["type"]
        assert name == {"sleep": "wait"}.get(wanted, wanted)
        if expected in ("skipped", "error"):
            assert status == expected, item
        else:
            assert status == "done", (item, result.data.browser_actions)
            _same(expected, value)
    assert result.data.browser_actions is not None
    assert result.data.browser_actions.success is False
    assert result.data.browser_actions.total_duration > 100
    assert result.url == site.base + "/form"
    _check_collected(result, site)


def _same(expected: Any, value: Any) -> None:
    if isinstance(expected, str) and expected.startswith("/"):
        assert str(value).endswith(expected)
    elif isinstance(expected, dict):
        assert expected.items() <= value.items()
    elif expected == SOME:
        assert value > 1000
    else:
        assert value == expected


def _check_collected(result: ExtractResponse, site: StageSite) -> None:
    data = result.data
    assert data.eval == ["mug", "Form"]
    assert data.fetch is not None
    first, second = data.fetch
    assert first["url"] == site.base + "/api/items?page=3"  # type: ignore[index]
    assert json.loads(second["body"])["body"] == "c"  # type: ignore[index]
    assert data.model_extra is not None
    assert data.model_extra["fetch_request"] == data.fetch
    assert data.cookies is not None
    names = [cookie["name"] for cookie in data.cookies]  # type: ignore[index]
    assert sorted(names) == ["theme", "theme", "visit"]
    assert data.screenshots is not None
    kinds = [(one["format"], one["full_page"], one["source"]) for one in data.screenshots]  # type: ignore[index]
    assert kinds == [("png", False, "action"), ("jpeg", True, "action")]
    last = base64.b64decode(data.model_extra["screenshot"])
    assert last.startswith(b"\xff\xd8\xff")


def test_a_required_failure_ends_the_sequence_but_not_the_request(
    strict: Nimble, site: StageSite
) -> None:
    result = extract(
        strict,
        site.base + "/form",
        browser_actions=[
            {"wait_for_element": {"selector": "#never", "timeout": 100}},
            {"click": "#go"},
        ],
    )
    assert [status for _, status, _ in reported(result)] == ["error", "no-run"]
    assert result.data.browser_actions is not None
    assert result.data.browser_actions.success is False
    assert "#never" in (result.data.browser_actions.results[0].error or "")


def test_a_failed_action_is_tried_again_if_asked(strict: Nimble, site: StageSite) -> None:
    before = site.paths().count("/form")
    result = extract(
        strict,
        site.base + "/form",
        browser_actions=[{"wait_for_element": {"selector": "#never", "timeout": 50}}],
        extra_body={"render_options": {"retry_on_browser_actions_error": True}},
    )
    assert [status for _, status, _ in reported(result)] == ["error"]
    assert site.paths().count("/form") - before > 1


WRONG: list[tuple[list[Any], str]] = [
    ([{"dance": 1}], "/browser_actions/0"),
    ([{"wait": 1}, {"click": {"selector": "a["}}], "/browser_actions/1/click/selector"),
    ([{"wait": -1}], "/browser_actions/0/wait"),
    ([{"wait": True}], "/browser_actions/0/wait"),
    ([{"type": "press", "key": "Anykey"}], "/browser_actions/0/key"),
    ([{"wait": 1}] * 10_000, "/browser_actions"),
]


@pytest.mark.parametrize(("actions", "path"), WRONG, ids=lambda case: str(case)[:40])
def test_wrong_actions_are_refused_by_their_place(
    client: Nimble, site: StageSite, actions: Any, path: str
) -> None:
    with pytest.raises(BadRequestError) as refused:
        client.extract(url=site.base + "/form", browser_actions=actions)
    body: Any = refused.value.body
    assert body["error"] == "PARAMETERS_FAILED_JSON_SCHEMA_VALIDATION_ERROR"
    (problem,) = body["details"]["schema_validation_errors"]
    assert problem["instancePath"] == path


# ---------------------------------------------------------------- captures and pictures


def test_calls_are_captured_by_filters(strict: Nimble, site: StageSite) -> None:
    result = extract(
        strict,
        site.base + "/app",
        network_capture=[
            {"method": "POST", "resource_type": ["xhr", "fetch"], "wait_for_requests_count": 1},
            {"url": {"value": "/api/items"}, "status_code": 200, "validation": True},
            {"url": {"type": "exact", "value": site.base + "/pixel.png"}},
            {"status_code": [418], "wait_for_requests_count": 1,
             "wait_for_requests_count_timeout": 0.2},
        ],
    )  # fmt: skip
    captures = result.data.network_capture
    assert captures is not None
    posted, items, picture, none = captures
    (call,) = posted.results
    assert (call.request.body, call.response.status) == ('{"seen":3}', 201)
    assert json.loads(items.results[0].response.body)["items"][0] == "item 1.0"
    assert items.filter.validation is True
    assert picture.results[0].response.serialization == "base64"
    assert none.results == []
    assert none.error_message == "0 of 1 requests within 0.2 s"
    assert none.model_extra is not None
    assert none.model_extra["result"] == []


def test_nothing_is_captured_unless_asked(strict: Nimble, site: StageSite) -> None:
    result = extract(strict, site.base + "/app", render=True)
    assert result.data.network_capture is None
    assert result.data.browser_actions is None
    assert result.data.screenshots is None


def test_the_screenshot_format_renders_and_shows_the_whole_page(
    strict: Nimble, site: StageSite
) -> None:
    result = extract(strict, site.base + "/form", formats=["screenshot"])
    assert result.data.html is None
    assert result.data.model_extra is not None
    picture = base64.b64decode(result.data.model_extra["screenshot"])
    assert picture.startswith(b"\x89PNG")
    assert int.from_bytes(picture[20:24], "big") > 3000
    assert result.data.screenshots is not None
    assert result.data.screenshots[0]["source"] == "format"  # type: ignore[index]


def test_an_asynchronous_task_keeps_all_of_it(client: Nimble, site: StageSite) -> None:
    task = client.extract_async(
        url=site.base + "/app",
        browser_actions=[{"wait_for_element": ".item"}, {"eval": "document.title"}],
        network_capture=[{"resource_type": "xhr", "wait_for_requests_count": 1}],
        formats=["html", "screenshot"],
    )
    tasks, task_id = client.tasks, task.task.id
    eventually(lambda: tasks.get(task_id).task.state == "success", "it succeeds", within_s=60)
    data: Any = tasks.results(task_id)["data"]  # type: ignore[index]
    assert data["browser_actions"]["success"] is True
    assert len(data["network_capture"][0]["results"]) == 1
    assert data["screenshot"] == data["screenshots"][0]["data"]


# ---------------------------------------------------------------- somebody else's application


def test_an_application_of_others_shows_what_plain_http_does_not(
    strict: Nimble, tmp_path: Path
) -> None:
    with swagger_ui(tmp_path) as url:
        plain = strict.extract(url=url, formats=["markdown"])
        assert "Find pet by ID" not in (plain.data.markdown or "")
        result = extract(
            strict,
            url,
            formats=["markdown", "html"],
            browser_actions=[
                {"wait_for_element": {"selector": ".opblock", "visible": True}},
                {"click": "#operations-pet-getPetById .opblock-summary-control"},
                {"wait_for_element": ["#operations-pet-getPetById .opblock-body"]},
            ],
            network_capture=[{"url": {"value": "petstore.json"}, "resource_type": "fetch"}],
        )
    assert result.data.browser_actions is not None
    assert result.data.browser_actions.success is True, result.data.browser_actions
    assert "Find pet by ID" in (result.data.markdown or "")
    assert "ID of pet to return" in (result.data.markdown or "")
    assert result.data.network_capture is not None
    (call,) = result.data.network_capture[0].results
    assert json.loads(call.response.body)["paths"]["/pet/{petId}"]["get"]


def test_an_agent_acts_in_an_application_of_others_and_reads_it(
    client: Nimble, server: WindlassServer, tmp_path: Path
) -> None:
    operation = "#operations-pet-getPetById"
    document = {
        "name": "petstore_operation",
        "input_properties": [{"name": "docs", "required": True}],
        "url": "{+docs}",
        "extract": {"render": True},
        "browser_actions": [
            {"wait_for_element": {"selector": ".opblock", "visible": True}},
            {"click": f"{operation} .opblock-summary-control"},
            {"wait_for_element": f"{operation} .opblock-body"},
        ],
        "parser": {
            "title": "h2.title",
            "summary": f"{operation} .opblock-summary-description",
            "parameter": f"{operation} .parameters-col_description p",
        },
    }
    found = {"summary": "Find pet by ID", "parameter": "ID of pet to return"}
    key = {"Authorization": f"Bearer {server.api_key}"}
    saved = httpx.put(f"{server.url}/v1/agents/{document['name']}", json=document, headers=key)
    assert saved.status_code == 200, saved.text
    with swagger_ui(tmp_path) as url:
        result: Any = client.agent.run(agent="petstore_operation", params={"docs": url})
        assert result.metadata.driver == "vx8"
        assert found.items() <= result.data.parsing.items()
        assert "Petstore" in result.data.parsing["title"]
        batch: Any = client.agent.run_batch(
            inputs=[{"params": {"docs": f"{url}?{number}"}} for number in range(3)],
            shared_inputs={"agent": "petstore_operation"},
        )
        for task in batch.tasks:
            finished(client, task.id, within_s=90)
            got: Any = client.tasks.results(task.id)
            assert found.items() <= got["data"]["parsing"].items()


# ---------------------------------------------------------------- accounts

REMEMBERS = """<!doctype html><title>Remembers</title><p id=seen></p><script>
const times = Number(localStorage.times || 0);
seen.textContent = times + ' ' + document.cookie;
localStorage.times = times + 1;
document.cookie = 'times=' + times;
</script>"""


def test_accounts_with_sessions_of_one_name_share_nothing(
    client: Nimble, server: WindlassServer
) -> None:
    made = json.loads(server.command("keys", "create", "--account", "next", "--json").stdout)

    def seen(who: Nimble) -> str:
        session: Any = {"id": "shared"}
        result = extract(who, f"{site.base}/", render=True, formats=["text"], session=session)
        return str(result.data.text).strip()  # type: ignore[attr-defined]

    with (
        small_site({"/": Reply(REMEMBERS)}) as site,
        Nimble(base_url=server.url, api_key=made["key"]) as neighbour,
    ):
        assert seen(client) == "0"
        assert seen(client) == "1 times=0"
        assert seen(neighbour) == "0"
        assert seen(client) == "2 times=1"
        assert seen(neighbour) == "1 times=0"
