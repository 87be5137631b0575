"""Pages that only a browser can read, and pages that are out to stop one. Served on loopback.

The test's own loop serves them, on every address of 127.0.0.0/8: what is asked is in `seen`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from aiohttp import web

APP = """<!doctype html><title>App</title><img src="/pixel.png"><link rel=stylesheet href=/s.css>
<style>@font-face{font-family:f;src:url(/font.woff2)} body{font-family:f}</style>
<div id="root"></div><script>
document.cookie = 'js=1';
fetch('/api').then(got => got.text()).then(text => { root.textContent = text; });
</script>"""

WHO = """<!doctype html><div id=who></div><script>
Promise.resolve(navigator.userAgentData?.getHighEntropyValues(['platformVersion'])).then(hints =>
  fetch('/me').then(got => got.json()).then(headers => { who.textContent = JSON.stringify({
    agent: navigator.userAgent, platform: navigator.platform, languages: navigator.languages,
    webdriver: navigator.webdriver, width: innerWidth, touch: navigator.maxTouchPoints,
    scale: devicePixelRatio, hints, headers, referrer: document.referrer,
    locale: Intl.NumberFormat().resolvedOptions().locale}); }));
</script>"""

STUBBORN = {
    "spin": "<script>while (true);</script>",
    "spin-later": "<script>setTimeout(() => { while (true); }, 10)</script>",
    "alerts": "<script>setTimeout(() => { while (true) alert(1); }, 10)</script>",
    "prompts": "<script>confirm(1); prompt(2); document.title = 'past'</script>",
    "windows": "<script>for (let i = 0; i < 500; i++) open('/app?' + i)</script>",
    "leaving": "<script>onbeforeunload = e => { e.preventDefault(); return 'stay' }</script>",
    "printing": "<script>print(); document.title = 'past'</script>",
    "reloads": "<script>setTimeout(() => location.reload(), 1)</script>",
    "permissions": "<script>navigator.geolocation.getCurrentPosition(() => 0, () => 0);"
    "Notification.requestPermission()</script>",
    "pushes": "<script>let n = 0; setInterval(() => history.pushState({}, '', '?' + n++), 1)"
    "</script>",
    "downloads": "<script>for (let i = 0; i < 20; i++) {"
    "const f = document.createElement('iframe'); f.src = '/file?' + i;"
    "document.body.append(f) }</script>",
}
"""Pages that would keep a browser busy; each has the text "here I am"."""

GREEDY = "<p>here<script>const all = []; while (true) all.push(new Array(1e6).fill(1.5))</script>"
HUGE = """<p>here<script>for (let i = 0; i < 50; i++) {
  const p = document.createElement('p'); p.textContent = 'x'.repeat(1e6); document.body.append(p); }
</script>"""


@dataclass
class RenderSite:
    """`async with RenderSite() as site`. Pages by path; `answers` adds or replaces some."""

    answers: dict[str, Callable[[web.Request], Awaitable[web.StreamResponse]]] = field(
        default_factory=dict
    )
    seen: list[web.Request] = field(default_factory=list)
    port: int = 0
    bodies: dict[str, bytes] = field(default_factory=dict)
    _runner: web.AppRunner | None = None

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        listener = web.TCPSite(self._runner, "0.0.0.0", 0)
        await listener.start()
        assert listener._server is not None
        self.port = listener._server.sockets[0].getsockname()[1]  # type: ignore[attr-defined]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._runner is not None
        await self._runner.cleanup()

    def url(self, path: str, host: str = "127.0.0.1") -> str:
        """The address of a page."""
        return f"http://{host}:{self.port}/{path}"

    def asked(self, path: str) -> int:
        """How often a path was asked for."""
        return sum(request.path == f"/{path}" for request in self.seen)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self.seen.append(request)
        name = request.path[1:]
        if name in self.answers:
            return await self.answers[name](request)
        if name in STUBBORN:
            return page(f"<p>here I am</p>{STUBBORN[name]}")
        if name in _PAGES:
            return _PAGES[name](request)
        if name == "echo":
            body = (await request.read()).decode()
            headers = [[key, value] for key, value in request.headers.items()]
            return web.json_response({"method": request.method, "body": body, "headers": headers})
        if name == "never":
            await asyncio.sleep(3600)
        return web.Response(status=404, text="not here")


def page(body: str, status: int = 200) -> web.Response:
    """An HTML answer."""
    return web.Response(text=body, status=status, content_type="text/html")


def _app(_: web.Request) -> web.Response:
    answer = page(APP)
    answer.set_cookie("server", "2", httponly=True, samesite="Lax")
    return answer


def _file(_: web.Request) -> web.Response:
    headers = {"Content-Disposition": "attachment; filename=a.bin"}
    return web.Response(body=b"x" * 1000, headers=headers)


def _to(request: web.Request) -> str:
    return request.query["to"]


_PAGES: dict[str, Callable[[web.Request], web.Response]] = {
    "app": _app,
    "api": lambda _: web.Response(text="from the API"),
    "who": lambda _: page(WHO),
    "me": lambda asked: web.json_response(dict(asked.headers)),
    "status": lambda asked: page("<p>so it is", int(asked.query["is"])),
    "redirect": lambda asked: web.Response(status=302, headers={"Location": _to(asked)}),
    "refresh": lambda asked: page(f'<meta http-equiv=refresh content="0;url={_to(asked)}">'),
    "script-move": lambda asked: page(f"<script>location.replace('{_to(asked)}')</script>"),
    "file": _file,
    "greedy": lambda _: page(GREEDY),
    "huge": lambda _: page(HUGE),
    "plain": lambda _: page("<p>" + "Plain words. " * 100),
}
