"""`windlass storage test` against what is no bucket, or no good one: it says so, soon, and why."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from aiohttp import web

from tests.support.loopback import free_port
from windlass.buckets import probe as probing
from windlass.buckets.places import Place
from windlass.buckets.probe import MESSAGES, TEST_OBJECT, Finding, Mode, probe
from windlass.errors import StorageUnconfigured
from windlass.settings import Settings

Answering = Callable[[web.Request], Awaitable[web.StreamResponse]]
LAKE = Place("s3", "lake", "results/")
MD5 = '"d41d8cd98f00b204e9800998ecf8427e"'


class StandIn:
    """A server in a bucket's place: answers as it is told, remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[web.Request] = []
        self.answer: Answering = nothing
        self.base = ""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request)
        await request.read()
        return await self.answer(request)

    @property
    def methods(self) -> list[str]:
        return [request.method for request in self.asked]


async def nothing(request: web.Request) -> web.StreamResponse:
    return web.Response(status=500)


def always(status: int, body: str = "", **headers: str) -> Answering:
    named = {name.replace("_", "-"): value for name, value in headers.items()}

    async def answer(request: web.Request) -> web.StreamResponse:
        return web.Response(status=status, text=body, headers=named)

    return answer


def refusing(status: int, code: str, more: str = "") -> Answering:
    """S3's way to say no; HEAD gets the status alone."""
    error = f"<Error><Code>{code}</Code><Message>told</Message>{more}</Error>"

    async def answer(request: web.Request) -> web.StreamResponse:
        body = "" if request.method == "HEAD" else error
        return web.Response(status=status, text=body, headers={"x-amz-request-id": "1"})

    return answer


@pytest.fixture
async def stand_in() -> AsyncIterator[StandIn]:
    made = StandIn()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", made.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    made.base = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield made
    await runner.cleanup()


def settings(endpoint: str, **more: str) -> Settings:
    return Settings(
        aws_access_key_id="AKIATEST",
        aws_secret_access_key="secret",
        aws_endpoint_url_s3=endpoint,
        **more,
    )


async def probed(stand_in: StandIn, mode: Mode, place: Place = LAKE) -> Finding:
    return await probe(settings(stand_in.base), place, mode)


@pytest.mark.parametrize("mode", ["read", "write"])
@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (403, "AccessDenied", "access_denied"),
        (403, "InvalidAccessKeyId", "access_denied"),
        (403, "SignatureDoesNotMatch", "access_denied"),
        (400, "ExpiredToken", "access_denied"),
        (404, "NoSuchBucket", "no_such_bucket"),
        (503, "SlowDown", "failed"),
        (500, "InternalError", "failed"),
        (301, "PermanentRedirect", "failed"),
        (400, "AccessControlListNotSupported", "failed"),
    ],
)
async def test_a_refusal_is_told_with_its_cause(
    stand_in: StandIn, mode: Mode, status: int, code: str, expected: str
) -> None:
    stand_in.answer = refusing(status, code)
    found = await probed(stand_in, mode)
    assert (found.code, found.ok) == (expected, False)
    assert found.message == MESSAGES[found.code]
    assert code in found.cause
    assert found.fix
    assert stand_in.methods == ["HEAD", "GET" if mode == "read" else "PUT"]


@pytest.mark.parametrize("mode", ["read", "write"])
@pytest.mark.parametrize(
    "answer",
    [
        always(200, "<html>Sign in to the hotel</html>", Content_Type="text/html"),
        always(200, "<html>Sign in</html>", Content_Type="text/html", ETag='"5f3a-61b2"'),
        always(200, ""),
        always(204, ""),
        always(302, "", Location="http://127.0.0.1:9/login"),
        always(403, "<html>Blocked by policy</html>", Content_Type="text/html"),
        always(404, "<html>Not here</html>", Content_Type="text/html"),
        always(502, "<html>Bad gateway</html>", Content_Type="text/html"),
        always(511, ""),
    ],
    ids=["login", "login-etag", "empty", "204", "redirect", "403", "404", "502", "511"],
)
async def test_a_portal_in_the_way_is_never_taken_for_a_bucket(
    stand_in: StandIn, mode: Mode, answer: Answering
) -> None:
    stand_in.answer = answer
    found = await probed(stand_in, mode)
    assert found.message == "✗ Connection failed"
    assert "no S3" in found.cause


@pytest.mark.parametrize("mode", ["read", "write"])
async def test_silence_ends_at_the_deadline(
    stand_in: StandIn, mode: Mode, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def hang(request: web.Request) -> web.StreamResponse:
        await asyncio.Event().wait()
        raise AssertionError

    stand_in.answer = hang
    monkeypatch.setattr(probing, "DEADLINE_S", 0.3)
    async with asyncio.timeout(5):
        found = await probed(stand_in, mode)
    assert found.message == "✗ Connection failed"
    assert "0.3 s" in found.cause


@pytest.mark.parametrize("mode", ["read", "write"])
async def test_an_answer_without_end_is_bounded_in_time_and_memory(
    stand_in: StandIn, mode: Mode, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = 0

    async def drip(request: web.Request) -> web.StreamResponse:
        nonlocal sent
        response = web.StreamResponse(headers={"ETag": MD5})
        await response.prepare(request)
        while request.method != "HEAD":
            await response.write(b"x" * 65536)
            sent += 65536
        return response

    stand_in.answer = drip
    monkeypatch.setattr(probing, "DEADLINE_S", 5.0)
    async with asyncio.timeout(20):
        await probed(stand_in, mode)
    assert sent < 20_000_000


async def test_nobody_at_the_endpoint_is_a_failed_connection() -> None:
    found = await probe(settings(f"http://127.0.0.1:{free_port()}"), LAKE, "write")
    assert found.message == "✗ Connection failed"
    assert "lake" in found.cause


async def test_without_credentials_nothing_is_asked(stand_in: StandIn) -> None:
    with pytest.raises(StorageUnconfigured, match="AWS_ACCESS_KEY_ID"):
        await probe(Settings(aws_endpoint_url_s3=stand_in.base), LAKE, "write")
    with pytest.raises(StorageUnconfigured, match="GOOGLE_APPLICATION_CREDENTIALS"):
        await probe(Settings(), Place("gs", "lake", ""), "read")
    assert stand_in.asked == []


async def test_a_bucket_elsewhere_is_asked_there(stand_in: StandIn) -> None:
    regions: list[str] = []

    async def elsewhere(request: web.Request) -> web.StreamResponse:
        scope = request.headers["authorization"].split("Credential=")[1].split("/")
        regions.append(scope[2])
        if scope[2] != "eu-west-3":
            more = "<Region>eu-west-3</Region>"
            return await refusing(400, "AuthorizationHeaderMalformed", more)(request)
        return web.Response(headers={"ETag": MD5, "x-amz-request-id": "1"})

    stand_in.answer = elsewhere
    found = await probed(stand_in, "write")
    assert found.code == "ok"
    assert regions == ["us-east-1", "us-east-1", "eu-west-3"]


async def test_the_key_is_the_documented_one_and_nothing_is_deleted(stand_in: StandIn) -> None:
    stand_in.answer = always(200, "", ETag=MD5)
    for place in (LAKE, Place("s3", "lake", "results"), Place("s3", "lake", "")):
        assert (await probed(stand_in, "write", place)).code == "ok"
    puts = [request.path for request in stand_in.asked if request.method == "PUT"]
    assert puts == [
        f"/lake/results/{TEST_OBJECT}",
        f"/lake/results/{TEST_OBJECT}",
        f"/lake/{TEST_OBJECT}",
    ]
    assert set(stand_in.methods) == {"HEAD", "PUT"}


async def test_the_acl_that_uploads_carry_is_tested_too(stand_in: StandIn) -> None:
    stand_in.answer = always(200, "", ETag=MD5)
    with_acl = settings(stand_in.base, storage_acl="bucket-owner-full-control")
    await probe(with_acl, LAKE, "write")
    assert stand_in.asked[-1].headers["x-amz-acl"] == "bucket-owner-full-control"


async def test_reading_asks_for_one_object_below_the_prefix(stand_in: StandIn) -> None:
    async def listing(request: web.Request) -> web.StreamResponse:
        return web.Response(text="<ListBucketResult><KeyCount>0</KeyCount></ListBucketResult>")

    stand_in.answer = listing
    found = await probed(stand_in, "read", Place("s3", "lake", "a b/ü"))
    assert found.message == "✓ Connection OK - prefix is empty"
    assert dict(stand_in.asked[-1].query) == {
        "list-type": "2",
        "max-keys": "1",
        "prefix": "a b/ü/",
    }


async def test_secrets_stand_in_no_finding(stand_in: StandIn) -> None:
    token = "session-token-that-is-secret"

    async def repeating(request: web.Request) -> web.StreamResponse:
        more = f"<Token-0>{token}</Token-0>"
        return await refusing(400, "InvalidToken", more)(request)

    stand_in.answer = repeating
    with_token = settings(stand_in.base, aws_session_token=token)
    found = await probe(with_token, LAKE, "write")
    assert found.code == "access_denied"
    written = json.dumps([found.cause, found.fix, found.message])
    assert token not in written
    assert "secret" not in written.replace("secret key", "")
