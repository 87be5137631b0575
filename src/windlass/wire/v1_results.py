"""Dialect v1's extraction result: one JSON for sync replies, /results and buckets (5.4, 7.4).

The worker stores what `result_body` returns; the API adds the task object with `with_task`, and
so does an upload.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Literal
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType

from windlass.model.crawl import CRAWL_TASKS
from windlass.model.map import MAP
from windlass.model.page import Extraction, Failure, Redirect
from windlass.model.request import Cookie, ExtractRequest
from windlass.model.task import Task
from windlass.wire.v1_maps import MapReply, map_body
from windlass.wire.v1_rendered import RenderedData, rendered_data
from windlass.wire.v1_terms import (
    STATES,
    ErrorType,
    TaskState,
    Time,
    error_type,
    reason,
    timestamp,
)


class CookieView(msgspec.Struct, kw_only=True):
    """A cookie as answers show it and requests accept it (D13)."""

    name: str
    value: str
    domain: str
    path: str
    secure: bool
    http_only: bool = msgspec.field(name="httpOnly")
    host_only: bool = msgspec.field(name="hostOnly")
    expires: Time | UnsetType = UNSET
    same_site: Literal["strict", "lax", "none"] | UnsetType = msgspec.field(
        name="sameSite", default=UNSET
    )


class RedirectView(msgspec.Struct):
    """One hop before the final URL."""

    url: str
    status_code: int


class ResultData(RenderedData, kw_only=True):
    """What the formats asked for made of the page, and what was done on it; what was not asked for
    is absent."""

    html: str | UnsetType = UNSET
    markdown: str | UnsetType = UNSET
    text: str | UnsetType = UNSET
    headers: dict[str, str] | UnsetType = UNSET
    links: list[str] | UnsetType = UNSET
    cookies: list[CookieView] | UnsetType = UNSET
    redirects: list[RedirectView] | UnsetType = UNSET


class ResponseParameters(msgspec.Struct):
    """What the answer belongs to."""

    input_url: str


class ResultMetadata(msgspec.Struct, kw_only=True):
    """How the page was had. Durations are milliseconds.

    `partial` true: the body is not whole, `data` is made from what arrived.
    """

    query_time: Time
    query_duration: int
    response_parameters: ResponseParameters
    input_url: str
    driver: str | UnsetType = UNSET
    tag: str | UnsetType = UNSET
    partial: bool | UnsetType = UNSET
    error_code: str | UnsetType = UNSET
    error_type: ErrorType | UnsetType = UNSET


class ResultDebug(msgspec.Struct, kw_only=True, omit_defaults=True):
    """Notes for operators. `egress`: label of the proxy the request left through."""

    egress: str = ""
    performance_metrics: dict[str, float] = {}
    """Chromium's figures by its names: seconds, bytes, counts."""


class ResultTask(msgspec.Struct, kw_only=True):
    """The task a stored result belongs to."""

    id: UUID
    state: TaskState
    created_at: Time
    modified_at: Time
    account_name: str
    output_url: str | UnsetType = UNSET
    status_code: int | UnsetType = UNSET
    error: str | UnsetType = UNSET
    error_type: ErrorType | UnsetType = UNSET
    error_code: str | UnsetType = UNSET


class ExtractResult(msgspec.Struct, kw_only=True):
    """An extraction result. `status_code` is the target's, 0 if it never answered."""

    url: str
    task_id: UUID
    status: Literal["success", "failed"]
    status_code: int
    error: str | UnsetType = UNSET
    data: ResultData
    metadata: ResultMetadata
    warnings: list[str]
    debug: ResultDebug | UnsetType = UNSET


class TaskResult(ExtractResult, kw_only=True):
    """An extraction result as its task's /results answers it."""

    task: ResultTask


class MapTaskResult(MapReply, kw_only=True):
    """A map's answer together with its task (contract 8)."""

    status: Literal["success", "failed"]
    task: ResultTask


class LegacyResult(ExtractResult, kw_only=True):
    """An extraction result with the flat keys of the legacy API (section 20)."""

    html_content: str | None
    parsing: Any
    query_time: Time
    driver: str | None


class _Rendered(ExtractResult, kw_only=True):
    """The same with data already in the caller's words, whatever the formats are."""

    data: dict[str, Any]  # type: ignore[assignment]


_LAST_SECOND = 253402300799.0
"""The end of year 9999, where the calendar of answers ends; cookies may claim to outlive it."""

_encoder = msgspec.json.Encoder()


def result_body(
    *,
    extraction: Extraction | None,
    failure: Failure | None,
    task_id: UUID,
    request: ExtractRequest,
    received_at: datetime,
    duration_ms: int,
) -> bytes:
    """The result as stored and sent. `extraction` None: nothing was fetched, `failure` says why."""
    page = extraction or Extraction(url=request.url)
    why = failure or page.failure
    body = _Rendered(
        url=page.url,
        task_id=task_id,
        status="failed" if why else "success",
        status_code=page.status,
        error=why.message if why else UNSET,
        data=_data(page),
        metadata=ResultMetadata(
            query_time=timestamp(received_at),
            query_duration=duration_ms,
            response_parameters=ResponseParameters(request.url),
            input_url=request.url,
            driver=page.driver or UNSET,
            tag=UNSET if request.tag is None else request.tag,
            partial=page.partial or UNSET,
            error_code=why.code if why else UNSET,
            error_type=error_type(why.code) if why else UNSET,
        ),
        warnings=_unique((*request.warnings, *page.warnings)),
        debug=_debug(page),
    )
    try:
        return _encoder.encode(body)
    except UnicodeEncodeError:  # half a surrogate pair, which JSON cannot carry
        return _encoder.encode(_whole(msgspec.to_builtins(body)))


class _Stored(msgspec.Struct, kw_only=True):
    """The part of a stored request that an answer without a page needs."""

    url: str = ""
    tag: str | None = None


def empty_result(task: Task) -> bytes:
    """The result of a finished task that never got to store one (contract 8)."""
    if task.kind == MAP:
        return map_body(task.id, (), failure=reason(task.state, task.failure))
    stored = msgspec.json.decode(task.input, type=_Stored)
    lasted = task.modified_at - task.created_at
    return result_body(
        extraction=None,
        failure=reason(task.state, task.failure),
        task_id=task.id,
        request=ExtractRequest(url=stored.url, tag=stored.tag),
        received_at=task.created_at,
        duration_ms=round(lasted.total_seconds() * 1000),
    )


def with_task(result: bytes, task: Task) -> bytes:
    """A stored result as /results answers it: with its task object at the end (5.4).

    Of a task that succeeded these are the very bytes that its bucket gets; see `task_tail`.
    """
    return b"".join((memoryview(readable(result, task))[:-1], task_tail(task)))


def readable(result: bytes, task: Task) -> bytes:
    """A stored result as it may be read: it says so if its bucket did not take it (6.5)."""
    why = reason(task.state, task.failure)
    where = output_url(task)
    if why is None or where is UNSET or error_type(why.code) != "storage_error":
        return result
    fields = msgspec.json.decode(result, type=dict[str, msgspec.Raw])
    notes = msgspec.json.decode(fields.get("warnings", b"[]"), type=list[str])
    notes.append(f"the result could not be stored at {where}, it is kept here: {why.message}")
    fields["warnings"] = msgspec.Raw(_encoder.encode(notes))
    return _encoder.encode(fields)


def output_url(task: Task) -> str | UnsetType:
    """The address of the task's object, known from its creation on (6.3)."""
    upload = task.delivery.upload if task.delivery else None
    return UNSET if upload is None else upload.url


def batch_id(task: Task) -> UUID | UnsetType:
    """The batch that the task belongs to (5.1); a crawl is none."""
    if task.group_id is None or task.kind in CRAWL_TASKS:
        return UNSET
    return task.group_id


def task_tail(task: Task) -> bytes:
    """What follows a stored result without its last byte: its task object and the closing brace.

    A large result can be streamed before it, without decoding it.
    """
    why = reason(task.state, task.failure)
    view = ResultTask(
        id=task.id,
        state=STATES[task.state],
        created_at=timestamp(task.created_at),
        modified_at=timestamp(task.modified_at),
        account_name=task.account,
        output_url=output_url(task),
        status_code=UNSET if task.status_code is None else task.status_code,
        error=why.message if why else UNSET,
        error_type=error_type(why.code) if why else UNSET,
        error_code=why.code if why else UNSET,
    )
    status = b',"status":' + _encoder.encode("failed" if why else "success")
    return b"".join((status if task.kind == MAP else b"", b',"task":', _encoder.encode(view), b"}"))


def legacy_result(result: bytes) -> bytes:
    """The result with the flat keys that readers of the legacy API look for (section 20)."""
    document = msgspec.json.decode(result)
    data, metadata = document["data"], document["metadata"]
    flat = {
        "html_content": data.get("html"),
        "parsing": data.get("parsing"),
        "query_time": metadata["query_time"],
        "driver": metadata.get("driver"),
    }
    return _encoder.encode(document | flat)


def _debug(page: Extraction) -> ResultDebug | UnsetType:
    metrics = page.rendering.metrics if page.rendering else {}
    if not page.egress and not metrics:
        return UNSET
    return ResultDebug(egress=page.egress, performance_metrics=metrics)


def _data(page: Extraction) -> dict[str, Any]:
    data = {name: _value(name, value) for name, value in page.values.items() if value is not None}
    if page.redirects:
        data["redirects"] = [_redirect(hop) for hop in page.redirects]
    if page.rendering is not None:
        if page.rendering.asked_for("get_cookies"):
            found = [cookie_view(one) for one in page.rendering.cookies]
            data["cookies"] = [*data.get("cookies", ()), *found]
        shown = rendered_data(page.rendering)
        fields = ((name, getattr(shown, name)) for name in shown.__struct_fields__)
        data.update({name: value for name, value in fields if value is not UNSET})
    return data


def _value(name: str, value: Any) -> Any:
    if name == "cookies" and isinstance(value, Iterable):
        return [cookie_view(item) if isinstance(item, Cookie) else item for item in value]
    return value


def _redirect(hop: Redirect) -> RedirectView:
    return RedirectView(hop.url, hop.status)


def cookie_view(cookie: Cookie) -> CookieView:
    """A cookie in the form that requests accept, too."""
    expires = cookie.expires
    return CookieView(
        name=cookie.name,
        value=cookie.value,
        domain=cookie.domain,
        path=cookie.path,
        secure=cookie.secure,
        http_only=cookie.http_only,
        host_only=cookie.host_only,
        expires=UNSET if expires is None else _moment(expires),
        same_site=cookie.same_site or UNSET,
    )


def _moment(unix_s: float) -> str:
    return timestamp(datetime.fromtimestamp(min(max(unix_s, 0.0), _LAST_SECOND), UTC))


def _unique(notes: tuple[str, ...]) -> list[str]:
    return list(dict.fromkeys(notes))


def _whole(value: Any) -> Any:
    """The value with every unpaired surrogate replaced."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, Mapping):
        return {_whole(key): _whole(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_whole(item) for item in value]
    return value
