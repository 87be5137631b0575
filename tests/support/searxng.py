"""A search backend on loopback that answers in SearXNG's JSON format, and misbehaves as told.

The field names are those of SearXNG's own answers. "slow", "429", "later", "broken", "html",
"empty", "silent", "500", "403" and "elsewhere" as a query are what the answer is like.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit


@dataclass
class Asked:
    """One request as it came."""

    path: str
    query: dict[str, str]
    headers: dict[str, str]


@dataclass
class Backend:
    """The running backend and what it was asked."""

    url: str
    asked: list[Asked] = field(default_factory=list)
    released: threading.Event = field(default_factory=threading.Event)

    def last(self) -> Asked:
        """The newest request."""
        return self.asked[-1]


def answer(query: str, page: int = 1, engine: str = "google") -> dict[str, Any]:
    """What SearXNG says of a query: ten results a page."""
    return {
        "query": query,
        "number_of_results": 0,
        "results": [_result(query, number + (page - 1) * 10, engine) for number in range(1, 11)],
        "answers": [{"url": "https://answers.test/nba", "answer": "It rained.", "engine": "ddg"}],
        "corrections": [],
        "infoboxes": [
            {
                "infobox": "NBA",
                "id": "https://en.wikipedia.test/wiki/NBA",
                "content": "A league.",
                "img_src": None,
                "urls": [{"title": "Site", "url": "https://nba.test/"}],
                "engine": "wikipedia",
            }
        ],
        "suggestions": [f"{query} today", f"{query} & more"],
        "unresponsive_engines": [["brave", "Suspended: too many requests"]],
    }


def _result(query: str, number: int, engine: str) -> dict[str, Any]:
    return {
        "url": f"https://www.r{number}.test/a/?q={number}",
        "title": f"{query} {number}",
        "content": f"What {number} says." if number % 3 else None,
        "publishedDate": "2026-01-02T00:00:00" if number == 2 else None,
        "thumbnail": "https://img.test/1.jpg" if number == 1 else "",
        "engine": engine,
        "template": "default.html",
        "parsed_url": ["https", f"www.r{number}.test", "/a/", "", f"q={number}", ""],
        "img_src": "",
        "priority": "",
        "engines": [engine, "startpage"] if number == 1 else [engine],
        "positions": [number],
        "score": 1.0 / number,
        "category": "general",
    }


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    backend: Backend

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        query = dict(parse_qsl(parts.query))
        self.backend.asked.append(Asked(parts.path, query, dict(self.headers.items())))
        if parts.path == "/api/web":
            self._send(200, _other_api(query))
        elif parts.path != "/search" or query.get("format") != "json":
            self._send(404, {})
        else:
            self._as_told(query)

    def _as_told(self, query: dict[str, str]) -> None:
        words = query.get("q", "")
        said = answer(words, int(query.get("pageno", "1")), query.get("engines", "google"))
        if words == "slow":
            self.backend.released.wait(20)
        elif words in ("429", "later"):
            wait = {"Retry-After": "1" if words == "later" else "600"}
            first = sum(one.query.get("q") == words for one in self.backend.asked) == 1
            if words == "429" or first:
                return self._send(429, {}, wait)
        elif words in ("500", "403"):
            return self._send(int(words), {})
        elif words == "elsewhere":
            return self._send(302, {}, {"Location": "http://169.254.169.254/"})
        elif words == "broken":
            return self._raw(200, b'{"query": "broken", "results": [{"url": "htt')
        elif words == "html":
            return self._raw(200, b"<html>search</html>")
        elif words in ("empty", "silent"):
            said = {"query": words, "number_of_results": 0, "results": []}
            if words == "silent":
                said["unresponsive_engines"] = [["google", "CAPTCHA"]]
        return self._send(200, said)

    def _send(self, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
        self._raw(status, json.dumps(body).encode(), headers)

    def _raw(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        try:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)
        except (BrokenPipeError, ConnectionResetError):  # whoever asked did not wait
            self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing."""


def _other_api(query: dict[str, str]) -> dict[str, Any]:
    """A search API of another make."""
    return {
        "type": "search",
        "web": {
            "results": [
                {"title": "One", "url": "https://one.test/", "description": query.get("q", "")},
                {"title": "Two", "url": "https://two.test/", "age": "2026-01-02"},
            ]
        },
        "related": [{"query": "one more"}],
    }


@contextmanager
def searching() -> Iterator[Backend]:
    """A running backend."""

    class Handler(_Handler):
        pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    backend = Backend(f"http://127.0.0.1:{server.server_port}")
    Handler.backend = backend
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield backend
    finally:
        backend.released.set()
        server.shutdown()
        server.server_close()
        thread.join(5)
