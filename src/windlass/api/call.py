"""Call: one request in flight. Reply: what goes back. Handlers turn the one into the other."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Awaitable, Callable
from urllib.parse import parse_qsl
from uuid import UUID, uuid4

import msgspec
from starlette.types import Receive, Scope

from windlass.errors import InvalidRequest, NotFound, Problem
from windlass.model.account import Account
from windlass.model.group import Idempotency
from windlass.wire.document import refusal

LIST_DEFAULT = 100
LIST_MOST = 1000
"""Entries of a list in one answer at most; more come with the next cursor."""
_KEY = re.compile(r"[!-~]{1,255}")
_HOST = re.compile(r"[A-Za-z0-9._:\[\]-]{1,255}")


class CallerGone(Exception):  # noqa: N818 - named like the error tree
    """The connection ended before the answer; there is nobody to tell."""


class Reply(msgspec.Struct, frozen=True):
    """An answer: status, body, headers beyond the usual ones."""

    body: bytes
    status: int = 200
    media_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()


class Call:
    """One request. `id` names it in answers and logs; `task_id` the task it is about, if any.

    `account` is set before a handler sees a call that needs a key. `release` gives back the room
    that `body` takes.
    """

    __slots__ = ("account", "body", "id", "receive", "release", "scope", "task_id")

    account: Account

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self.scope = scope
        self.receive = receive
        self.id = uuid4()
        self.task_id = self.id
        self.body = b""
        self.release: Callable[[], None] = _nothing

    def forget_body(self) -> None:
        """Makes room for other bodies; nobody needs this one when its task is stored."""
        self.body = b""
        self.release()

    def header(self, name: bytes) -> str:
        """The first value of a header given in lower case; "" if absent."""
        for key, value in self.scope["headers"]:
            if key == name:
                return str(value, "latin-1")
        return ""

    def idempotency(self) -> Idempotency | None:
        """The caller's Idempotency-Key with a digest of method, path and body, byte for byte; None
        if there is none. Only while the body is there. Raises InvalidRequest."""
        headers = self.scope["headers"]
        keys = [str(value, "latin-1") for name, value in headers if name == b"idempotency-key"]
        if not keys:
            return None
        if len(keys) > 1 or not _KEY.fullmatch(keys[0]):
            message = "must be one value of 1 to 255 visible ASCII characters"
            params = {"pattern": f"^{_KEY.pattern}$"}
            raise refusal([Problem("/Idempotency-Key", message, keyword="pattern", params=params)])
        target = f"{self.scope['method']} {self.scope['path']}\n".encode("utf-8", "surrogatepass")
        digest = hashlib.sha256(target)
        digest.update(self.body)
        return Idempotency(keys[0], digest.digest())

    def query(self) -> dict[str, str]:
        """Query parameters; of repeated ones the last."""
        text = self.scope["query_string"].decode("latin-1")
        try:
            return dict(parse_qsl(text, keep_blank_values=True, max_num_fields=100))
        except ValueError as error:
            raise InvalidRequest("Too many query parameters") from error

    def listing(self) -> tuple[int, str | None]:
        """How much of a list is wanted, and after which cursor. Raises InvalidRequest."""
        limit = min(self.whole_number("limit", LIST_DEFAULT), LIST_MOST)
        return limit, self.query().get("cursor") or None

    def whole_number(self, name: str, default: int) -> int:
        """A query parameter that must be an integer of at least 1. Raises InvalidRequest."""
        text = self.query().get(name)
        if text is None:
            return default
        if not re.fullmatch(r"-?[0-9]{1,18}", text):
            raise _refused_query(name, "must be integer", "type", {"type": "integer"})
        if int(text) < 1:
            params = {"comparison": ">=", "limit": 1}
            raise _refused_query(name, "must be >= 1", "minimum", params)
        return int(text)

    def path_id(self, name: str, missing: NotFound) -> UUID:
        """A UUID in the path. Raises `missing` for what is none."""
        text = self.scope["path_params"][name]
        try:
            if len(text) == 36:
                return UUID(text)
        except ValueError:
            pass
        raise missing

    def base(self, public_url: str) -> str:
        """What links in the answer start with: the setting, or the address that was called."""
        if public_url:
            return public_url.rstrip("/")
        scope = self.scope
        host = self.header(b"host")
        if not _HOST.fullmatch(host):
            server = scope.get("server") or ("localhost", None)
            host = server[0] if server[1] is None else f"{server[0]}:{server[1]}"
        return f"{scope['scheme']}://{host}{scope.get('root_path', '')}"

    async def gone(self) -> None:
        """Returns when the caller hangs up. Only after the body was read."""
        while (await self.receive())["type"] != "http.disconnect":
            pass


Handler = Callable[[Call], Awaitable[Reply]]


def _nothing() -> None:
    """What is to be given back when nothing was taken."""


def _refused_query(
    name: str, message: str, keyword: str, params: dict[str, object]
) -> InvalidRequest:
    schema_path = f"#/properties/{name}/{keyword}"
    problem = Problem(f"/{name}", message, keyword=keyword, schema_path=schema_path, params=params)
    return refusal([problem])
