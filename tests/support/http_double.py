"""What HTTP doubles have in common: a server on a thread of its own.

Used by origin.py, gcs.py, s3_faults.py, relay.py, smallsite.py and trapsite.py. Must not know what
any of them answers.
"""

from __future__ import annotations

import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

_POLL_S = 0.05


class Handler(BaseHTTPRequestHandler):
    """One connection. Subclasses say what is answered, and get the double as an attribute."""

    protocol_version = "HTTP/1.1"
    timeout = 90

    def log_message(self, *_: Any) -> None:
        """Silence: the double's own record is the log."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 512

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hung up is no news; what else goes wrong here is."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class HttpDouble:
    """Listens on a free loopback port from `serve` to `close`."""

    def serve(self, handler: type[Handler], **known: object) -> None:
        """Starts to answer with such handlers; `known` are attributes for each of them."""
        self._server = _Server(("127.0.0.1", 0), type(handler.__name__, (handler,), known))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(_POLL_S,))
        self._thread.start()

    @property
    def url(self) -> str:
        """Base URL without a slash at its end."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def close(self) -> None:
        """Ends the server."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(timeout=10)
