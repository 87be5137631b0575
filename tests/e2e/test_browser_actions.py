"""Every browser action with every option, on a real page in a real Chromium."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from playwright.async_api import Error

from tests.support.barebrowser import Bare
from tests.support.stagesite import StageSite
from windlass.model.keys import EVENT_KEYS, RARE_KEYS
from windlass.model.render import (
    Action,
    AutoScroll,
    Click,
    Eval,
    Fetch,
    Fill,
    GetCookies,
    Goto,
    MouseStrategy,
    Press,
    RenderOptions,
    Scroll,
    Wait,
    WaitForElement,
    WaitForNavigation,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def events(bare: Bare, kind: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = await bare.look(f"events.filter(e => e.kind === '{kind}')")
    return found


async def report(bare: Bare, url: str, *actions: Action, **fields: Any) -> list[tuple[str, str]]:
    """Status and error of each action."""
    rendered = await bare.take(url, *actions, **fields)
    assert rendered.rendering.actions is not None
    return [(one.status, one.error) for one in rendered.rendering.actions.results]


# ---------------------------------------------------------------- click


async def test_a_click_reaches_the_element_and_counts(bare: Bare, stage: StageSite) -> None:
    await bare.act(
        stage.base + "/form", Click(selectors=("#go",)), Click(selectors=("#go",), count=2)
    )
    assert await bare.look("document.querySelectorAll('#log li').length") == 3
    (double,) = await events(bare, "dblclick")
    assert double["id"] == "go"
    assert double["trusted"] is True


async def test_the_first_alternative_that_is_there_is_clicked(bare: Bare, stage: StageSite) -> None:
    await bare.act(stage.base + "/form", Click(selectors=("#nowhere", "#go", "h1")))
    assert [one["id"] for one in await events(bare, "click")] == ["go"]


async def test_an_element_far_below_is_scrolled_to(bare: Bare, stage: StageSite) -> None:
    await bare.act(stage.base + "/form", Click(selectors=("#far",)))
    assert (await events(bare, "click"))[0]["id"] == "far"
    assert await bare.look("scrollY") > 1000


async def test_offsets_count_from_the_middle_of_the_element(bare: Bare, stage: StageSite) -> None:
    await bare.act(stage.base + "/form", Click(selectors=("#map",), offset_x=-30, offset_y=20))
    (click,) = await events(bare, "click")
    box = await bare.look(
        "(b => [b.x, b.y])(document.getElementById('map').getBoundingClientRect())"
    )
    assert click["x"] == pytest.approx(box[0] + 100 - 30, abs=1)
    assert click["y"] == pytest.approx(box[1] + 50 + 20, abs=1)


async def test_a_point_counts_from_the_viewport_or_from_an_element(
    bare: Bare, stage: StageSite
) -> None:
    relative = Click(x=15, y=25, relative_to=("#map",))
    await bare.act(stage.base + "/form", Click(x=700, y=5), relative)
    first, second = await events(bare, "click")
    assert (first["x"], first["y"]) == (700, 5)
    box = await bare.look(
        "(b => [b.x, b.y])(document.getElementById('map').getBoundingClientRect())"
    )
    assert second["id"] == "map"
    assert second["x"] == pytest.approx(box[0] + 15, abs=1)
    assert second["y"] == pytest.approx(box[1] + 25, abs=1)


async def test_the_button_is_held_as_long_as_asked(bare: Bare, stage: StageSite) -> None:
    began = time.monotonic()
    await bare.act(stage.base + "/form", Click(selectors=("#go",), delay_ms=400))
    assert time.monotonic() - began > 0.4


@pytest.mark.parametrize("strategy", ["linear", "ghost-cursor", "windmouse"])
async def test_the_pointer_travels_by_its_strategy(
    bare: Bare, stage: StageSite, strategy: MouseStrategy
) -> None:
    start = Click(x=5, y=400, steps=1)
    await bare.act(stage.base + "/form", start, Click(x=900, y=100, strategy=strategy))
    moves = [(one["x"], one["y"]) for one in await events(bare, "mousemove")]
    assert len(moves) > 10
    assert moves[-1] == (900, 100)
    # How far the way strays from the straight line, in pixels.
    stray = max(abs((y - 400) * 895 + (x - 5) * 300) / 944 for x, y in moves[1:])
    assert stray < 2 if strategy == "linear" else stray > 2


async def test_steps_say_how_many_points_the_way_has(bare: Bare, stage: StageSite) -> None:
    await bare.act(stage.base + "/form", Click(x=300, y=300, steps=7, strategy="linear"))
    points = {(one["x"], one["y"]) for one in await events(bare, "mousemove")} - {(0, 0)}
    # Chromium tells a page of several movements at once when it is behind.
    assert {(300, 300)} < points
    assert len(points) <= 7


async def test_a_hidden_element_is_clicked_only_if_it_need_not_be_seen(
    bare: Bare, stage: StageSite
) -> None:
    hidden = Click(selectors=("#hidden",), timeout_ms=300)
    results = await report(bare, stage.base + "/form", hidden)
    assert results == [("error", "nothing can be seen that matches #hidden")]
    await bare.act(stage.base + "/form", Click(selectors=("#hidden",), visible=False))
    assert [one["id"] for one in await events(bare, "click")] == ["hidden"]


async def test_what_lies_above_an_element_is_told(bare: Bare, stage: StageSite) -> None:
    cover = Eval(code="document.getElementById('cover').style.display = 'block'")
    results = await report(
        bare, stage.base + "/form", cover, Click(selectors=("#go",), timeout_ms=800)
    )
    assert results[1][0] == "error"
    assert "intercepts pointer events" in results[1][1]


# ---------------------------------------------------------------- fill, press


async def test_typing_replaces_what_is_there_key_by_key(bare: Bare, stage: StageSite) -> None:
    await bare.act(stage.base + "/form", Fill(selectors=("#old",), value="abc"))
    assert await bare.look("document.getElementById('old').value") == "abc"
    assert [one["key"] for one in await events(bare, "keydown")] == ["a", "b", "c"]


async def test_pasting_comes_at_once(bare: Bare, stage: StageSite) -> None:
    await bare.act(stage.base + "/form", Fill(selectors=("#old",), value="ab\tc", mode="paste"))
    assert await bare.look("document.getElementById('old').value") == "ab\tc"
    assert await events(bare, "keydown") == []
    assert len(await events(bare, "input")) == 1


@pytest.mark.parametrize("typing", ["simple", "distribution"])
async def test_keys_come_in_the_interval_asked_for(
    bare: Bare, stage: StageSite, typing: Any
) -> None:
    began = time.monotonic()
    fill = Fill(selectors=("#name",), value="abcdefgh", interval_ms=60, typing=typing)
    await bare.act(stage.base + "/form", fill)
    assert time.monotonic() - began > 8 * 0.06 * 0.5
    assert await bare.look("document.getElementById('name').value") == "abcdefgh"


async def test_other_fields_are_filled_in_their_own_way(bare: Bare, stage: StageSite) -> None:
    await bare.act(
        stage.base + "/form",
        Fill(selectors=("#notes",), value="one\ntwo"),
        Fill(selectors=("#rich",), value="new"),
        Fill(selectors=("#size",), value="l"),
        Fill(selectors=("#day",), value="2026-02-03"),
        Fill(selectors=("#name",), value="ünï", click=False),
        Fill(selectors=("#old",), value=""),
    )
    said = "['notes', 'size', 'day', 'name', 'old'].map(i => document.getElementById(i).value)"
    assert await bare.look(said) == ["one\ntwo", "l", "2026-02-03", "ünï", ""]
    assert await bare.look("document.getElementById('rich').textContent") == "new"


async def test_what_cannot_be_written_to_is_told(bare: Bare, stage: StageSite) -> None:
    results = await report(
        bare,
        stage.base + "/form",
        Fill(selectors=("#fixed",), value="x", required=False),
        Fill(selectors=("h1",), value="x", required=False),
        Fill(selectors=("#size",), value="XXL", timeout_ms=500),
    )
    assert results[0] == ("error", "#fixed is no field that can be written to")
    assert results[1] == ("error", "h1 is no field that can be written to")
    assert results[2][0] == "error"


KEY_CASES = {
    "Enter": "Enter", "\r": "Enter", "KeyA": "a", "A": "A", "F5": "F5", "ArrowDown": "ArrowDown",
    "\\": "\\", '"': '"', "NumpadAdd": "+", "Space": " ",
    **{key: EVENT_KEYS.get(key, key) for key in RARE_KEYS},
}  # fmt: skip


async def test_keys_are_pressed_by_their_names(bare: Bare, stage: StageSite) -> None:
    await bare.act(stage.base + "/form", *(Press(key=key) for key in KEY_CASES))
    assert [one["key"] for one in await events(bare, "keydown")] == list(KEY_CASES.values())
    assert [one["key"] for one in await events(bare, "keyup")] == list(KEY_CASES.values())


async def test_a_key_is_held_as_long_as_asked(bare: Bare, stage: StageSite) -> None:
    began = time.monotonic()
    await bare.act(
        stage.base + "/form", Press(key="a", delay_ms=200), Press(key="F13", delay_ms=200)
    )
    assert time.monotonic() - began > 0.4


async def test_a_letter_that_no_key_has_is_typed(bare: Bare, stage: StageSite) -> None:
    await bare.act(stage.base + "/form", Click(selectors=("#name",)), Press(key="é"))
    assert await bare.look("document.getElementById('name').value") == "é"


# ---------------------------------------------------------------- waiting, going


async def test_an_element_is_waited_for_until_it_is_there(bare: Bare, stage: StageSite) -> None:
    wait = WaitForElement(selectors=("#never", "#late"), visible=True)
    assert await bare.act(stage.base + "/form", wait) == "#late"


async def test_the_first_of_several_selectors_that_match_is_told(
    bare: Bare, stage: StageSite
) -> None:
    assert await bare.act(stage.base + "/form", WaitForElement(selectors=("h1", "#go"))) == "h1"


async def test_a_hidden_element_is_there_but_not_seen(bare: Bare, stage: StageSite) -> None:
    there = WaitForElement(selectors=("#hidden",))
    seen = WaitForElement(selectors=("#hidden",), visible=True, timeout_ms=200)
    results = await report(bare, stage.base + "/form", there, seen)
    assert results == [("done", ""), ("error", "nothing can be seen that matches #hidden")]


@pytest.mark.parametrize("state", ["commit", "domready", "load", "idle2", "idle0"])
async def test_a_page_is_gone_to(bare: Bare, stage: StageSite, state: Any) -> None:
    going = Goto(url="/app", referer="http://elsewhere.test/", wait_until=state)
    assert await bare.act(stage.base + "/form", going) == stage.base + "/app"
    asked = [one for one in stage.asked if one.path == "/app"][-1]
    assert asked.headers["referer"] == "http://elsewhere.test/"
    if state == "idle0":
        assert await bare.look("document.title") == "App ready"


@pytest.mark.parametrize("url", ["file:///etc/passwd", "javascript:alert(1)", "data:text/html,x"])
async def test_only_web_addresses_are_gone_to(bare: Bare, stage: StageSite, url: str) -> None:
    results = await report(bare, stage.base + "/form", Goto(url=url))
    assert results == [("error", "only http and https can be gone to")]
    assert bare.page.url == stage.base + "/form"


async def test_a_navigation_set_off_by_a_click_is_waited_for(bare: Bare, stage: StageSite) -> None:
    slow = "setTimeout(() => location.href = '/app', 400)"
    url = stage.base + "/form"
    for before in (Click(selectors=("#next",)), Eval(code=slow)):
        reached = await bare.act(url, before, WaitForNavigation(until="load"))
        assert reached in (url + "?next", stage.base + "/app")
    assert bare.page.url == stage.base + "/app"


async def test_a_change_of_address_by_script_is_a_navigation(bare: Bare, stage: StageSite) -> None:
    push = Eval(code="history.pushState({}, '', '/pushed')")
    reached = await bare.act(stage.base + "/form", push, WaitForNavigation())
    assert reached == stage.base + "/pushed"


async def test_without_a_navigation_the_wait_for_one_fails(bare: Bare, stage: StageSite) -> None:
    results = await report(
        bare, stage.base + "/form", Wait(duration_ms=10), Wait(duration_ms=10),
        WaitForNavigation(timeout_ms=300),
    )  # fmt: skip
    assert results[2] == ("error", "not done in 0.3 s")


# ---------------------------------------------------------------- scrolling


async def test_scrolling_by_pixels_to_ends_and_to_elements(bare: Bare, stage: StageSite) -> None:
    url = stage.base + "/form"
    await bare.act(url, Scroll(y=500), Scroll(y=-100))
    assert await bare.look("scrollY") == 400
    await bare.act(url, Scroll(edge="bottom"))
    assert await bare.look("Math.ceil(scrollY + innerHeight) >= document.body.scrollHeight")
    await bare.act(url, Scroll(edge="bottom"), Scroll(edge="top"))
    assert await bare.look("scrollY") == 0
    await bare.act(url, Scroll(to=("#nowhere", "#far")))
    box = await bare.look("document.getElementById('far').getBoundingClientRect().y")
    assert 0 < box < 720


async def test_a_container_is_scrolled_instead_of_the_page(bare: Bare, stage: StageSite) -> None:
    body = "<div id=box style='height:100px;overflow:auto'><p style='height:900px'>tall"
    url = f"{stage.base}/html?body={body}"
    await bare.act(url, Scroll(y=120, container=("#box",)))
    assert await bare.look("[scrollY, document.getElementById('box').scrollTop]") == [0, 120]
    scrolled = await bare.act(url, AutoScroll(container=("#box",), idle_timeout_ms=200))
    assert scrolled == 932 or scrolled > 700


@pytest.mark.parametrize("wait_ms", [50, 700])
async def test_an_endless_list_is_scrolled_to_its_end(
    bare: Bare, stage: StageSite, wait_ms: int
) -> None:
    """Ten items, ten more for each of three scrolls."""
    action = AutoScroll(loading=("#spin",), idle_timeout_ms=500)
    scrolled = await bare.act(f"{stage.base}/feed?wait={wait_ms}", action)
    assert await bare.look("document.querySelectorAll('li').length") == 40
    assert scrolled > 7000


async def test_more_is_asked_for_by_its_button(bare: Bare, stage: StageSite) -> None:
    action = AutoScroll(click=("#none", "#more"), idle_timeout_ms=400, step_px=2000, delay_ms=20)
    await bare.act(stage.base + "/more", action)
    assert await bare.look("document.querySelectorAll('li').length") == 40


async def test_scrolling_ends_when_its_time_is_over(bare: Bare, stage: StageSite) -> None:
    endless = """<ul id=list></ul><script>setInterval(() => { for (let i = 0; i < 50; i++)
      list.append(document.createElement('li')) }, 20)</script>"""
    url = f"{stage.base}/html?body={endless.replace('+', '%2B')}"
    began = time.monotonic()
    await bare.act(url, AutoScroll(max_duration_ms=1200, step_px=10))
    assert 1 < time.monotonic() - began < 8


async def test_scrolling_pauses_while_something_is_seen(bare: Bare, stage: StageSite) -> None:
    body = """<dialog id=d open>wait</dialog><div style='height:5000px'></div>
      <script>setTimeout(() => d.close(), 600); window.marks = [];
      addEventListener('scroll', () => marks.push(d.open));</script>"""
    action = AutoScroll(pause_on=("#d",), idle_timeout_ms=300, step_px=1000)
    assert await bare.act(f"{stage.base}/html?body={body}", action) > 4000
    assert await bare.look("marks.includes(true)") is False


# ---------------------------------------------------------------- scripts, calls, cookies


@pytest.mark.parametrize(
    ("code", "value"),
    [
        ("1 + 1", 2),
        ("document.title", "Form"),
        ("undefined", None),
        ("() => [1, {a: null}]", [1, {"a": None}]),
        ("async () => 'later'", "later"),
        ("Promise.resolve(7)", 7),
        ("{a: 1}", {"a": 1}),
        ("let q = 2; q * 3", 6),
        ("const z = await Promise.resolve(4); return z * 2", 8),
        ("if (1) { return 'early' } return 'late'", "early"),
        ("10n ** 20n", "100000000000000000000"),
        ("[NaN, Infinity, undefined]", [None, None, None]),
        ("document.querySelector('#go')", '<button id="go">Go</button>'),
        ("new Date(0)", "1970-01-01T00:00:00.000Z"),
        ("// a comment\n5", 5),
        ("'\\ud83d\\ude00'", "😀"),
    ],
)
async def test_a_script_hands_back_json(
    bare: Bare, stage: StageSite, code: str, value: Any
) -> None:
    rendered = await bare.take(stage.base + "/form", Eval(code=code))
    assert rendered.rendering.actions is not None
    assert rendered.rendering.actions.results[0].error == ""
    assert rendered.rendering.actions.results[0].result == value
    assert rendered.rendering.evals == (value,)


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("throw new Error('boo')", "Error: boo"),
        ("Promise.reject(new TypeError('late'))", "TypeError: late"),
        ("nowhere.x", "ReferenceError: nowhere is not defined"),
        ("this is wrong", "SyntaxError"),
        ("let c = {}; c.c = c; c", "circular"),
        ("'x'.repeat(5000)", "longer than 1000 characters"),
        ("while (true);", "not done in 0.6 s"),
        ("new Promise(() => {})", "not done in 0.6 s"),
    ],
)
async def test_a_script_that_fails_is_told_why(
    bare: Bare, stage: StageSite, code: str, error: str
) -> None:
    rendered = await bare.take(stage.base + "/form", Eval(code=code, timeout_ms=600), limit=1000)
    assert rendered.rendering.actions is not None
    (result,) = rendered.rendering.actions.results
    assert result.status == "error"
    assert error in result.error
    assert rendered.rendering.evals == ()


async def test_a_strict_content_policy_does_not_keep_scripts_out(
    bare: Bare, stage: StageSite
) -> None:
    assert await bare.act(stage.base + "/csp", Eval(code="document.title")) == "Strict"


async def test_a_call_is_made_from_within_the_page(bare: Bare, stage: StageSite) -> None:
    call = Fetch(url="/api/echo", method="PUT", headers={"X-Own": "1"}, body="hello")
    rendered = await bare.take(stage.base + "/form", call, Fetch(url="/api/missing"))
    first, second = rendered.rendering.fetches
    assert (first.status, first.method, first.url) == (200, "PUT", stage.base + "/api/echo")
    assert '"body": "hello"' in first.body
    assert '"x-own": "1"' in first.body
    assert "visit=1" in first.body
    assert (second.status, second.body) == (404, "not here")


async def test_a_call_that_cannot_be_made_is_told(bare: Bare, stage: StageSite) -> None:
    results = await report(
        bare, stage.base + "/form",
        Fetch(url=stage.other + "/api/echo", required=False),
        Fetch(url="/size?bytes=5000", required=False),
        Fetch(url="/api/echo", method="TRACE"),
        limit=2000,
    )  # fmt: skip
    assert "Failed to fetch" in results[0][1]
    assert "larger than 2000 bytes" in results[1][1]
    assert "TRACE" in results[2][1]


async def test_cookies_are_collected_by_domain_and_fields(bare: Bare, stage: StageSite) -> None:
    rendered = await bare.take(
        stage.base + "/form",
        GetCookies(),
        GetCookies(domain="127.0.0.1", filters={"http_only": True, "same_site": "Lax"}),
        GetCookies(domain="elsewhere.test"),
    )
    names = [cookie.name for cookie in rendered.rendering.cookies]
    assert sorted(names[:2]) == ["theme", "visit"]
    assert names[2:] == ["visit"]
    assert rendered.rendering.actions is not None
    assert [one.result for one in rendered.rendering.actions.results] == [2, 1, 0]


# ---------------------------------------------------------------- the sequence


async def test_a_required_failure_ends_the_sequence(bare: Bare, stage: StageSite) -> None:
    missing = WaitForElement(selectors=("#never",), timeout_ms=200)
    skipped = Wait(duration_ms=1, skip=True)
    results = await report(bare, stage.base + "/form", skipped, missing, Click(selectors=("#go",)))
    assert [status for status, _ in results] == ["skipped", "error", "no-run"]
    assert await events(bare, "click") == []


async def test_a_failure_that_is_not_required_does_not(bare: Bare, stage: StageSite) -> None:
    missing = WaitForElement(selectors=("#never",), timeout_ms=200, required=False)
    results = await report(bare, stage.base + "/form", missing, Click(selectors=("#go",)))
    assert [status for status, _ in results] == ["error", "done"]


async def test_the_deadline_ends_every_action_that_waits(bare: Bare, stage: StageSite) -> None:
    began = time.monotonic()
    endless: tuple[Action, ...] = (
        Wait(duration_ms=3_600_000, required=False),
        WaitForElement(selectors=("#never",), timeout_ms=0),
        Click(selectors=("#go",)),
    )
    results = await report(bare, stage.base + "/form", *endless, deadline_s=4)
    assert [status for status, _ in results] == ["error", "no-run", "no-run"]
    assert results[0][1] == "the time for all actions is over"
    assert time.monotonic() - began < 8


async def test_a_spinning_page_costs_each_action_its_own_time_only(
    bare: Bare, stage: StageSite
) -> None:
    body = "<p id=p>x</p><script>setTimeout(() => { while (true); }, 50)</script>"
    began = time.monotonic()
    results = await report(
        bare, f"{stage.base}/html?body={body}",
        Wait(duration_ms=200),
        Click(selectors=("#p",), timeout_ms=500, required=False),
        Eval(code="1", timeout_ms=500, required=False),
        Scroll(y=5, timeout_ms=500),
        deadline_s=30,
    )  # fmt: skip
    assert [status for status, _ in results] == ["done", "error", "error", "error"]
    assert time.monotonic() - began < 15


async def test_a_page_that_dies_is_no_failed_action(bare: Bare, stage: StageSite) -> None:
    async def die() -> None:
        await bare.page.wait_for_selector("#late")
        await bare.page.close()

    dying = asyncio.ensure_future(die())
    with pytest.raises(Error):
        await bare.take(stage.base + "/form", WaitForElement(selectors=("#never",)))
    await dying


async def test_failures_are_tried_again_only_if_asked(bare: Bare, stage: StageSite) -> None:
    missing = WaitForElement(selectors=("#never",), timeout_ms=100)
    assert (await bare.take(stage.base + "/form", missing)).again is None
    options = RenderOptions(retry_on_action_error=True)
    again = (await bare.take(stage.base + "/form", missing, render_options=options)).again
    assert again is not None
    assert (again.code, again.retryable) == ("browser_actions_failed", True)
    assert "#never" in again.message


async def test_a_consent_banner_is_answered_with_a_refusal(bare: Bare, stage: StageSite) -> None:
    body = """<div class=cookie-banner><button onclick='document.title="yes"'>Accept all</button>
      <button onclick='document.title="no"'>Reject all</button></div>"""
    await bare.take(f"{stage.base}/html?body={body}", consent=True)
    assert await bare.look("document.title") == "no"
    await bare.take(f"{stage.base}/html?body={body}")
    assert await bare.look("document.title") == ""


async def test_metrics_are_chromiums_own(bare: Bare, stage: StageSite) -> None:
    options = RenderOptions(performance_metrics=True)
    metrics = (await bare.take(stage.base + "/form", render_options=options)).rendering.metrics
    assert metrics["Nodes"] > 10
    assert metrics["JSHeapUsedSize"] > 1000
