"""Pages of our own for browsers: forms, lists that grow, calls, frames. Served on loopback."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010806000000"
    "1f15c4890000000d49444154789c63f8cfc0f01f00050001ff56c72f0d0000000049454e44ae426082"
)

FORM = """<!doctype html><title>Form</title>
<style>body{margin:0} #far{position:absolute;top:3000px;left:20px}
#cover{position:fixed;inset:0;display:none}</style>
<h1>Form</h1>
<input id=name><input id=old value=before><textarea id=notes></textarea>
<div id=rich contenteditable>rich</div>
<select id=size><option value=s>Small<option value=l>Large</select>
<input id=day type=date><input id=fixed readonly value=fixed>
<button id=go>Go</button><button id=hidden style="display:none">Hidden</button>
<a id=next href="/form?next">next</a>
<button id=far>Far</button>
<canvas id=map width=200 height=100 style="display:block"></canvas>
<ul id=log></ul><div id=cover></div>
<script>
const log = text => { const li = document.createElement('li'); li.textContent = text;
  document.getElementById('log').append(li); };
window.events = [];
for (const kind of ['click', 'dblclick', 'mousedown', 'mousemove', 'keydown', 'keyup', 'input',
    'change', 'contextmenu'])
  addEventListener(kind, e => events.push({kind, x: e.clientX, y: e.clientY, key: e.key,
    code: e.code, id: e.target.id, trusted: e.isTrusted, n: e.detail}), true);
document.getElementById('go').onclick = () => log('went');
setTimeout(() => { const p = document.createElement('p'); p.id = 'late'; p.textContent = 'late';
  document.body.append(p); }, 300);
setTimeout(() => document.getElementById('late').style.color = 'red', 600);
</script>"""

FEED = """<!doctype html><title>Feed</title><style>li{height:200px}</style><ul id=list></ul>
<div id=spin style="display:none">loading</div>
<script>
let rounds = 0;
const add = n => { for (let i = 0; i < n; i++) {
  const li = document.createElement('li'); li.textContent = 'item ' + list.children.length;
  list.append(li); } };
add(10);
addEventListener('scroll', () => {
  if (rounds < 3 && innerHeight + scrollY >= document.documentElement.scrollHeight - 50
      && spin.style.display === 'none') {
    rounds++; spin.style.display = 'block';
    setTimeout(() => { spin.style.display = 'none'; add(10); }, WAIT);
  }
});
</script>"""

MORE = """<!doctype html><title>More</title><style>li{height:200px}</style><ul id=list></ul>
<button id=more>more</button>
<script>
const add = n => { for (let i = 0; i < n; i++) {
  const li = document.createElement('li'); li.textContent = 'item ' + list.children.length;
  list.append(li); } };
add(10);
more.onclick = () => { add(10); if (list.children.length >= 40) more.remove(); };
</script>"""

APP = """<!doctype html><title>App</title><div id=root>loading</div><img src="/pixel.png">
<script>
(async () => {
  const items = await (await fetch('/api/items?page=1')).json();
  const xhr = new XMLHttpRequest();
  xhr.open('POST', '/api/log');
  xhr.setRequestHeader('Content-Type', 'application/json');
  xhr.onload = () => document.title = 'App ready';
  xhr.send(JSON.stringify({seen: items.items.length}));
  root.innerHTML = items.items.map(i => `<p class=item>${i}</p>`).join('');
  fetch('/api/missing');
})();
</script>"""

NOT_FOUND = b"not here"


@dataclass(frozen=True)
class Asked:
    """A request as the site received it."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class StageSite:
    """A running site; `other` is the same under another host name, so another origin."""

    base: str = ""
    other: str = ""
    asked: list[Asked] = field(default_factory=list)

    def paths(self) -> list[str]:
        """What was asked for, in order."""
        return [one.path for one in tuple(self.asked)]


def _page(body: str) -> tuple[int, str, bytes]:
    return 200, "text/html; charset=utf-8", body.encode()


def _answer(site: StageSite, asked: Asked) -> tuple[int, str, bytes]:
    """Status, content type and body."""
    url = urlsplit(asked.path)
    query = {name: values[0] for name, values in parse_qs(url.query).items()}
    fixed: dict[str, tuple[int, str, bytes]] = {
        "/form": _page(FORM),
        "/feed": _page(FEED.replace("WAIT", query.get("wait", "100"))),
        "/more": _page(MORE),
        "/app": _page(APP),
        "/pixel.png": (200, "image/png", PNG),
        "/api/log": (201, "application/json", b'{"ok":true}'),
        "/moved": (302, "text/plain", b""),
        "/api/text": (200, "text/plain; charset=utf-8", "grüße".encode()),
        "/api/broken": (200, "application/json", b'{"half":'),
        "/download.bin": (200, "application/octet-stream", bytes(range(256))),
        "/csp": _page("<!doctype html><title>Strict</title><p>strict"),
    }
    if url.path in fixed:
        return fixed[url.path]
    if url.path == "/api/items":
        items = [f"item {query.get('page', '1')}.{number}" for number in range(3)]
        return 200, "application/json", json.dumps({"items": items}).encode()
    if url.path == "/api/echo":
        echoed = {"method": asked.method, "body": asked.body.decode(), "headers": asked.headers}
        return 200, "application/json", json.dumps(echoed).encode()
    if url.path == "/size":
        return 200, "text/plain", b"x" * int(query["bytes"])
    if url.path == "/html":
        return _page(query["body"].replace("{base}", site.base).replace("{other}", site.other))
    return 404, "text/plain", NOT_FOUND


@contextmanager
def stage_site() -> Iterator[StageSite]:
    """Serves the pages above; /html?body= serves what it is given, with {base} and {other}."""
    site = StageSite()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 60

        def _serve(self) -> None:
            size = int(self.headers.get("Content-Length") or 0)
            headers = {name.lower(): value for name, value in self.headers.items()}
            asked = Asked(self.command, self.path, headers, self.rfile.read(size))
            site.asked.append(asked)
            status, kind, body = _answer(site, asked)
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            if status == 302:
                self.send_header("Location", "/api/text")
            if self.path == "/csp":
                self.send_header("Content-Security-Policy", "default-src 'self'")
            if self.path.startswith("/form"):
                self.send_header("Set-Cookie", "visit=1; Path=/; HttpOnly; SameSite=Lax")
                self.send_header("Set-Cookie", "theme=dark; Path=/; Max-Age=3600")
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = _serve  # noqa: N815

        def log_message(self, *_: Any) -> None:
            """Nothing to say."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 128

        def handle_error(self, request: Any, client_address: Any) -> None:
            """A browser that goes away in the middle of an answer is no news."""

    server = Server(("127.0.0.1", 0), Handler)
    port = server.server_address[1]
    site.base, site.other = f"http://127.0.0.1:{port}", f"http://localhost:{port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield site
    finally:
        server.shutdown()
        server.server_close()
        thread.join(timeout=10)
