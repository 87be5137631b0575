"""Names to addresses, for whoever dials. It judges nothing: the guard checks what is dialled.

getaddrinfo() runs on threads of our own, because uvloop's pool does two lookups at a time: a few
dead name servers would stop every other connection of the process.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import threading
from collections.abc import Awaitable, Callable

from windlass.errors import DnsFailed
from windlass.lately import Lately
from windlass.net.guard import AddrInfo

Resolve = Callable[[str, int], Awaitable[list[AddrInfo]]]
"""Addresses of host:port as getaddrinfo() gives them, at least one. Raises DnsFailed."""

_KEPT_S = 10.0
_KEPT_NAMES = 1024
_THREADS = 64


def literal(host: str, port: int) -> list[AddrInfo] | None:
    """The one address that a numeric host means, None for a name (or an odd spelling)."""
    try:
        version = ipaddress.ip_address(host).version
    except ValueError:
        return None
    if version == 4:
        return [(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (host, port))]
    info = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
    )
    return [(socket.AF_INET6, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", info[0][4])]


class Resolver:
    """A Resolve with one lookup per name at a time and answers kept for ten seconds.

    The caller brings the deadline. A lookup nobody waits for any more ends by itself.
    """

    def __init__(self) -> None:
        self._known: Lately[tuple[str, int], list[AddrInfo]] = Lately(_KEPT_NAMES, _KEPT_S)
        self._running: dict[tuple[str, int], asyncio.Future[list[AddrInfo]]] = {}
        self._free = asyncio.Semaphore(_THREADS)

    async def __call__(self, host: str, port: int) -> list[AddrInfo]:
        """Addresses of a host, at least one. Raises DnsFailed."""
        numeric = literal(host, port)
        if numeric is not None:
            return numeric
        key = (host, port)
        kept = self._known.get(key)
        if kept is not None:
            return kept
        running = self._running.get(key)
        if running is None:
            running = asyncio.ensure_future(self._look_up(key))
            self._running[key] = running
            running.add_done_callback(lambda done: self._finish(key, done))
        return await asyncio.shield(running)

    async def _look_up(self, key: tuple[str, int]) -> list[AddrInfo]:
        async with self._free:
            try:
                return await _on_thread(key)
            except (OSError, UnicodeError) as error:
                why = getattr(error, "strerror", None) or "not a name"
                raise DnsFailed(f"The host name {key[0]} could not be resolved: {why}.") from error

    def _finish(self, key: tuple[str, int], done: asyncio.Future[list[AddrInfo]]) -> None:
        self._running.pop(key, None)
        if not done.cancelled() and done.exception() is None:
            self._known.keep(key, done.result())


async def _on_thread(key: tuple[str, int]) -> list[AddrInfo]:
    """getaddrinfo() on a daemon thread, so that a dead name server delays no shutdown."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[list[AddrInfo]] = loop.create_future()

    def settle(result: list[AddrInfo] | None, error: Exception | None) -> None:
        if future.cancelled():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result or [])

    def work() -> None:
        result: list[AddrInfo] | None = None
        failed: Exception | None = None
        try:
            result = list(
                socket.getaddrinfo(*key, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
            )
        except (OSError, UnicodeError) as error:
            failed = error
        try:
            loop.call_soon_threadsafe(settle, result, failed)
        except RuntimeError:
            return  # the loop is closed: nobody is left to be told

    threading.Thread(target=work, name=f"resolve {key[0]}", daemon=True).start()
    return await future
