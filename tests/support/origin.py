"""A small site on loopback whose answers the tests decide, with a record of who asked for what.

Used where a test needs control over time and counts; real pages come from sites.py.
"""

from __future__ import annotations

import json
import threading
import time
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

from tests.support.http_double import Handler, HttpDouble

HOLD_LIMIT_S = 60.0

_PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>Page {token}</title></head>
<body><main><h1>Page {token}</h1>
<p>Visit number {visit} with some <strong>bold</strong> text &amp; an entity.</p>
<ul><li><a href="/page/next-{token}">next</a></li><li><a href="../up?q=1#part">up</a></li></ul>
<pre><code>x = 1</code></pre>
<table><tr><th>name</th><th>price</th></tr><tr><td>mug</td><td>9.90</td></tr></table>
</main></body></html>
"""


@dataclass(frozen=True)
class Seen:
    """One request as the site received it. `at` is time.monotonic()."""

    method: str
    path: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    at: float

    def header(self, name: str) -> str | None:
        """The first value of a header."""
        return next((v for k, v in self.headers if k.lower() == name.lower()), None)


@dataclass
class Origin(HttpDouble):
    """The site. `delay_s` is how long every page takes; `hold` makes pages wait for `release`.

    /page/TOKEN a page · /leaf a page without links · /echo what was sent, as JSON · /status/N
    /redirect?to=&status= · /cookie?name=&value= · /size/BYTES · /hang never answers
    /cut half of what it promised
    """

    delay_s: float = 0.0
    seen: list[Seen] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _open: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self._open.set()
        self.serve(_Handler, site=self)

    @property
    def base(self) -> str:
        """Base URL without a slash at its end."""
        return self.url

    def page(self, token: str) -> str:
        """URL of the page with that token."""
        return f"{self.base}/page/{token}"

    def visits(self, path: str) -> list[Seen]:
        """Requests for a path (query left out), oldest first."""
        with self._lock:
            return [one for one in self.seen if urlsplit(one.path).path == path]

    def all_visits(self) -> list[Seen]:
        """Every request so far, oldest first."""
        with self._lock:
            return list(self.seen)

    def hold(self) -> None:
        """Pages asked for from now on wait for `release`."""
        self._open.clear()

    def release(self) -> None:
        """Lets every waiting page go."""
        self._open.set()

    def wait_for_gate(self) -> None:
        """Returns once pages may be answered."""
        self._open.wait(HOLD_LIMIT_S)

    def note(self, seen: Seen) -> int:
        """Records a request; which visit of its path this is, counted from 1."""
        with self._lock:
            self.seen.append(seen)
            return sum(one.path == seen.path for one in self.seen)

    def close(self) -> None:
        """Ends the server; held requests are let go first."""
        self.release()
        super().close()


class _Handler(Handler):
    site: Origin

    def handle_any(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        headers = tuple((str(k), str(v)) for k, v in self.headers.items())
        seen = Seen(self.command, self.path, headers, body, time.monotonic())
        visit = self.site.note(seen)
        parts = urlsplit(self.path)
        query = {key: values[0] for key, values in parse_qs(parts.query).items()}
        name, _, rest = parts.path.lstrip("/").partition("/")
        answer = getattr(self, f"answer_{name}", self.answer_unknown)
        answer(seen, rest, query, visit)

    def reply(
        self, status: int, body: bytes, kind: str, extra: tuple[tuple[str, str], ...] = ()
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in extra:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def answer_page(self, seen: Seen, token: str, query: dict[str, str], visit: int) -> None:
        self.site.wait_for_gate()
        if self.site.delay_s:
            time.sleep(self.site.delay_s)
        text = _PAGE.format(token=token, visit=visit)
        self.reply(200, text.encode(), "text/html; charset=utf-8", (("X-Visit", str(visit)),))

    def answer_echo(self, seen: Seen, rest: str, query: dict[str, str], visit: int) -> None:
        said = {
            "method": seen.method,
            "path": seen.path,
            "headers": list(seen.headers),
            "body": seen.body.decode(),
        }
        self.reply(200, json.dumps(said).encode(), "application/json")

    def answer_leaf(self, seen: Seen, rest: str, query: dict[str, str], visit: int) -> None:
        """A page that leads nowhere, with what the published examples of actions act on."""
        page = b'<!DOCTYPE html><title>Leaf</title><p id="list">All <button id="more">More</button>'
        self.reply(200, page, "text/html; charset=utf-8")

    def answer_status(self, seen: Seen, rest: str, query: dict[str, str], visit: int) -> None:
        text = f"<!DOCTYPE html><title>{rest}</title><h1>Status {rest}</h1>"
        self.reply(int(rest), text.encode(), "text/html; charset=utf-8")

    def answer_redirect(self, seen: Seen, rest: str, query: dict[str, str], visit: int) -> None:
        status = int(query.get("status", "302"))
        self.reply(status, b"", "text/html", (("Location", query["to"]),))

    def answer_cookie(self, seen: Seen, rest: str, query: dict[str, str], visit: int) -> None:
        cookie = f"{query['name']}={query['value']}; Path=/; HttpOnly"
        body = b"<!DOCTYPE html><title>cookie</title><p>set"
        self.reply(200, body, "text/html", (("Set-Cookie", cookie),))

    def answer_size(self, seen: Seen, rest: str, query: dict[str, str], visit: int) -> None:
        self.reply(200, b"<!DOCTYPE html><p>" + b"x" * int(rest), "text/html")

    def answer_hang(self, seen: Seen, rest: str, query: dict[str, str], visit: int) -> None:
        self.connection.settimeout(HOLD_LIMIT_S)
        self.close_connection = True
        try:
            self.rfile.read(1)
        except TimeoutError:
            return

    def answer_cut(self, seen: Seen, rest: str, query: dict[str, str], visit: int) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", "100000")
        self.end_headers()
        self.wfile.write(b"<!DOCTYPE html><h1>Only the beginning</h1>")
        self.close_connection = True

    def answer_unknown(self, seen: Seen, rest: str, query: dict[str, str], visit: int) -> None:
        self.reply(404, b"<!DOCTYPE html><h1>Not here</h1>", "text/html")


for _method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
    setattr(_Handler, f"do_{_method}", _Handler.handle_any)
