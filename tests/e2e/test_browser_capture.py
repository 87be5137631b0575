"""The page's own calls, caught by every key of a filter, in a real Chromium."""

from __future__ import annotations

import time
from urllib.parse import quote

import pytest

from tests.support.barebrowser import Bare
from tests.support.stagesite import PNG, StageSite
from windlass.drivers.browser import capture
from windlass.model.render import (
    Capture,
    CaptureFilter,
    Goto,
    RenderOptions,
    UrlMatch,
    Wait,
    WaitForElement,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")


ALL = CaptureFilter(wait_for_count=5)
"""Everything that /app does."""


async def caught(bare: Bare, url: str, *filters: CaptureFilter) -> tuple[Capture, ...]:
    """What the filters catch of a page that is done."""
    rendered = await bare.take(url, captures=(*filters, ALL))
    assert rendered.rendering.captures[-1].error == ""
    return rendered.rendering.captures[:-1]


@pytest.mark.parametrize(
    ("one", "paths"),
    [
        (CaptureFilter(method="POST"), ["/api/log"]),
        (CaptureFilter(url=UrlMatch("/api/i")), ["/api/items?page=1"]),
        (CaptureFilter(url=UrlMatch("/api/items", exact=True)), []),
        (CaptureFilter(resource_type="xhr"), ["/api/log"]),
        (CaptureFilter(resource_type=("xhr", "image")), ["/api/log", "/pixel.png"]),
        (CaptureFilter(resource_type="document"), ["/app"]),
        (CaptureFilter(status=404), ["/api/missing"]),
        (CaptureFilter(status=(201, 404)), ["/api/log", "/api/missing"]),
        (CaptureFilter(method="GET", resource_type="fetch", status=200), ["/api/items?page=1"]),
        (CaptureFilter(validation=True, resource_type="fetch"), ["/api/items?page=1"]),
        (CaptureFilter(method="PUT"), []),
    ],
)
async def test_a_call_must_have_everything_that_a_filter_gives(
    bare: Bare, stage: StageSite, one: CaptureFilter, paths: list[str]
) -> None:
    (capture_,) = await caught(bare, stage.base + "/app", one)
    assert capture_.filter == one
    assert sorted(call.url.removeprefix(stage.base) for call in capture_.calls) == paths


async def test_an_exact_url_is_the_whole_url(bare: Bare, stage: StageSite) -> None:
    exact = CaptureFilter(url=UrlMatch(stage.base + "/api/items?page=1", exact=True))
    (capture_,) = await caught(bare, stage.base + "/app", exact)
    assert len(capture_.calls) == 1


async def test_a_call_is_told_with_what_was_sent_and_what_came(
    bare: Bare, stage: StageSite
) -> None:
    (capture_,) = await caught(bare, stage.base + "/app", CaptureFilter(method="POST"))
    (call,) = capture_.calls
    assert call.request_body == '{"seen":3}'
    assert call.request_headers["content-type"] == "application/json"
    assert (call.status, call.body, call.binary) == (201, '{"ok":true}', False)
    assert call.status_text == "Created"
    assert call.headers["content-type"] == "application/json"


async def test_a_body_that_is_no_text_is_base64(bare: Bare, stage: StageSite) -> None:
    from base64 import b64decode

    (capture_,) = await caught(bare, stage.base + "/app", CaptureFilter(resource_type="image"))
    (call,) = capture_.calls
    assert call.binary is True
    assert b64decode(call.body) == PNG


async def test_calls_of_the_first_moment_and_of_frames_are_caught(
    bare: Bare, stage: StageSite
) -> None:
    inner = quote("<script>fetch('{other}/api/items?page=9')</script>")
    body = quote(
        f"<script>fetch('/api/items?page=8')</script><iframe src='{{other}}/html?body={inner}'>"
    )
    wish = CaptureFilter(resource_type="fetch", wait_for_count=2)
    rendered = await bare.take(f"{stage.base}/html?body={body}", captures=(wish,))
    urls = [call.url for call in rendered.rendering.captures[0].calls]
    assert sorted(url[-6:] for url in urls) == ["page=8", "page=9"]


async def test_bodies_of_a_page_that_was_left_are_kept(bare: Bare, stage: StageSite) -> None:
    left = WaitForElement(selectors=(".item",))
    going = Goto(url=stage.other + "/form")
    wish = CaptureFilter(url=UrlMatch("/api/items"))
    document = CaptureFilter(resource_type="document")
    rendered = await bare.take(stage.base + "/app", left, going, captures=(wish, document))
    items, documents = rendered.rendering.captures
    assert [call.body[:10] for call in items.calls] == ['{"items": ']
    assert [bool(call.body) for call in documents.calls] == [True, True]


async def test_redirects_are_calls_of_their_own(bare: Bare, stage: StageSite) -> None:
    body = quote("<script>fetch('/moved')</script>")
    wish = CaptureFilter(resource_type="fetch", wait_for_count=2)
    rendered = await bare.take(f"{stage.base}/html?body={body}", captures=(wish,))
    calls = rendered.rendering.captures[0].calls
    assert [(call.status, call.url.removeprefix(stage.base)) for call in calls] == [
        (302, "/moved"),
        (200, "/api/text"),
    ]
    assert calls[1].body == "grüße"


async def test_a_count_that_is_not_reached_is_told_in_time(bare: Bare, stage: StageSite) -> None:
    began = time.monotonic()
    never = CaptureFilter(url=UrlMatch("/never"), wait_for_count=1, wait_s=0.5)
    rendered = await bare.take(stage.base + "/app", captures=(never,))
    assert rendered.rendering.captures[0].error == "0 of 1 requests within 0.5 s"
    assert time.monotonic() - began < 8
    assert rendered.again is None


async def test_waits_end_at_the_deadline_whatever_they_ask_for(
    bare: Bare, stage: StageSite
) -> None:
    began = time.monotonic()
    never = CaptureFilter(url=UrlMatch("/never"), wait_for_count=1, wait_s=300_000)
    rendered = await bare.take(stage.base + "/app", captures=(never,), deadline_s=4)
    assert "0 of 1" in rendered.rendering.captures[0].error
    assert time.monotonic() - began < 8


async def test_after_a_failed_action_nothing_is_waited_for_if_asked(
    bare: Bare, stage: StageSite
) -> None:
    failing = WaitForElement(selectors=("#never",), timeout_ms=100)
    never = CaptureFilter(url=UrlMatch("/never"), wait_for_count=1, wait_s=20)
    options = RenderOptions(skip_captures_on_action_error=True)
    began = time.monotonic()
    rendered = await bare.take(
        stage.base + "/app", failing, captures=(never,), render_options=options
    )
    assert "not waited" in rendered.rendering.captures[0].error
    assert time.monotonic() - began < 8


async def test_an_incomplete_capture_is_tried_again_only_if_asked(
    bare: Bare, stage: StageSite
) -> None:
    never = CaptureFilter(url=UrlMatch("/never"), wait_for_count=1, wait_s=0.1)
    options = RenderOptions(retry_on_capture_error=True)
    rendered = await bare.take(stage.base + "/app", captures=(never,), render_options=options)
    assert rendered.again is not None
    assert rendered.again.code == "network_capture_failed"


async def test_validation_counts_sound_answers_only(bare: Bare, stage: StageSite) -> None:
    body = quote("<script>fetch('/api/broken');fetch('/api/items');fetch('/api/none')</script>")
    sound = CaptureFilter(resource_type="fetch", validation=True)
    every = CaptureFilter(resource_type="fetch", wait_for_count=3)
    rendered = await bare.take(f"{stage.base}/html?body={body}", captures=(sound, every))
    first, second = rendered.rendering.captures
    assert [call.url.removeprefix(stage.base) for call in first.calls] == ["/api/items"]
    assert len(second.calls) == 3


async def test_every_call_is_noted_for_parsers_if_asked(bare: Bare, stage: StageSite) -> None:
    options = RenderOptions(capture_calls=True)
    wish = CaptureFilter(wait_for_count=5)
    rendered = await bare.take(stage.base + "/app", captures=(wish,), render_options=options)
    assert len(rendered.rendering.calls) == 5
    alone = await bare.take(
        stage.base + "/app", WaitForElement(selectors=(".item",)), render_options=options
    )
    assert alone.rendering.captures == ()
    bodies = {call.url.removeprefix(stage.base): call.body for call in alone.rendering.calls}
    assert bodies["/api/items?page=1"].startswith('{"items"')


async def test_nothing_is_noted_unless_asked(bare: Bare, stage: StageSite) -> None:
    rendered = await bare.take(stage.base + "/app")
    assert rendered.rendering.captures == ()
    assert rendered.rendering.calls == ()


async def test_bodies_are_bounded_one_by_one_and_together(bare: Bare, stage: StageSite) -> None:
    calls = "".join(f"fetch('/size?bytes={size}');" for size in (50_000, 900, 800, 700))
    body = quote(f"<script>{calls}</script>")
    wish = CaptureFilter(url=UrlMatch("/size"), resource_type="fetch", wait_for_count=4)
    rendered = await bare.take(f"{stage.base}/html?body={body}", captures=(wish,), limit=2000)
    caught_ = rendered.rendering.captures[0].calls
    assert len(caught_) == 4
    assert sum(len(call.body) for call in caught_) <= 2000
    assert any("left out" in note or "too large" in note for note in rendered.warnings)


async def test_calls_are_bounded_in_number(
    bare: Bare, stage: StageSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(capture, "MOST_CALLS", 10)
    script = "for (let i = 0; i < 30; i++) fetch('/api/text?' + i)"
    wish = CaptureFilter(resource_type="fetch", wait_for_count=10)
    rendered = await bare.take(
        f"{stage.base}/html?body={quote(f'<script>{script}</script>')}",
        Wait(duration_ms=500),
        captures=(wish,),
    )
    assert len(rendered.rendering.captures[0].calls) == 10
    assert any("only the first 10 calls" in note for note in rendered.warnings)
