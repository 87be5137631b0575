"""Dialect v1's error envelopes (contract 2.3): one table from our error codes to its statuses.

The API's error handler calls `envelope` with whatever was raised, and `failure_envelope` when a
synchronous call's task came to nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Literal
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType

from windlass.errors import (
    DeliveryError,
    InvalidRequest,
    MethodNotAllowed,
    Problem,
    RateLimited,
    ResultsNotReady,
    WindlassError,
)
from windlass.model.page import Failure
from windlass.model.task import Task
from windlass.wire.v1_terms import STATES, ErrorType, TaskState, error_type

HTTP_STATUS: dict[str, int] = {
    "error": 500,
    "bad_request": 400,
    "invalid_request": 400,
    "unauthorized": 401,
    "not_found": 404,
    "task_not_found": 404,
    "group_not_found": 404,
    "agent_not_found": 404,
    "idempotency_conflict": 409,
    "results_not_ready": 404,
    "results_expired": 404,
    "method_not_allowed": 405,
    "not_resendable": 409,
    "slow_request": 408,
    "request_too_large": 413,
    "rate_limited": 429,
    "unsupported": 400,
    "search_unconfigured": 501,
    "missing_extra": 400,
    "browser_missing": 400,
    "canceled": 500,
    "target_error": 500,
    "dns_failed": 500,
    "connection_refused": 500,
    "connection_lost": 500,
    "connection_failed": 500,
    "tls_failed": 500,
    "host_busy": 500,
    "host_down": 500,
    "proxy_failed": 501,
    "connect_timeout": 500,
    "read_timeout": 500,
    "request_timeout": 555,
    "invalid_response": 500,
    "body_truncated": 500,
    "body_too_large": 500,
    "decompression_bomb": 500,
    "bad_encoding": 500,
    "redirect_loop": 500,
    "too_many_redirects": 500,
    "bad_redirect": 500,
    "unexpected_status": 500,
    "not_a_page": 500,
    "address_refused": 403,
    "robots_denied": 403,
    "search_failed": 500,
    "parse_timeout": 500,
    "parser_crashed": 500,
    "browser_crashed": 500,
    "browser_actions_failed": 500,
    "network_capture_failed": 500,
    "delivery_failed": 500,
    "delivery_expired": 500,
    "storage_unconfigured": 500,
    "storage_denied": 500,
    "bucket_missing": 500,
    "storage_rejected": 500,
    "object_exists": 500,
    "storage_unavailable": 500,
    "storage_timeout": 500,
    "webhook_rejected": 500,
    "webhook_gone": 500,
    "webhook_unsendable": 500,
    "internal_error": 500,
    "bad_settings": 500,
    "database_unavailable": 503,
    "storage_full": 503,
    "overloaded": 503,
    "results_unavailable": 503,
    "blob_missing": 500,
    "worker_lost": 500,
    "not_repeated": 500,
    "task_expired": 555,
    "server_unreachable": 500,
}
"""HTTP status of every code in the error tree. 2.8 for refused addresses, D for 501 and 555;
503 is ours, for trouble of our own that passes: the SDK tries again, as nothing was created."""

ANSWERED = frozenset(
    (
        "bad_encoding",
        "body_too_large",
        "body_truncated",
        "decompression_bomb",
        "parse_timeout",
        "parser_crashed",
        "unexpected_status",
    )
)
"""Codes of what can only happen to a page that came."""
MAYBE_ANSWERED = frozenset(
    (
        "host_busy",
        "connection_failed",
        "connection_lost",
        "invalid_response",
        "read_timeout",
        "request_timeout",
        "tls_failed",
    )
)
"""Codes of what can happen before a page comes and while it comes."""

INVALID = "PARAMETERS_FAILED_JSON_SCHEMA_VALIDATION_ERROR"


class ValidationEntry(msgspec.Struct, kw_only=True):
    """One wrong place of a request, in the shape AJV gives it."""

    path: str = msgspec.field(name="instancePath")
    schema_path: str = msgspec.field(name="schemaPath")
    keyword: str
    params: dict[str, Any]
    message: str


class ValidationDetails(msgspec.Struct):
    """All wrong places of a request."""

    schema_validation_errors: list[ValidationEntry]


class Error400(msgspec.Struct, kw_only=True):
    """The request is not valid."""

    status: Literal["failed"] = "failed"
    msg: str
    error: str = INVALID
    details: ValidationDetails
    error_code: str


class ErrorTask(msgspec.Struct, kw_only=True):
    """The task whose results are not ready."""

    id: UUID
    state: TaskState


class ErrorText(msgspec.Struct, kw_only=True):
    """401, 403, 404, 405, 408, 409 and 413: `error` and `msg` say what is wrong."""

    status: Literal["failed"] = "failed"
    msg: str
    error: str
    error_code: str
    task_id: UUID | UnsetType = UNSET
    task: ErrorTask | UnsetType = UNSET


class RateError(msgspec.Struct, kw_only=True):
    """When to come back, in seconds."""

    code: Literal["RATE_LIMIT_EXCEEDED"] = "RATE_LIMIT_EXCEEDED"
    message: str
    retry_after: int


class Error429(msgspec.Struct, kw_only=True):
    """Too many requests with this key."""

    status: Literal["failed"] = "failed"
    success: Literal["false"] = "false"
    msg: str
    message: str
    error: RateError


class Error500(msgspec.Struct, kw_only=True):
    """500, 501, 503 and 555: nothing could be answered. Only 503 is worth sending again."""

    status: Literal["failed"] = "failed"
    success: Literal["false"] = "false"
    task_id: UUID
    msg: str
    message: str
    error_code: str
    error_type: ErrorType


class Envelope(msgspec.Struct, frozen=True):
    """An error answer: status, JSON body, headers beyond the content type."""

    status: int
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()


_encoder = msgspec.json.Encoder()
_FINAL = (("x-should-retry", "false"),)
_PASSING = (("x-should-retry", "true"), ("retry-after", "1"))


def http_status(code: str) -> int:
    """The HTTP status of an error code; codes of other versions count as internal."""
    return HTTP_STATUS.get(code, 500)


def sync_statuses(kind: type[WindlassError]) -> tuple[int, ...]:
    """What a synchronous call that meets such an error may answer with (contract 7.3, 8).

    200: the target did answer, the result says `failed`. Nothing: only tasks meet it.
    """
    if issubclass(kind, DeliveryError):
        return ()
    if kind.code in ANSWERED:
        return (200,)
    if kind.code in MAYBE_ANSWERED:
        return (http_status(kind.code), 200)
    return (http_status(kind.code),)


def envelope(error: WindlassError, request_id: UUID) -> Envelope:
    """The answer to a request that raised `error`."""
    status = http_status(error.code)
    if status >= 500:
        return _unanswered(status, error.code, error.public_message, request_id)
    return _BODIES.get(status, _plain)(status, error)


def failure_envelope(
    failure: Failure, task_id: UUID, retry_after_s: float = 0.0, place: str = ""
) -> Envelope:
    """The answer to a synchronous call whose target gave none (contract 7.3), or was not asked
    because it is left alone for so long. The SDK does not wait for that by itself. `place` is a
    JSON pointer to what cannot be served, where that is known."""
    status = http_status(failure.code)
    if status >= 500:
        answer = _unanswered(status, failure.code, failure.message or failure.code, task_id)
        if not retry_after_s:
            return answer
        hint = ("retry-after", str(math.ceil(retry_after_s)))
        return msgspec.structs.replace(answer, headers=(*answer.headers, hint))
    if status == 400:
        problem = Problem(place, failure.message, keyword="unsupported")
        refused = _encode_400(failure.message, failure.code, (problem,))
        return msgspec.structs.replace(refused, headers=_FINAL)
    text = f"Domain is blocked: {failure.message}" if status == 403 else failure.message
    body = ErrorText(msg=text, error=text, error_code=failure.code, task_id=task_id)
    return Envelope(status, _encoder.encode(body), _FINAL)


def _unanswered(status: int, code: str, message: str, task_id: UUID) -> Envelope:
    body = Error500(
        task_id=task_id, msg=message, message=message, error_code=code, error_type=error_type(code)
    )
    return Envelope(status, _encoder.encode(body), _PASSING if status == 503 else _FINAL)


def _invalid(status: int, error: WindlassError) -> Envelope:
    problems = error.problems if isinstance(error, InvalidRequest) else ()
    if not problems:
        problems = (Problem("", error.public_message, keyword=error.code),)
    return _encode_400(error.public_message, error.code, problems)


def _encode_400(message: str, code: str, problems: tuple[Problem, ...]) -> Envelope:
    entries = [
        ValidationEntry(
            path=problem.path,
            schema_path=problem.schema_path,
            keyword=problem.keyword,
            params=problem.params,
            message=problem.message,
        )
        for problem in problems
    ]
    body = Error400(msg=message, details=ValidationDetails(entries), error_code=code)
    return Envelope(400, _encoder.encode(body))


def _plain(status: int, error: WindlassError) -> Envelope:
    text = error.public_message
    body = ErrorText(msg=text, error=text, error_code=error.code)
    task = error.details.get("task") if isinstance(error, ResultsNotReady) else None
    if isinstance(task, Task):
        body.task = ErrorTask(id=task.id, state=STATES[task.state])
    return Envelope(status, _encoder.encode(body))


def _unauthorized(status: int, error: WindlassError) -> Envelope:
    body = ErrorText(msg=error.public_message, error="UNAUTHORIZED", error_code=error.code)
    return Envelope(status, _encoder.encode(body), (("www-authenticate", "Bearer"),))


def _method_not_allowed(status: int, error: WindlassError) -> Envelope:
    plain = _plain(status, error)
    allow = error.details.get("allow", "") if isinstance(error, MethodNotAllowed) else ""
    return msgspec.structs.replace(plain, headers=(("allow", allow),))


def _conflicting(status: int, error: WindlassError) -> Envelope:
    """The SDK would send a 409 again at once."""
    return msgspec.structs.replace(_plain(status, error), headers=_FINAL)


def _too_slow(status: int, error: WindlassError) -> Envelope:
    return msgspec.structs.replace(_plain(status, error), headers=(("connection", "close"),))


def _rate_limited(status: int, error: WindlassError) -> Envelope:
    wait_s = error.retry_after_s if isinstance(error, RateLimited) else 1.0
    whole_s = max(1, math.ceil(wait_s))
    text = error.public_message
    body = Error429(msg=text, message=text, error=RateError(message=text, retry_after=whole_s))
    headers = (("retry-after", str(whole_s)), ("retry-after-ms", str(math.ceil(wait_s * 1000))))
    return Envelope(status, _encoder.encode(body), headers)


_BODIES: dict[int, Callable[[int, WindlassError], Envelope]] = {
    400: _invalid,
    401: _unauthorized,
    405: _method_not_allowed,
    408: _too_slow,
    409: _conflicting,
    413: _too_slow,
    429: _rate_limited,
}
