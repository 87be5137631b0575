"""What a browser is asked to do with a page, and what it reports of it (contract 7.4 to 7.7).

Wishes are made by a dialect in wire/ and stored with the task: only add fields, with defaults.
Reports are made by the browser driver and shown by a dialect. Durations are in the unit named.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

ResourceType = Literal[
    "other",
    "document",
    "stylesheet",
    "image",
    "media",
    "font",
    "script",
    "texttrack",
    "xhr",
    "fetch",
    "eventsource",
    "websocket",
    "manifest",
    "signedexchange",
    "ping",
    "cspviolationreport",
    "prefetch",
    "preflight",
    "fedcm",
]
"""The kinds of requests that a browser tells apart."""
LoadState = Literal["commit", "domready", "load", "idle2", "idle0"]
"""How far a page must have come: answered, DOM built, load event, at most two or no requests in
flight for 500 ms."""
MouseStrategy = Literal["", "linear", "ghost-cursor", "windmouse"]
"""How the pointer travels; empty: it is simply there."""
ImageFormat = Literal["png", "jpeg", "webp"]

ACTION_TIMEOUT_MS = 15_000
"""What an action gets unless it says; 0 = nothing but the limit of the whole sequence."""


class RenderOptions(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """How a browser loads the page (contract 7.5)."""

    wait_until: LoadState = "load"
    timeout_ms: int = 30_000
    """Budget of loading. When it is spent, what is there is taken, with a warning."""
    headless: bool = True
    userbrowser: bool = False
    include_iframes: bool = False
    disabled_resources: tuple[ResourceType, ...] | None = None
    """Not loaded; None = whatever the driver leaves out by itself, empty = nothing."""
    adblock: bool = False
    blocked_domains: tuple[str, ...] = ()
    """Lower-case host names that stand for their subdomains, too."""
    performance_metrics: bool = False
    no_accept_encoding: bool = False
    capture_calls: bool = False
    """Note every call of the page, whatever the filters say."""
    skip_captures_on_action_error: bool = False
    """Do not wait for captures when an action has failed."""
    retry_on_capture_error: bool = False
    retry_on_action_error: bool = False


# --------------------------------------------------------------------- actions


class BrowserAction(
    msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, tag_field="action"
):
    """One step of a sequence. A failed `required` one ends the sequence, others do not."""

    required: bool = True
    skip: bool = False


class Goto(BrowserAction, frozen=True, tag="goto"):
    """Opens another page."""

    url: str
    referer: str = ""
    wait_until: LoadState = "load"
    timeout_ms: int = ACTION_TIMEOUT_MS


class Wait(BrowserAction, frozen=True, tag="wait"):
    """Lets time pass."""

    duration_ms: int


class WaitForElement(BrowserAction, frozen=True, tag="wait_for_element"):
    """Waits until one of the selectors matches, and is seen if `visible`."""

    selectors: tuple[str, ...]
    visible: bool = False
    timeout_ms: int = ACTION_TIMEOUT_MS


class WaitForNavigation(BrowserAction, frozen=True, tag="wait_for_navigation"):
    """Waits until the page has come so far."""

    until: LoadState = "load"
    timeout_ms: int = ACTION_TIMEOUT_MS


class Click(BrowserAction, frozen=True, tag="click"):
    """Clicks the first element that matches, or a point in CSS pixels.

    Without selectors the point `x`, `y` counts from the corner of the first match of
    `relative_to`, or of the viewport. `offset_x`, `offset_y` count from the element's middle.
    """

    selectors: tuple[str, ...] = ()
    x: float | None = None
    y: float | None = None
    relative_to: tuple[str, ...] = ()
    count: int = 1
    delay_ms: int = 0
    """How long the button is held."""
    offset_x: float = 0
    offset_y: float = 0
    scroll: bool = True
    steps: int = 0
    """Points on the pointer's way; 0 = as many as the strategy likes."""
    strategy: MouseStrategy = ""
    visible: bool = True
    timeout_ms: int = ACTION_TIMEOUT_MS


class Fill(BrowserAction, frozen=True, tag="fill"):
    """Writes into a field, key by key or at once."""

    selectors: tuple[str, ...]
    value: str
    mode: Literal["type", "paste"] = "type"
    click: bool = True
    """Whether the field is clicked first; it is focused in any case."""
    delay_ms: int = 0
    """How long to wait before the first key."""
    interval_ms: int = 0
    """Time between keys, exactly or on average."""
    typing: Literal["simple", "distribution"] = "simple"
    strategy: MouseStrategy = ""
    scroll: bool = True
    visible: bool = True
    timeout_ms: int = ACTION_TIMEOUT_MS


class Press(BrowserAction, frozen=True, tag="press"):
    """Presses one key, named as puppeteer names it, on whatever has the focus."""

    key: str
    delay_ms: int = 0
    """How long the key is held."""


class Scroll(BrowserAction, frozen=True, tag="scroll"):
    """Scrolls by pixels, to an end, or until an element is in view."""

    x: float = 0
    y: float = 0
    edge: Literal["", "top", "bottom"] = ""
    to: tuple[str, ...] = ()
    container: tuple[str, ...] = ()
    """What is scrolled; empty = the page."""
    visible: bool = False
    timeout_ms: int = ACTION_TIMEOUT_MS


class AutoScroll(BrowserAction, frozen=True, tag="auto_scroll"):
    """Scrolls down until nothing more is loaded."""

    max_duration_ms: int = 30_000
    idle_timeout_ms: int = 2_000
    """Ends when the end was not moved for so long."""
    delay_ms: int = 100
    """Between two steps."""
    step_px: int = 0
    """0 = nine tenths of what is seen at once."""
    click: tuple[str, ...] = ()
    """A "load more" button, clicked at the end as long as it is there."""
    loading: tuple[str, ...] = ()
    """While it is seen, the page is not idle."""
    pause_on: tuple[str, ...] = ()
    """While it is seen, nothing is scrolled."""
    container: tuple[str, ...] = ()


class TakeScreenshot(BrowserAction, frozen=True, tag="screenshot"):
    """Takes a picture."""

    full_page: bool = False
    format: ImageFormat = "png"
    quality: int | None = None


class GetCookies(BrowserAction, frozen=True, tag="get_cookies"):
    """Collects cookies: all, or those of a domain whose fields have the values in `filters`."""

    domain: str = ""
    filters: dict[str, str | bool | float] = {}


class Eval(BrowserAction, frozen=True, tag="eval"):
    """Runs JavaScript in the page: an expression, a function, or statements with `return`."""

    code: str
    timeout_ms: int = ACTION_TIMEOUT_MS


class Fetch(BrowserAction, frozen=True, tag="fetch"):
    """Calls a URL from within the page."""

    url: str
    method: str = "GET"
    headers: dict[str, str] = {}
    body: str | None = None
    timeout_ms: int = ACTION_TIMEOUT_MS


Action = (
    Goto
    | Wait
    | WaitForElement
    | WaitForNavigation
    | Click
    | Fill
    | Press
    | Scroll
    | AutoScroll
    | TakeScreenshot
    | GetCookies
    | Eval
    | Fetch
)


def action_name(action: BrowserAction) -> str:
    """The contract's name of an action."""
    return str(type(action).__struct_config__.tag)


# --------------------------------------------------------------------- captures


class UrlMatch(msgspec.Struct, frozen=True):
    """Which URLs a filter lets through."""

    value: str
    exact: bool = False


class CaptureFilter(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Which calls of the page to keep (contract 7.7): those that fit everything given.

    A list of one is not the same as the thing itself: answers repeat what the caller wrote.
    """

    method: str = ""
    url: UrlMatch | None = None
    resource_type: ResourceType | tuple[ResourceType, ...] | None = None
    status: int | tuple[int, ...] | None = None
    validation: bool = False
    """A call counts only if its answer is sound: 2xx, whole, and JSON or XML if it says so."""
    wait_for_count: int = 0
    """Hold the page open until so many fit."""
    wait_s: float | None = None
    """Give up waiting after so long; None = 10 s."""


# --------------------------------------------------------------------- reports

ActionStatus = Literal["no-run", "in-progress", "done", "error", "skipped"]


class ActionResult(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """How one action went. `result` is JSON and bounded in size."""

    name: str
    status: ActionStatus = "no-run"
    duration_ms: int = 0
    error: str = ""
    result: Any = None


class ActionsReport(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """How a sequence went, one result per action in its order."""

    results: tuple[ActionResult, ...] = ()
    total_ms: int = 0

    @property
    def success(self) -> bool:
        """Whether nothing failed and nothing was left undone."""
        return all(result.status in ("done", "skipped") for result in self.results)


class FetchedCall(msgspec.Struct, frozen=True, kw_only=True):
    """What a `fetch` action brought. `headers` in lower case."""

    url: str
    method: str
    status: int
    headers: dict[str, str]
    body: str


class CapturedCall(msgspec.Struct, frozen=True, kw_only=True):
    """One call of the page with its answer. `status` 0: none came. `body` is base64 if `binary`."""

    resource_type: ResourceType
    method: str
    url: str
    request_headers: dict[str, str] = {}
    request_body: str | None = None
    status: int = 0
    status_text: str = ""
    headers: dict[str, str] = {}
    body: str = ""
    binary: bool = False


class Capture(msgspec.Struct, frozen=True, kw_only=True):
    """What one filter caught; `error` says why it is less than was asked for."""

    filter: CaptureFilter
    calls: tuple[CapturedCall, ...] = ()
    error: str = ""


class Screenshot(msgspec.Struct, frozen=True, kw_only=True):
    """A picture of the page."""

    data: bytes
    format: ImageFormat = "png"
    full_page: bool = True
    source: Literal["action", "format"] = "format"
