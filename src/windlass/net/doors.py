"""A way into the egress proxy without a login, for our own processes only.

A browser that has to log in to its proxy is made to stop every request and ask; so a door asks
the kernel instead who knocks. Each way out has a door of its own. Used by the browser driver.
"""

from __future__ import annotations

import asyncio
import socket

from windlass.errors import TargetError, WindlassError
from windlass.net import peers
from windlass.net.egress import Egress
from windlass.net.relay import ClientSide
from windlass.net.targetside import TargetSide
from windlass.net.upstream import Upstream


class Door:
    """One listening port of 127.0.0.1 whose clients leave through `upstream`."""

    def __init__(self, egress: Egress, upstream: Upstream | None) -> None:
        self.limits = egress.limits
        self._egress = egress
        self._upstream = upstream
        self._server: asyncio.Server | None = None
        self._port = 0

    async def open(self) -> None:
        """Listens. Raises OSError where it cannot be told who knocks."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: ClientSide(self), "127.0.0.1", 0, backlog=1024
        )
        self._port = self._server.sockets[0].getsockname()[1]
        try:
            self._try_question()
        except OSError:
            self._server.close()
            raise

    def close(self) -> None:
        """Listens no more; connections go on until the egress proxy ends."""
        if self._server is not None:
            self._server.close()
            self._server = None

    @property
    def url(self) -> str:
        """http://127.0.0.1:port"""
        return f"http://127.0.0.1:{self._port}"

    def _try_question(self) -> None:
        with socket.socket() as probe:
            probe.setblocking(False)
            probe.connect_ex(("127.0.0.1", self._port))
            if not peers.is_ours(probe.getsockname(), ("127.0.0.1", self._port)):
                raise OSError("the kernel does not know its own connections")

    # ------------------------------------------------------------ what the relay asks

    def join(self, client: ClientSide) -> bool:
        """Takes note of a new client; strangers are shut out at once."""
        room = self._egress.join(client)
        connection: socket.socket = client.transport.get_extra_info("socket")
        try:
            ours = peers.is_ours(connection.getpeername(), connection.getsockname())
        except OSError:  # gone already, or the kernel will not say
            ours = False
        if not ours:
            client.drop()
        return room

    def leave(self, client: ClientSide) -> None:
        """Takes note that a client is gone."""
        self._egress.leave(client)

    def route(self, credential: bytes) -> tuple[bool, Upstream | None]:
        """Every client may; there is one way out."""
        return True, self._upstream

    async def connect(self, upstream: Upstream | None, side: TargetSide) -> None:
        """See Egress."""
        await self._egress.connect(upstream, side)

    def note(self, upstream: Upstream | None, host: str, port: int, error: TargetError) -> None:
        """See Egress."""
        self._egress.note(upstream, host, port, error)

    def confession(self, error: WindlassError, head: bytes) -> bytes:
        """The header line by which `Egress.error_in` knows our answers."""
        return self._egress.confessed(error)
