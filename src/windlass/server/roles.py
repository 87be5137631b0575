"""What each forked child does, from its first line to its exit status.

`body` is called by the supervisor in the new process. One event loop, one stop signal, one place
where what escapes becomes a log line.
"""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import structlog
import uvloop

from windlass.errors import SettingsError, WindlassError
from windlass.server import logs
from windlass.server.channel import Failed, Ready, Release
from windlass.server.supervisor import EXIT_ENGINE, EXIT_OK, EXIT_SETTINGS, Birth
from windlass.settings import Settings

if TYPE_CHECKING:
    from windlass.server.keeper import Keeper

log = structlog.get_logger(__name__)
T = TypeVar("T")


@dataclass(frozen=True)
class Roles:
    """Everything the children of one server need beside what their birth tells them."""

    settings: Settings
    key: str
    listeners: tuple[socket.socket, ...]
    files: int

    def body(self, birth: Birth) -> int:
        """Runs the child's role until it is told to stop; its exit status."""
        logs.configure(self.settings, birth.slot.name)
        roles = {"keeper": self._keeper, "api": self._api, "worker": self._worker}
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(_guarded(birth, roles[birth.slot.role]))

    async def _keeper(self, birth: Birth, stop: _Stop) -> None:
        from windlass.server.keeper import Keeper

        keeper = Keeper(self.settings, self.key, birth)
        orders = asyncio.create_task(_obey(birth, stop, keeper), name="orders")
        try:
            await stop.or_cancel(keeper.run(stop.again))
        finally:
            orders.cancel()
            await asyncio.wait({orders})

    async def _api(self, birth: Birth, stop: _Stop) -> None:
        stop.on_signal(birth)
        from windlass.api.app import create_app
        from windlass.server.http import listen
        from windlass.service import Service

        service = await stop.or_cancel(Service.open(self.settings, birth.dsn))
        if service is None:
            return
        watch = asyncio.create_task(service.watch(), name="watch")
        watch.add_done_callback(lambda _: stop.event.set())
        try:
            await listen(
                create_app(self.settings, service),
                self.settings,
                list(self.listeners),
                lambda: _tell_ready(birth),
                stop.event,
                self.files,
            )
        finally:
            watch.cancel()
            await asyncio.wait({watch})
            await service.close()
        if not watch.cancelled():
            watch.result()

    async def _worker(self, birth: Birth, stop: _Stop) -> None:
        from windlass import worker

        stop.on_signal(birth)
        _tell_ready(birth)
        await worker.run(self.settings, birth.dsn, birth.id, stop.event)


class _Stop:
    """The supervisor's wish: `event` when it is said, `again` when it is repeated."""

    def __init__(self) -> None:
        self.event = asyncio.Event()
        self.again = asyncio.Event()

    def on_signal(self, birth: Birth) -> None:
        """Listens to SIGTERM, and to the supervisor's end where the system does not kill us."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self.say)
        loop.add_reader(birth.channel.fileno(), self.event.set)

    def say(self) -> None:
        """Says it once more."""
        if self.event.is_set():
            self.again.set()
        self.event.set()

    async def or_cancel(self, work: Coroutine[Any, Any, T]) -> T | None:
        """The result of `work`, or None if the stop comes first; it is cancelled then."""
        working = asyncio.create_task(work)
        waiting = asyncio.create_task(self.event.wait())
        await asyncio.wait({working, waiting}, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if not working.done():
            working.cancel()
            await asyncio.wait({working})
        return None if working.cancelled() else working.result()


async def _obey(birth: Birth, stop: _Stop, keeper: Keeper) -> None:
    """Passes the supervisor's messages on; its end is an order to stop."""
    async for message in birth.channel.messages():
        if isinstance(message, Release):
            keeper.release(message.worker_id)
        else:
            stop.say()
    stop.say()


async def _guarded(birth: Birth, role: Callable[[Birth, _Stop], Awaitable[None]]) -> int:
    stop = _Stop()
    try:
        await role(birth, stop)
    except WindlassError as error:
        by_settings = isinstance(error, SettingsError)
        birth.channel.send(Failed(error.message, by_settings))
        return EXIT_SETTINGS if by_settings else EXIT_ENGINE
    except Exception as error:
        log.exception("child_failed", exc_info=error)
        birth.channel.send(Failed(f"{birth.slot.name} failed: {error!r}", by_settings=False))
        return EXIT_ENGINE
    if not stop.event.is_set():
        log.error("child_ended_early")
        return EXIT_ENGINE
    return EXIT_OK


def _tell_ready(birth: Birth) -> None:
    birth.channel.send(Ready())
