"""Dialect v1's wishes to a browser as callers may write them (contract 7.5 to 7.7). Types only.

wire/v1_rendering.py and wire/v1_actions.py make ours of them.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from windlass.model.render import ResourceType

ACTIONS_LIMIT = 200
"""Actions of one request: 240 s leave more than a second for each."""
FILTERS_LIMIT = 50

Text = Annotated[str, Meta(max_length=200_000)]
Name = Annotated[str, Meta(max_length=4096)]
Url = Annotated[str, Meta(min_length=1, max_length=16384)]
Duration = Annotated[float, Meta(ge=0)] | Annotated[str, Meta(max_length=32)]
"""Milliseconds, or "1000", "500ms", "2s", "2m", "1h"."""
Selectors = (
    Annotated[str, Meta(min_length=1)]
    | Annotated[list[Annotated[str, Meta(min_length=1)]], Meta(min_length=1, max_length=20)]
)
"""A CSS selector, or several of which the first that matches is taken."""
Flag = bool | Literal["true", "false"]
Strategy = Literal["linear", "ghost-cursor", "windmouse"]
WaitUntil = Literal[
    "load", "domcontentloaded", "networkidle", "networkidle0", "networkidle2", "commit"
]
Navigation = Literal["load", "domcontentloaded", "networkidle0", "networkidle2", "networkidle"]
Method = Literal["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"]
Pixels = Annotated[float, Meta(ge=-10_000_000, le=10_000_000)]


class ActionSpec(msgspec.Struct, kw_only=True):
    """What the object form of every action may have."""

    required: Flag = True
    skip: Flag = False


class GotoSpec(ActionSpec):
    """Opens another page."""

    url: Url
    referer: Name | UnsetType = UNSET
    timeout: Duration | UnsetType = UNSET
    wait_until: WaitUntil | UnsetType = UNSET


class WaitSpec(ActionSpec):
    """Lets time pass."""

    duration: Duration


class WaitForElementSpec(ActionSpec):
    """Waits until an element is there, or seen."""

    selector: Selectors
    timeout: Duration | UnsetType = UNSET
    visible: Flag | UnsetType = UNSET


class WaitForNavigationSpec(ActionSpec):
    """Waits until the page has come so far."""

    navigation: Navigation
    timeout: Duration | UnsetType = UNSET


class ClickSpec(ActionSpec):
    """Clicks an element or a point, which counts from the corner of `relative_to`."""

    selector: Selectors | UnsetType = UNSET
    x: Pixels | UnsetType = UNSET
    y: Pixels | UnsetType = UNSET
    relative_to: Selectors | UnsetType = UNSET
    count: Annotated[float, Meta(ge=1, le=100)] | UnsetType = UNSET
    delay: Duration | UnsetType = UNSET
    offset_x: Pixels | UnsetType = UNSET
    offset_y: Pixels | UnsetType = UNSET
    scroll: Flag | UnsetType = UNSET
    steps: Annotated[float, Meta(ge=0, le=1000)] | UnsetType = UNSET
    strategy: Strategy | UnsetType = UNSET
    timeout: Duration | UnsetType = UNSET
    visible: Flag | UnsetType = UNSET


class FillSpec(ActionSpec):
    """Writes `value` (or `text`) into a field."""

    selector: Selectors
    value: Text | UnsetType = UNSET
    text: Text | UnsetType = UNSET
    mode: Literal["type", "paste"] | UnsetType = UNSET
    click_on_element: Flag | UnsetType = UNSET
    delay: Duration | UnsetType = UNSET
    typing_interval: Duration | UnsetType = UNSET
    typing_strategy: Literal["simple", "distribution"] | UnsetType = UNSET
    mouse_movement_strategy: Strategy | UnsetType = UNSET
    scroll: Flag | UnsetType = UNSET
    timeout: Duration | UnsetType = UNSET
    visible: Flag | UnsetType = UNSET


class PressSpec(ActionSpec):
    """Presses a key."""

    key: Annotated[str, Meta(min_length=1, max_length=32)]
    delay: Duration | UnsetType = UNSET


class ScrollSpec(ActionSpec):
    """Scrolls by pixels or to an element."""

    x: Pixels | UnsetType = UNSET
    y: Pixels | UnsetType = UNSET
    to: Selectors | UnsetType = UNSET
    container: Selectors | UnsetType = UNSET
    visible: Flag | UnsetType = UNSET
    timeout: Duration | UnsetType = UNSET


class AutoScrollSpec(ActionSpec):
    """Scrolls down until nothing more is loaded."""

    max_duration: Duration | UnsetType = UNSET
    idle_timeout: Duration | UnsetType = UNSET
    delay_after_scroll: Duration | UnsetType = UNSET
    step_size: Annotated[float, Meta(ge=1, le=100_000)] | UnsetType = UNSET
    click_selector: Selectors | UnsetType = UNSET
    loading_selector: Selectors | UnsetType = UNSET
    pause_on_selector: Selectors | UnsetType = UNSET
    container: Selectors | UnsetType = UNSET


class ScreenshotSpec(ActionSpec):
    """Takes a picture."""

    full_page: Flag | UnsetType = UNSET
    format: Literal["png", "jpeg", "webp"] | UnsetType = UNSET
    quality: Annotated[float, Meta(ge=0, le=100)] | UnsetType = UNSET


class GetCookiesSpec(ActionSpec):
    """Collects the cookies whose fields are as given."""

    domain: Name | UnsetType = UNSET
    name: Name | UnsetType = UNSET
    value: Name | UnsetType = UNSET
    path: Name | UnsetType = UNSET
    secure: bool | UnsetType = UNSET
    http_only: bool | UnsetType = msgspec.field(name="httpOnly", default=UNSET)
    same_site: Name | UnsetType = msgspec.field(name="sameSite", default=UNSET)


class EvalSpec(ActionSpec):
    """Runs JavaScript in the page."""

    code: Annotated[str, Meta(min_length=1, max_length=200_000)]
    timeout: Duration | UnsetType = UNSET


class FetchSpec(ActionSpec):
    """Calls a URL from within the page."""

    url: Url
    method: Method | UnsetType = UNSET
    headers: Annotated[dict[str, str], Meta(max_length=200)] | UnsetType = UNSET
    body: Text | None = None
    timeout: Duration | UnsetType = UNSET


FORMS: dict[str, Any] = {
    "goto": Url | GotoSpec,
    "wait": Annotated[float, Meta(ge=0)] | Annotated[str, Meta(max_length=32)] | WaitSpec,
    "wait_for_element": Annotated[str, Meta(min_length=1)]
    | Annotated[list[Annotated[str, Meta(min_length=1)]], Meta(min_length=1, max_length=20)]
    | WaitForElementSpec,
    "wait_for_navigation": Navigation | WaitForNavigationSpec,
    "click": Annotated[str, Meta(min_length=1)]
    | Annotated[list[Annotated[str, Meta(min_length=1)]], Meta(min_length=1, max_length=20)]
    | ClickSpec,
    "fill": FillSpec,
    "press": Annotated[str, Meta(min_length=1, max_length=32)] | PressSpec,
    "scroll": Pixels | Annotated[str, Meta(min_length=1)] | ScrollSpec,
    "auto_scroll": bool
    | Annotated[float, Meta(ge=0)]
    | Annotated[str, Meta(max_length=32)]
    | AutoScrollSpec,
    "screenshot": bool | ScreenshotSpec,
    "get_cookies": bool | GetCookiesSpec,
    "eval": Annotated[str, Meta(min_length=1, max_length=200_000)] | EvalSpec,
    "fetch": Url | FetchSpec,
}
"""The value of each action: its short forms and its object form."""

BrowserActions = Annotated[
    list[dict[str, Any]],
    Meta(
        max_length=ACTIONS_LIMIT,
        description="What to do on the page, in this order: objects of one key each, the action: "
        + ", ".join(FORMS)
        + ".",
        examples=[[{"wait_for_element": "#list"}, {"click": {"selector": "#more"}}]],
    ),
]


class UrlFilter(msgspec.Struct, kw_only=True):
    """Which URLs a capture lets through."""

    value: Url
    type: Literal["exact", "contains"] = "contains"


CallStatus = Annotated[float, Meta(ge=100, le=999)]


class CaptureSpec(msgspec.Struct, kw_only=True):
    """Which of the page's calls to keep: those that fit every key given."""

    method: Method | UnsetType = UNSET
    url: UrlFilter | UnsetType = UNSET
    resource_type: (
        ResourceType | Annotated[list[ResourceType], Meta(min_length=1, max_length=19)] | UnsetType
    ) = UNSET
    status_code: (
        CallStatus | Annotated[list[CallStatus], Meta(min_length=1, max_length=100)] | UnsetType
    ) = UNSET
    validation: bool = False
    wait_for_requests_count: Annotated[float, Meta(ge=0, le=10_000)] = 0
    wait_for_requests_count_timeout: (
        Annotated[float, Meta(ge=0, le=300_000, description="Seconds.")] | UnsetType
    ) = UNSET


Captures = Annotated[list[CaptureSpec], Meta(max_length=FILTERS_LIMIT)]


class RenderOptionsSpec(msgspec.Struct, kw_only=True):
    """How a browser loads the page (contract 7.5)."""

    render_type: Literal["load", "domready", "idle0", "idle2"] = "load"
    timeout: Annotated[float, Meta(ge=1, le=86_400_000, description="Milliseconds.")] = 30_000
    headless: bool = True
    userbrowser: bool = False
    include_iframes: bool = False
    disabled_resources: Annotated[list[ResourceType], Meta(max_length=64)] | UnsetType = UNSET
    adblock: bool = False
    blocked_domains: (
        Annotated[
            list[Annotated[str, Meta(min_length=1, max_length=253)]],
            Meta(min_length=1, max_length=1000),
        ]
        | UnsetType
    ) = UNSET
    with_performance_metrics: bool = False
    no_accept_encoding: bool = False
    capture_network_calls: bool = False
    skip_network_capture_on_browser_actions_error: bool = False
    retry_on_network_capture_error: bool = False
    retry_on_browser_actions_error: bool = False
