"""Dialect v1's browser actions, in both notations and all short forms, read into ours (7.6).

Called by wire/v1_rendering.py. What is wrong is told at the place where the caller wrote it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from windlass.html.browser_selectors import selector_fault
from windlass.model import render as ours
from windlass.model.keys import KEYS
from windlass.model.render import ACTION_TIMEOUT_MS, Action, LoadState
from windlass.wire import ajv
from windlass.wire import v1_browser_body as spec
from windlass.wire.document import unexplained
from windlass.wire.v1_options import given
from windlass.wire.v1_reading import Reading, Steps
from windlass.wire.v1_urls import read_web_url

_ALIASES = {"sleep": "wait"}
_DURATION = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?|\.[0-9]+)\s*(ms|s|m|h|)\s*", re.IGNORECASE)
_UNITS = {"": 1, "ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000}
_LONGEST_MS = 86_400_000
LOAD_STATES: dict[str, LoadState] = {
    "load": "load",
    "domcontentloaded": "domready",
    "networkidle": "idle0",
    "networkidle0": "idle0",
    "networkidle2": "idle2",
    "commit": "commit",
}


def read_actions(items: list[Any], reading: Reading) -> tuple[Action, ...]:
    """The actions in their order; wrong ones are noted and left out. What is no object is noted by
    the schema."""
    made = (
        _read_action(item, ("browser_actions", n), reading)
        for n, item in enumerate(items[: spec.ACTIONS_LIMIT])
        if isinstance(item, dict)
    )
    return tuple(action for action in made if action is not None)


class _Place:
    """Where an action's value stands in the document, to tell what is wrong with its parts."""

    def __init__(self, where: Steps, reading: Reading) -> None:
        self.where = where
        self._reading = reading

    def wrong(self, part: Steps, message: str, keyword: str, **params: Any) -> None:
        self._reading.wrong((*self.where, *part), message, keyword, params or None)

    def duration(self, part: str, value: float | str | UnsetType, default: int) -> int:
        """Milliseconds. `part` "" means that the value is the whole of the action."""
        if isinstance(value, UnsetType):
            return default
        if isinstance(value, str):
            found = _DURATION.fullmatch(value)
            if found is None:
                message = 'must be a duration: milliseconds, or "500ms", "2s", "2m", "1h"'
                self.wrong((part,) if part else (), message, "format", format="duration")
                return default
            value = float(found[1]) * _UNITS[found[2].lower()]
        return math.ceil(min(value, _LONGEST_MS))

    def selectors(self, part: str, value: str | list[str] | UnsetType) -> tuple[str, ...]:
        """The selectors, each checked."""
        if isinstance(value, UnsetType):
            return ()
        steps: Steps = (part,) if part else ()
        several = isinstance(value, list)
        selectors = value if isinstance(value, list) else [value]
        for number, selector in enumerate(selectors):
            if fault := selector_fault(selector):
                at = (*steps, number) if several else steps
                self.wrong(at, f"must be a CSS selector: {fault}", "format", format="css-selector")
        return tuple(selectors)

    def url(self, part: str, value: str) -> str:
        """A web address, or one relative to the page."""
        scheme = re.match(r"[A-Za-z][A-Za-z0-9+.-]*:", value)
        if scheme and read_web_url(value) is None:
            message = 'must match format "uri" with http or https'
            self.wrong((part,) if part else (), message, "format", format="uri")
        return value


def _read_action(item: dict[str, Any], where: Steps, reading: Reading) -> Action | None:
    named = _named(item, where, reading)
    if named is None:
        return None
    name, value, at = named
    form = spec.FORMS[name]
    try:
        body = msgspec.convert(value, form)
    except (msgspec.ValidationError, OverflowError) as error:
        found = ajv.problems(form, value) or [unexplained(str(error))]
        reading.adopt(at, found)
        return None
    if isinstance(body, msgspec.Struct) and isinstance(value, dict):
        _warn_unknown(body, value, at, reading)
    before = len(reading.problems)
    place = _Place(at, reading)
    made = _READERS[name](body, place)
    return None if len(reading.problems) > before else _marked(made, body)


def _named(item: dict[str, Any], where: Steps, reading: Reading) -> tuple[str, Any, Steps] | None:
    """The action's name, its value, and where that stands."""
    kind = item.get("type")
    if isinstance(kind, str) and _name(kind) not in item:
        if (name := _name(kind)) in spec.FORMS:
            return name, {key: value for key, value in item.items() if key != "type"}, where
        allowed = list(spec.FORMS)
        message = ajv.not_among(allowed)
        reading.wrong((*where, "type"), message, "enum", {"allowedValues": allowed})
        return None
    names = [key for key in item if _name(key) in spec.FORMS]
    strange = [key for key in item if key not in names]
    if strange:
        message = "must NOT have additional properties; known actions: " + ", ".join(spec.FORMS)
        params = {"additionalProperty": strange[0][:64]}
        reading.wrong(where, message, "additionalProperties", params)
        return None
    if len(names) != 1:
        keyword, amount = ("maxProperties", "more") if names else ("minProperties", "fewer")
        reading.wrong(where, f"must NOT have {amount} than 1 properties", keyword, {"limit": 1})
        return None
    return _name(names[0]), item[names[0]], (*where, names[0])


def _name(name: str) -> str:
    return _ALIASES.get(name, name)


def _warn_unknown(
    body: msgspec.Struct, value: Mapping[str, Any], where: Steps, reading: Reading
) -> None:
    known = {field.encode_name for field in msgspec.structs.fields(body)}
    for key in [key for key in value if key not in known][:5]:
        place = ".".join(map(str, where))
        reading.warn(f"unknown field {key[:64]!r} of {place} is ignored")


def _marked(action: Action, body: Any) -> Action:
    """The action with what all object forms may say."""
    if body is False:
        return msgspec.structs.replace(action, skip=True)
    if not isinstance(body, spec.ActionSpec):
        return action
    return msgspec.structs.replace(
        action, required=_flag(body.required, True), skip=_flag(body.skip, False)
    )


def _flag(value: bool | str | UnsetType, default: bool) -> bool:
    if isinstance(value, UnsetType):
        return default
    return value if isinstance(value, bool) else value == "true"


# --------------------------------------------------------------------- one reader per action


def _goto(body: str | spec.GotoSpec, place: _Place) -> Action:
    if isinstance(body, str):
        return ours.Goto(url=place.url("", body))
    return ours.Goto(
        url=place.url("url", body.url),
        referer=given(body.referer, ""),
        wait_until=LOAD_STATES[given(body.wait_until, "load")],
        timeout_ms=place.duration("timeout", body.timeout, ACTION_TIMEOUT_MS),
    )


def _wait(body: float | str | spec.WaitSpec, place: _Place) -> Action:
    if isinstance(body, spec.WaitSpec):
        return ours.Wait(duration_ms=place.duration("duration", body.duration, 0))
    return ours.Wait(duration_ms=place.duration("", body, 0))


def _wait_for_element(body: str | list[str] | spec.WaitForElementSpec, place: _Place) -> Action:
    if not isinstance(body, spec.WaitForElementSpec):
        return ours.WaitForElement(selectors=place.selectors("", body))
    return ours.WaitForElement(
        selectors=place.selectors("selector", body.selector),
        visible=_flag(body.visible, False),
        timeout_ms=place.duration("timeout", body.timeout, ACTION_TIMEOUT_MS),
    )


def _wait_for_navigation(body: str | spec.WaitForNavigationSpec, place: _Place) -> Action:
    if isinstance(body, str):
        return ours.WaitForNavigation(until=LOAD_STATES[body])
    return ours.WaitForNavigation(
        until=LOAD_STATES[body.navigation],
        timeout_ms=place.duration("timeout", body.timeout, ACTION_TIMEOUT_MS),
    )


def _click(body: str | list[str] | spec.ClickSpec, place: _Place) -> Action:
    if not isinstance(body, spec.ClickSpec):
        return ours.Click(selectors=place.selectors("", body))
    if body.selector is UNSET and (body.x is UNSET or body.y is UNSET):
        message = "must have required property 'selector', or 'x' and 'y'"
        place.wrong((), message, "required", missingProperty="selector")
    return ours.Click(
        selectors=place.selectors("selector", body.selector),
        x=given(body.x, None),
        y=given(body.y, None),
        relative_to=place.selectors("relative_to", body.relative_to),
        count=round(given(body.count, 1)),
        delay_ms=place.duration("delay", body.delay, 0),
        offset_x=given(body.offset_x, 0),
        offset_y=given(body.offset_y, 0),
        scroll=_flag(body.scroll, True),
        steps=round(given(body.steps, 0)),
        strategy=given(body.strategy, ""),
        visible=_flag(body.visible, True),
        timeout_ms=place.duration("timeout", body.timeout, ACTION_TIMEOUT_MS),
    )


def _fill(body: spec.FillSpec, place: _Place) -> Action:
    value = given(body.value, given(body.text, None))
    if value is None:
        message = "must have required property 'value'"
        place.wrong((), message, "required", missingProperty="value")
    return ours.Fill(
        selectors=place.selectors("selector", body.selector),
        value=value or "",
        mode=given(body.mode, "type"),
        click=_flag(body.click_on_element, True),
        delay_ms=place.duration("delay", body.delay, 0),
        interval_ms=place.duration("typing_interval", body.typing_interval, 0),
        typing=given(body.typing_strategy, "simple"),
        strategy=given(body.mouse_movement_strategy, ""),
        scroll=_flag(body.scroll, True),
        visible=_flag(body.visible, True),
        timeout_ms=place.duration("timeout", body.timeout, ACTION_TIMEOUT_MS),
    )


def _press(body: str | spec.PressSpec, place: _Place) -> Action:
    key, part = (body, ()) if isinstance(body, str) else (body.key, ("key",))
    if key not in KEYS and len(key) != 1:
        place.wrong(part, "must be the name of a key or a single character", "enum")
    delay = UNSET if isinstance(body, str) else body.delay
    return ours.Press(key=key, delay_ms=place.duration("delay", delay, 0))


def _scroll(body: float | str | spec.ScrollSpec, place: _Place) -> Action:
    if isinstance(body, str):
        if body in ("top", "bottom"):
            return ours.Scroll(edge="top" if body == "top" else "bottom")
        return ours.Scroll(to=place.selectors("", body))
    if not isinstance(body, spec.ScrollSpec):
        return ours.Scroll(y=body)
    if body.x is UNSET and body.y is UNSET and body.to is UNSET:
        message = "must have required property 'y', 'x' or 'to'"
        place.wrong((), message, "required", missingProperty="y")
    edge: Literal["", "top", "bottom"] = ""
    if body.to in ("top", "bottom"):
        edge = "top" if body.to == "top" else "bottom"
    return ours.Scroll(
        x=given(body.x, 0),
        y=given(body.y, 0),
        edge=edge,
        to=() if edge else place.selectors("to", body.to),
        container=place.selectors("container", body.container),
        visible=_flag(body.visible, False),
        timeout_ms=place.duration("timeout", body.timeout, ACTION_TIMEOUT_MS),
    )


def _auto_scroll(body: bool | float | str | spec.AutoScrollSpec, place: _Place) -> Action:
    standard = ours.AutoScroll()
    if isinstance(body, bool):
        return standard
    if not isinstance(body, spec.AutoScrollSpec):
        return ours.AutoScroll(max_duration_ms=place.duration("", body, 0))
    longest, idle = standard.max_duration_ms, standard.idle_timeout_ms
    return ours.AutoScroll(
        max_duration_ms=place.duration("max_duration", body.max_duration, longest),
        idle_timeout_ms=place.duration("idle_timeout", body.idle_timeout, idle),
        delay_ms=place.duration("delay_after_scroll", body.delay_after_scroll, standard.delay_ms),
        step_px=round(given(body.step_size, 0)),
        click=place.selectors("click_selector", body.click_selector),
        loading=place.selectors("loading_selector", body.loading_selector),
        pause_on=place.selectors("pause_on_selector", body.pause_on_selector),
        container=place.selectors("container", body.container),
    )


def _screenshot(body: bool | spec.ScreenshotSpec, place: _Place) -> Action:
    if isinstance(body, bool):
        return ours.TakeScreenshot()
    quality = given(body.quality, None)
    return ours.TakeScreenshot(
        full_page=_flag(body.full_page, False),
        format=given(body.format, "png"),
        quality=None if quality is None else round(quality),
    )


def _get_cookies(body: bool | spec.GetCookiesSpec, place: _Place) -> Action:
    if isinstance(body, bool):
        return ours.GetCookies()
    named = ("name", "value", "path", "secure", "http_only", "same_site")
    wanted = {name: value for name in named if (value := getattr(body, name)) is not UNSET}
    return ours.GetCookies(domain=given(body.domain, ""), filters=wanted)


def _eval(body: str | spec.EvalSpec, place: _Place) -> Action:
    if isinstance(body, str):
        return ours.Eval(code=body)
    timeout_ms = place.duration("timeout", body.timeout, ACTION_TIMEOUT_MS)
    return ours.Eval(code=body.code, timeout_ms=timeout_ms)


def _fetch(body: str | spec.FetchSpec, place: _Place) -> Action:
    if isinstance(body, str):
        return ours.Fetch(url=place.url("", body))
    return ours.Fetch(
        url=place.url("url", body.url),
        method=given(body.method, "GET"),
        headers=given(body.headers, {}),
        body=body.body,
        timeout_ms=place.duration("timeout", body.timeout, ACTION_TIMEOUT_MS),
    )


_READERS: dict[str, Callable[[Any, _Place], Action]] = {
    "goto": _goto,
    "wait": _wait,
    "wait_for_element": _wait_for_element,
    "wait_for_navigation": _wait_for_navigation,
    "click": _click,
    "fill": _fill,
    "press": _press,
    "scroll": _scroll,
    "auto_scroll": _auto_scroll,
    "screenshot": _screenshot,
    "get_cookies": _get_cookies,
    "eval": _eval,
    "fetch": _fetch,
}
