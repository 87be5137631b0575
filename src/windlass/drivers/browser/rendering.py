"""What is done with a page once it has loaded: consent, actions, captures, picture, frames.

Called by the driver between navigation and closing the page (contract 7.4 to 7.7).
"""

from __future__ import annotations

from dataclasses import dataclass

from playwright.async_api import Error

from windlass.drivers.browser.actions import Performed, perform
from windlass.drivers.browser.capture import Captured, Recorder
from windlass.drivers.browser.consent import answer_consent
from windlass.drivers.browser.iframes import Frames, read_frames
from windlass.drivers.browser.performance import performance_metrics
from windlass.drivers.browser.pointing import UnfitError
from windlass.drivers.browser.screenshot import take_screenshot
from windlass.drivers.browser.stage import Stage, is_gone
from windlass.errors import ActionsFailed, CaptureFailed
from windlass.model.page import Failure, Rendering
from windlass.model.render import Screenshot, TakeScreenshot
from windlass.model.request import ExtractRequest

_PICTURE = TakeScreenshot(full_page=True)


@dataclass(frozen=True)
class Rendered:
    """What was had of a page besides its HTML, which is to be read next."""

    rendering: Rendering
    frames: Frames
    """What its HTML is to hold in the places of frames."""
    warnings: tuple[str, ...] = ()
    again: Failure | None = None
    """Why the caller would rather have it tried again."""


def is_taken_at_once(request: ExtractRequest) -> bool:
    """Whether nothing is done with a page between its loading and the taking of its document."""
    options = request.render_options
    done = (request.consent, request.actions, request.captures, "screenshot" in request.formats)
    extras = (options.include_iframes, options.performance_metrics, options.capture_calls)
    return not any((*done, *extras))


async def take(stage: Stage, request: ExtractRequest, recorder: Recorder) -> Rendered:
    """Does everything that was asked for; the page must have loaded as far as it will.

    Ends by the stage's deadline. Raises the library's Error only if the page is gone for good.
    """
    warnings: list[str] = []
    if request.consent:
        await answer_consent(stage)
    performed = await perform(stage, request.actions) if request.actions else Performed()
    captured = await recorder.finish(failed=not performed.report.success)
    pictures = [*performed.screenshots]
    if "screenshot" in request.formats and (picture := await _picture(stage, warnings)):
        pictures.append(picture)
    metrics: dict[str, float] = {}
    if request.render_options.performance_metrics:
        metrics = await _metrics(stage, warnings)
    frames = await read_frames(stage) if request.render_options.include_iframes else Frames()
    rendering = Rendering(
        actions=performed.report if request.actions else None,
        captures=captured.captures,
        calls=captured.calls,
        cookies=tuple(performed.cookies),
        evals=tuple(performed.evals),
        fetches=tuple(performed.fetches),
        screenshots=tuple(pictures),
        metrics=metrics,
    )
    notes = (*performed.warnings, *captured.warnings, *warnings, *frames.warnings)
    return Rendered(rendering, frames, notes, _again(request, performed, captured))


def _again(request: ExtractRequest, performed: Performed, captured: Captured) -> Failure | None:
    """A failure that the caller would have retried rather than reported."""
    options = request.render_options
    if options.retry_on_action_error:
        for result in performed.report.results:
            if result.status == "error":
                return Failure.of(ActionsFailed(f"Browser action {result.name}: {result.error}"))
    if options.retry_on_capture_error:
        for capture in captured.captures:
            if capture.error:
                return Failure.of(CaptureFailed(f"Network capture: {capture.error}"))
    return None


async def _picture(stage: Stage, warnings: list[str]) -> Screenshot | None:
    try:
        picture, note = await take_screenshot(stage, _PICTURE, by_action=False)
    except TimeoutError:
        warnings.append("screenshot: the page could not be drawn in time")
        return None
    except UnfitError as error:
        warnings.append(f"screenshot: {error}")
        return None
    except Error as error:
        if is_gone(error):
            raise
        warnings.append("screenshot: the page could not be drawn")
        return None
    if note:
        warnings.append(note)
    return picture


async def _metrics(stage: Stage, warnings: list[str]) -> dict[str, float]:
    try:
        return await performance_metrics(stage)
    except TimeoutError:
        warnings.append("performance metrics: the page did not answer")
        return {}
