"""/openapi.json: OpenAPI 3.1 made from the operations and the very types that read and answer.

Built when first asked for; it must say nothing that the server does not do.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import msgspec

import windlass
from windlass.api.operation import Answer, Operation
from windlass.api.operations import OPERATIONS
from windlass.errors import WindlassError
from windlass.wire import ajv
from windlass.wire.v1_errors import sync_statuses
from windlass.wire.v1_terms import error_type

_TITLE = "Windlass"
_ABOUT = (
    "A self-hosted web data server that speaks the Nimble v1 API. Send an API key as "
    "`Authorization: Bearer KEY`. Unknown body fields are ignored with a warning in the answer; "
    "wrong ones are all named by one 400."
)
_PATH_DOCS = {
    "task_id": "Id of a task.",
    "batch_id": "Id of a batch.",
    "crawl_id": "Id of a crawl.",
    "delivery_id": "Id of a delivery: the webhook-id that its receiver sees.",
    "key_id": "Id of a key.",
    "agent_name": "Name of an agent.",
}
_NAMES = frozenset(("agent_name",))
"""Path parameters that are no ids."""
_STATUS_DOCS = {
    200: "What was asked for.",
    204: "Done.",
    400: "The request is not valid; every wrong field is listed.",
    401: "No key, or one that is not known.",
    403: "The target is not allowed.",
    404: "There is no such thing, or not for this key.",
    408: "The request body did not arrive in time.",
    409: "Its state does not allow it now, or the Idempotency-Key was used for another request. "
    "Carries x-should-retry: false.",
    413: "The request body is too large.",
    429: "Too many requests with this key; come back after Retry-After.",
    500: "The target gave no answer, or the server failed. Carries x-should-retry: false.",
    501: "The operator's proxy failed, or there is no search backend. Carries x-should-retry: "
    "false.",
    503: "Requests cannot be served now; come back after Retry-After.",
    555: "The time for the request ran out. Carries x-should-retry: false.",
}
_HEADERS: dict[str, Any] = {
    "x-task-id": {"schema": {"type": "string", "format": "uuid"}},
    "x-nimble-request-id": {"schema": {"type": "string", "format": "uuid"}},
}


_IDEMPOTENCY = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "The same call again (path and body, byte for byte) with the same key makes "
    "nothing new and answers the same ids.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
}


def describe(operations: tuple[Operation, ...] = OPERATIONS) -> dict[str, Any]:
    """The OpenAPI document."""
    kinds = _kinds(operations)
    roots, parts = ajv.components(kinds)
    schemas = dict(zip(kinds, roots, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        for number, path in enumerate((operation.path, *operation.aliases)):
            item = _item(operation, path, number, schemas)
            paths.setdefault(path, {})[operation.method.lower()] = item
    return {
        "openapi": "3.1.0",
        "info": {"title": _TITLE, "version": windlass.__version__, "description": _ABOUT},
        "paths": paths,
        "components": {
            "schemas": msgspec.json.decode(msgspec.json.encode(parts)),
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
        "x-error-codes": error_codes(),
    }


def error_codes() -> list[dict[str, Any]]:
    """Every `error_code` with its coarse `error_type` and the `statuses` that a synchronous call
    may answer with: 200 with status `failed` if the target did answer, none if only tasks meet
    the error."""
    return [
        {
            "code": kind.code,
            "statuses": list(sync_statuses(kind)),
            "error_type": error_type(kind.code),
            "meaning": kind().message,
        }
        for kind in _tree(WindlassError)
        if kind.code not in _FAMILIES
    ]


def _tree(root: type[WindlassError]) -> Iterator[type[WindlassError]]:
    yield root
    for child in root.__subclasses__():
        yield from _tree(child)


_FAMILIES = frozenset(("error", "bad_request", "target_error"))
"""Codes of classes that only hold others together."""


def _kinds(operations: tuple[Operation, ...]) -> list[type]:
    """Every type that a body or an answer has, once each."""
    found: dict[type, None] = {}
    for operation in operations:
        for answer in (operation.body, *operation.all_answers().values()):
            kinds = answer if isinstance(answer, tuple) else (answer,)
            found.update((kind, None) for kind in kinds if kind and not isinstance(kind, str))
    return list(found)


def _item(
    operation: Operation, path: str, number: int, schemas: dict[type, dict[str, Any]]
) -> dict[str, Any]:
    item: dict[str, Any] = {
        "operationId": operation.name if number == 0 else f"{operation.name}_{number}",
        "summary": operation.summary,
        "tags": [operation.group],
        "parameters": _parameters(operation, path),
        "responses": {
            str(status): _response(status, answer, schemas)
            for status, answer in operation.all_answers().items()
        },
    }
    if operation.doc:
        item["description"] = operation.doc
    if operation.guarded:
        item["security"] = [{"key": []}]
    if number or operation.legacy:
        item["deprecated"] = True
    if operation.body is not None:
        content = {"application/json": {"schema": schemas[operation.body]}}
        item["requestBody"] = {"required": operation.body_required, "content": content}
    return item


def _parameters(operation: Operation, path: str) -> list[dict[str, Any]]:
    inside = [
        {
            "name": name,
            "in": "path",
            "required": True,
            "description": _PATH_DOCS[name],
            "schema": {"type": "string"}
            if name in _NAMES
            else {"type": "string", "format": "uuid"},
        }
        for name in re.findall(r"\{(\w+)\}", path)
    ]
    behind = [
        {"name": item.name, "in": "query", "description": item.doc, "schema": item.schema}
        for item in operation.query
    ]
    return inside + behind + ([_IDEMPOTENCY] if operation.creating else [])


def _response(status: int, answer: Answer, schemas: dict[type, dict[str, Any]]) -> dict[str, Any]:
    response: dict[str, Any] = {"description": _STATUS_DOCS[status], "headers": _HEADERS}
    if isinstance(answer, str):
        response["content"] = {answer: {}}
    elif isinstance(answer, tuple):
        schema = {"anyOf": [schemas[kind] for kind in answer]}
        response["content"] = {"application/json": {"schema": schema}}
    elif answer is not None:
        response["content"] = {"application/json": {"schema": schemas[answer]}}
    return response
