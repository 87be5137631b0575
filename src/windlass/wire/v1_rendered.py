"""Dialect v1's report of what a browser did besides the page itself (contract 7.4, 7.7).

Called by wire/v1_results.py. Both names are given where sources disagree (D10 to D14).
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from windlass.model.page import Rendering
from windlass.model.render import (
    ActionResult,
    ActionsReport,
    ActionStatus,
    Capture,
    CapturedCall,
    CaptureFilter,
    FetchedCall,
    ImageFormat,
    ResourceType,
    Screenshot,
)


class ActionView(msgspec.Struct, kw_only=True):
    """How one action went. `duration` in milliseconds."""

    name: str
    status: ActionStatus
    duration: int
    error: str | UnsetType = UNSET
    result: Any = UNSET


class ActionsView(msgspec.Struct, kw_only=True):
    """How the sequence went. `total_duration` in milliseconds."""

    results: list[ActionView]
    success: bool
    total_duration: int


class ScreenshotView(msgspec.Struct, kw_only=True):
    """A picture in base64."""

    data: bytes
    format: ImageFormat
    full_page: bool
    source: Literal["action", "format"]


class FetchView(msgspec.Struct, kw_only=True):
    """The answer to a `fetch` action."""

    url: str
    method: str
    status: int
    headers: dict[str, str]
    body: str


class CallRequest(msgspec.Struct, kw_only=True):
    """What the page sent."""

    resource_type: ResourceType
    method: str
    url: str
    headers: dict[str, str]
    body: str | UnsetType = UNSET


class CallResponse(msgspec.Struct, kw_only=True):
    """What it got. `serialization` says whether `body` is text or base64."""

    status: int
    status_text: str
    headers: dict[str, str]
    body: str
    serialization: Literal["none", "base64"]


class CallView(msgspec.Struct, kw_only=True):
    """One call of the page."""

    request: CallRequest
    response: CallResponse


class UrlFilterView(msgspec.Struct):
    """Which URLs a filter lets through."""

    type: Literal["exact", "contains"]
    value: str


class FilterView(msgspec.Struct, kw_only=True):
    """A filter as given, with its defaults."""

    method: str | UnsetType = UNSET
    url: UrlFilterView | UnsetType = UNSET
    resource_type: ResourceType | list[ResourceType] | UnsetType = UNSET
    status_code: int | list[int] | UnsetType = UNSET
    validation: bool
    wait_for_requests_count: int
    wait_for_requests_count_timeout: float | UnsetType = UNSET


class CaptureView(msgspec.Struct, kw_only=True):
    """What one filter caught, under both names (D12)."""

    filter: FilterView
    results: list[CallView]
    result: list[CallView]
    error_message: str | UnsetType = msgspec.field(name="errorMessage", default=UNSET)


class RenderedData(msgspec.Struct, kw_only=True):
    """What actions, captures and pictures add to a result; what nobody asked for is absent."""

    screenshot: bytes | UnsetType = UNSET
    screenshots: list[ScreenshotView] | UnsetType = UNSET
    browser_actions: ActionsView | UnsetType = UNSET
    network_capture: list[CaptureView] | UnsetType = UNSET
    eval: list[Any] | UnsetType = UNSET
    fetch: list[FetchView] | UnsetType = UNSET
    fetch_request: list[FetchView] | UnsetType = UNSET


def rendered_data(rendering: Rendering) -> RenderedData:
    """The report; cookies are told with those of the format."""
    pictures = [_picture(one) for one in rendering.screenshots]
    fetches = [_fetched(one) for one in rendering.fetches]
    shown = _shown(rendering.screenshots)
    return RenderedData(
        screenshot=UNSET if shown is None else shown.data,
        screenshots=pictures or UNSET,
        browser_actions=UNSET if rendering.actions is None else _actions(rendering.actions),
        network_capture=[_capture(one) for one in rendering.captures] or UNSET,
        eval=list(rendering.evals) or UNSET,
        fetch=fetches or UNSET,
        fetch_request=fetches or UNSET,
    )


def _shown(pictures: tuple[Screenshot, ...]) -> Screenshot | None:
    """The picture of the format, else the last that an action took (D10)."""
    wanted = [one for one in pictures if one.source == "format"] or pictures
    return wanted[-1] if wanted else None


def _picture(one: Screenshot) -> ScreenshotView:
    return ScreenshotView(
        data=one.data, format=one.format, full_page=one.full_page, source=one.source
    )


def _fetched(one: FetchedCall) -> FetchView:
    return FetchView(
        url=one.url, method=one.method, status=one.status, headers=one.headers, body=one.body
    )


def _actions(report: ActionsReport) -> ActionsView:
    return ActionsView(
        results=[_action(one) for one in report.results],
        success=report.success,
        total_duration=report.total_ms,
    )


def _action(one: ActionResult) -> ActionView:
    return ActionView(
        name=one.name,
        status=one.status,
        duration=one.duration_ms,
        error=one.error or UNSET,
        result=UNSET if one.result is None else one.result,
    )


def _capture(one: Capture) -> CaptureView:
    calls = [_call(call) for call in one.calls]
    return CaptureView(
        filter=_filter(one.filter), results=calls, result=calls, error_message=one.error or UNSET
    )


def _call(one: CapturedCall) -> CallView:
    return CallView(
        request=CallRequest(
            resource_type=one.resource_type,
            method=one.method,
            url=one.url,
            headers=one.request_headers,
            body=UNSET if one.request_body is None else one.request_body,
        ),
        response=CallResponse(
            status=one.status,
            status_text=one.status_text,
            headers=one.headers,
            body=one.body,
            serialization="base64" if one.binary else "none",
        ),
    )


def _filter(one: CaptureFilter) -> FilterView:
    kinds, status = one.resource_type, one.status
    url: UrlFilterView | UnsetType = UNSET
    if one.url is not None:
        url = UrlFilterView("exact" if one.url.exact else "contains", one.url.value)
    return FilterView(
        method=one.method or UNSET,
        url=url,
        resource_type=UNSET
        if kinds is None
        else list(kinds)
        if isinstance(kinds, tuple)
        else kinds,
        status_code=UNSET
        if status is None
        else list(status)
        if isinstance(status, tuple)
        else status,
        validation=one.validation,
        wait_for_requests_count=one.wait_for_count,
        wait_for_requests_count_timeout=UNSET if one.wait_s is None else one.wait_s,
    )
