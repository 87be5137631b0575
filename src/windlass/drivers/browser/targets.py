"""Pages that Chromium is asked for directly, through Playwright's pipe but without its page.

Playwright's page listens to every request and prepares for whatever its user may do, which costs
a page that is only loaded and read a fifth of its time. Used by process.py and simple.py.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Protocol

import msgspec
import structlog
from playwright.async_api import Error

log = structlog.get_logger(__name__)

Handler = Callable[[dict[str, Any]], None]

GONE = "the target has been closed"
CRASHED = "Page crashed"
ENDED = "ended"
"""Our own event: nothing more comes of a target."""


class Session(Protocol):
    """What Playwright's sessions of the DevTools protocol and ours have in common."""

    async def send(self, method: str, params: dict[str, Any] | None = None) -> Any:
        """The answer to a command. Raises the library's Error."""
        ...

    def on(self, event: Any, f: Any) -> None:
        """Calls `f` with the parameters of every such event."""
        ...


class _Reply(msgspec.Struct):
    """A message of a target: an answer with an id, or an event."""

    id: int = 0
    method: str = ""
    params: dict[str, Any] = {}
    result: dict[str, Any] = {}
    error: dict[str, Any] | None = None


_read = msgspec.json.Decoder(_Reply).decode


class TargetSession:
    """A session with one target. It needs no closing: it ends with its target."""

    def __init__(self, browser: Session, number: str) -> None:
        self._browser = browser
        self._number = number
        self._calls: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._handlers: dict[str, list[Handler]] = {}
        self._sent = 0
        self._over = ""

    async def send(self, method: str, params: dict[str, Any] | None = None) -> dict[str, Any]:
        """See Session."""
        if self._over:
            raise Error(f"{method}: {self._over}")
        self._sent += 1
        number = self._sent
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._calls[number] = answer
        command = {"id": number, "method": method, "params": params or {}}
        message = msgspec.json.encode(command).decode()
        try:
            await self._browser.send(
                "Target.sendMessageToTarget", {"sessionId": self._number, "message": message}
            )
            return await answer
        finally:
            self._calls.pop(number, None)
            if answer.done() and not answer.cancelled():
                answer.exception()  # nobody waits for it any more, if sending was what failed

    def on(self, event: str, f: Handler) -> None:
        """See Session."""
        self._handlers.setdefault(event, []).append(f)

    def receive(self, message: str) -> None:
        """Takes what the target says."""
        reply = _read(message)
        if reply.method == "Inspector.targetCrashed":
            self.end(CRASHED)
        elif reply.method:
            for handler in self._handlers.get(reply.method, ()):
                handler(reply.params)
        elif (answer := self._calls.get(reply.id)) is not None and not answer.done():
            if reply.error is None:
                answer.set_result(reply.result)
            else:
                answer.set_exception(Error(f"Protocol error: {reply.error.get('message')}"))

    def end(self, reason: str) -> None:
        """Fails every call under way and to come."""
        if self._over:
            return
        self._over = reason
        for answer in self._calls.values():
            if not answer.done():
                answer.set_exception(Error(reason))
        for handler in self._handlers.get(ENDED, ()):
            handler({"reason": reason})


class Targets:
    """All targets of one browser that are spoken to directly. Use `open`."""

    def __init__(self, browser: Session) -> None:
        self.browser = browser
        """The session with the browser itself."""
        self._sessions: dict[str, TargetSession] = {}
        browser.on("Target.receivedMessageFromTarget", self._on_message)
        browser.on("Target.detachedFromTarget", self._on_detached)

    async def attach(self, target: str) -> TargetSession:
        """A session with a target. Raises the library's Error."""
        # Sessions of the other kind would be known to Playwright's process only.
        wish = {"targetId": target, "flatten": False}
        number = str((await self.browser.send("Target.attachToTarget", wish))["sessionId"])
        session = self._sessions[number] = TargetSession(self.browser, number)
        return session

    def close(self) -> None:
        """Ends every session: the browser is gone."""
        for session in [*self._sessions.values()]:
            session.end(GONE)
        self._sessions.clear()

    def _on_message(self, event: dict[str, Any]) -> None:
        session = self._sessions.get(event["sessionId"])
        if session is not None:
            session.receive(event["message"])

    def _on_detached(self, event: dict[str, Any]) -> None:
        session = self._sessions.pop(event["sessionId"], None)
        if session is not None:
            session.end(GONE)
