"""Buckets that misbehave: what is told, what is tried again, and that nothing stays behind."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator

import pytest
from structlog.testing import capture_logs

import windlass.buckets
from tests.support.s3_faults import (
    HANG,
    INTERNAL,
    LOST,
    PORTAL,
    RESET,
    SLOW_DOWN,
    Fault,
    FaultyS3,
    Refusal,
)
from windlass.buckets import WHOLE_BYTES, Buckets, Held, parts, stores
from windlass.errors import (
    DeliveryError,
    StorageDenied,
    StorageTimeout,
    StorageUnavailable,
)
from windlass.settings import Settings

URL = "s3://lake/a.json"
SMALL = Held([b"{}" * 5000])
LARGE = Held([os.urandom(1024 * 1024)] * (WHOLE_BYTES // 1024 // 1024))
DENIED = Refusal(403, "AccessDenied")


@pytest.fixture
async def buckets(faulty_s3: FaultyS3) -> AsyncIterator[Buckets]:
    made = Buckets(Settings(**faulty_s3.settings()))
    yield made
    await made.aclose()


def impatient(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """Deadlines end after so many seconds, and aborts are given no more."""
    monkeypatch.setattr(windlass.buckets, "PATIENCE_S", seconds)
    monkeypatch.setattr(windlass.buckets, "SLOWEST", 10**12)
    monkeypatch.setattr(parts, "ABORT_S", 0.5)


@pytest.mark.parametrize("fault", [INTERNAL, SLOW_DOWN, RESET, LOST, Refusal(500)])
async def test_what_passes_at_once_is_not_even_told(
    faulty_s3: FaultyS3, buckets: Buckets, fault: Fault
) -> None:
    faulty_s3.fail("PutObject", fault)
    await buckets.upload(URL, SMALL, compress=False)
    assert faulty_s3.objects == {"lake/a.json": b"".join(SMALL.pieces)}


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (INTERNAL, "InternalError"),
        (SLOW_DOWN, "SlowDown"),
        (Refusal(429), "429"),
        (RESET, "reset by peer|connection closed|error sending"),
        (PORTAL, "ETag"),
    ],
)
async def test_what_does_not_pass_is_told_and_may_pass_later(
    faulty_s3: FaultyS3, buckets: Buckets, fault: Fault, told: str
) -> None:
    faulty_s3.fail("PutObject", *[fault] * 9)
    with pytest.raises(StorageUnavailable, match=told) as caught:
        await buckets.upload(URL, SMALL, compress=False)
    assert caught.value.retryable
    assert len(faulty_s3.seen) <= 3
    assert faulty_s3.objects == {}


async def test_a_service_that_is_gone_is_told(faulty_s3: FaultyS3) -> None:
    settings = Settings(**(faulty_s3.settings() | {"aws_endpoint_url_s3": "http://127.0.0.1:1"}))
    with pytest.raises(StorageUnavailable, match="Connection refused"):
        await Buckets(settings).upload(URL, SMALL, compress=False)


async def test_a_bucket_that_does_not_answer_has_a_deadline(
    faulty_s3: FaultyS3, buckets: Buckets, monkeypatch: pytest.MonkeyPatch
) -> None:
    impatient(monkeypatch, 0.4)
    faulty_s3.fail("PutObject", HANG)
    with pytest.raises(StorageTimeout) as caught:
        await buckets.upload(URL, SMALL, compress=False)
    assert caught.value.retryable


@pytest.mark.parametrize("by_redirect", [True, False], ids=["redirect", "refusal"])
@pytest.mark.parametrize("source", [SMALL, LARGE], ids=["whole", "parts"])
async def test_a_bucket_in_another_region_is_found_and_remembered(
    faulty_s3: FaultyS3, buckets: Buckets, by_redirect: bool, source: Held
) -> None:
    faulty_s3.region, faulty_s3.by_redirect = "eu-central-1", by_redirect
    await buckets.upload(URL, source, compress=False)
    await buckets.upload("s3://lake/b.json", source, compress=False)
    assert sorted(faulty_s3.objects) == ["lake/a.json", "lake/b.json"]
    first = "PutObject" if source is SMALL else "CreateMultipartUpload"
    assert faulty_s3.seen.count(first) == 3, "only the first request was turned away"


async def test_a_part_that_fails_once_is_sent_again(faulty_s3: FaultyS3, buckets: Buckets) -> None:
    faulty_s3.fail("UploadPart", SLOW_DOWN, RESET, LOST)
    faulty_s3.fail("CompleteMultipartUpload", INTERNAL)
    await buckets.upload(URL, LARGE, compress=False)
    assert faulty_s3.objects["lake/a.json"] == b"".join(LARGE.pieces)
    assert faulty_s3.uploads == {}


@pytest.mark.parametrize("operation", ["UploadPart", "CompleteMultipartUpload"])
async def test_parts_of_an_upload_that_fails_are_removed(
    faulty_s3: FaultyS3, buckets: Buckets, operation: str
) -> None:
    faulty_s3.fail(operation, *[DENIED] * 20)
    with pytest.raises(StorageDenied, match=operation):
        await buckets.upload(URL, LARGE, compress=False)
    assert (faulty_s3.uploads, faulty_s3.objects) == ({}, {})


async def test_parts_of_an_upload_that_hangs_are_removed(
    faulty_s3: FaultyS3, buckets: Buckets, monkeypatch: pytest.MonkeyPatch
) -> None:
    impatient(monkeypatch, 1.5)
    faulty_s3.fail("UploadPart", *[HANG] * 9)
    with pytest.raises(StorageTimeout):
        await buckets.upload(URL, LARGE, compress=False)
    await buckets.aclose()
    assert (faulty_s3.uploads, faulty_s3.objects) == ({}, {})


async def test_a_part_that_hangs_is_sent_again(
    faulty_s3: FaultyS3, buckets: Buckets, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stores, "PART_TIMEOUT_S", 1)
    faulty_s3.fail("UploadPart", HANG)
    await buckets.upload(URL, LARGE, compress=False)
    assert faulty_s3.objects["lake/a.json"] == b"".join(LARGE.pieces)


async def cancelled_at(faulty_s3: FaultyS3, buckets: Buckets, operation: str) -> None:
    """An upload of large content, cancelled while an operation is not answered."""
    task = asyncio.create_task(buckets.upload(URL, LARGE, compress=False))
    await asyncio.to_thread(faulty_s3.wait_for, operation)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await buckets.aclose()


@pytest.mark.parametrize("operation", ["CreateMultipartUpload", "UploadPart"])
async def test_cancelling_leaves_nothing_wherever_it_hits(
    faulty_s3: FaultyS3, buckets: Buckets, monkeypatch: pytest.MonkeyPatch, operation: str
) -> None:
    monkeypatch.setattr(parts, "ABORT_S", 0.5)
    faulty_s3.fail(operation, *[HANG] * 9)
    await cancelled_at(faulty_s3, buckets, operation)
    assert (faulty_s3.uploads, faulty_s3.objects) == ({}, {})


async def test_cancelling_at_the_very_end_makes_a_whole_object_or_none(
    faulty_s3: FaultyS3, buckets: Buckets, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stores, "PART_TIMEOUT_S", 1)
    faulty_s3.fail("CompleteMultipartUpload", HANG)
    await cancelled_at(faulty_s3, buckets, "CompleteMultipartUpload")
    assert faulty_s3.uploads == {}
    assert faulty_s3.objects == {"lake/a.json": b"".join(LARGE.pieces)}


async def test_what_cannot_be_removed_is_logged_and_does_not_hide_the_cause(
    faulty_s3: FaultyS3, buckets: Buckets
) -> None:
    faulty_s3.fail("UploadPart", *[DENIED] * 20)
    faulty_s3.fail("AbortMultipartUpload", DENIED)
    with capture_logs() as logs, pytest.raises(StorageDenied, match="UploadPart"):
        await buckets.upload(URL, LARGE, compress=False)
    (left,) = [entry for entry in logs if entry["event"] == "parts_left_behind"]
    assert (left["bucket"], left["key"], left["reason"]) == ("lake", "a.json", "AccessDenied")


async def test_one_bucket_that_hangs_does_not_hold_up_the_others(
    faulty_s3: FaultyS3, buckets: Buckets
) -> None:
    faulty_s3.fail("PutObject", HANG)
    stuck = asyncio.create_task(buckets.upload("s3://stuck/a.json", SMALL, compress=False))
    await asyncio.to_thread(faulty_s3.wait_for, "PutObject")
    async with asyncio.timeout(10):
        for number in range(20):
            await buckets.upload(f"s3://lake/{number}.json", SMALL, compress=False)
    assert not stuck.done()
    stuck.cancel()
    with pytest.raises(asyncio.CancelledError):
        await stuck


async def test_uploads_wait_for_room_instead_of_filling_the_memory(
    faulty_s3: FaultyS3, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(windlass.buckets, "ROOM_BYTES", 40_000)
    buckets = Buckets(Settings(**faulty_s3.settings()))
    faulty_s3.fail("PutObject", HANG, HANG)
    running = [
        asyncio.create_task(buckets.upload(f"s3://lake/{n}", SMALL, compress=False))
        for n in range(4)
    ]
    await asyncio.to_thread(faulty_s3.wait_for, "PutObject", 2)
    done, _ = await asyncio.wait(running[2:], timeout=0.3)
    assert not done, "the first two took all the room"
    for task in running[:2]:
        task.cancel()
    ended = await asyncio.gather(*running, return_exceptions=True)
    assert [type(one) for one in ended] == [asyncio.CancelledError] * 2 + [type(None)] * 2
    assert sorted(faulty_s3.objects) == ["lake/2", "lake/3"]


async def test_an_upload_that_failed_can_be_repeated(faulty_s3: FaultyS3, buckets: Buckets) -> None:
    faulty_s3.fail("PutObject", *[INTERNAL] * 3)
    with pytest.raises(DeliveryError):
        await buckets.upload(URL, SMALL, compress=True)
    await buckets.upload(URL, SMALL, compress=True, again=True)
    assert list(faulty_s3.objects) == ["lake/a.json"]
