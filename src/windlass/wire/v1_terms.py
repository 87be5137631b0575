"""Dialect v1's words for ours: states, times, error types.

Used by everything else in the dialect; it must not know any shape.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal

from msgspec import Meta

from windlass.model.page import Failure
from windlass.model.task import State

Time = Annotated[str, Meta(extra_json_schema={"format": "date-time"})]
Link = Annotated[str, Meta(extra_json_schema={"format": "uri"})]
TaskState = Literal["pending", "in_progress", "success", "error"]
TaskStatus = Literal["pending", "processing", "completed", "failed"]
ErrorType = Literal[
    "timeout_error",
    "connection_error",
    "http_error",
    "blocked_error",
    "parsing_error",
    "browser_error",
    "storage_error",
    "validation_error",
    "internal_error",
    "canceled",
]

STATES: dict[State, TaskState] = {
    State.QUEUED: "pending",
    State.RUNNING: "in_progress",
    State.SUCCEEDED: "success",
    State.FAILED: "error",
    State.CANCELLED: "error",
}
"""`task.state` (contract D3)."""

STATUSES: dict[State, TaskStatus] = {
    State.QUEUED: "pending",
    State.RUNNING: "processing",
    State.SUCCEEDED: "completed",
    State.FAILED: "failed",
    State.CANCELLED: "failed",
}
"""`task.status`, for readers of the published schema (contract D3)."""

ERROR_TYPES: dict[str, ErrorType] = {
    "error": "internal_error",
    "bad_request": "validation_error",
    "invalid_request": "validation_error",
    "unauthorized": "validation_error",
    "not_found": "validation_error",
    "task_not_found": "validation_error",
    "group_not_found": "validation_error",
    "idempotency_conflict": "validation_error",
    "results_not_ready": "validation_error",
    "results_expired": "validation_error",
    "not_resendable": "validation_error",
    "method_not_allowed": "validation_error",
    "slow_request": "validation_error",
    "request_too_large": "validation_error",
    "rate_limited": "validation_error",
    "unsupported": "validation_error",
    "missing_extra": "validation_error",
    "browser_missing": "validation_error",
    "canceled": "canceled",
    "target_error": "http_error",
    "dns_failed": "connection_error",
    "connection_refused": "connection_error",
    "connection_lost": "connection_error",
    "connection_failed": "connection_error",
    "tls_failed": "connection_error",
    "host_busy": "blocked_error",
    "host_down": "connection_error",
    "proxy_failed": "connection_error",
    "connect_timeout": "timeout_error",
    "read_timeout": "timeout_error",
    "request_timeout": "timeout_error",
    "invalid_response": "http_error",
    "body_truncated": "http_error",
    "body_too_large": "http_error",
    "decompression_bomb": "http_error",
    "bad_encoding": "http_error",
    "redirect_loop": "http_error",
    "too_many_redirects": "http_error",
    "bad_redirect": "http_error",
    "unexpected_status": "http_error",
    "not_a_page": "http_error",
    "address_refused": "blocked_error",
    "robots_denied": "blocked_error",
    "parse_timeout": "parsing_error",
    "parser_crashed": "parsing_error",
    "browser_crashed": "browser_error",
    "browser_actions_failed": "browser_error",
    "network_capture_failed": "browser_error",
    "delivery_failed": "storage_error",
    "delivery_expired": "storage_error",
    "storage_unconfigured": "storage_error",
    "storage_denied": "storage_error",
    "bucket_missing": "storage_error",
    "storage_rejected": "storage_error",
    "object_exists": "storage_error",
    "storage_unavailable": "storage_error",
    "storage_timeout": "storage_error",
    "webhook_rejected": "http_error",
    "webhook_gone": "http_error",
    "webhook_unsendable": "validation_error",
    "internal_error": "internal_error",
    "bad_settings": "internal_error",
    "database_unavailable": "internal_error",
    "storage_full": "internal_error",
    "overloaded": "internal_error",
    "results_unavailable": "internal_error",
    "blob_missing": "internal_error",
    "worker_lost": "internal_error",
    "not_repeated": "internal_error",
    "task_expired": "timeout_error",
    "server_unreachable": "internal_error",
}
"""`error_type` (contract 5.1) of every code in the error tree."""

CANCELLED = Failure("canceled", "canceled")
_UNEXPLAINED = Failure("internal_error", "Internal error")


def error_type(code: str) -> ErrorType:
    """The coarse class of an error code; codes of other versions count as internal."""
    return ERROR_TYPES.get(code, "internal_error")


def reason(state: State, failure: Failure | None) -> Failure | None:
    """Why a task did not succeed: never None for a failed or cancelled one (contract 8)."""
    if state is State.CANCELLED:
        return failure or CANCELLED
    if state is State.FAILED:
        return failure or _UNEXPLAINED
    return None


def timestamp(moment: datetime) -> str:
    """UTC ISO 8601 with milliseconds and Z (contract 2.1)."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds")[:-6] + "Z"
