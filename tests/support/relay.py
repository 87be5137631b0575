"""A counting reverse proxy between an SDK and a server, and a TCP relay that can be cut.

The first counts tries and may rewrite a request; the second makes a database unreachable.
"""

from __future__ import annotations

import contextlib
import http.client
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from tests.support.http_double import Handler, HttpDouble

_HOP_HEADERS = {"connection", "keep-alive", "transfer-encoding", "host", "content-length"}


@dataclass
class Exchange:
    """One request that passed: what was asked, what was answered."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    status: int = 0


Rewrite = Callable[[Exchange], Exchange]


@dataclass
class CountingProxy(HttpDouble):
    """Passes HTTP on to `target` (a base URL) and keeps every exchange in `passed`."""

    target: str
    rewrite: Rewrite = field(default=lambda exchange: exchange)
    passed: list[Exchange] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.serve(_ProxyHandler, owner=self)


class _ProxyHandler(Handler):
    owner: CountingProxy
    timeout = None

    def handle_any(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {k: v for k, v in self.headers.items() if k.lower() not in _HOP_HEADERS}
        exchange = self.owner.rewrite(Exchange(self.command, self.path, headers, body))
        self.owner.passed.append(exchange)
        parts = urlsplit(self.owner.target)
        upstream = http.client.HTTPConnection(parts.netloc, timeout=200)
        with contextlib.closing(upstream):
            upstream.request(exchange.method, exchange.path, exchange.body, exchange.headers)
            answer = upstream.getresponse()
            content = answer.read()
            exchange.status = answer.status
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in _HOP_HEADERS:
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)


for _method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
    setattr(_ProxyHandler, f"do_{_method}", _ProxyHandler.handle_any)


class CuttableRelay:
    """TCP from a loopback port to a Unix socket or address; `cut` ends and refuses connections."""

    def __init__(self, target: str | tuple[str, int]) -> None:
        self._target = target
        self._pairs: set[tuple[socket.socket, socket.socket]] = set()
        self._lock = threading.Lock()
        self._listener: socket.socket | None = None
        self.port = 0
        self.restore()

    def restore(self) -> None:
        """Accepts connections (again), always on the same port."""
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self.port))
        listener.listen(256)
        self.port = listener.getsockname()[1]
        self._listener = listener
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def cut(self) -> None:
        """Drops every connection and refuses new ones until `restore`."""
        listener, self._listener = self._listener, None
        if listener is not None:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        with self._lock:
            pairs, self._pairs = self._pairs, set()
        for ends in pairs:
            _hang_up(*ends)

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                near, _ = listener.accept()
            except OSError:
                return
            far = _dial(self._target)
            with self._lock:
                self._pairs.add((near, far))
            for source, sink in ((near, far), (far, near)):
                threading.Thread(target=self._pump, args=(source, sink), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while chunk := source.recv(65536):
                sink.sendall(chunk)
        _hang_up(source, sink)


def _dial(target: str | tuple[str, int]) -> socket.socket:
    if isinstance(target, tuple):
        return socket.create_connection(target, timeout=None)
    far = socket.socket(socket.AF_UNIX)
    far.connect(target)
    return far


def _hang_up(*ends: socket.socket) -> None:
    for end in ends:
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
        end.close()
