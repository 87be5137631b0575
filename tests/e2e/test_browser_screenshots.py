"""Pictures and inlined frames, in a real Chromium that also looks at the pictures."""

from __future__ import annotations

from base64 import b64encode
from typing import Any
from urllib.parse import quote

import pytest
from playwright.async_api import Browser

from tests.support.barebrowser import Bare, bare_page
from tests.support.stagesite import StageSite
from windlass.drivers.browser.screenshot import LONGEST_PX
from windlass.model.render import (
    ImageFormat,
    RenderOptions,
    Screenshot,
    TakeScreenshot,
    WaitForElement,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")

STARTS = {"png": b"\x89PNG", "jpeg": b"\xff\xd8\xff", "webp": b"RIFF"}
LOOK = """async ({url, points}) => {
  const image = new Image();
  image.src = url;
  await image.decode();
  const canvas = document.createElement('canvas');
  canvas.width = canvas.height = 1;
  const pen = canvas.getContext('2d', {willReadFrequently: true});
  const at = ([x, y]) => {
    pen.drawImage(image, x, y, 1, 1, 0, 0, 1, 1);
    return [...pen.getImageData(0, 0, 1, 1).data].slice(0, 3);
  };
  return {size: [image.naturalWidth, image.naturalHeight], colours: points.map(at)};
}"""


async def seen(browser: Browser, picture: Screenshot, *points: tuple[int, int]) -> Any:
    """Size of a picture and its colours at these points."""
    async with bare_page(browser) as other:
        url = f"data:image/{picture.format};base64,{b64encode(picture.data).decode()}"
        return await other.page.evaluate(LOOK, {"url": url, "points": [list(p) for p in points]})


def bands(height: int) -> str:
    """A page of red, with a green band at its very end."""
    return quote(
        "<body style='margin:0;background:#f00'>"
        f"<div style='height:{height - 100}px'></div><div style='height:100px;background:#0f0'>"
    )


@pytest.mark.parametrize("kind", ["png", "jpeg", "webp"])
@pytest.mark.parametrize("full", [False, True])
async def test_a_picture_is_taken_in_every_format(
    bare: Bare, browser: Browser, stage: StageSite, kind: ImageFormat, full: bool
) -> None:
    action = TakeScreenshot(format=kind, full_page=full)
    rendered = await bare.take(f"{stage.base}/html?body={bands(3000)}", action)
    (picture,) = rendered.rendering.screenshots
    assert picture.data.startswith(STARTS[kind])
    assert (picture.format, picture.full_page, picture.source) == (kind, full, "action")
    height = 3000 if full else 720
    found = await seen(browser, picture, (640, 10), (640, height - 20))
    assert found["size"] == [1280, height]
    first, last = found["colours"]
    assert first[0] > 240 > 20 > first[1]
    assert (last[1] > 240) is full


async def test_quality_makes_pictures_smaller(bare: Bare, stage: StageSite) -> None:
    noise = quote("<p style='background:conic-gradient(red,blue,lime,red);height:700px'>")
    shots = [TakeScreenshot(format="jpeg", quality=quality) for quality in (5, 95)]
    rendered = await bare.take(f"{stage.base}/html?body={noise}", *shots)
    low, high = rendered.rendering.screenshots
    assert len(low.data) < len(high.data)


@pytest.mark.parametrize("height", [LONGEST_PX, 100_000])
async def test_a_very_long_page_is_shown_as_far_as_pictures_go(
    bare: Bare, browser: Browser, stage: StageSite, height: int
) -> None:
    rendered = await bare.take(f"{stage.base}/html?body={bands(height)}", formats=("screenshot",))
    (picture,) = rendered.rendering.screenshots
    found = await seen(browser, picture, (5, 5), (1200, LONGEST_PX // 2), (5, LONGEST_PX - 50))
    assert found["size"] == [1280, LONGEST_PX]
    assert found["colours"][0] == found["colours"][1] == [255, 0, 0]
    whole = height == LONGEST_PX
    assert found["colours"][2] == ([0, 255, 0] if whole else [255, 0, 0])
    assert bool(rendered.warnings) is not whole


async def test_a_picture_over_the_limit_is_cut_until_it_fits(
    bare: Bare, browser: Browser, stage: StageSite
) -> None:
    noise = """<canvas id=c width=1200 height=4000></canvas><script>
      const pen = c.getContext('2d'), data = pen.createImageData(1200, 4000);
      for (let i = 0; i + 60000 <= data.data.length; i += 60000)
        crypto.getRandomValues(new Uint8Array(data.data.buffer, i, 60000));
      pen.putImageData(data, 0, 0); document.title = 'drawn';</script>"""
    url = f"{stage.base}/html?body={quote(noise)}"
    rendered = await bare.take(url, formats=("screenshot",), limit=3_000_000)
    (picture,) = rendered.rendering.screenshots
    assert len(picture.data) <= 3_000_000
    assert "the first" in rendered.warnings[0]


async def test_the_format_asks_for_the_page_after_its_actions(
    bare: Bare, browser: Browser, stage: StageSite
) -> None:
    body = quote("""<body style='margin:0;background:#f00'><script>
      setTimeout(() => { document.body.style.background = '#0f0'; document.body.id = 'b'; }, 300)
      </script>""")
    rendered = await bare.take(
        f"{stage.base}/html?body={body}",
        TakeScreenshot(),
        WaitForElement(selectors=("#b",)),
        formats=("screenshot",),
    )
    before, after = rendered.rendering.screenshots
    assert (before.source, after.source, after.full_page) == ("action", "format", True)
    assert (await seen(browser, before, (9, 9)))["colours"] == [[255, 0, 0]]
    assert (await seen(browser, after, (9, 9)))["colours"] == [[0, 255, 0]]


# ---------------------------------------------------------------- frames


async def html_of(bare: Bare, stage: StageSite, body: str) -> tuple[str, tuple[str, ...]]:
    options = RenderOptions(include_iframes=True)
    rendered = await bare.take(f"{stage.base}/html?body={quote(body)}", render_options=options)
    html = (await bare.page.content()).encode()
    return rendered.frames.put_into(html).decode(), rendered.warnings


async def test_frames_are_inlined_whatever_their_origin_and_depth(
    bare: Bare, stage: StageSite
) -> None:
    deep = quote("<b>deep</b>")
    inner = quote("<p>inner <a href='x?y=1'>link</a></p><iframe src='/html?body=" + deep + "'>")
    body = (
        f"<h1>outer</h1><iframe title='a > b' src='{{other}}/html?body={inner}'></iframe>"
        "<iframe srcdoc='<i>doc</i>'></iframe><p>end</p>"
    )
    html, warnings = await html_of(bare, stage, body)
    assert "<iframe" not in html
    assert f'<a href="{stage.other}/x?y=1">link</a>' in html
    assert html.index("outer") < html.index("inner") < html.index("<b>deep</b>")
    assert html.index("<b>deep</b>") < html.index("<i>doc</i>") < html.index("end")
    assert warnings == ()


async def test_frames_are_bounded_in_number_and_depth(bare: Bare, stage: StageSite) -> None:
    body = "".join(f"<iframe srcdoc='<u>{number}</u>'></iframe>" for number in range(60))
    html, warnings = await html_of(bare, stage, body)
    assert html.count("<u>") == 50
    assert "frames beyond 50" in warnings[0]


async def test_words_that_look_like_a_marked_frame_are_left_alone(
    bare: Bare, stage: StageSite
) -> None:
    html, _ = await html_of(
        bare, stage, "<p title='<iframe data-inlined-frame=\"1\"></iframe>'>x</p>"
    )
    assert "data-inlined-frame" in html
    assert "<div" not in html
