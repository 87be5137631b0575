"""A site of a few pages that a test writes down, on loopback, with a log of who asked for what."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple

from tests.support.http_double import Handler, HttpDouble


class Reply(NamedTuple):
    """What the site answers. "{base}" in texts is the site's address."""

    body: str = ""
    status: int = 200
    headers: tuple[tuple[str, str], ...] = (("Content-Type", "text/html; charset=utf-8"),)


def page(*links: str, head: str = "", text: str = "") -> Reply:
    """An HTML page that leads to these."""
    anchors = "".join(f'<p><a href="{link}">to {link}</a></p>' for link in links)
    return Reply(f"<html><head>{head}</head><body><h1>{text}</h1>{anchors}</body></html>")


def moved(where: str, status: int = 302) -> Reply:
    """A redirect."""
    return Reply("", status, (("Location", where),))


def plain(text: str, kind: str = "text/plain") -> Reply:
    """A file."""
    return Reply(text, 200, (("Content-Type", kind),))


@dataclass
class SmallSite(HttpDouble):
    """A site. `asked` are path and time.monotonic() of each request; paths in `slow` are
    answered when `open` is set."""

    replies: Mapping[str, Reply]
    asked: list[tuple[str, float]] = field(default_factory=list)
    slow: set[str] = field(default_factory=set)
    open: threading.Event = field(default_factory=threading.Event)

    @property
    def base(self) -> str:
        """Base URL without a slash at its end."""
        return self.url

    def times(self) -> list[float]:
        """When requests came, in order."""
        return sorted(at for _, at in tuple(self.asked))

    def paths(self) -> list[str]:
        """What was asked for, sorted."""
        return sorted(path for path, _ in tuple(self.asked))

    def count(self, path: str) -> int:
        """How often a path was asked for."""
        return self.paths().count(path)


class _Handler(Handler):
    site: SmallSite

    def do_GET(self) -> None:
        site = self.site
        site.asked.append((self.path, time.monotonic()))
        if self.path in site.slow:
            site.open.wait(60)
        reply = site.replies.get(self.path, Reply("not here", 404))
        body = reply.body.replace("{base}", site.base).encode()
        self.send_response(reply.status)
        for name, value in reply.headers:
            self.send_header(name, value.replace("{base}", site.base))
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def small_site(replies: Mapping[str, Reply]) -> Iterator[SmallSite]:
    """Serves these replies by path and query, 404 for all else."""
    site = SmallSite(replies)
    site.serve(_Handler, site=site)
    try:
        yield site
    finally:
        site.open.set()
        site.close()
