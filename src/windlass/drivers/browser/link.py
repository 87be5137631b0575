"""Playwright's node process, started our way: ends with us, knows none of our secrets.

Playwright would start it with our whole environment and keep temporary files where nobody sweeps;
how it does so is not part of its public interface, hence the pinned version. Used by process.py.
"""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec
import structlog
from playwright._impl._driver import compute_driver_executable
from playwright._impl.connection import Connection
from playwright._impl.transport import PipeTransport
from playwright.async_api import CDPSession, Error, Playwright

log = structlog.get_logger(__name__)

_STARTS_S = 30.0
_ENDS_S = 5.0
_OURS = 1 << 40
"""Numbers of our own messages begin here, far above the library's."""

_GONE = "the browser has been closed"


class _Pipe(PipeTransport):
    """Messages to and from the process."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, folder: Path, environment: Mapping[str, str]
    ) -> None:
        super().__init__(loop)
        self._folder = folder
        self._environment = dict(environment)
        self._proc: asyncio.subprocess.Process

    async def connect(self) -> None:
        self._stopped_future: asyncio.Future[None] = self._loop.create_future()
        node, script = compute_driver_executable()
        self._proc = await asyncio.create_subprocess_exec(
            node,
            script,
            "run-driver",
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=self._folder,
            env=self._environment,
            limit=1_048_576,
            # Ctrl-C in a terminal goes to the whole group; tasks still need their pages then.
            start_new_session=True,
        )
        self._output = self._proc.stdin

    def serialize_message(self, message: dict[str, Any]) -> bytes:
        return msgspec.json.encode(message)

    def deserialize_message(self, data: str | bytes) -> dict[str, Any]:
        return msgspec.json.decode(data, type=dict[str, Any])

    @property
    def process(self) -> asyncio.subprocess.Process:
        return self._proc


class Straight:
    """A protocol session without the library's part in it, which costs more than all of ours: it
    asks for the signature of a listener at every event, and for the caller's stack at every call.
    """

    def __init__(self, pipe: _Pipe, guid: str) -> None:
        self.guid = guid
        self._pipe = pipe
        self._calls: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._handlers: dict[str, list[Callable[[dict[str, Any]], None]]] = {}
        self._sent = _OURS
        self._over = False

    async def send(self, method: str, params: dict[str, Any] | None = None) -> dict[str, Any]:
        """The answer to a command. Raises the library's Error."""
        if self._over:
            raise Error(_GONE)
        self._sent += 1
        number = self._sent
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._calls[number] = answer
        inner = {"method": method, "params": params or {}}
        whole = {"id": number, "guid": self.guid, "method": "send", "params": inner, "metadata": {}}
        try:
            self._pipe.send(whole)
            return await answer
        finally:
            del self._calls[number]

    def on(self, event: str, f: Callable[[dict[str, Any]], None]) -> None:
        """Calls `f` with the parameters of every such event."""
        self._handlers.setdefault(event, []).append(f)

    def takes(self, message: dict[str, Any]) -> bool:
        """Whether a message was for it; then it has been dealt with."""
        number = message.get("id")
        if isinstance(number, int) and number > _OURS:
            answer = self._calls.get(number)
            if answer is not None and not answer.done():
                _settle(answer, message)
            return True
        if message.get("guid") != self.guid or message.get("method") != "event":
            return False
        event = message["params"]
        for handler in self._handlers.get(event["method"], ()):
            handler(event.get("params") or {})
        return True

    def close(self) -> None:
        """Fails every call under way and to come."""
        self._over = True
        for answer in self._calls.values():
            if not answer.done():
                answer.set_exception(Error(_GONE))


def _settle(answer: asyncio.Future[dict[str, Any]], message: dict[str, Any]) -> None:
    if (failure := message.get("error")) is None:
        answer.set_result(message["result"].get("result") or {})
    else:
        answer.set_exception(Error(str(failure.get("error", {}).get("message", "no reason"))))


class Link:
    """The process and what speaks through it. `connect` before use, `aclose` at the end."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        loop = asyncio.get_running_loop()
        self._connection = Connection(loop)
        self._pipe = _Pipe(loop, folder, environment)
        self._connection.onmessage = self._pipe.send
        self._pipe.on_message = self._dispatch
        self._reader: asyncio.Task[None] | None = None
        self._straight: Straight | None = None
        self.ended = asyncio.Event()
        """Set when the process can no longer be spoken to."""

    async def connect(self) -> Playwright:
        """Starts the process. Raises what Playwright and the system raise, TimeoutError."""
        await self._pipe.connect()
        self._reader = asyncio.create_task(self._read(), name="browser link")
        async with asyncio.timeout(_STARTS_S):
            return Playwright(await self._connection.initialize_playwright())

    def straight(self, session: CDPSession) -> Straight:
        """The same session by the short way. Nobody may use the long one any more; one a link."""
        self._straight = Straight(self._pipe, session._impl_obj._guid)
        return self._straight

    @property
    def pid(self) -> int:
        """The process, 0 if it was never started."""
        return self._pipe.process.pid if self._reader is not None else 0

    async def aclose(self) -> None:
        """Asks the process to end, which takes its browser along; kills it if it does not."""
        if self._reader is None:
            return
        self._pipe.request_stop()
        try:
            async with asyncio.timeout(_ENDS_S):
                await self._pipe.process.wait()
        except TimeoutError:
            self.kill()
            await self._pipe.process.wait()
        self._reader.cancel()
        await asyncio.gather(self._reader, return_exceptions=True)

    def kill(self) -> None:
        """Ends the process at once."""
        if self._reader is not None and self._pipe.process.returncode is None:
            self._pipe.process.kill()

    async def _read(self) -> None:
        try:
            await self._pipe.run()
        finally:
            # Calls under way must end now, not at their deadlines.
            self._connection.close()
            if self._straight is not None:
                self._straight.close()
            self.ended.set()
            failure = self._pipe.on_error_future
            if failure.done() and not failure.cancelled():
                failure.exception()

    def _dispatch(self, message: dict[str, Any]) -> None:
        try:
            if self._straight is None or not self._straight.takes(message):
                self._connection.dispatch(message)
        except Exception as error:  # noqa: BLE001 - one listener's failure must not end the link
            log.warning("browser_listener_failed", reason=repr(error))
