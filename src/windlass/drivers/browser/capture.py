"""The page's calls, noted from before it loads, kept if a filter wants them (contract 7.7).

Called by rendering.py. Chromium keeps bodies for a while only, so each is fetched as soon as it is
whole. Number and size of what is kept are bounded.
"""

from __future__ import annotations

import asyncio
import json
from base64 import b64decode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, get_args

from playwright.async_api import Error

from windlass.drivers.browser.stage import Stage, is_gone
from windlass.model.render import (
    Capture,
    CapturedCall,
    CaptureFilter,
    RenderOptions,
    ResourceType,
)
from windlass.model.request import ExtractRequest

MOST_CALLS = 1_000
"""Calls kept of one page."""
_NOTED = 20_000
"""Calls that are followed at once; a page that makes more is not followed further."""
_WAIT_S = 10.0
_BODY_S = 10.0
_POST_BYTES = 1_000_000
_BUFFER = 2
"""How many times the limit of one page Chromium may keep of bodies."""
_RESERVE_S = 2.0
"""Left for taking the page when filters wait for calls."""
_TYPES: frozenset[str] = frozenset(get_args(ResourceType))
_WITHOUT_BODY = frozenset(("image", "media", "font", "websocket", "eventsource"))
"""Of calls that no filter asks for, these are noted without their bodies."""
_TEXTUAL = ("json", "xml", "javascript", "ecmascript", "text/", "urlencoded", "graphql")


@dataclass
class _Call:
    """A call as far as it has come. `kept` when it is whole and stays."""

    type: ResourceType
    method: str
    url: str
    headers: dict[str, str]
    posted: str | None
    more_posted: bool
    status: int = 0
    status_text: str = ""
    answer: dict[str, str] = field(default_factory=dict)
    body: str = ""
    binary: bool = False
    whole: bool = False
    broken: bool = False


@dataclass(frozen=True)
class Captured:
    """What was caught: one capture per filter, every call if all were to be noted."""

    captures: tuple[Capture, ...] = ()
    calls: tuple[CapturedCall, ...] = ()
    warnings: tuple[str, ...] = ()


class Recorder:
    """Notes the calls of one page. Use `start`; it ends with the page's session."""

    def __init__(self, stage: Stage, request: ExtractRequest) -> None:
        self._stage = stage
        self._filters = request.captures
        self._options: RenderOptions = request.render_options
        self._under_way: dict[str, _Call] = {}
        self._kept: list[_Call] = []
        self._size = 0
        self._fetching: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Event()
        self._warnings: dict[str, None] = {}

    @classmethod
    async def start(cls, stage: Stage, request: ExtractRequest) -> Recorder:
        """A recorder that is listening; call it before the page begins to load."""
        recorder = cls(stage, request)
        if recorder.active:
            await recorder._listen()
        return recorder

    @property
    def active(self) -> bool:
        """Whether there is anything to note."""
        return bool(self._filters) or self._options.capture_calls

    async def finish(self, *, failed: bool) -> Captured:
        """What was caught, after waiting as the filters ask. `failed`: an action has."""
        skip = failed and self._options.skip_captures_on_action_error
        errors = [await self._await(one, skip=skip) for one in self._filters]
        await self._settle()
        captures = tuple(
            Capture(filter=one, calls=tuple(map(_shown, self._caught(one))), error=error)
            for one, error in zip(self._filters, errors, strict=True)
        )
        calls = tuple(map(_shown, self._kept)) if self._options.capture_calls else ()
        return Captured(captures, calls, tuple(self._warnings))

    # ------------------------------------------------------------ waiting

    async def _await(self, one: CaptureFilter, *, skip: bool) -> str:
        """Waits for as many calls as the filter asks for; why it was in vain, "" if not."""
        have = len(self._caught(one))
        if have >= one.wait_for_count:
            return ""
        if skip:
            return f"{have} of {one.wait_for_count} requests: not waited, as an action failed"
        left_s = max(0.0, self._stage.left_s() - _RESERVE_S)
        wait_s = min(_WAIT_S if one.wait_s is None else one.wait_s, left_s)
        try:
            async with asyncio.timeout(wait_s):
                while len(self._caught(one)) < one.wait_for_count:
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            have = len(self._caught(one))
            return f"{have} of {one.wait_for_count} requests within {wait_s:g} s"
        return ""

    async def _settle(self) -> None:
        """Waits for the bodies that are on their way."""
        if self._fetching:
            await asyncio.wait(self._fetching, timeout=self._stage.left_s(_BODY_S))
        for task in self._fetching:
            task.cancel()

    def _caught(self, one: CaptureFilter) -> list[_Call]:
        return [call for call in self._kept if fits(one, call)]

    # ------------------------------------------------------------ listening

    async def _listen(self) -> None:
        session = await self._stage.session()
        listeners: dict[str, Callable[[dict[str, Any]], None]] = {
            "requestWillBeSent": self._on_request,
            "responseReceived": self._on_answer,
            "loadingFinished": self._on_finished,
            "loadingFailed": self._on_failed,
            "webSocketCreated": self._on_socket,
            "webSocketHandshakeResponseReceived": self._on_socket_answer,
        }
        for event, listener in listeners.items():
            session.on(f"Network.{event}", listener)
        limit = self._stage.limit_bytes
        await self._stage.send(
            "Network.enable",
            None,
            maxTotalBufferSize=_BUFFER * limit,
            maxResourceBufferSize=limit,
            maxPostDataSize=_POST_BYTES,
            # Bodies outlive the document that asked for them: the next one may be here already.
            enableDurableMessages=True,
        )

    def _on_request(self, event: dict[str, Any]) -> None:
        sent = event["request"]
        earlier = self._under_way.pop(event["requestId"], None)
        if earlier is not None and "redirectResponse" in event:
            _note_answer(earlier, event["redirectResponse"])
            self._keep(earlier)
        if sent["url"].startswith(("data:", "blob:")) or len(self._under_way) >= _NOTED:
            return
        self._under_way[event["requestId"]] = _Call(
            type=_type_of(event.get("type", "")),
            method=sent["method"],
            url=sent["url"] + sent.get("urlFragment", ""),
            headers=_lowered(sent["headers"]),
            posted=sent.get("postData"),
            more_posted=bool(sent.get("hasPostData")) and "postData" not in sent,
        )

    def _on_answer(self, event: dict[str, Any]) -> None:
        call = self._under_way.get(event["requestId"])
        if call is None:
            return
        call.type = _type_of(event.get("type", call.type))
        _note_answer(call, event["response"])
        if call.type == "eventsource":  # it goes on for ever
            del self._under_way[event["requestId"]]
            self._keep(call)

    def _on_finished(self, event: dict[str, Any]) -> None:
        call = self._under_way.pop(event["requestId"], None)
        if call is None or not call.status or not self._is_wanted(call):
            return
        if event.get("encodedDataLength", 0) > self._stage.limit_bytes:
            self._keep(call, broken=True)
            self._warn("a body was too large to be kept")
        elif self._has_room() and self._needs_body(call):
            task = asyncio.create_task(self._fetch(event["requestId"], call))
            self._fetching.add(task)
            task.add_done_callback(self._fetching.discard)
        else:
            self._keep(call)

    def _on_failed(self, event: dict[str, Any]) -> None:
        call = self._under_way.pop(event["requestId"], None)
        if call is not None and call.status and self._is_wanted(call):
            self._keep(call, broken=True)

    def _on_socket(self, event: dict[str, Any]) -> None:
        if len(self._under_way) < _NOTED:
            self._under_way[event["requestId"]] = _Call(
                "websocket", "GET", event["url"], {}, None, more_posted=False
            )

    def _on_socket_answer(self, event: dict[str, Any]) -> None:
        call = self._under_way.pop(event["requestId"], None)
        if call is not None:
            call.headers = _lowered(event["response"].get("requestHeaders", {}))
            _note_answer(call, event["response"])
            self._keep(call)

    # ------------------------------------------------------------ keeping

    def _is_wanted(self, call: _Call) -> bool:
        if self._options.capture_calls:
            return True
        return any(fits(one, call, whole=False) for one in self._filters)

    def _needs_body(self, call: _Call) -> bool:
        if any(fits(one, call, whole=False) for one in self._filters):
            return True
        return call.type not in _WITHOUT_BODY

    def _has_room(self) -> bool:
        return len(self._kept) + len(self._fetching) < MOST_CALLS

    async def _fetch(self, request_id: str, call: _Call) -> None:
        try:
            got = await self._stage.send("Network.getResponseBody", _BODY_S, requestId=request_id)
            call.body, call.binary = _readable(got, call.answer)
            if call.more_posted:
                sent = await self._stage.send(
                    "Network.getRequestPostData", _BODY_S, requestId=request_id
                )
                call.posted = str(sent.get("postData", ""))[:_POST_BYTES]
        except TimeoutError:
            call.broken = True
            self._warn("a body did not arrive in time")
        except Error as error:
            if is_gone(error):
                return
            # Chromium has none of answers without content, which is no loss.
            call.broken = call.status not in (204, 205, 304) and call.method != "HEAD"
            if call.broken:
                self._warn("a body was gone before it could be kept")
        self._keep(call, broken=call.broken)

    def _keep(self, call: _Call, *, broken: bool = False) -> None:
        if not self._is_wanted(call):
            return
        if len(self._kept) >= MOST_CALLS:
            self._warn(f"only the first {MOST_CALLS} calls are kept")
            return
        if self._size + len(call.body) > self._stage.limit_bytes:
            call.body, call.binary, broken = "", False, True
            self._warn(f"bodies beyond {self._stage.limit_bytes} bytes together are left out")
        self._size += len(call.body)
        call.whole, call.broken = True, broken
        self._kept.append(call)
        self._changed.set()

    def _warn(self, note: str) -> None:
        self._warnings[f"network capture: {note}"] = None


def fits(one: CaptureFilter, call: _Call, *, whole: bool = True) -> bool:
    """Whether a call has everything that a filter gives; `whole` False: as far as is known before
    its body is here."""
    if one.method and call.method != one.method:
        return False
    if one.url is not None:
        wanted = one.url.value
        if not (call.url == wanted if one.url.exact else wanted in call.url):
            return False
    if not _among(call.type, one.resource_type) or not _among(call.status, one.status):
        return False
    return not (one.validation and whole) or _is_sound(call)


def _among(value: object, wanted: object) -> bool:
    if wanted is None:
        return True
    return value in wanted if isinstance(wanted, tuple) else value == wanted


def _is_sound(call: _Call) -> bool:
    if call.broken or not 200 <= call.status < 300:
        return False
    if "json" not in call.answer.get("content-type", ""):
        return True
    try:
        json.loads(call.body)
    except (ValueError, RecursionError):
        return False
    return True


def _type_of(name: str) -> ResourceType:
    lowered = name.lower()
    return lowered if lowered in _TYPES else "other"  # type: ignore[return-value]  # one of them


def _lowered(headers: Mapping[str, Any]) -> dict[str, str]:
    return {name.lower(): str(value) for name, value in headers.items()}


def _note_answer(call: _Call, answer: Mapping[str, Any]) -> None:
    call.status = int(answer.get("status", 0))
    call.status_text = str(answer.get("statusText", ""))
    call.answer = _lowered(answer.get("headers", {}))


def _readable(got: Mapping[str, Any], headers: Mapping[str, str]) -> tuple[str, bool]:
    """The body as text, or in base64 if it is none."""
    body = str(got.get("body", ""))
    if not got.get("base64Encoded"):
        return body, False
    if any(part in headers.get("content-type", "").lower() for part in _TEXTUAL):
        try:
            return b64decode(body).decode(), False
        except UnicodeDecodeError:
            return body, True
    return body, True


def _shown(call: _Call) -> CapturedCall:
    return CapturedCall(
        resource_type=call.type,
        method=call.method,
        url=call.url,
        request_headers=call.headers,
        request_body=call.posted,
        status=call.status,
        status_text=call.status_text,
        headers=call.answer,
        body=call.body,
        binary=call.binary,
    )
