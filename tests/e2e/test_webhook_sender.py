"""The webhook sender against receivers that misbehave by name: bounded, and called what it is."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import gc
import ipaddress
import socket
import time
import tracemalloc
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from uuid import UUID, uuid4

import msgspec
import psutil
import pytest

from tests.support.driving import Trap, resolving
from tests.support.receiver import Receiver, read_ledger, receiver_process, receiving, unaccepting
from tests.support.tlssite import Authority, make_authority, trusted
from tests.support.waiting import until
from windlass.net.resolving import Resolve
from windlass.settings import Settings
from windlass.storage.accounts import new_webhook_secret
from windlass.webhooks import Answer, Post
from windlass.webhooks.sender import READ_BYTES, SHOWN_BYTES, Sender

LOOPS = ("asyncio", "uvloop")

LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"),)
SECRET = new_webhook_secret()
QUICK = Settings(
    webhook_timeout=3.0, webhook_connect_timeout=1.5, allow_addresses=LOOPBACK, lease=1.0
)
SLACK_S = 10.0
"""What a busy machine may add to a deadline."""


def post_to(url: str, **changes: object) -> Post:
    """A signed post of a small body."""
    post = Post(
        url=url,
        headers={},
        body=b'{"task":{"id":"1"}}',
        delivery_id=uuid4(),
        attempt=1,
        secrets=(SECRET,),
    )
    return msgspec.structs.replace(post, **changes)


@contextlib.asynccontextmanager
async def sending(
    settings: Settings = QUICK, resolve: Resolve | None = None
) -> AsyncIterator[Sender]:
    """A sender for the length of a block; a connection it leaves behind fails the test."""
    sender = Sender(settings, resolve)
    try:
        yield sender
    finally:
        await sender.aclose()
        await asyncio.sleep(0)
        gc.collect()  # reports what was not closed as a ResourceWarning, which is an error


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as made:
        yield made


@pytest.fixture
async def sender() -> AsyncIterator[Sender]:
    async with sending() as made:
        yield made


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return make_authority(tmp_path_factory.mktemp("authority"))


def code_of(answer: Answer) -> str:
    """The failure's code, "" for a success."""
    return answer.failure.code if answer.failure else ""


# ---------------------------------------------------------------- what arrives


async def test_a_webhook_arrives_signed_and_whole(receiver: Receiver, sender: Sender) -> None:
    delivery = UUID("8e8cfde8-345b-42b8-b3e2-0c61eb11e00f")
    post = post_to(
        receiver.url("ok", a="b c"),
        headers={"X-Custom": "Bearer tÖken", "authorization": "own"},
        delivery_id=delivery,
        attempt=2,
    )
    answer = await sender.send(post)
    assert answer.failure is None
    assert answer.sight.status_code == 200
    assert answer.sight.answer == '{"ok":true}'
    [seen] = receiver.seen
    seen.verify(SECRET)
    assert (seen.method, seen.path) == ("POST", "/ok?a=b+c")
    assert seen.body.encode() == post.body
    assert seen.delivery_id == seen.header("x-nimble-delivery-id") == str(delivery)
    assert seen.attempt == 2
    assert ("X-Custom", "Bearer tÖken") in seen.headers
    assert seen.header("Content-Type") == "application/json"
    names = [name.lower() for name, _ in seen.headers]
    assert len(names) == len(set(names))
    assert not {"cookie", "transfer-encoding", "expect"} & set(names)
    assert seen.header("authorization") == "own"
    assert seen.header("content-length") == str(len(post.body))


async def test_a_body_of_several_megabytes_arrives(receiver: Receiver, sender: Sender) -> None:
    body = msgspec.json.encode({"input": "ü" * 3_000_000})
    answer = await sender.send(post_to(receiver.url("ok"), body=body))
    assert code_of(answer) == ""
    assert receiver.seen[0].body.encode() == body
    receiver.seen[0].verify(SECRET)


async def test_user_info_becomes_basic_authentication(receiver: Receiver, sender: Sender) -> None:
    url = receiver.url("ok").replace("://", "://me:p%40%C3%BC@")
    await sender.send(post_to(url))
    await sender.send(post_to(url, headers={"Authorization": "own"}))
    assert receiver.seen[0].header("authorization") == "Basic bWU6cEDDvA=="
    assert receiver.seen[1].header("authorization") == "own"


async def test_what_frames_a_request_is_not_the_callers(receiver: Receiver, sender: Sender) -> None:
    theirs = {"Host": "inside.test", "Content-Length": "1", "Transfer-Encoding": "chunked"}
    answer = await sender.send(post_to(receiver.url("ok"), headers=theirs))
    assert code_of(answer) == ""
    [seen] = receiver.seen
    assert seen.header("host") == receiver.base.removeprefix("http://")
    assert seen.body == '{"task":{"id":"1"}}'


@pytest.mark.parametrize("code", [200, 201, 202, 204, 299])
async def test_any_2xx_is_success(receiver: Receiver, sender: Sender, code: int) -> None:
    answer = await sender.send(post_to(receiver.url("status", code=code)))
    assert answer.failure is None
    assert answer.sight.status_code == code


async def test_cookies_are_not_kept(receiver: Receiver, sender: Sender) -> None:
    await sender.send(post_to(receiver.url("status", code=200, after="1\r\nSet-Cookie: a=b")))
    await sender.send(post_to(receiver.url("ok")))
    assert receiver.seen[1].header("cookie") is None


# ---------------------------------------------------------------- what is answered


@pytest.mark.parametrize("code", [300, 400, 401, 403, 404, 408, 422, 429, 500, 502, 503, 504])
async def test_everything_but_2xx_and_410_is_worth_another_try(
    receiver: Receiver, sender: Sender, code: int
) -> None:
    answer = await sender.send(post_to(receiver.url("status", code=code, text="why not")))
    assert code_of(answer) == "webhook_rejected"
    assert answer.failure is not None
    assert answer.failure.retryable
    assert str(code) in answer.failure.message
    assert answer.sight.status_code == code
    assert answer.sight.answer == "why not"


async def test_410_is_final(receiver: Receiver, sender: Sender) -> None:
    answer = await sender.send(post_to(receiver.url("status", code=410)))
    assert answer.failure is not None
    assert (answer.failure.code, answer.failure.retryable) == ("webhook_gone", False)
    assert answer.sight.status_code == 410


@pytest.mark.parametrize(("after", "wish"), [("7", 7.0), ("soon", None), ("99999999", 604800.0)])
async def test_retry_after_is_passed_on(
    receiver: Receiver, sender: Sender, after: str, wish: float | None
) -> None:
    answer = await sender.send(post_to(receiver.url("status", code=429, after=after)))
    assert answer.retry_after_s == wish


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
async def test_redirects_are_not_followed(receiver: Receiver, sender: Sender, code: int) -> None:
    async with Trap() as trap:
        to = f"http://127.0.0.1:{trap.port}/"
        answer = await sender.send(post_to(receiver.url("redirect", to=to, code=code)))
        assert trap.arrivals == 0
    assert code_of(answer) == "webhook_rejected"
    assert answer.failure is not None
    assert answer.failure.retryable
    assert answer.sight.status_code == code
    assert len(receiver.seen) == 1


async def test_what_is_shown_of_an_answer_harms_nobody(receiver: Receiver, sender: Sender) -> None:
    answer = await sender.send(post_to(receiver.url("bytes")))
    assert answer.sight.answer == "a�b�[31mc�d\ne�f"


# ---------------------------------------------------------------- misbehaviour


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("hang", "read_timeout"),
        ("drip-head", "read_timeout"),
        ("reset", "connection_lost"),
        ("close", "connection_lost"),
        ("garbage", "invalid_response"),
        ("endless-head", "invalid_response"),
        ("endless-interim", "invalid_response"),
    ],
)
async def test_a_receiver_without_an_answer_is_a_failure_worth_another_try(
    receiver: Receiver, sender: Sender, name: str, code: str
) -> None:
    began = time.monotonic()
    answer = await sender.send(post_to(receiver.url(name)))
    assert time.monotonic() - began < QUICK.webhook_timeout + SLACK_S
    assert answer.failure is not None
    assert answer.failure.code == code
    assert answer.failure.retryable
    assert answer.failure.message.isprintable()
    assert answer.sight.status_code is None
    assert answer.sight.duration_ms < (QUICK.webhook_timeout + SLACK_S) * 1000
    assert len(receiver.seen) == 1, "a new connection that fails is not tried twice"


@pytest.mark.parametrize("name", ["drip", "cut", "huge", "bomb"])
@pytest.mark.parametrize("status", [200, 500])
async def test_the_status_counts_whatever_becomes_of_the_body(
    receiver: Receiver, sender: Sender, name: str, status: int
) -> None:
    began = time.monotonic()
    answer = await sender.send(post_to(receiver.url(name, code=status)))
    assert time.monotonic() - began < QUICK.webhook_timeout + SLACK_S
    assert code_of(answer) == ("" if status == 200 else "webhook_rejected")
    assert answer.sight.status_code == status
    assert len(answer.sight.answer) <= SHOWN_BYTES


async def test_a_body_that_drips_is_left_long_before_the_deadline(receiver: Receiver) -> None:
    settings = Settings(allow_addresses=LOOPBACK)
    began = time.monotonic()
    async with sending(settings) as sender:
        answer = await sender.send(post_to(receiver.url("drip")))
    assert 1.5 < time.monotonic() - began < 12
    assert answer.failure is None
    assert answer.sight.answer.startswith("xxx")


async def test_of_100_mb_little_more_than_64_kb_are_taken(receiver: Receiver) -> None:
    tracemalloc.start()
    try:
        async with sending() as sender:
            await sender.send(post_to(receiver.url("ok")))
            tracemalloc.reset_peak()
            before = tracemalloc.get_traced_memory()[0]
            answers = [
                sender.send(post_to(receiver.url("huge", str(number)))) for number in range(8)
            ]
            for answer in await asyncio.gather(*answers):
                assert answer.failure is None
                assert len(answer.sight.answer) <= SHOWN_BYTES
            grown = tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()
    # The receiver lives in this process, too: its own pieces are in here.
    assert grown < 8 * 20 * READ_BYTES


async def test_a_compressed_answer_is_not_inflated(receiver: Receiver, sender: Sender) -> None:
    answer = await sender.send(post_to(receiver.url("bomb", code=200)))
    assert answer.sight.answer == "(gzip data)"


async def test_a_certificate_nobody_trusts_is_a_failure_worth_another_try(
    authority: Authority, sender: Sender
) -> None:
    with receiving(authority.context("IP:127.0.0.1")) as receiver:
        answer = await sender.send(post_to(receiver.url("ok")))
        assert receiver.seen == []
    assert answer.failure is not None
    assert answer.failure.code == "tls_failed"
    assert answer.failure.retryable
    assert "certificate" in answer.failure.message


@pytest.mark.parametrize("name", ["DNS:other.test", "IP:127.0.0.2"])
async def test_a_certificate_for_another_name_is_not_accepted(
    authority: Authority, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    with receiving(authority.context(name)) as receiver, trusted(authority, monkeypatch):
        async with sending() as sender:
            assert code_of(await sender.send(post_to(receiver.url("ok")))) == "tls_failed"
        assert receiver.seen == []


async def test_a_trusted_certificate_is_accepted(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    with receiving(authority.context("IP:127.0.0.1")) as receiver, trusted(authority, monkeypatch):
        async with sending() as sender:
            for _ in range(3):
                assert code_of(await sender.send(post_to(receiver.url("ok")))) == ""
        assert receiver.connections == 2, "the first alone, the others on a kept one"


async def test_connecting_has_a_deadline_of_its_own(sender: Sender) -> None:
    began = time.monotonic()
    with unaccepting() as base:
        answer = await sender.send(post_to(f"{base}/ok"))
    assert time.monotonic() - began < QUICK.webhook_connect_timeout + SLACK_S
    assert code_of(answer) == "connect_timeout"
    assert answer.failure is not None
    assert answer.failure.retryable


async def test_a_tls_handshake_that_hangs_counts_as_connecting() -> None:
    slow = dataclasses.replace(QUICK, webhook_timeout=20.0)
    began = time.monotonic()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        async with sending(slow) as sender:
            url = f"https://127.0.0.1:{listener.getsockname()[1]}/"
            answer = await sender.send(post_to(url))
    assert code_of(answer) == "connect_timeout"
    assert time.monotonic() - began < QUICK.webhook_connect_timeout + SLACK_S


async def test_a_closed_port_is_a_failure_worth_another_try(sender: Sender) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    answer = await sender.send(post_to(f"http://127.0.0.1:{port}/"))
    assert answer.failure is not None
    assert (answer.failure.code, answer.failure.retryable) == ("connection_refused", True)


async def test_messages_hold_neither_path_nor_credentials(sender: Sender) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    url = f"http://me:s3cret@127.0.0.1:{port}/t0ken?k=s3cret"
    answer = await sender.send(post_to(url))
    assert answer.failure is not None
    assert f"http://127.0.0.1:{port} refused" in answer.failure.message
    assert "s3cret" not in answer.failure.message
    assert "t0ken" not in answer.failure.message


# ---------------------------------------------------------------- the guard


HOSTILE = [
    "http://127.0.0.1:{port}/",
    "http://localhost:{port}/",
    "http://127.1:{port}/",
    "http://2130706433:{port}/",
    "http://0x7f000001:{port}/",
    "http://0177.0.0.1:{port}/",
    "http://0.0.0.0:{port}/",
    "http://[::1]:{port}/",
    "http://[::ffff:127.0.0.1]:{port}/",
    "http://[64:ff9b::127.0.0.1]:{port}/",
    "http://[2002:7f00:1::]:{port}/",
    "http://169.254.169.254/latest/meta-data/",
    "http://100.100.100.200/",
    "http://10.0.0.1/",
    "http://192.168.0.1/",
    "http://１２７.0.0.1:{port}/",
    "http://me:pw@127.0.0.1:{port}/",
    "https://127.0.0.1:{port}/",
]


async def test_no_address_but_public_ones_is_dialled() -> None:
    async with Trap() as trap, sending(Settings()) as sender:
        for url in HOSTILE:
            answer = await sender.send(post_to(url.format(port=trap.port)))
            assert answer.failure is not None
            assert (answer.failure.code, answer.failure.retryable) == ("address_refused", False)
        # A connection that was made would be in the backlog by now: look after one of our own.
        _, writer = await asyncio.open_connection("127.0.0.1", trap.port)
        writer.close()
        async with asyncio.timeout(5):
            await trap.visited.wait()
        assert trap.arrivals == 1


async def test_a_name_that_starts_to_lead_inside_is_refused(receiver: Receiver) -> None:
    port = receiver.base.rpartition(":")[2]
    names = resolving({"rebinding.test": ["127.0.0.1", "10.0.0.1"]})
    async with sending(resolve=names) as sender:
        url = f"http://rebinding.test:{port}/ok"
        assert code_of(await sender.send(post_to(url))) == ""
        assert code_of(await sender.send(post_to(url))) == "address_refused"


@pytest.mark.parametrize(
    "url", ["ftp://127.0.0.1/", "unix:///tmp/x", "http://", "http://a b/", "", "http://x:99999/"]
)
async def test_what_is_no_web_address_is_not_sent(sender: Sender, url: str) -> None:
    answer = await sender.send(post_to(url))
    assert answer.failure is not None
    assert (answer.failure.code, answer.failure.retryable) == ("webhook_unsendable", False)


async def test_a_header_that_would_break_the_request_is_not_sent(
    receiver: Receiver, sender: Sender
) -> None:
    answer = await sender.send(post_to(receiver.url("ok"), headers={"X-A": "b\r\nX-C: d"}))
    assert answer.failure is not None
    assert (answer.failure.code, answer.failure.retryable) == ("webhook_unsendable", False)
    assert receiver.connections == 0


async def test_proxies_of_the_environment_are_not_used(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Trap() as trap:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{trap.port}")
        async with sending() as sender:
            assert code_of(await sender.send(post_to(receiver.url("ok")))) == ""
        assert trap.arrivals == 0


# ---------------------------------------------------------------- connections


async def test_webhooks_one_after_another_share_a_connection(
    receiver: Receiver, sender: Sender
) -> None:
    for _ in range(20):
        assert code_of(await sender.send(post_to(receiver.url("ok")))) == ""
    assert receiver.connections == 2, "the first alone, the others on a kept one"


async def test_a_failed_status_does_not_end_a_connection(
    receiver: Receiver, sender: Sender
) -> None:
    for _ in range(5):
        await sender.send(post_to(receiver.url("status", code=500)))
    assert receiver.connections == 2


async def test_a_kept_connection_that_died_costs_no_attempt(
    receiver: Receiver, sender: Sender
) -> None:
    for _ in range(6):
        assert code_of(await sender.send(post_to(receiver.url("stale")))) == ""
    ids = [one.delivery_id for one in receiver.seen]
    assert len(set(ids)) == 6
    assert len(ids) > 6, "some were sent again on a new connection"
    assert all(one.attempt == 1 for one in receiver.seen)


async def test_a_single_webhook_leaves_no_connection(receiver: Receiver, sender: Sender) -> None:
    await sender.send(post_to(receiver.url("ok")))
    await until(lambda: own_connections(receiver) == 0, "it is closed", within_s=1.0)


async def test_idle_connections_are_closed_soon(receiver: Receiver, sender: Sender) -> None:
    await asyncio.gather(*(sender.send(post_to(receiver.url("ok"))) for _ in range(10)))
    await asyncio.gather(*(sender.send(post_to(receiver.url("ok"))) for _ in range(10)))
    assert own_connections(receiver) > 0
    await until(lambda: own_connections(receiver) == 0, "no connection is left")


def own_connections(receiver: Receiver) -> int:
    """Connections of this process to the receiver that it has not closed yet."""
    port = int(receiver.base.rpartition(":")[2])
    mine = psutil.Process().net_connections("tcp")
    return sum(1 for one in mine if one.raddr and one.raddr.port == port and one.fd != -1)


async def test_a_slow_receiver_holds_up_nobody(receiver: Receiver) -> None:
    async with sending(Settings(allow_addresses=LOOPBACK)) as sender:
        hanging = [
            asyncio.ensure_future(sender.send(post_to(receiver.url("hang", str(number)))))
            for number in range(200)
        ]
        await until(lambda: len(receiver.requests("hang")) == 200, "all have arrived")
        async with asyncio.timeout(10):
            for _ in range(50):
                assert code_of(await sender.send(post_to(receiver.url("ok")))) == ""
        for task in hanging:
            task.cancel()
        await asyncio.gather(*hanging, return_exceptions=True)


async def test_a_cancelled_send_leaves_nothing_behind(receiver: Receiver, sender: Sender) -> None:
    for name in ("hang", "drip-head", "drip"):
        under_way = asyncio.ensure_future(sender.send(post_to(receiver.url(name))))
        await until(lambda name=name: bool(receiver.requests(name)), "it has arrived")
        under_way.cancel()
        with pytest.raises(asyncio.CancelledError):
            await under_way
    await until(lambda: own_connections(receiver) == 0, "none is left", within_s=1.0)


# ---------------------------------------------------------------- the receiver itself


async def test_misbehaviour_may_end_after_so_many_times(receiver: Receiver, sender: Sender) -> None:
    post = post_to(receiver.url("status", code=503, times=2))
    codes = [code_of(await sender.send(post)) for _ in range(3)]
    assert codes == ["webhook_rejected", "webhook_rejected", ""]
    assert code_of(await sender.send(post_to(post.url))) == "webhook_rejected"


async def test_the_ledger_of_a_receiver_process_survives_it(tmp_path: Path, sender: Sender) -> None:
    ledger = tmp_path / "ledger"
    for count in (1, 2):
        with receiver_process(ledger) as base:
            assert code_of(await sender.send(post_to(f"{base}/ok"))) == ""
            assert len(read_ledger(ledger)) == count
    for one in read_ledger(ledger):
        one.verify(SECRET)
        assert one.document() == {"task": {"id": "1"}}
    assert read_ledger(tmp_path / "none") == []


def test_waiting_for_webhooks_names_what_did_not_come(receiver: Receiver) -> None:
    with pytest.raises(AssertionError, match="3 webhooks"):
        receiver.wait_for(3, within_s=0.05)
    assert receiver.wait_for(0) == []
