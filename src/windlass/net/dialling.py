"""How aiohttp connects for us: our resolver's addresses, each socket past the address guard.

Used by the plain driver and the webhook sender. It sends nothing and keeps no state.
"""

from __future__ import annotations

import asyncio
import socket

import msgspec
from aiohttp import TCPConnector
from aiohttp.abc import AbstractResolver, ResolveResult

from windlass.errors import DnsFailed
from windlass.net.guard import AddressGuard
from windlass.net.resolving import Resolve
from windlass.net.tolerance import make_tolerant


class Dial(msgspec.Struct, frozen=True):
    """What connecting needs. `guard` None only towards a proxy of ours, which has its own."""

    resolve: Resolve
    guard: AddressGuard | None
    connect_s: float


def connector_for(dial: Dial, keep_s: float | None) -> TCPConnector:
    """A pool of connections; unused ones are kept for `keep_s` seconds, None: not at all.

    Answers are read as net/tolerance.py does. How many are open at a time is the caller's to bound.
    """
    connector = TCPConnector(
        limit=0,
        use_dns_cache=False,
        resolver=_Names(dial),
        socket_factory=dial.guard.socket_factory if dial.guard else None,
        force_close=keep_s is None,
        keepalive_timeout=keep_s,
    )
    return make_tolerant(connector)


class _Names(AbstractResolver):
    """Our resolver as aiohttp calls it. Lookups get most of the time that connecting may take."""

    def __init__(self, dial: Dial) -> None:
        self._resolve = dial.resolve
        self._limit_s = dial.connect_s * 0.8

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Addresses of a host. Raises DnsFailed."""
        try:
            async with asyncio.timeout(self._limit_s):
                infos = await self._resolve(host, port)
        except TimeoutError:
            raise DnsFailed(f"No name server resolved {host} within {self._limit_s:g} s.") from None
        return [
            ResolveResult(
                hostname=host,
                host=str(address[0]),
                port=port,
                family=int(kind),
                proto=proto,
                flags=socket.AI_NUMERICHOST,
            )
            for kind, _, proto, _, address in infos
        ]

    async def close(self) -> None:
        """Nothing to release."""
