"""A host that turns visitors away, breaks down or drips, as a test says, and logs who came when.

Used by the tests of politeness. Times are time.monotonic().
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

from tests.support.http_double import Handler, HttpDouble

DRIP_S = 0.1
_DRIPS = 300


class Answer(NamedTuple):
    """What a visitor gets. `drips`: byte by byte, for half a minute."""

    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    body: str = "<html><title>page</title><p>text of a page</html>"
    drips: bool = False


Script = Callable[[int, str], Answer]
"""What the nth visit, from 0, of a path gets."""


def keep_apart(times: list[float], gap_s: float) -> bool:
    """Whether visits keep this gap: all of them together, and each but for half of it, which a
    visit before may have been late on a busy machine."""
    gaps = [later - earlier for earlier, later in pairwise(times)]
    slack_s = gap_s / 2
    return min(gaps) >= gap_s - slack_s and sum(gaps) >= gap_s * len(gaps) - slack_s


@dataclass
class BusySite(HttpDouble):
    """`asked`: paths and times of requests; `sent`: times at which dripped bytes were taken."""

    script: Script
    asked: list[tuple[str, float]] = field(default_factory=list)
    sent: list[float] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def visit(self, path: str) -> Answer:
        """Notes a visit; what it gets."""
        with self._lock:
            number = len(self.asked)
            self.asked.append((path, time.monotonic()))
        return self.script(number, path)

    def times(self) -> list[float]:
        """When requests came, in order."""
        return sorted(at for _, at in tuple(self.asked))

    def gaps(self) -> list[float]:
        """The time between one request and the next."""
        return [later - earlier for earlier, later in pairwise(self.times())]


class _Handler(Handler):
    site: BusySite

    def do_GET(self) -> None:
        answer = self.site.visit(self.path)
        body = answer.body.encode()
        length = _DRIPS if answer.drips else len(body)
        self.send_response(answer.status)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(length))
        self.send_header("Connection", "close")  # a site that goes down keeps nobody
        for name, value in answer.headers:
            self.send_header(name, value)
        self.end_headers()
        if not answer.drips:
            self.wfile.write(body)
            return
        for _ in range(_DRIPS):
            self.wfile.write(b"x")
            self.site.sent.append(time.monotonic())
            time.sleep(DRIP_S)


@contextmanager
def busy_site(script: Script = lambda number, path: Answer()) -> Iterator[BusySite]:
    """Answers as the script says."""
    site = BusySite(script)
    site.serve(_Handler, site=site)
    try:
        yield site
    finally:
        site.close()
