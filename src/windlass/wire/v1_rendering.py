"""Dialect v1's wishes that need a browser, read into ours (contract 7.1, 7.5 to 7.7).

Called by wire/v1_extract.py. It decides whether the page is rendered; who renders it is decided
where the drivers are known.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from windlass.model.render import (
    Action,
    CaptureFilter,
    RenderOptions,
    ResourceType,
    UrlMatch,
    WaitForElement,
)
from windlass.model.request import Attempts
from windlass.wire.ajv import pointer
from windlass.wire.v1_actions import read_actions
from windlass.wire.v1_body import ExtractBody
from windlass.wire.v1_browser_body import CaptureSpec, Selectors
from windlass.wire.v1_options import PLAIN_DRIVERS, given, read_driver
from windlass.wire.v1_reading import Reading, Steps

_PLAIN = frozenset(PLAIN_DRIVERS.values())


class Wishes(msgspec.Struct, frozen=True, kw_only=True):
    """The part of a request that says whether and how a browser is used."""

    render: Literal[False, True, "auto"]
    driver: str
    plan: tuple[Attempts, ...]
    options: RenderOptions
    actions: tuple[Action, ...] = ()
    captures: tuple[CaptureFilter, ...] = ()


def read_rendering(body: ExtractBody, reading: Reading) -> Wishes:
    """Rendering is on if something that needs it is asked for and `render` is absent; asked for
    with `render: false` it is refused, but for a screenshot, which always renders (7.1)."""
    driver, plan = read_driver(body, reading)
    needing = [
        name for name in ("browser_actions", "network_capture") if given(getattr(body, name), [])
    ]
    flow = read_flow(body, reading)
    picture = body.formats is not UNSET and "screenshot" in body.formats
    _check_plainness(body, driver, needing, reading)
    if needing or flow or picture:
        driver, plan = _rendering_only(driver, plan, reading)
    wishes = Wishes(
        render=_render(body, plan, needs=bool(needing or flow or picture)),
        driver=driver,
        plan=plan,
        options=read_options(body),
        actions=flow + read_actions(given(body.browser_actions, []), reading),
        captures=tuple(map(_read_filter, given(body.network_capture, []))),
    )
    if wishes.render is False and driver in ("", *_PLAIN):
        _warn_unused(body, reading)
    if body.render is False and picture and not needing:
        reading.warn("render: false is ignored: a screenshot needs rendering")
    return wishes


def rendering_place(asked: Any) -> str:
    """JSON pointer to what asks for a browser in a request as its caller wrote it; "" if nothing
    there does."""
    if not isinstance(asked, dict):
        return ""
    driver, formats = asked.get("driver"), asked.get("formats")
    names = ("browser_actions", "network_capture", "render_flow")
    places = {
        "render": asked.get("render") is True,
        "driver": isinstance(driver, str) and driver.lower() not in ("auto", *PLAIN_DRIVERS),
        **{name: bool(asked.get(name)) for name in names},
        "formats": isinstance(formats, list) and "screenshot" in formats,
        "auto_driver_configuration": bool(asked.get("auto_driver_configuration")),
        "agent": "agent" in asked,
    }
    return next((pointer(name) for name, there in places.items() if there), "")


def _render(
    body: ExtractBody, plan: tuple[Attempts, ...], *, needs: bool
) -> Literal[False, True, "auto"]:
    if body.render is True or needs:
        return True
    return "auto" if "auto" in (body.render, body.driver) or plan else False


def _check_plainness(body: ExtractBody, driver: str, needing: list[str], reading: Reading) -> None:
    for name in needing:
        for field, off in (("render", body.render is False), ("driver", driver in _PLAIN)):
            if off:
                value = "false" if field == "render" else driver
                message = f"must NOT be given with {field}: {value}"
                reading.wrong((name,), message, "dependentSchemas", {field: value})


def _rendering_only(
    driver: str, plan: tuple[Attempts, ...], reading: Reading
) -> tuple[str, tuple[Attempts, ...]]:
    """The driver and the plan without what cannot render."""
    if driver in _PLAIN:
        reading.warn(f"driver {driver} is ignored: the request needs rendering")
        driver = ""
    able = tuple(step for step in plan if step.driver not in _PLAIN)
    if len(able) < len(plan):
        reading.warn("auto_driver_configuration: drivers that cannot render are skipped")
    return driver, able


def _warn_unused(body: ExtractBody, reading: Reading) -> None:
    for field in ("render_options", "consent_header"):
        if given(getattr(body, field), None):
            reading.warn(f"{field} is ignored: the page is fetched without rendering")


class _WaitFor(msgspec.Struct):
    selectors: Selectors


class _FlowStep(msgspec.Struct):
    wait_for: _WaitFor | UnsetType = UNSET


def read_flow(body: ExtractBody, reading: Reading) -> tuple[Action, ...]:
    """The waits of the legacy `render_flow`; like its inventors' they may fail (7.1)."""
    if body.render is False:
        if given(body.render_flow, []):
            reading.warn("render_flow is ignored: the page is fetched without rendering")
        return ()
    waits: list[Action] = []
    for number, item in enumerate(given(body.render_flow, [])):
        where: Steps = ("render_flow", number)
        try:
            step = msgspec.convert(item, _FlowStep)
        except msgspec.ValidationError as error:
            reading.wrong(where, f"must be a wait_for with selectors: {error}", "type")
            continue
        if isinstance(step.wait_for, UnsetType):
            reading.warn(f"render_flow: step {number} is ignored: only wait_for is known")
            continue
        chosen = step.wait_for.selectors
        waited = {"wait_for_element": {"selector": chosen, "required": False}}
        inner = Reading(reading.now, reading.may_store)
        waits += read_actions([waited], inner)
        for problem in inner.problems:
            reading.wrong((*where, "wait_for", "selectors"), problem.message, problem.keyword)
    return tuple(wait for wait in waits if isinstance(wait, WaitForElement))


def read_options(body: ExtractBody) -> RenderOptions:
    """How the page is loaded; domains in the form that hosts are compared in."""
    spec = body.render_options
    if isinstance(spec, UnsetType):
        return RenderOptions()
    disabled = spec.disabled_resources
    domains = given(spec.blocked_domains, [])
    return RenderOptions(
        wait_until=spec.render_type,
        timeout_ms=max(1, round(spec.timeout)),
        headless=spec.headless,
        userbrowser=spec.userbrowser,
        include_iframes=spec.include_iframes,
        disabled_resources=None if isinstance(disabled, UnsetType) else tuple(disabled),
        adblock=spec.adblock,
        blocked_domains=tuple(domain.lower().strip(" .").removeprefix("*.") for domain in domains),
        performance_metrics=spec.with_performance_metrics,
        no_accept_encoding=spec.no_accept_encoding,
        capture_calls=spec.capture_network_calls,
        skip_captures_on_action_error=spec.skip_network_capture_on_browser_actions_error,
        retry_on_capture_error=spec.retry_on_network_capture_error,
        retry_on_action_error=spec.retry_on_browser_actions_error,
    )


def _read_filter(spec: CaptureSpec) -> CaptureFilter:
    url, kinds, status = spec.url, spec.resource_type, spec.status_code
    return CaptureFilter(
        method=given(spec.method, ""),
        url=None if isinstance(url, UnsetType) else UrlMatch(url.value, url.type == "exact"),
        resource_type=_one_or_many(kinds),
        status=None
        if isinstance(status, UnsetType)
        else tuple(map(round, status))
        if isinstance(status, list)
        else round(status),
        validation=spec.validation,
        wait_for_count=round(spec.wait_for_requests_count),
        wait_s=given(spec.wait_for_requests_count_timeout, None),
    )


def _one_or_many(
    kinds: ResourceType | list[ResourceType] | UnsetType,
) -> ResourceType | tuple[ResourceType, ...] | None:
    if isinstance(kinds, UnsetType):
        return None
    return tuple(kinds) if isinstance(kinds, list) else kinds
