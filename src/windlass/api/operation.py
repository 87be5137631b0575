"""What one operation of the API is, and the pieces that the tables of them share.

The tables are operations.py and, for agents, agent_operations.py.
"""

from __future__ import annotations

from typing import Any

import msgspec

from windlass.wire.ajv import schema_of
from windlass.wire.v1_errors import Error400, Error429, Error500, ErrorText


class Parameter(msgspec.Struct, frozen=True):
    """A query parameter with its JSON Schema."""

    name: str
    doc: str
    schema: dict[str, Any]


Answer = type | tuple[type, ...] | str | None


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """One method of one path and its aliases. `answers`: status → type, one of several or none, or
    media type.

    `guarded`: needs a key, so 401, 429, 500 and 503 are possible besides `answers`. `creating`:
    takes an Idempotency-Key.
    """

    name: str
    method: str
    path: str
    summary: str
    doc: str = ""
    group: str
    aliases: tuple[str, ...] = ()
    body: type | None = None
    body_required: bool = True
    query: tuple[Parameter, ...] = ()
    answers: dict[int, Answer]
    guarded: bool = True
    creating: bool = False
    legacy: bool = False

    def all_answers(self) -> dict[int, Answer]:
        """Every status this operation can answer with."""
        common: dict[int, Answer] = {
            401: ErrorText,
            429: Error429,
            500: Error500,
            503: Error500,
        }
        posted: dict[int, Answer] = {400: Error400, 408: ErrorText, 413: ErrorText}
        more = (common if self.guarded else {}) | (posted if self.body else {})
        more |= {409: ErrorText} if self.creating else {}
        return dict(sorted((more | self.answers).items()))


def listing(limit: str) -> tuple[Parameter, ...]:
    """The parameters of a list with cursors; `limit` says what a page has."""
    schema = {"type": "integer", "minimum": 1, "maximum": 10**18 - 1, "default": 100}
    cursor = Parameter("cursor", "next_cursor of the page before.", {"type": "string"})
    return Parameter("limit", limit, schema), cursor


def parameters(kind: type) -> tuple[Parameter, ...]:
    """The fields of a type as query parameters."""
    fields: dict[str, dict[str, Any]] = schema_of(kind)["properties"]
    return tuple(
        Parameter(name, rule["description"], {k: v for k, v in rule.items() if k != "description"})
        for name, rule in fields.items()
    )


SYNC: dict[int, Answer] = {
    403: ErrorText,
    501: Error500,
    555: Error500,
}
