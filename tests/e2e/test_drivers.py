"""The suite that every plain driver passes: one behaviour a test, on sites that misbehave.

What only one can do is asked of that one. Hostile answers and the site are in badsite.py.
"""

from __future__ import annotations

import asyncio
import ipaddress
import json
import resource
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from tests.support import badanswers
from tests.support.badsite import BadSite
from tests.support.tlssite import (
    Authority,
    Http2Site,
    make_authority,
    recording_hellos,
    trusted,
)
from tests.support.waiting import eventually_async
from tests.support.wires import Listener, answering, listening, ok, socks5
from windlass.drivers import DRIVERS, Driver
from windlass.drivers.proxies import Proxies, Proxy
from windlass.errors import (
    AddressRefused,
    BadRedirect,
    ConnectionLost,
    ConnectionRefused,
    ConnectTimeout,
    DnsFailed,
    InvalidRequest,
    InvalidResponse,
    ProxyFailed,
    ReadTimeout,
    RedirectLoop,
    RequestTimeout,
    TargetError,
    TlsFailed,
    TooManyRedirects,
)
from windlass.model.page import Page, Redirect
from windlass.model.request import Cookie, Emulation, ExtractRequest, Place
from windlass.net.cookies import CookieJar
from windlass.net.guard import AddressGuard, AddrInfo
from windlass.net.upstream import parse_upstream
from windlass.settings import Settings

LOOPS = ("uvloop",)
LIMIT = 1_000_000
SETTINGS: dict[str, Any] = {
    "fetch_limit": LIMIT,
    "connect_timeout": 2.0,
    "read_timeout": 1.0,
    "task_timeout": 20.0,
}
LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"),)
PLAIN_DRIVERS = ("vx6", "vx6-stealth")

Make = Callable[..., Driver]


@pytest.fixture(params=PLAIN_DRIVERS)
def name(request: pytest.FixtureRequest) -> str:
    """The driver under test."""
    return str(request.param)


@pytest.fixture
async def make(name: str) -> AsyncIterator[Make]:
    """Makes drivers with settings, guard, proxies or a resolver of their own."""
    made: list[Driver] = []

    def build(
        guard: AddressGuard | None = None,
        proxies: Proxies | None = None,
        resolve: Any = None,
        **settings: Any,
    ) -> Driver:
        kind: Any = DRIVERS.get(name)
        driver: Driver = kind(
            Settings(**{**SETTINGS, **settings}), guard or AddressGuard(LOOPBACK), proxies, resolve
        )
        made.append(driver)
        return driver

    yield build
    for driver in made:
        await driver.aclose()


@pytest.fixture
def driver(make: Make) -> Driver:
    """A driver that may dial loopback."""
    return make()


@pytest.fixture
async def site() -> AsyncIterator[BadSite]:
    """The misbehaving site."""
    async with BadSite() as one:
        yield one


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """A certificate authority nobody trusts yet."""
    return make_authority(tmp_path_factory.mktemp("authority"))


async def get(driver: Driver, url: str, jar: CookieJar | None = None, **wish: Any) -> Page:
    """One fetch."""
    return await driver.fetch(ExtractRequest(url=url, **wish), jar or CookieJar())


async def fails(kind: type[TargetError], fetch: Awaitable[Page]) -> TargetError:
    """The TargetError of exactly this class that a fetch ends with."""
    with pytest.raises(TargetError) as caught:
        await fetch
    assert type(caught.value) is kind, caught.value
    return caught.value


# ---------------------------------------------------------------- the plain case


async def test_a_page_comes_whole_and_names_its_driver(
    driver: Driver, site: BadSite, name: str
) -> None:
    page = await get(driver, f"{site.url('page')}?b=c#part")
    assert (page.status, page.body) == (200, badanswers.PAGE)
    assert page.url.endswith("/page?b=c#part")
    assert page.header("content-type") == "text/html; charset=utf-8"
    assert page.driver == name
    assert (page.failure, page.warnings, page.redirects, page.egress) == (None, (), (), "")


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
async def test_method_and_body_arrive_as_given(driver: Driver, site: BadSite, method: str) -> None:
    body = None if method == "GET" else '{"ü": 1}'
    await get(driver, site.url("echo"), method=method, body=body, body_type="application/json")
    (asked,) = site.asked("echo")
    assert asked.method == method
    assert asked.body.decode() == (body or "")
    assert asked.header("content-type") == ("application/json" if body else None)


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
async def test_methods_that_carry_bodies_say_when_there_is_none(
    driver: Driver, site: BadSite, method: str
) -> None:
    await get(driver, site.url("echo"), method=method)
    assert site.seen[0].header("content-length") == "0"


async def test_callers_headers_replace_repeat_suppress_and_keep_their_order(
    driver: Driver, site: BadSite
) -> None:
    wish: dict[str, Any] = {
        "X-Zebra": "1",
        "user-agent": "mine/1",
        "accept-language": None,
        "X-Apple": ["a", "b"],
        "X-Ünicode".encode("ascii", "ignore").decode(): "grüße",
        "Connection": "close",
    }
    await get(driver, site.url("echo"), headers=wish)
    (asked,) = site.asked("echo")
    names = [key for key, _ in asked.headers]
    assert asked.header("user-agent") == "mine/1"
    assert asked.header("accept-language") is None
    assert [value for key, value in asked.headers if key == "X-Apple"] == ["a", "b"]
    assert names.index("X-Zebra") < names.index("X-Apple") < names.index("X-nicode")
    assert names[0] == "Host"
    assert len({key.lower() for key in names}) == len(names) - 1
    assert asked.header("connection") == "keep-alive"


async def test_every_driver_sends_the_same_fields_in_the_same_order(site: BadSite) -> None:
    sent = []
    for one in PLAIN_DRIVERS:
        kind: Any = DRIVERS.get(one)
        driver = kind(Settings(**SETTINGS), AddressGuard(LOOPBACK))
        for wish in ({}, {"is_xhr": True, "referrer": "google"}, {"locale": "de-DE"}):
            await get(driver, site.url("echo"), **wish)
        await driver.aclose()
        sent.append([asked.headers for asked in site.asked("echo")])
        site.seen.clear()
    assert sent[0] == sent[1]


async def test_locale_referrer_and_xhr_show_in_the_headers(driver: Driver, site: BadSite) -> None:
    await get(driver, site.url("echo"), locale="fr-CA", referrer="same-origin", is_xhr=True)
    (asked,) = site.asked("echo")
    assert (asked.header("accept-language") or "").startswith("fr-CA,fr")
    assert asked.header("referer") == site.url("")
    assert asked.header("x-requested-with") == "XMLHttpRequest"


async def test_the_operators_user_agent_is_used(make: Make, site: BadSite) -> None:
    await get(make(user_agent="operator/2"), site.url("echo"))
    assert site.seen[0].header("user-agent") == "operator/2"


@pytest.mark.parametrize(
    "headers",
    [{"X-A": "1\r\nX-B: 2"}, {"X A": "1"}, {"": "1"}, {"X-A": ["fine", "a\0b"]}],
)
async def test_headers_that_cannot_be_sent_are_the_callers_mistake(
    driver: Driver, site: BadSite, headers: dict[str, Any]
) -> None:
    with pytest.raises(InvalidRequest):
        await get(driver, site.url("page"), headers=headers)
    assert not site.seen


@pytest.mark.parametrize(
    "url", ["ftp://a.test/", "http://", "javascript:1", "not a url", "file:/x"]
)
async def test_urls_that_cannot_be_fetched_are_the_callers_mistake(
    driver: Driver, url: str
) -> None:
    with pytest.raises(InvalidRequest):
        await get(driver, url)


# ---------------------------------------------------------------- cookies


async def test_cookies_are_sent_kept_in_the_jar_and_not_shared(
    driver: Driver, site: BadSite
) -> None:
    jar = CookieJar()
    page = await get(
        driver,
        site.url("set-cookie", line="seen=yes; Path=/"),
        jar,
        cookies=(Cookie(name="own", value="1"),),
    )
    assert {(one.name, one.value) for one in page.cookies} == {("own", "1"), ("seen", "yes")}
    await get(driver, site.url("echo"), jar)
    await get(driver, site.url("echo"))
    with_jar, without = site.asked("echo")
    assert with_jar.header("cookie") == "own=1; seen=yes"
    assert without.header("cookie") is None


async def test_cookies_set_on_a_redirect_are_sent_on(driver: Driver, site: BadSite) -> None:
    await get(driver, site.url("redirect", to="/echo", cookie="way=1; Path=/"))
    assert site.asked("echo")[0].header("cookie") == "way=1"


async def test_a_gate_that_wants_its_cookie_back_opens(driver: Driver, site: BadSite) -> None:
    assert (await get(driver, site.url("gate"))).body == badanswers.PAGE


# ---------------------------------------------------------------- redirects


@pytest.mark.parametrize(
    ("status", "method", "becomes"),
    [
        *((301, "POST", "GET"), (302, "POST", "GET"), (303, "POST", "GET"), (303, "PUT", "GET")),
        *((307, "POST", "POST"), (308, "PUT", "PUT"), (302, "PUT", "PUT"), (301, "GET", "GET")),
    ],
)
async def test_redirects_change_the_method_as_in_browsers(
    driver: Driver, site: BadSite, status: int, method: str, becomes: str
) -> None:
    body = None if method == "GET" else "x=1"
    start = site.url("redirect", to="/echo", status=status)
    page = await get(driver, start, method=method, body=body)
    assert page.redirects == (Redirect(start, status),)
    assert page.url == site.url("echo")
    (asked,) = site.asked("echo")
    assert asked.method == becomes
    assert asked.body.decode() == (body or "" if becomes == method else "")


async def test_credentials_end_at_their_origin(driver: Driver, site: BadSite) -> None:
    headers: dict[str, Any] = {"Authorization": "Bearer secret", "Cookie": "a=b", "X-Kept": "1"}
    await get(driver, site.url("redirect", to=site.other_url("echo")), headers=headers)
    (first,), (second,) = site.asked("redirect"), site.asked("echo")
    assert first.header("authorization") == "Bearer secret"
    assert second.header("authorization") is None
    assert second.header("cookie") is None
    assert second.header("x-kept") == "1"


@pytest.mark.parametrize(
    ("path", "query", "kind"),
    [
        ("loop", {}, RedirectLoop),
        ("chain", {"left": 30}, TooManyRedirects),
        ("redirect", {"to": "ftp://a.test/"}, BadRedirect),
        ("redirect", {"to": "javascript:alert(1)"}, BadRedirect),
        ("redirect", {"to": "file:///etc/passwd"}, BadRedirect),
        ("redirect", {"to": "http://[::bad/"}, BadRedirect),
        ("redirect", {"to": "http://10.0.0.1/"}, AddressRefused),
    ],
)
async def test_redirects_that_lead_nowhere_fail_by_their_own_names(
    driver: Driver, site: BadSite, path: str, query: dict[str, Any], kind: type[TargetError]
) -> None:
    await fails(kind, get(driver, site.url(path, **query)))


async def test_a_redirects_endless_body_is_not_waited_for(driver: Driver, site: BadSite) -> None:
    start = time.monotonic()
    assert (await get(driver, site.url("redirect-endless"))).body == badanswers.PAGE
    assert time.monotonic() - start < 10


@pytest.mark.parametrize(
    ("query", "follows"),
    [
        ({"after": 0}, True),
        ({"after": 5}, True),
        ({"after": 1000}, False),
        ({"after": 0, "noscript": 1}, False),
    ],
)
async def test_refreshes_are_followed_when_a_reader_would_not_stay(
    driver: Driver, site: BadSite, query: dict[str, Any], follows: bool
) -> None:
    page = await get(driver, site.url("refresh", to="/page", **query))
    assert page.url.endswith("/page") is follows
    assert len(page.redirects) == follows


# ---------------------------------------------------------------- what comes back


@pytest.mark.parametrize("coding", [*badanswers.codings()][:7])
async def test_every_coding_is_undone(driver: Driver, site: BadSite, coding: str) -> None:
    page = await get(driver, site.url(coding))
    assert page.body == badanswers.LONG
    assert page.failure is None


@pytest.mark.parametrize("bomb", [name for name in badanswers.codings() if "bomb" in name])
async def test_a_bomb_stops_at_the_limit(driver: Driver, site: BadSite, bomb: str) -> None:
    page = await get(driver, site.url(bomb))
    assert len(page.body) == LIMIT
    assert page.failure is not None
    assert page.failure.code == "decompression_bomb"


@pytest.mark.parametrize(
    ("answer", "code", "start"),
    [
        ("truncated", "body_truncated", b"<p>sixteen bytes"),
        ("broken-chunk", "body_truncated", b"<p>eighteen bytes."),
        ("cut-chunk", "body_truncated", b"<p>eighteen bytes.<p>less"),
        ("no-last-chunk", "body_truncated", b"<p>eighteen bytes."),
        ("reset-in-body", "body_truncated", b"<p>the part that came"),
        ("silence-after-16", "read_timeout", b"<p>sixteen bytes"),
        ("gzip-cut", "body_truncated", badanswers.LONG[:10_000]),
        ("gzip-wrong-checksum", "bad_encoding", badanswers.LONG),
        ("gzip-that-is-plain", "bad_encoding", badanswers.LONG),
        ("endless", "body_too_large", b"<p>xxxx"),
        ("crumbs", "body_truncated", b"xxxx"),
    ],
)
async def test_a_part_is_kept_and_never_passed_off_as_whole(
    driver: Driver, site: BadSite, answer: str, code: str, start: bytes
) -> None:
    page = await get(driver, site.url(answer))
    assert page.failure is not None
    assert page.failure.code == code
    assert page.body.startswith(start)
    assert len(page.body) <= LIMIT


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ("empty-answer", ConnectionLost),
        ("head-cut", ConnectionLost),
        ("reset", ConnectionLost),
        ("bad-status", InvalidResponse),
        ("endless-head", InvalidResponse),
        ("silence", ReadTimeout),
    ],
)
async def test_no_answer_is_an_error_by_its_own_name(
    driver: Driver, site: BadSite, answer: str, kind: type[TargetError]
) -> None:
    await fails(kind, get(driver, site.url(answer)))


async def test_interim_answers_without_end_do_end(driver: Driver, site: BadSite, name: str) -> None:
    # wreq reads on for as long as it takes, which the request's own limit ends.
    kinds = (InvalidResponse,) if name == "vx6" else (InvalidResponse, ReadTimeout, RequestTimeout)
    with pytest.raises(kinds):
        await get(driver, site.url("endless-interim"), timeout_ms=2000)


@pytest.mark.parametrize("answer", ["not-http", "binary"])
async def test_what_is_not_http_is_no_page(driver: Driver, site: BadSite, answer: str) -> None:
    page = await get(driver, site.url(answer))
    assert page.failure is not None
    assert page.failure.code == "invalid_response"


STRICT = {
    "nul-in-header",
    "http2-in-words",
    "icy",
    "lower-case",
    "length-no-number",
    "length-negative",
    "chunk-newlines",
}
"""Flaws that wreq's HTTP/1 parser does not forgive: an error then, never a wrong page."""


@pytest.mark.parametrize("answer", badanswers.READABLE)
async def test_flaws_that_browsers_forgive_are_forgiven(
    driver: Driver, site: BadSite, answer: str, name: str
) -> None:
    if name == "vx6-stealth" and answer in STRICT:
        try:
            page = await get(driver, site.url(answer))
        except InvalidResponse:
            return
        assert page.failure is not None
        return
    page = await get(driver, site.url(answer))
    assert page.body == badanswers.PAGE
    assert page.failure is None


async def test_an_endless_body_is_neither_held_nor_read_to_its_end(
    driver: Driver, site: BadSite
) -> None:
    sent = 0

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            writer.write(b"x" * 65_536)
            await writer.drain()
            sent += 65_536

    async with listening(talk) as one:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        page = await get(driver, f"http://127.0.0.1:{one.port}/")
        assert len(page.body) == LIMIT
        await eventually_async(lambda: _ended(one), "the site is let go")
        assert sent < 40 * LIMIT
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 40_000


async def _ended(listener: Listener) -> bool:
    return not listener._tasks


# ---------------------------------------------------------------- time


async def test_the_requests_own_budget_ends_it(driver: Driver, site: BadSite) -> None:
    start = time.monotonic()
    await fails(RequestTimeout, get(driver, site.url("silence"), timeout_ms=200))
    page = await get(driver, site.url("drip"), timeout_ms=300)
    assert page.failure is not None
    assert page.failure.code == "request_timeout"
    assert page.body.startswith(b"<p>x")
    assert time.monotonic() - start < 10


async def test_a_cancelled_fetch_lets_its_connection_go(driver: Driver) -> None:
    begun = asyncio.Event()
    left = asyncio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        begun.set()
        await reader.read()
        left.set()

    async with listening(talk) as one:
        task = asyncio.create_task(get(driver, f"http://127.0.0.1:{one.port}/"))
        async with asyncio.timeout(5):
            await begun.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await left.wait()


async def test_cancelling_at_any_moment_leaves_the_driver_usable(
    driver: Driver, site: BadSite
) -> None:
    await get(driver, site.url("page"))
    cancelled = 0
    for step in range(120):
        url = site.url("page") if step % 2 else site.url("silence-after-16")
        task = asyncio.create_task(get(driver, url))
        for _ in range(step):
            await asyncio.sleep(0)
        task.cancel()
        (result,) = await asyncio.gather(task, return_exceptions=True)
        cancelled += isinstance(result, asyncio.CancelledError)
        assert isinstance(result, Page | asyncio.CancelledError)
    assert cancelled > 40
    assert (await get(driver, site.url("page"))).body == badanswers.PAGE


async def test_many_fetches_at_once(make: Make, site: BadSite) -> None:
    driver = make(connect_timeout=60.0, read_timeout=60.0, task_timeout=100.0)
    pages = await asyncio.gather(*(get(driver, site.url("page", n=n)) for n in range(200)))
    assert all(page.body == badanswers.PAGE for page in pages)


async def test_connections_are_kept_for_what_may_be_repeated_only(
    driver: Driver, site: BadSite
) -> None:
    for _ in range(5):
        await get(driver, site.url("page"))
    assert site.connections == 1
    for _ in range(3):
        await get(driver, site.url("page"), method="POST", body="x")
    assert site.connections == 4


async def test_kept_connections_that_end_silently_are_replaced(
    driver: Driver, site: BadSite
) -> None:
    async def visit() -> None:
        for _ in range(20):
            assert (await get(driver, site.url("once"))).body == badanswers.PAGE

    await asyncio.gather(*(visit() for _ in range(8)))


async def test_what_may_not_be_repeated_is_sent_once(driver: Driver, site: BadSite) -> None:
    await get(driver, site.url("page"))
    for method in ("POST", "PATCH"):
        await fails(ConnectionLost, get(driver, site.url("reset"), method=method, body="pay"))
    assert len(site.asked("reset")) == 2


# ---------------------------------------------------------------- who may be asked

HOSTILE = [
    *("127.0.0.1", "127.1", "2130706433", "0x7f.1", "0177.0.0.1", "0.0.0.0", "localhost"),
    *("10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1", "169.254.169.254", "198.18.0.1"),
    *("224.0.0.1", "255.255.255.255", "168.63.129.16", "[::1]", "[::]", "[::ffff:127.0.0.1]"),
    *("[::ffff:7f00:1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]", "[fe80::1]", "[fc00::1]"),
]


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_hostile_addresses_are_refused_before_any_connection(make: Make, scheme: str) -> None:
    driver = make(guard=AddressGuard())
    async with answering(ok(b"secret")) as one, listening(one._talk, "::1", one.port) as six:
        for host in HOSTILE:
            await fails(AddressRefused, get(driver, f"{scheme}://{host}:{one.port}/"))
        assert one.arrived + six.arrived == 0


class Names:
    """Name service by table; each name has a list of answers, the last one stays."""

    def __init__(self, **answers: list[str]) -> None:
        self.answers = answers

    async def __call__(self, host: str, port: int) -> list[AddrInfo]:
        kept = self.answers[host.split(".")[0]]
        address = kept.pop(0) if len(kept) > 1 else kept[0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]


async def test_a_name_that_changes_its_address_gets_nowhere(make: Make) -> None:
    guard = AddressGuard((ipaddress.ip_network("127.0.0.2/32"),))
    driver = make(guard=guard, resolve=Names(rebind=["127.0.0.2", "127.0.0.1"]))
    async with answering(ok(b"hello", b"Connection: close\r\n")) as inner:
        await inner.aclose()
    async with listening(_hello, "0.0.0.0") as one:
        url = f"http://rebind.test:{one.port}/"
        assert (await get(driver, url)).body == b"127.0.0.2"
        await fails(AddressRefused, get(driver, url))
        assert one.arrived == 1


async def _hello(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    where = writer.get_extra_info("sockname")[0].encode()
    writer.write(ok(where, b"Connection: close\r\n"))


async def test_a_redirect_to_a_private_address_is_refused_before_any_connection(
    make: Make,
) -> None:
    guard = AddressGuard((ipaddress.ip_network("127.0.0.2/32"),))
    async with answering(ok(b"secret")) as inner:
        for target in (f"127.0.0.1:{inner.port}", f"localhost:{inner.port}", "169.254.169.254"):
            location = f"HTTP/1.1 302 F\r\nLocation: http://{target}/\r\nContent-Length: 0\r\n\r\n"

            async def talk(
                reader: asyncio.StreamReader,
                writer: asyncio.StreamWriter,
                location: bytes = location.encode(),
            ) -> None:
                await reader.readuntil(b"\r\n\r\n")
                writer.write(location)

            async with listening(talk, "127.0.0.2") as outer:
                driver = make(guard=guard)
                await fails(AddressRefused, get(driver, f"http://127.0.0.2:{outer.port}/"))
                assert outer.arrived == 1
        assert inner.arrived == 0


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_failures_to_connect_have_their_own_names(make: Make, scheme: str) -> None:
    async def nowhere(host: str, port: int) -> list[AddrInfo]:
        if host == "silent.test":
            await asyncio.Event().wait()
        raise DnsFailed(f"The host name {host} could not be resolved.")

    driver = make(resolve=nowhere, connect_timeout=0.3)
    await fails(DnsFailed, get(driver, f"{scheme}://nowhere.test/"))
    await fails(DnsFailed, get(driver, f"{scheme}://silent.test/"))
    driver = make()
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        await fails(ConnectionRefused, get(driver, f"{scheme}://127.0.0.1:{port}/"))


async def test_a_dial_that_nobody_answers_times_out(make: Make) -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        port = full.getsockname()[1]
        fillers = [socket.socket() for _ in range(3)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", port))
        driver = make(connect_timeout=0.3)
        for scheme in ("http", "https"):
            await fails(ConnectTimeout, get(driver, f"{scheme}://127.0.0.1:{port}/"))
        for filler in fillers:
            filler.close()


# ---------------------------------------------------------------- operators' proxies


async def test_requests_leave_by_the_proxy_of_their_place(make: Make, site: BadSite) -> None:
    async with socks5("user", "secret") as theirs:
        listed = Proxy(
            upstream=parse_upstream(f"socks5://user:secret@127.0.0.1:{theirs.port}"),
            place=Place(country="DE"),
            label="berlin",
        )
        # The target is a name: the proxy resolves it, and the guard has nothing to say about it.
        driver = make(guard=AddressGuard(), proxies=Proxies([listed]))
        url = f"http://site.test:{site.ports[0]}/page"
        page = await get(driver, url, place=Place(country="DE"))
        assert (page.body, page.egress, page.warnings) == (badanswers.PAGE, "berlin", ())
        assert theirs.heads == [b"site.test"]
        await fails(AddressRefused, get(driver, site.url("page"), place=Place(country="DE")))


async def test_without_a_matching_proxy_the_caller_is_told(driver: Driver, site: BadSite) -> None:
    page = await get(driver, site.url("page"), place=Place(country="DE"))
    assert page.egress == ""
    assert page.warnings == ("country=DE requested, no matching proxy",)


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_proxy_that_is_away_is_the_proxys_failure(make: Make, scheme: str) -> None:
    listed = Proxy(upstream=parse_upstream("http://user:hunter2@127.0.0.1:1"))
    driver = make(guard=AddressGuard(), proxies=Proxies([listed]))
    error = await fails(ProxyFailed, get(driver, f"{scheme}://site.test/"))
    assert "hunter2" not in str(error)


# ---------------------------------------------------------------- TLS


async def test_a_trusted_site_is_read_over_tls(
    make: Make, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = authority.context("DNS:localhost")
    server = await asyncio.start_server(_hello, "127.0.0.1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    with trusted(authority, monkeypatch):
        assert (await get(make(), f"https://localhost:{port}/")).body == b"127.0.0.1"
        await fails(TlsFailed, get(make(), f"https://127.0.0.1:{port}/"))  # another name
    server.close()


@pytest.mark.parametrize("flaw", ["untrusted", "expired", "plain", "hangs up"])
async def test_bad_handshakes_are_told_as_such(
    make: Make, authority: Authority, monkeypatch: pytest.MonkeyPatch, flaw: str
) -> None:
    context = None
    if flaw in ("untrusted", "expired"):
        context = authority.context("DNS:localhost", days=0 if flaw == "expired" else 30)

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(10)
        if flaw == "plain":
            writer.write(ok(b"not TLS"))
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0, ssl=context)
    url = f"https://localhost:{server.sockets[0].getsockname()[1]}/"
    if flaw == "expired":
        with trusted(authority, monkeypatch):
            await fails(TlsFailed, get(make(), url))
    else:
        await fails(TlsFailed, get(make(), url))
    server.close()


async def test_a_handshake_that_stalls_times_out(make: Make) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with listening(talk) as one:
        start = time.monotonic()
        driver = make(connect_timeout=0.3)
        await fails(ConnectTimeout, get(driver, f"https://127.0.0.1:{one.port}/"))
        assert time.monotonic() - start < 10


# ---------------------------------------------------------------- what only one does


impersonating = pytest.mark.parametrize("name", ["vx6-stealth"])
"""Marks tests of what only this driver does."""


@impersonating
@pytest.mark.parametrize("browser", ["chrome", "firefox", "ios"])
async def test_http2_is_spoken_with_the_browsers_settings_and_order(
    make: Make, authority: Authority, monkeypatch: pytest.MonkeyPatch, browser: str
) -> None:
    look: Any = {"os": "ios"} if browser == "ios" else {"browser": browser}
    context = authority.context("DNS:localhost", alpn=("h2", "http/1.1"))
    with trusted(authority, monkeypatch):
        async with Http2Site().serving(context) as one:
            page = await get(
                make(),
                f"https://localhost:{one.port}/x",
                http2=True,
                emulation=Emulation(**look),
                headers={"X-Own": ["1", "2"], "Accept": None},
            )
    assert (page.status, page.body, page.warnings) == (200, b"<p>over HTTP/2", ())
    (sent,) = one.requests
    pseudo = [key[1] for key, _ in sent if key.startswith(":")]
    assert "".join(pseudo) == {"chrome": "masp", "firefox": "mpas", "ios": "msap"}[browser]
    windows = {"chrome": 6_291_456, "firefox": 131_072, "ios": 2_097_152}
    assert one.settings[0][4] == windows[browser]
    names = [key for key, _ in sent]
    assert "connection" not in names
    assert "accept" not in names
    assert [value for key, value in sent if key == "x-own"] == ["1", "2"]
    assert dict(sent)["user-agent"].count("Mobile") == (browser == "ios")


async def test_http2_that_is_not_offered_is_told(driver: Driver, site: BadSite) -> None:
    page = await get(driver, site.url("page"), http2=True)
    assert len(page.warnings) == 1
    assert "HTTP/1.1" in page.warnings[0]


@impersonating
@pytest.mark.parametrize("cut", ["reset", "close"])
async def test_an_http2_body_that_is_cut_is_kept_as_a_part(
    make: Make, authority: Authority, monkeypatch: pytest.MonkeyPatch, cut: str
) -> None:
    context = authority.context("DNS:localhost", alpn=("h2",))
    with trusted(authority, monkeypatch):
        async with Http2Site(body=b"x" * 10_000, cut=cut).serving(context) as one:
            page = await get(make(), f"https://localhost:{one.port}/")
    assert page.failure is not None
    assert page.failure.code == "body_truncated"
    assert page.body == b"x" * 5_000


@impersonating
async def test_http2_bodies_arrive_both_ways_and_connections_are_shared(
    make: Make, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = authority.context("DNS:localhost", alpn=("h2",))
    with trusted(authority, monkeypatch):
        async with Http2Site(body=b"y" * 900_000).serving(context) as one:
            driver = make()
            url = f"https://localhost:{one.port}/"
            page = await get(driver, url, method="POST", body="z" * 100_000)
            assert page.body == one.body
            assert b"".join(one.bodies) == b"z" * 100_000
            assert dict(one.requests[0])["content-length"] == "100000"
            await get(driver, url)
            pages = await asyncio.gather(*(get(driver, url) for _ in range(20)))
            assert all(page.body == one.body for page in pages)
            assert one.connections <= 4


@impersonating
async def test_the_handshake_is_that_of_the_browser_asked_for(make: Make) -> None:
    looks: list[dict[str, Any]] = [
        {},
        {"browser": "firefox"},
        {"os": "ios"},
        {"browser_version": "120"},
    ]
    async with recording_hellos() as (one, hellos):
        driver = make()
        for look in looks:
            with pytest.raises(TargetError):
                await get(driver, f"https://localhost:{one.port}/", emulation=Emulation(**look))
    chrome, firefox, safari, older = hellos
    assert all(hello.protocols == ("h2", "http/1.1") for hello in hellos)
    assert all(hello.server_name == "localhost" for hello in hellos)
    assert chrome.greased
    assert safari.greased
    assert not firefox.greased
    assert 0x11EC in chrome.groups  # X25519MLKEM768
    assert 0x11EC not in older.groups
    # TLS_AES_128_GCM_SHA256 leads for both, then they differ.
    assert chrome.ciphers[1:4] == (0x1301, 0x1302, 0x1303)
    assert firefox.ciphers[:3] == (0x1301, 0x1303, 0x1302)
    assert len({hello.ciphers for hello in (chrome, firefox, safari)}) == 3


@impersonating
async def test_an_unknown_version_gets_the_closest_and_a_warning(make: Make, site: BadSite) -> None:
    page = await get(make(), site.url("echo"), emulation=Emulation(browser_version="121"))
    assert page.warnings == ("chrome 121 requested, 120 used: the closest fingerprint known",)
    said = json.loads(page.body)
    agent = next(value for key, value in said["headers"] if key == "User-Agent")
    assert "Chrome/120.0.0.0" in agent


async def test_a_driver_may_be_used_again_after_it_was_closed(
    driver: Driver, site: BadSite
) -> None:
    for _ in range(2):
        assert (await get(driver, site.url("page"))).body == badanswers.PAGE
        await driver.aclose()
