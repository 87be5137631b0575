"""The plain HTTP driver against a site that misbehaves: what is delivered, what is refused."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import ssl
import subprocess
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.badanswers import CHARSETS, LONG, PAGE, READABLE, codings
from tests.support.badsite import BadSite
from tests.support.driving import LIMIT, PATIENT, driving, failing, fetch, resolving
from windlass.drivers.http import HttpDriver
from windlass.errors import InvalidRequest
from windlass.model.page import Redirect
from windlass.model.request import Cookie, Emulation, Place
from windlass.net.cookies import CookieJar
from windlass.net.guard import AddrInfo

LOOPS = ("asyncio", "uvloop")


@pytest.fixture
async def site() -> AsyncIterator[BadSite]:
    async with BadSite() as made:
        yield made


@pytest.fixture
async def driver() -> AsyncIterator[HttpDriver]:
    async with driving() as made:
        yield made


# ---------------------------------------------------------------- what is delivered


async def test_page_comes_whole_with_its_head(driver: HttpDriver, site: BadSite) -> None:
    page = await fetch(driver, site.url("page"))
    assert (page.status, page.body, page.failure) == (200, PAGE, None)
    assert page.url == site.url("page")
    assert page.header("content-type") == "text/html; charset=utf-8"
    assert (page.redirects, page.warnings, page.driver, page.egress) == ((), (), "vx6", "")


@pytest.mark.parametrize("name", READABLE)
async def test_flawed_answer_with_a_readable_body_is_delivered(
    driver: HttpDriver, site: BadSite, name: str
) -> None:
    page = await fetch(driver, site.url(name))
    assert page.body == PAGE
    assert page.failure is None
    assert len(site.seen) == 1


@pytest.mark.parametrize("name", sorted(set(READABLE) - {"long-header", "many-headers"}))
async def test_flawed_answer_is_read_alike_when_it_comes_byte_by_byte(
    driver: HttpDriver, site: BadSite, name: str
) -> None:
    whole, crumbs = await asyncio.gather(
        fetch(driver, site.url(name)), fetch(driver, site.url(name, step=1))
    )
    assert crumbs.body == PAGE
    assert (crumbs.headers, crumbs.warnings) == (whole.headers, whole.warnings)


async def test_folded_header_is_unfolded(driver: HttpDriver, site: BadSite) -> None:
    page = await fetch(driver, site.url("folded"))
    assert page.header("content-type") == "text/html; charset=utf-8"
    assert page.header("x-folded") == "a b"


async def test_what_was_overlooked_is_told(driver: HttpDriver, site: BadSite) -> None:
    assert "header line" in (await fetch(driver, site.url("no-colon"))).warnings[0]
    assert "without HTTP headers" in (await fetch(driver, site.url("no-head"))).warnings[0]
    assert (await fetch(driver, site.url("page"))).warnings == ()


@pytest.mark.parametrize(
    "name",
    [
        "gzip",
        "deflate",
        "raw-deflate",
        "br",
        "zstd",
        "gzip-deflate-gzip",
        "two-coding-headers",
        "unknown-coding",
    ],
)
async def test_every_coding_is_undone(driver: HttpDriver, site: BadSite, name: str) -> None:
    page = await fetch(driver, site.url(name))
    assert page.body == LONG
    assert page.failure is None


@pytest.mark.parametrize("name", CHARSETS)
async def test_bytes_of_any_charset_are_left_alone(
    driver: HttpDriver, site: BadSite, name: str
) -> None:
    page = await fetch(driver, site.url(name))
    assert CHARSETS[name][0].endswith(b"\r\n\r\n" + page.body)


# ---------------------------------------------------------------- what is not whole

# name: the code, a part of what must have been kept
PARTIAL = {
    "truncated": ("body_truncated", b"<p>sixteen bytes"),
    "silence-after-16": ("read_timeout", b"<p>sixteen bytes"),
    "broken-chunk": ("body_truncated", b"<p>eighteen bytes."),
    "cut-chunk": ("body_truncated", b"<p>eighteen bytes.<p>less"),
    "no-last-chunk": ("body_truncated", b"<p>eighteen bytes."),
    "reset-in-body": ("body_truncated", b"<p>the part that came"),
    "gzip-wrong-checksum": ("bad_encoding", LONG),
    "gzip-cut": ("body_truncated", LONG[:60_000]),
    "gzip-that-is-plain": ("bad_encoding", LONG),
    "endless": ("body_too_large", b"<p>" + b"x" * 100_000),
    "crumbs": ("body_truncated", b"x" * 100_000),
    "bomb-gzip": ("decompression_bomb", b"\0" * LIMIT),
    "bomb-deflate": ("decompression_bomb", b"\0" * LIMIT),
    "bomb-br": ("decompression_bomb", b"\0" * LIMIT),
    "bomb-zstd": ("decompression_bomb", b"\0" * LIMIT),
    "bomb-twice": ("decompression_bomb", b"\0" * LIMIT),
    "not-http": ("invalid_response", b"SSH-2.0"),
    "binary": ("invalid_response", bytes(range(256))),
}


@pytest.mark.parametrize("name", PARTIAL)
async def test_readable_part_is_kept_and_flagged(
    driver: HttpDriver, site: BadSite, name: str
) -> None:
    code, kept = PARTIAL[name]
    page = await fetch(driver, site.url(name))
    assert page.failure is not None
    assert page.failure.code == code
    assert page.body.startswith(kept)
    assert len(page.body) <= LIMIT
    assert len(site.asked(name)) == 1


async def test_bomb_is_stopped_before_it_inflates(driver: HttpDriver, site: BadSite) -> None:
    assert len(codings()["bomb-zstd"]) < 10_000
    began = time.process_time()
    await fetch(driver, site.url("bomb-zstd"))
    assert time.process_time() - began < 0.5


async def test_drip_ends_at_the_time_limit_with_what_came(site: BadSite) -> None:
    async with driving() as driver:
        began = time.monotonic()
        page = await fetch(driver, site.url("drip"), timeout_ms=600)
        assert 0.5 < time.monotonic() - began < 20
        assert page.failure is not None
        assert page.failure.code == "request_timeout"
        assert page.body.startswith(b"<p>x")


# ---------------------------------------------------------------- no answer at all

ERRORS = {
    "silence": "read_timeout",
    "reset": "connection_lost",
    "empty-answer": "connection_lost",
    "head-cut": "connection_lost",
    "bad-status": "invalid_response",
    "endless-head": "invalid_response",
    "endless-interim": "invalid_response",
}


@pytest.mark.parametrize("name", ERRORS)
async def test_no_usable_answer_is_one_error(driver: HttpDriver, site: BadSite, name: str) -> None:
    error = await failing(driver, site.url(name))
    assert error.code == ERRORS[name]


async def test_dead_port_is_connection_refused(driver: HttpDriver) -> None:
    with socket.socket() as held:  # bound but not listening: nobody else can take it
        held.bind(("127.0.0.1", 0))
        error = await failing(driver, f"http://127.0.0.1:{held.getsockname()[1]}/")
    assert error.code == "connection_refused"


async def test_full_backlog_is_a_connect_timeout(driver: HttpDriver) -> None:
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        error = await failing(driver, f"http://127.0.0.1:{listener.getsockname()[1]}/")
    assert error.code == "connect_timeout"


async def test_unknown_name_is_dns_failed(driver: HttpDriver) -> None:
    error = await failing(driver, "http://no-such-host.invalid/")
    assert error.code == "dns_failed"
    assert "no-such-host.invalid" in error.message


async def test_silent_name_server_is_dns_failed() -> None:
    async def never(host: str, port: int) -> list[AddrInfo]:
        await asyncio.Event().wait()
        return []

    async with driving(resolve=never) as driver:
        began = time.monotonic()
        assert (await failing(driver, "http://slow.test/")).code == "dns_failed"
        assert time.monotonic() - began < 20


async def test_whole_budget_ends_everything(driver: HttpDriver, site: BadSite) -> None:
    began = time.monotonic()
    error = await failing(driver, site.url("silence"), timeout_ms=150)
    assert error.code == "request_timeout"
    assert not error.retryable
    assert time.monotonic() - began < 20


async def test_budget_spans_the_redirects(driver: HttpDriver, site: BadSite) -> None:
    error = await failing(driver, site.url("redirect", to="/silence"), timeout_ms=200)
    assert error.code == "request_timeout"


async def test_cancelled_fetch_leaves_no_connection(site: BadSite) -> None:
    async with driving() as driver:
        task = asyncio.create_task(fetch(driver, site.url("silence")))
        await site.until_asked("silence")
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (await fetch(driver, site.url("page"))).body == PAGE


# ---------------------------------------------------------------- TLS


@pytest.fixture(scope="module")
def self_signed(tmp_path_factory: pytest.TempPathFactory) -> ssl.SSLContext:
    folder: Path = tmp_path_factory.mktemp("tls")
    key, certificate = folder / "key.pem", folder / "cert.pem"
    subprocess.run(
        [
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=127.0.0.1",
            "-addext",
            "subjectAltName=IP:127.0.0.1",
            "-keyout",
            key,
            "-out",
            certificate,
        ],
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


async def test_untrusted_certificate_is_tls_failed(
    driver: HttpDriver, self_signed: ssl.SSLContext
) -> None:
    async def nobody(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    server = await asyncio.start_server(nobody, "127.0.0.1", 0, ssl=self_signed)
    async with server:
        port = server.sockets[0].getsockname()[1]
        error = await failing(driver, f"https://127.0.0.1:{port}/")
    assert error.code == "tls_failed"
    assert "self-signed" in error.message or "self signed" in error.message
    assert not error.retryable


async def test_plain_server_is_tls_failed(driver: HttpDriver) -> None:
    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(10)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\nplain HTTP only")
        writer.close()

    server = await asyncio.start_server(plain, "127.0.0.1", 0)
    async with server:
        error = await failing(driver, f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/")
    assert error.code == "tls_failed"


async def test_reset_handshake_is_tls_failed(driver: HttpDriver) -> None:
    async def drop(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(10)
        writer.transport.abort()

    server = await asyncio.start_server(drop, "127.0.0.1", 0)
    async with server:
        error = await failing(driver, f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/")
    assert error.code == "tls_failed"


async def test_silent_handshake_is_a_connect_timeout(driver: HttpDriver) -> None:
    async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(hold, "127.0.0.1", 0)
    async with server:
        error = await failing(driver, f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/")
    assert error.code == "connect_timeout"


# ---------------------------------------------------------------- redirects


@pytest.mark.parametrize(
    ("status", "method", "body"),
    [
        (301, "GET", ""),
        (302, "GET", ""),
        (303, "GET", ""),
        (307, "POST", "a=1"),
        (308, "POST", "a=1"),
    ],
)
async def test_post_is_redirected_as_browsers_do(
    driver: HttpDriver, site: BadSite, status: int, method: str, body: str
) -> None:
    url = site.url("redirect", to="/echo", status=status)
    page = await fetch(driver, url, method="POST", body="a=1", headers={"Content-Type": "x/y"})
    said = json.loads(page.body)
    assert (said["method"], said["body"]) == (method, body)
    assert ("x/y" in dict(said["headers"]).values()) is bool(body)
    assert page.redirects == (Redirect(url, status),)
    assert page.url == site.url("echo")


async def test_other_origin_gets_no_credentials(driver: HttpDriver, site: BadSite) -> None:
    secret = {"Authorization": "Bearer s3cret", "Cookie": "mine=1", "X-Other": "kept"}
    near = await fetch(driver, site.url("redirect", to="/echo"), headers=secret)
    far = await fetch(driver, site.url("redirect", to=site.other_url("echo")), headers=secret)
    near_headers = dict(json.loads(near.body)["headers"])
    far_headers = dict(json.loads(far.body)["headers"])
    assert near_headers["Authorization"] == "Bearer s3cret"
    assert near_headers["Cookie"] == "mine=1"
    assert far_headers["X-Other"] == "kept"
    assert not {"Authorization", "Cookie"} & set(far_headers)


@pytest.mark.parametrize(
    "target",
    [
        "ftp://127.0.0.1/",
        "javascript:alert(1)",
        "file:///etc/passwd",
        "gopher://x/",
        "dict://x/",
        "data:,x",
        "http://[::1",
        "http://",
    ],
)
async def test_redirect_to_what_is_not_fetched_is_refused(
    driver: HttpDriver, site: BadSite, target: str
) -> None:
    assert (await failing(driver, site.url("redirect", to=target))).code == "bad_redirect"


async def test_loops_and_long_chains_end_with_their_own_errors(
    driver: HttpDriver, site: BadSite
) -> None:
    assert (await failing(driver, site.url("loop"))).code == "redirect_loop"
    assert (await failing(driver, site.url("chain", left=21))).code == "too_many_redirects"
    page = await fetch(driver, site.url("chain", left=20))
    assert page.body == PAGE
    assert len(page.redirects) == 20


async def test_redirect_that_leads_nowhere_is_the_page(driver: HttpDriver, site: BadSite) -> None:
    page = await fetch(driver, site.url("redirect-without-location"))
    assert (page.status, page.body) == (302, PAGE)


async def test_redirects_endless_body_is_not_waited_for(driver: HttpDriver, site: BadSite) -> None:
    assert (await fetch(driver, site.url("redirect-endless"))).body == PAGE


async def test_location_in_other_bytes_keeps_them(driver: HttpDriver, site: BadSite) -> None:
    page = await fetch(driver, site.url("raw-location"))
    assert page.url == site.url("caf%E9")
    assert page.status == 404


async def test_fragment_is_inherited(driver: HttpDriver, site: BadSite) -> None:
    page = await fetch(driver, site.url("redirect", to="/page") + "#part")
    assert page.url == site.url("page") + "#part"
    assert "#" not in "".join(one.path for one in site.seen)


async def test_quick_refresh_is_followed(driver: HttpDriver, site: BadSite) -> None:
    url = site.url("refresh", after=5, to="/echo")
    page = await fetch(driver, url)
    assert page.url == site.url("echo")
    assert page.redirects == (Redirect(url, 200),)
    assert dict(json.loads(page.body)["headers"])["Referer"] == url


@pytest.mark.parametrize("query", [{"after": 1000}, {"after": 0, "noscript": 1}])
async def test_refresh_that_browsers_do_not_follow_at_once_is_the_page(
    driver: HttpDriver, site: BadSite, query: dict[str, int]
) -> None:
    page = await fetch(driver, site.url("refresh", to="/page", **query))
    assert b"<title>first" in page.body
    assert page.redirects == ()


async def test_pages_that_refresh_in_turns_end_with_a_warning(
    driver: HttpDriver, site: BadSite
) -> None:
    page = await fetch(driver, site.url("turns", n=0))
    assert page.url == site.url("turns", n=1)
    assert page.failure is None
    assert "was not followed" in page.warnings[0]
    assert len(site.seen) == 2


# ---------------------------------------------------------------- cookies


async def test_cookie_set_on_a_redirect_is_sent_on(driver: HttpDriver, site: BadSite) -> None:
    page = await fetch(driver, site.url("redirect", to="/echo", cookie="id=7; Path=/"))
    assert json.loads(page.body)["cookie"] == "id=7"
    assert [(one.name, one.value) for one in page.cookies] == [("id", "7")]


async def test_gate_that_waits_for_its_cookie_opens(driver: HttpDriver, site: BadSite) -> None:
    page = await fetch(driver, site.url("gate"))
    assert page.body == PAGE
    assert len(page.redirects) == 1


async def test_cookies_are_shared_only_through_a_jar(driver: HttpDriver, site: BadSite) -> None:
    session = CookieJar()
    await fetch(driver, site.url("set-cookie", line="a=1; Path=/"), session)
    with_jar = await fetch(driver, site.url("echo"), session)
    without = await fetch(driver, site.url("echo"))
    assert json.loads(with_jar.body)["cookie"] == "a=1"
    assert json.loads(without.body)["cookie"] is None


async def test_given_cookies_are_sent_and_merged(driver: HttpDriver, site: BadSite) -> None:
    cookies = (Cookie(name="a", value="1"), Cookie(name="b", value="ü", path="/elsewhere"))
    page = await fetch(driver, site.url("echo"), cookies=cookies, headers={"cookie": "own=1"})
    assert json.loads(page.body)["cookie"] == "own=1; a=1"


async def test_given_cookies_do_not_reach_another_host(site: BadSite) -> None:
    port = site.ports[0]
    resolve = resolving({"one.test": ["127.0.0.1"], "two.test": ["127.0.0.1"]})
    async with driving(resolve=resolve) as driver:
        url = f"http://one.test:{port}/redirect?to=http%3A%2F%2Ftwo.test%3A{port}%2Fecho"
        page = await fetch(driver, url, cookies=(Cookie(name="a", value="1"),))
    assert site.seen[0].header("cookie") == "a=1"
    assert json.loads(page.body)["cookie"] is None


# ---------------------------------------------------------------- requests as the caller wants them


async def test_request_is_sent_as_composed(driver: HttpDriver, site: BadSite) -> None:
    page = await fetch(
        driver,
        site.url("echo") + "?q=%C3%A4&x=a%20b",
        method="PATCH",
        body="ä",
        headers={"X-Two": ["1", "2"], "User-Agent": "me", "Accept": None},
        locale="de-DE",
    )
    said = json.loads(page.body)
    headers = said["headers"]
    names = [name for name, _ in headers]
    assert said["method"] == "PATCH"
    assert said["body"] == "ä"
    assert [value for name, value in headers if name == "X-Two"] == ["1", "2"]
    assert dict(headers)["User-Agent"] == "me"
    assert "Accept" not in names
    assert names[0] == "Host"
    assert names.count("Host") == 1
    assert dict(headers)["Accept-Language"].startswith("de-DE,de;q=0.9")
    assert site.seen[0].query == {"q": "ä", "x": "a b"}


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
async def test_request_without_a_body_says_so(
    driver: HttpDriver, site: BadSite, method: str
) -> None:
    page = await fetch(driver, site.url("echo"), method=method)
    headers = dict(json.loads(page.body)["headers"])
    assert headers["Content-Length"] == "0"
    assert "Content-Type" not in headers


async def test_host_header_is_the_callers_on_his_origin(driver: HttpDriver, site: BadSite) -> None:
    page = await fetch(
        driver, site.url("redirect", to=site.other_url("echo")), headers={"host": "v"}
    )
    assert site.seen[0].header("host") == "v"
    assert dict(json.loads(page.body)["headers"])["Host"].startswith("127.0.0.1:")


async def test_header_that_would_break_out_is_refused(driver: HttpDriver, site: BadSite) -> None:
    with pytest.raises(InvalidRequest):
        await fetch(driver, site.url("echo"), headers={"X": "a\r\nY: b"})
    assert site.connections == 0


async def test_what_this_driver_cannot_do_is_told(driver: HttpDriver, site: BadSite) -> None:
    page = await fetch(
        driver,
        site.url("page"),
        http2=True,
        emulation=Emulation(browser="firefox"),
        place=Place(country="DE"),
    )
    assert len(page.warnings) == 3
    assert any("country=DE" in warning for warning in page.warnings)
    assert "Firefox/" in (site.seen[0].header("user-agent") or "")


# ---------------------------------------------------------------- connections


async def test_connection_is_kept_for_the_next_page(driver: HttpDriver, site: BadSite) -> None:
    for _ in range(5):
        await fetch(driver, site.url("page"))
        await fetch(driver, site.url("redirect", to="/page"))
    assert site.connections == 1


async def test_connection_that_died_in_the_pool_is_replaced(
    driver: HttpDriver, site: BadSite
) -> None:
    for _ in range(5):
        assert (await fetch(driver, site.url("once"))).body == PAGE
    assert len(site.asked("once")) == 5


async def test_post_never_goes_out_on_a_used_connection(driver: HttpDriver, site: BadSite) -> None:
    await fetch(driver, site.url("page"))
    for _ in range(3):
        await fetch(driver, site.url("echo"), method="POST", body="x")
    assert site.connections == 4


async def test_connection_with_unread_bytes_is_not_used_again(
    driver: HttpDriver, site: BadSite
) -> None:
    await fetch(driver, site.url("body-too-long"))
    assert (await fetch(driver, site.url("page"))).body == PAGE
    assert site.connections == 2


async def test_many_fetches_at_once_do_not_mix(site: BadSite) -> None:
    async def one(driver: HttpDriver, number: int) -> None:
        jar = CookieJar((Cookie(name="n", value=str(number)),), site.url("echo"))
        page = await fetch(driver, site.url("redirect", to="/echo"), jar)
        assert json.loads(page.body)["cookie"] == f"n={number}"

    async with driving(settings=PATIENT) as driver:
        await asyncio.gather(*(one(driver, number) for number in range(100)))
