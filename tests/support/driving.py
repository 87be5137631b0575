"""The plain HTTP driver on a short leash for tests: quick limits, loopback allowed, fake names."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import gc
import ipaddress
import socket
from collections.abc import AsyncIterator
from typing import Any, Self

import pytest

from windlass.drivers.http import HttpDriver
from windlass.drivers.proxies import Proxies
from windlass.errors import TargetError
from windlass.model.page import Page
from windlass.model.request import ExtractRequest
from windlass.net.cookies import CookieJar
from windlass.net.guard import AddressGuard, AddrInfo
from windlass.net.resolving import Resolve
from windlass.settings import Settings

LOOPBACK = AddressGuard((ipaddress.ip_network("127.0.0.0/8"),))
LIMIT = 500_000
QUICK = Settings(
    task_timeout=60.0, lease=1.0, connect_timeout=2.0, read_timeout=1.0, fetch_limit=LIMIT
)
PATIENT = dataclasses.replace(QUICK, connect_timeout=60.0, read_timeout=60.0)
"""For a hundred fetches at once, of which the last waits for all others on a busy machine."""


@contextlib.asynccontextmanager
async def driving(
    guard: AddressGuard = LOOPBACK,
    resolve: Resolve | None = None,
    proxies: Proxies | None = None,
    settings: Settings = QUICK,
) -> AsyncIterator[HttpDriver]:
    """A driver for the length of a block; a connection it leaves behind fails the test."""
    driver = HttpDriver(settings, guard, proxies, resolve)
    try:
        yield driver
    finally:
        await driver.aclose()
        await asyncio.sleep(0)
        gc.collect()  # reports what was not closed as a ResourceWarning, which is an error


async def fetch(driver: HttpDriver, url: str, jar: CookieJar | None = None, **options: Any) -> Page:
    """The page of a request made of a URL and fields of ExtractRequest."""
    return await driver.fetch(ExtractRequest(url=url, **options), jar or CookieJar())


async def failing(driver: HttpDriver, url: str, **options: Any) -> TargetError:
    """The error that a fetch ends with."""
    with pytest.raises(TargetError) as caught:
        await fetch(driver, url, **options)
    return caught.value


def resolving(answers: dict[str, list[str]]) -> Resolve:
    """A resolver that gives each name its next answer in turn and repeats the last.

    An answer is addresses separated by spaces.
    """
    left = {name: list(given) for name, given in answers.items()}

    async def resolve(host: str, port: int) -> list[AddrInfo]:
        queue = left[host]
        addresses = queue.pop(0) if len(queue) > 1 else queue[0]
        return [_info(address, port) for address in addresses.split()]

    return resolve


def _info(address: str, port: int) -> AddrInfo:
    if ":" in address:
        return (socket.AF_INET6, socket.SOCK_STREAM, 6, "", (address, port, 0, 0))
    return (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))


class Trap:
    """Listens on 127.0.0.1 and, where there is one, ::1, and counts whoever connects."""

    def __init__(self) -> None:
        self.arrivals = 0
        self.visited = asyncio.Event()
        self.port = 0
        self._servers: list[asyncio.Server] = []

    async def __aenter__(self) -> Self:
        self._servers.append(await asyncio.start_server(self._note, "127.0.0.1", 0))
        self.port = self._servers[0].sockets[0].getsockname()[1]
        with contextlib.suppress(OSError):  # a machine without IPv6
            self._servers.append(await asyncio.start_server(self._note, "::1", self.port))
        return self

    async def __aexit__(self, *_: object) -> None:
        for server in self._servers:
            server.close()

    async def _note(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.arrivals += 1
        self.visited.set()
        writer.close()
