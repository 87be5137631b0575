"""A site of a few pages that a test writes down itself, to be crawled. It counts what is asked for.

Used by contract, e2e and fault tests of crawls.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

HOLD_LIMIT_S = 60.0


class Answered(NamedTuple):
    """What is said to a request for one path. `held` keeps it back until `release`."""

    body: str = ""
    status: int = 200
    kind: str = "text/html; charset=utf-8"
    location: str = ""
    held: bool = False
    delay_s: float = 0.0


def page(title: str, *links: str, head: str = "") -> Answered:
    """A page with links, and a text that no other page has."""
    text = " ".join(f"{title} says {word} of {title}." for word in ("one", "two", "three"))
    listed = "".join(f'<li><a href="{link}">{link}</a>' for link in links)
    return Answered(
        f"<!DOCTYPE html><title>{title}</title>{head}<h1>{title}</h1><p>{text}<ul>{listed}</ul>"
    )


class SmallSite:
    """One site on loopback; what it does not know is 404."""

    def __init__(self, pages: Mapping[str, Answered]) -> None:
        self.pages = dict(pages)
        self.asked: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._open = threading.Event()
        site = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 60

            def do_GET(self) -> None:
                self.answer(site.take(self.path))

            def answer(self, said: Answered) -> None:
                body = said.body.encode()
                self.send_response(said.status)
                self.send_header("Content-Type", said.kind)
                self.send_header("Content-Length", str(len(body)))
                if said.location:
                    self.send_header("Location", said.location)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                """Silence: `asked` is the log."""

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 512

            def handle_error(self, request: Any, client_address: Any) -> None:
                """A client that hung up in the middle of an answer is no news here."""

        self._server = Server(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    @property
    def base(self) -> str:
        """Base URL without a slash at its end."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def take(self, path: str) -> Answered:
        """What a request for a path is answered, when it may be."""
        with self._lock:
            self.asked[path] += 1
            said = self.pages.get(path, Answered("<h1>Not here</h1>", 404))
        if said.held:
            self._open.wait(HOLD_LIMIT_S)
        if said.delay_s:
            time.sleep(said.delay_s)
        return said

    def fetched(self) -> Counter[str]:
        """How often each page was asked for, without what every crawl looks at beside."""
        with self._lock:
            aside = ("/robots.txt", "/sitemap.xml")
            return Counter({path: n for path, n in self.asked.items() if path not in aside})

    def release(self) -> None:
        """Lets every held page go."""
        self._open.set()

    def close(self) -> None:
        """Ends the server; held requests are let go first."""
        self.release()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(timeout=10)


@contextmanager
def small_site(pages: Mapping[str, Answered]) -> Iterator[SmallSite]:
    """A site until the context ends."""
    site = SmallSite(pages)
    try:
        yield site
    finally:
        site.close()
