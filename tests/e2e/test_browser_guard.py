"""Ways from a page to addresses that are not allowed: none arrives.

The victim listens on 127.0.0.2, the page on 127.0.0.1, which alone is allowed.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from tests.support.rendering import rendering
from tests.support.rendersite import RenderSite, page
from windlass.drivers.browser.driver import BrowserDriver
from windlass.errors import AddressRefused, BadRedirect, InvalidRequest, InvalidResponse
from windlass.model.render import RenderOptions
from windlass.model.request import ExtractRequest
from windlass.net.cookies import CookieJar
from windlass.net.guard import AddrInfo

LOOPS = ("uvloop",)
pytestmark = pytest.mark.asyncio(loop_scope="module")
ALL = RenderOptions(wait_until="idle0", timeout_ms=5000, disabled_resources=())


class Names:
    """Every name is 127.0.0.1, but what is called rebind is another host every second time."""

    def __init__(self) -> None:
        self.asked = 0

    async def __call__(self, host: str, port: int) -> list[AddrInfo]:
        address = "127.0.0.1"
        if host.startswith("evil"):
            address = "127.0.0.2"
        if host.startswith("rebind"):
            self.asked += 1
            address = "127.0.0.1" if self.asked % 2 else "127.0.0.2"
        if host.replace(".", "").isdigit() or ":" in host:
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            return [(family, socket.SOCK_STREAM, 0, "", (host, port))]
        return [(socket.AF_INET, socket.SOCK_STREAM, 0, "", (address, port))]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def driver(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[BrowserDriver]:
    async with rendering(tmp_path_factory.mktemp("b"), resolve=Names()) as made:
        yield made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def site() -> AsyncIterator[RenderSite]:
    async with RenderSite() as running:
        yield running


WAYS = {
    "image": "<img src='{evil}'>",
    "image by CSS": "<style>body{{background:url({evil})}}</style>",
    "imported CSS": "<style>@import url({evil});</style>",
    "stylesheet": "<link rel=stylesheet href='{evil}'>",
    "font": "<style>@font-face{{font-family:f;src:url({evil})}} p{{font-family:f}}</style><p>x",
    "script": "<script src='{evil}'></script>",
    "module": "<script type=module>import '{evil}'</script>",
    "iframe": "<iframe src='{evil}'></iframe>",
    "object": "<object data='{evil}'></object><embed src='{evil}'>",
    "video": "<video src='{evil}' autoplay></video><audio src='{evil}' autoplay></audio>",
    "prefetch": "<link rel=prefetch href='{evil}'><link rel=preload as=image href='{evil}'>",
    "preconnect": "<link rel=preconnect href='{evil}'><link rel=dns-prefetch href='{evil}'>",
    "prerender": '<script type=speculationrules>{{"prerender":[{{"urls":["{evil}"]}}]}}</script>',
    "fetch": "<script>fetch('{evil}', {{mode: 'no-cors'}})</script>",
    "fetch from eval": "<script>eval(\"fetch('{evil}', {{mode: 'no-cors'}})\")</script>",
    "beacon": "<script>navigator.sendBeacon('{evil}', 'x')</script>",
    "ping": "<a id=a href='#' ping='{evil}'>x</a><script>a.click()</script>",
    "XHR": "<script>x = new XMLHttpRequest(); x.open('POST', '{evil}'); x.send('x')</script>",
    "event source": "<script>new EventSource('{evil}')</script>",
    "WebSocket": "<script>new WebSocket('{evil}'.replace('http', 'ws'))</script>",
    "worker": "<script>new Worker(URL.createObjectURL(new Blob([\"fetch('{evil}', "
    "{{mode:'no-cors'}})\"])))</script>",
    "shared worker": "<script>new SharedWorker(URL.createObjectURL(new Blob([\"fetch('{evil}', "
    "{{mode:'no-cors'}})\"])))</script>",
    "service worker": "<script>navigator.serviceWorker?.register('/sw.js')</script>",
    "form": "<form id=f action='{evil}' method=post></form><script>f.submit()</script>",
    "meta refresh": "<meta http-equiv=refresh content='0;url={evil}'>",
    "location": "<script>location = '{evil}'</script>",
    "window": "<script>open('{evil}')</script>",
    "redirected image": "<img src='/redirect?to={evil}'>",
    "redirected fetch": "<script>fetch('/redirect?to={evil}', {{mode: 'no-cors'}})</script>",
    "redirected frame": "<iframe src='/redirect?to={evil}'></iframe>",
    "frame in srcdoc": "<iframe srcdoc=\"<img src='{evil}'>\"></iframe>",
    "WebRTC": "<script>c = new RTCPeerConnection({{iceServers: [{{urls: 'stun:127.0.0.2:{port}'}}, "
    "{{urls: 'turn:127.0.0.2:{port}?transport=tcp', username: 'a', credential: 'b'}}]}});"
    "c.createDataChannel('x'); c.createOffer().then(o => c.setLocalDescription(o))</script>",
}
SPELLINGS = (
    "http://127.0.0.2:{port}/evil",
    "http://2130706434:{port}/evil",
    "http://0x7f000002:{port}/evil",
    "http://0177.0.0.2:{port}/evil",
    "http://127.2:{port}/evil",
    "http://[::ffff:127.0.0.2]:{port}/evil",
    "http://[::ffff:7f00:2]:{port}/evil",
    "http://evil.test:{port}/evil",
)


async def visit(driver: BrowserDriver, url: str, **wish: Any) -> Any:
    wish = {"render_options": ALL, **wish}
    return await driver.fetch(ExtractRequest(url=url, render=True, **wish), CookieJar())


@pytest.mark.parametrize("way", WAYS)
async def test_no_way_out_of_a_page_arrives(
    driver: BrowserDriver, site: RenderSite, way: str
) -> None:
    evil = f"http://127.0.0.2:{site.port}/evil"

    async def with_way(_: object) -> Any:
        return page("<p>innocent</p>" + WAYS[way].format(evil=evil, port=site.port))

    async def service_worker(_: object) -> Any:
        from aiohttp import web

        script = f"fetch('{evil}', {{mode: 'no-cors'}})"
        return web.Response(text=script, content_type="text/javascript")

    site.seen.clear()
    site.answers |= {"way": with_way, "sw.js": service_worker}
    with UdpVictim(site.port) as victim:
        await asyncio.gather(visit(driver, site.url("way")), return_exceptions=True)
        assert victim.received() == b""
    assert site.asked("way")
    assert not site.asked("evil")


@pytest.mark.parametrize("spelling", SPELLINGS)
async def test_no_spelling_of_an_address_arrives(
    driver: BrowserDriver, site: RenderSite, spelling: str
) -> None:
    site.seen.clear()
    with pytest.raises(AddressRefused):
        await visit(driver, spelling.format(port=site.port))
    with pytest.raises(AddressRefused):
        await visit(driver, site.url(f"redirect?to={spelling.format(port=site.port)}"))
    assert not site.asked("evil")


async def test_a_name_that_changes_its_address_does_not_arrive(
    driver: BrowserDriver, site: RenderSite
) -> None:
    site.seen.clear()

    async def rebinding(_: object) -> Any:
        frames = "".join(
            f"<img src='http://rebind{n}.test:{site.port}/evil?{n}'>" for n in range(4)
        )
        return page(frames)

    async def evil(request: Any) -> Any:
        # Only the connection's own address counts: a name may well lead to the allowed one.
        hosts.append(request.transport.get_extra_info("sockname")[0])
        return page("x")

    hosts: list[str] = []
    site.answers |= {"rebinding": rebinding, "evil": evil}
    await visit(driver, site.url("rebinding"))
    assert hosts
    assert set(hosts) == {"127.0.0.1"}


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "chrome://version", "view-source:http://a.test/", "about:blank"]
)
async def test_only_web_pages_are_navigated_to(
    driver: BrowserDriver, site: RenderSite, url: str
) -> None:
    with pytest.raises(InvalidRequest):
        await visit(driver, url)
    with pytest.raises((BadRedirect, InvalidResponse)):
        await visit(driver, site.url(f"redirect?to={url}"))
    got = await visit(driver, site.url(f"script-move?to={url}"))
    assert b"root:" not in got.body


class UdpVictim:
    """Listens for datagrams on 127.0.0.2."""

    def __init__(self, port: int) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.2", port))
        self._socket.setblocking(False)

    def __enter__(self) -> UdpVictim:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def received(self) -> bytes:
        """The first datagram, b"" if none came."""
        try:
            return self._socket.recv(100)
        except BlockingIOError:
            return b""
