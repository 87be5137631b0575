"""Dialect v1's wishes to a browser: every notation, every default, every refusal."""

from __future__ import annotations

import json
import time
import typing
from typing import Any

import pytest
from nimble_python.types.shared_params import press_action

from windlass.errors import InvalidRequest
from windlass.model.render import (
    Action,
    AutoScroll,
    CaptureFilter,
    Click,
    Eval,
    Fetch,
    Fill,
    GetCookies,
    Goto,
    Press,
    RenderOptions,
    Scroll,
    TakeScreenshot,
    UrlMatch,
    Wait,
    WaitForElement,
    WaitForNavigation,
)
from windlass.model.request import Attempts, ExtractRequest
from windlass.wire.v1_browser_body import ACTIONS_LIMIT
from windlass.wire.v1_extract import read_extract

URL = "https://shop.test/p/1"


def read(fields: dict[str, Any]) -> ExtractRequest:
    raw = json.dumps({"url": URL} | fields).encode()
    return read_extract(raw, now=1_700_000_000.0, asynchronous=False).request


def wrong(fields: dict[str, Any]) -> dict[str, str]:
    """Keyword by place of a refused body."""
    with pytest.raises(InvalidRequest) as refused:
        read(fields)
    return {problem.path: problem.keyword for problem in refused.value.problems}


def actions(*items: dict[str, Any]) -> tuple[Action, ...]:
    return read({"browser_actions": list(items)}).actions


ACTIONS: list[tuple[dict[str, Any], Action]] = [
    ({"goto": "https://a.test/x"}, Goto(url="https://a.test/x")),
    ({"goto": "/next?p=2"}, Goto(url="/next?p=2")),
    ({"goto": {"url": "http://a.test", "referer": "http://b.test/", "timeout": "5s",
               "wait_until": "networkidle2"}},
     Goto(url="http://a.test", referer="http://b.test/", timeout_ms=5000, wait_until="idle2")),
    ({"goto": {"url": "/", "wait_until": "networkidle"}}, Goto(url="/", wait_until="idle0")),
    ({"goto": {"url": "/", "wait_until": "domcontentloaded"}},
     Goto(url="/", wait_until="domready")),
    ({"goto": {"url": "/", "wait_until": "commit"}}, Goto(url="/", wait_until="commit")),
    ({"wait": 10}, Wait(duration_ms=10)),
    ({"wait": "1000"}, Wait(duration_ms=1000)),
    ({"wait": "500ms"}, Wait(duration_ms=500)),
    ({"wait": "2s"}, Wait(duration_ms=2000)),
    ({"wait": "1.5 S"}, Wait(duration_ms=1500)),
    ({"wait": "2m"}, Wait(duration_ms=120_000)),
    ({"wait": "1h"}, Wait(duration_ms=3_600_000)),
    ({"wait": 0.2}, Wait(duration_ms=1)),
    ({"wait": {"duration": "3s"}}, Wait(duration_ms=3000)),
    ({"sleep": 7}, Wait(duration_ms=7)),
    ({"type": "sleep", "duration": 7}, Wait(duration_ms=7)),
    ({"wait_for_element": "#a"}, WaitForElement(selectors=("#a",))),
    ({"wait_for_element": ["#a", ".b"]}, WaitForElement(selectors=("#a", ".b"))),
    ({"wait_for_element": {"selector": ["#a"], "timeout": 8000, "visible": True}},
     WaitForElement(selectors=("#a",), timeout_ms=8000, visible=True)),
    ({"wait_for_element": {"selector": "#a", "timeout": 0}},
     WaitForElement(selectors=("#a",), timeout_ms=0)),
    ({"wait_for_navigation": "networkidle0"}, WaitForNavigation(until="idle0")),
    ({"wait_for_navigation": {"navigation": "domcontentloaded", "timeout": "2m"}},
     WaitForNavigation(until="domready", timeout_ms=120_000)),
    ({"click": "#a"}, Click(selectors=("#a",))),
    ({"click": ["#a", "#b"]}, Click(selectors=("#a", "#b"))),
    ({"click": {"selector": "#a", "count": 2, "delay": "50ms", "offset_x": -3, "offset_y": 4,
                "scroll": False, "steps": 9, "strategy": "windmouse", "visible": False}},
     Click(selectors=("#a",), count=2, delay_ms=50, offset_x=-3, offset_y=4, scroll=False,
           steps=9, strategy="windmouse", visible=False)),
    ({"click": {"x": 10, "y": 20.5}}, Click(x=10, y=20.5)),
    ({"click": {"x": 1, "y": 2, "relative_to": "#map"}}, Click(x=1, y=2, relative_to=("#map",))),
    ({"type": "click", "selector": "#a", "required": "false"},
     Click(selectors=("#a",), required=False)),
    ({"fill": {"selector": "#q", "value": "mug"}}, Fill(selectors=("#q",), value="mug")),
    ({"fill": {"selector": "#q", "text": ""}}, Fill(selectors=("#q",), value="")),
    ({"fill": {"selector": "#q", "value": "x", "mode": "paste", "click_on_element": False,
               "delay": 5, "scroll": "false", "visible": "true", "timeout": "1s"}},
     Fill(selectors=("#q",), value="x", mode="paste", click=False, delay_ms=5, scroll=False,
          timeout_ms=1000)),
    ({"fill": {"selector": "#q", "value": "x", "typing_interval": "20ms",
               "typing_strategy": "distribution", "mouse_movement_strategy": "ghost-cursor"}},
     Fill(selectors=("#q",), value="x", interval_ms=20, typing="distribution",
          strategy="ghost-cursor")),
    ({"press": "Enter"}, Press(key="Enter")),
    ({"press": "é"}, Press(key="é")),
    ({"press": {"key": "ArrowDown", "delay": 30}}, Press(key="ArrowDown", delay_ms=30)),
    ({"scroll": 500}, Scroll(y=500)),
    ({"scroll": -20.5}, Scroll(y=-20.5)),
    ({"scroll": "bottom"}, Scroll(edge="bottom")),
    ({"scroll": "top"}, Scroll(edge="top")),
    ({"scroll": "#footer"}, Scroll(to=("#footer",))),
    ({"scroll": {"x": 5, "y": 6, "container": "#box"}}, Scroll(x=5, y=6, container=("#box",))),
    ({"scroll": {"to": ["#a", "#b"], "visible": True}}, Scroll(to=("#a", "#b"), visible=True)),
    ({"scroll": {"to": "bottom", "container": "#box"}},
     Scroll(edge="bottom", container=("#box",))),
    ({"auto_scroll": True}, AutoScroll()),
    ({"auto_scroll": 6000}, AutoScroll(max_duration_ms=6000)),
    ({"auto_scroll": "6s"}, AutoScroll(max_duration_ms=6000)),
    ({"auto_scroll": {"max_duration": "6s", "idle_timeout": 300, "delay_after_scroll": "0.1s",
                      "step_size": 400, "click_selector": "#more", "loading_selector": [".spin"],
                      "pause_on_selector": "dialog", "container": "#box"}},
     AutoScroll(max_duration_ms=6000, idle_timeout_ms=300, delay_ms=100, step_px=400,
                click=("#more",), loading=(".spin",), pause_on=("dialog",), container=("#box",))),
    ({"auto_scroll": {}}, AutoScroll()),
    ({"screenshot": True}, TakeScreenshot()),
    ({"screenshot": {"full_page": True, "format": "webp", "quality": 55.4}},
     TakeScreenshot(full_page=True, format="webp", quality=55)),
    ({"get_cookies": True}, GetCookies()),
    ({"get_cookies": {"domain": ".shop.test", "name": "sid", "httpOnly": True}},
     GetCookies(domain=".shop.test", filters={"name": "sid", "http_only": True})),
    ({"eval": "1 + 1"}, Eval(code="1 + 1")),
    ({"eval": {"code": "f()", "timeout": "1s"}}, Eval(code="f()", timeout_ms=1000)),
    ({"fetch": "/api"}, Fetch(url="/api")),
    ({"fetch": {"url": "https://a.test/", "method": "POST", "headers": {"A": "1"}, "body": "x",
                "timeout": 100}},
     Fetch(url="https://a.test/", method="POST", headers={"A": "1"}, body="x", timeout_ms=100)),
    ({"screenshot": False}, TakeScreenshot(skip=True)),
    ({"get_cookies": False}, GetCookies(skip=True)),
    ({"auto_scroll": False}, AutoScroll(skip=True)),
    ({"wait": {"duration": 1, "skip": "true", "required": False}},
     Wait(duration_ms=1, skip=True, required=False)),
    ({"type": "screenshot"}, TakeScreenshot()),
    ({"type": "scroll", "y": 5}, Scroll(y=5)),
]  # fmt: skip


@pytest.mark.parametrize(("item", "expected"), ACTIONS, ids=lambda case: json.dumps(case)[:50]
                         if isinstance(case, dict) else "")  # fmt: skip
def test_an_action_becomes_ours(item: dict[str, Any], expected: Action) -> None:
    request = read({"browser_actions": [item]})
    assert request.actions == (expected,)
    assert request.warnings == ()


def test_every_key_that_the_vendors_client_knows_may_be_pressed() -> None:
    hints = typing.get_type_hints(press_action.PressUnionMember1, include_extras=True)
    names = typing.get_args(hints["key"].__args__[0])
    assert len(names) > 200
    for start in range(0, len(names), ACTIONS_LIMIT):
        part = names[start : start + ACTIONS_LIMIT]
        assert [one.key for one in actions(*({"press": name} for name in part))] == list(part)  # type: ignore[union-attr]


def test_what_an_action_does_not_know_is_told_and_ignored() -> None:
    request = read({"browser_actions": [{"click": {"selector": "a", "wiggle": 1}}]})
    assert request.warnings == ("unknown field 'wiggle' of browser_actions.0.click is ignored",)


def test_an_action_that_is_no_object_hides_no_other_mistake() -> None:
    actions = [{"goto": 5}, "click", {"click": "a["}, {"wait": 1}, None]
    with pytest.raises(InvalidRequest) as caught:
        read({"browser_actions": actions, "tag": 7, "cookies": [{}]})
    assert {one.path: one.keyword for one in caught.value.problems} == {
        "/browser_actions/0/goto": "type",
        "/browser_actions/1": "type",
        "/browser_actions/2/click": "format",
        "/browser_actions/4": "type",
        "/tag": "type",
        "/cookies/0": "required",
    }


WRONG_ACTIONS: list[tuple[Any, str, str]] = [
    ({"dance": 1}, "", "additionalProperties"),
    ({"click": "a", "dance": 1}, "", "additionalProperties"),
    ({"click": "a", "wait": 1}, "", "maxProperties"),
    ({}, "", "minProperties"),
    ("click", "", "type"),
    ({"type": "dance"}, "/type", "enum"),
    ({"goto": 5}, "/goto", "type"),
    ({"goto": {}}, "/goto", "required"),
    ({"goto": "file:///etc/passwd"}, "/goto", "format"),
    ({"goto": {"url": "javascript:alert(1)"}}, "/goto/url", "format"),
    ({"goto": {"url": "/", "wait_until": "soon"}}, "/goto/wait_until", "enum"),
    ({"wait": -1}, "/wait", "minimum"),
    ({"wait": "-5ms"}, "/wait", "format"),
    ({"wait": "soon"}, "/wait", "format"),
    ({"wait": ""}, "/wait", "format"),
    ({"wait": True}, "/wait", "type"),
    ({"wait": {"duration": "3 weeks"}}, "/wait/duration", "format"),
    ({"wait": {"duration": 1, "required": "yes"}}, "/wait/required", "enum"),
    ({"wait": {"duration": 1, "skip": 1}}, "/wait/skip", "type"),
    ({"wait_for_element": []}, "/wait_for_element", "minItems"),
    ({"wait_for_element": "a["}, "/wait_for_element", "format"),
    ({"wait_for_element": ["a", "//b"]}, "/wait_for_element/1", "format"),
    ({"wait_for_element": {"selector": ["a", "b["]}}, "/wait_for_element/selector/1", "format"),
    ({"wait_for_element": {"selector": "a", "timeout": -1}}, "/wait_for_element/timeout",
     "minimum"),
    ({"wait_for_navigation": "idle"}, "/wait_for_navigation", "enum"),
    ({"click": {}}, "/click", "required"),
    ({"click": {"x": 1}}, "/click", "required"),
    ({"click": {"selector": "a", "count": 0}}, "/click/count", "minimum"),
    ({"click": {"selector": "a", "strategy": "teleport"}}, "/click/strategy", "enum"),
    ({"type": "click", "selector": "a["}, "/selector", "format"),
    ({"type": "click", "selector": 5}, "/selector", "type"),
    ({"fill": "#q"}, "/fill", "type"),
    ({"fill": {"selector": "#q"}}, "/fill", "required"),
    ({"fill": {"selector": "#q", "value": 5}}, "/fill/value", "type"),
    ({"press": "Any"}, "/press", "enum"),
    ({"press": {"key": "Enterr"}}, "/press/key", "enum"),
    ({"scroll": {}}, "/scroll", "required"),
    ({"scroll": True}, "/scroll", "type"),
    ({"scroll": "a["}, "/scroll", "format"),
    ({"auto_scroll": {"step_size": 0}}, "/auto_scroll/step_size", "minimum"),
    ({"auto_scroll": {"click_selector": "a["}}, "/auto_scroll/click_selector", "format"),
    ({"screenshot": {"quality": 101}}, "/screenshot/quality", "maximum"),
    ({"screenshot": {"format": "gif"}}, "/screenshot/format", "enum"),
    ({"get_cookies": "x"}, "/get_cookies", "type"),
    ({"eval": ""}, "/eval", "minLength"),
    ({"eval": {"timeout": 1}}, "/eval", "required"),
    ({"fetch": {"url": "/", "method": "FROB"}}, "/fetch/method", "enum"),
    ({"fetch": {"url": "/", "headers": {"a": 1}}}, "/fetch/headers/a", "type"),
    ({"fetch": "ftp://a.test/"}, "/fetch", "format"),
]  # fmt: skip


@pytest.mark.parametrize(("item", "path", "keyword"), WRONG_ACTIONS)
def test_a_wrong_action_is_named_by_its_place(item: Any, path: str, keyword: str) -> None:
    fields = {"browser_actions": [{"wait": 1}, item]}
    assert wrong(fields) == {f"/browser_actions/1{path}": keyword}


def test_all_wrong_actions_are_named_at_once() -> None:
    items = [{"click": "a["}, {"wait": 1}, {"dance": 1}, {"wait": "x"}]
    assert list(wrong({"browser_actions": items, "tag": 5})) == [
        "/tag", "/browser_actions/0/click", "/browser_actions/2", "/browser_actions/3/wait",
    ]  # fmt: skip


def test_ten_thousand_actions_are_refused_at_once() -> None:
    began = time.process_time()
    assert wrong({"browser_actions": [{"click": "#a"}] * 10_000}) == {
        "/browser_actions": "maxItems"
    }
    assert time.process_time() - began < 1


CAPTURES: list[tuple[dict[str, Any], CaptureFilter]] = [
    ({}, CaptureFilter()),
    ({"method": "POST"}, CaptureFilter(method="POST")),
    ({"url": {"value": "/api"}}, CaptureFilter(url=UrlMatch("/api"))),
    ({"url": {"type": "exact", "value": "http://a/"}},
     CaptureFilter(url=UrlMatch("http://a/", exact=True))),
    ({"resource_type": "xhr"}, CaptureFilter(resource_type="xhr")),
    ({"resource_type": ["xhr", "fetch"]}, CaptureFilter(resource_type=("xhr", "fetch"))),
    ({"status_code": 200}, CaptureFilter(status=200)),
    ({"status_code": [200, 204.0]}, CaptureFilter(status=(200, 204))),
    ({"validation": True}, CaptureFilter(validation=True)),
    ({"wait_for_requests_count": 3}, CaptureFilter(wait_for_count=3)),
    ({"wait_for_requests_count": 1, "wait_for_requests_count_timeout": 2.5},
     CaptureFilter(wait_for_count=1, wait_s=2.5)),
]  # fmt: skip


@pytest.mark.parametrize(("item", "expected"), CAPTURES)
def test_a_capture_filter_becomes_ours(item: dict[str, Any], expected: CaptureFilter) -> None:
    assert read({"network_capture": [item]}).captures == (expected,)


OPTIONS: list[tuple[dict[str, Any], RenderOptions]] = [
    ({}, RenderOptions()),
    ({"render_type": "idle0", "timeout": 240000},
     RenderOptions(wait_until="idle0", timeout_ms=240_000)),
    ({"render_type": "domready"}, RenderOptions(wait_until="domready")),
    ({"headless": False, "userbrowser": True, "include_iframes": True, "adblock": True},
     RenderOptions(headless=False, userbrowser=True, include_iframes=True, adblock=True)),
    ({"disabled_resources": []}, RenderOptions(disabled_resources=())),
    ({"disabled_resources": ["image", "fedcm"]},
     RenderOptions(disabled_resources=("image", "fedcm"))),
    ({"blocked_domains": ["Ads.Test.", "*.b.test"]},
     RenderOptions(blocked_domains=("ads.test", "b.test"))),
    ({"with_performance_metrics": True, "no_accept_encoding": True, "capture_network_calls": True},
     RenderOptions(performance_metrics=True, no_accept_encoding=True, capture_calls=True)),
    ({"skip_network_capture_on_browser_actions_error": True,
      "retry_on_network_capture_error": True, "retry_on_browser_actions_error": True},
     RenderOptions(skip_captures_on_action_error=True, retry_on_capture_error=True,
                   retry_on_action_error=True)),
]  # fmt: skip


@pytest.mark.parametrize(("given", "expected"), OPTIONS)
def test_render_options_become_ours(given: dict[str, Any], expected: RenderOptions) -> None:
    request = read({"render": True, "render_options": given})
    assert request.render_options == expected
    assert request.warnings == ()


WRONG: list[tuple[dict[str, Any], str, str]] = [
    ({"render": False, "browser_actions": [{"wait": 1}]}, "/browser_actions", "dependentSchemas"),
    ({"render": False, "network_capture": [{}]}, "/network_capture", "dependentSchemas"),
    ({"driver": "vx6", "browser_actions": [{"wait": 1}]}, "/browser_actions", "dependentSchemas"),
    ({"network_capture": {}}, "/network_capture", "type"),
    ({"network_capture": [{}, {"method": "get"}]}, "/network_capture/1/method", "enum"),
    ({"network_capture": [{"url": "x"}]}, "/network_capture/0/url", "type"),
    ({"network_capture": [{"url": {}}]}, "/network_capture/0/url", "required"),
    ({"network_capture": [{"url": {"value": "a", "type": "regex"}}]},
     "/network_capture/0/url/type", "enum"),
    ({"network_capture": [{"resource_type": "video"}]}, "/network_capture/0/resource_type", "enum"),
    ({"network_capture": [{"resource_type": ["xhr", "video"]}]},
     "/network_capture/0/resource_type/1", "enum"),
    ({"network_capture": [{"status_code": "200"}]}, "/network_capture/0/status_code", "type"),
    ({"network_capture": [{"status_code": [42]}]}, "/network_capture/0/status_code/0", "minimum"),
    ({"network_capture": [{"wait_for_requests_count": -1}]},
     "/network_capture/0/wait_for_requests_count", "minimum"),
    ({"network_capture": [{}] * 51}, "/network_capture", "maxItems"),
    ({"render_options": {"render_type": "soon"}}, "/render_options/render_type", "enum"),
    ({"render_options": {"timeout": 0}}, "/render_options/timeout", "minimum"),
    ({"render_options": {"timeout": "5s"}}, "/render_options/timeout", "type"),
    ({"render_options": {"disabled_resources": ["video"]}},
     "/render_options/disabled_resources/0", "enum"),
    ({"render_options": {"blocked_domains": []}}, "/render_options/blocked_domains", "minItems"),
    ({"render_flow": [{"wait_for": {"selectors": ["a["]}}]},
     "/render_flow/0/wait_for/selectors", "format"),
    ({"render_flow": [{"wait_for": 5}]}, "/render_flow/0", "type"),
]  # fmt: skip


@pytest.mark.parametrize(("fields", "path", "keyword"), WRONG)
def test_a_wrong_wish_is_named_by_its_place(
    fields: dict[str, Any], path: str, keyword: str
) -> None:
    assert wrong(fields) == {path: keyword}


@pytest.mark.parametrize(
    ("fields", "render"),
    [
        ({}, False),
        ({"render": False}, False),
        ({"render": True}, True),
        ({"render": "auto"}, "auto"),
        ({"driver": "auto"}, "auto"),
        ({"auto_driver_configuration": {"vx8": 1}}, "auto"),
        ({"browser_actions": [{"wait": 1}]}, True),
        ({"network_capture": [{}]}, True),
        ({"render": "auto", "network_capture": [{}]}, True),
        ({"formats": ["screenshot"]}, True),
        ({"formats": ["html", "screenshot"], "render": False}, True),
        ({"render_flow": [{"wait_for": {"selectors": ["#a"]}}]}, True),
        ({"render_options": {"timeout": 5}}, False),
        ({"browser_actions": [], "network_capture": [], "render": False}, False),
    ],
)
def test_rendering_is_on_where_something_needs_it(fields: dict[str, Any], render: Any) -> None:
    assert read(fields).render == render


def test_drivers_that_cannot_render_make_way_for_what_needs_rendering() -> None:
    request = read({"formats": ["screenshot"], "driver": "vx6"})
    assert (request.driver, request.render) == ("", True)
    assert request.warnings == ("driver vx6 is ignored: the request needs rendering",)
    plan = {"vx6-fast": 2, "vx8": 1}
    request = read({"network_capture": [{}], "auto_driver_configuration": plan})
    assert request.plan == (Attempts("vx8", 1),)
    assert len(request.warnings) == 1


def test_a_browser_driver_is_taken_by_its_name() -> None:
    assert read({"driver": "VX10-Pro"}).driver == "vx10-pro"


def test_the_legacy_flow_waits_before_other_actions_and_may_fail() -> None:
    request = read(
        {
            "render_flow": [{"wait_for": {"selectors": ["#a", "#b"]}}, {"else": 1}],
            "browser_actions": [{"wait": 1}],
        }
    )
    first = WaitForElement(selectors=("#a", "#b"), required=False)
    assert request.actions == (first, Wait(duration_ms=1))
    assert request.warnings == ("render_flow: step 1 is ignored: only wait_for is known",)


def test_consent_is_asked_for_with_rendering_only() -> None:
    assert read({"consent_header": True, "render": True}).consent is True
    assert "consent_header is ignored" in read({"consent_header": True}).warnings[0]


def test_an_xhr_is_not_rendered() -> None:
    request = read({"is_xhr": True, "render": True})
    assert request.is_xhr is False
    assert request.warnings == ("is_xhr is ignored: a rendered page is no XHR",)


def test_what_is_typed_and_sent_is_not_echoed() -> None:
    items = [
        {"fill": {"selector": "#password", "value": "hunter2"}},
        {"type": "fill", "selector": "#pin", "text": "hunter3"},
        {
            "fetch": {
                "url": "/",
                "headers": {"Authorization": "hunter4", "A": "b"},
                "body": "hunter5",
            }
        },
        {"goto": "https://me:hunter6@shop.test/"},
        {"goto": {"url": "https://me:hunter7@shop.test/"}},
        {"click": "#buy"},
    ]
    raw = json.dumps({"url": URL, "browser_actions": items}).encode()
    submission = read_extract(raw, now=1_700_000_000.0, asynchronous=False)
    shown = json.loads(submission.input)["browser_actions"]
    assert b"hunter" not in submission.input
    assert shown[0] == {"fill": {"selector": "#password", "value": "***"}}
    assert shown[2]["fetch"]["headers"]["A"] == "b"
    assert shown[5] == {"click": "#buy"}
    assert "hunter2" in repr(submission.request.actions)
