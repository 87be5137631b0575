"""Test Connection: would a bucket take what we bring, or show what we read? Five possible answers.

Used by `windlass storage test`. Makes the requests that the hosted product documents and no
others, and never deletes. HEAD names no reasons, and those who may only write are denied it: the
request after it decides. Source: contract 18.7.
"""

from __future__ import annotations

import asyncio
from typing import Literal

import msgspec

from windlass.buckets.failures import Cause, failure, moved, told
from windlass.buckets.identity import Keys, s3_keys, s3_region
from windlass.buckets.places import Place
from windlass.buckets.s3rest import Answer, Call, send
from windlass.buckets.stores import Stores, Way, library
from windlass.errors import (
    BucketMissing,
    DeliveryError,
    ObjectExists,
    StorageDenied,
    StorageUnavailable,
    StorageUnconfigured,
)
from windlass.settings import Settings

Mode = Literal["read", "write"]
Code = Literal["ok", "empty", "access_denied", "no_such_bucket", "failed"]

TEST_OBJECT = ".nimble-connection-test"
DEADLINE_S = 30.0
"""For all requests of a test together."""

_NOTHING_MD5 = "d41d8cd98f00b204e9800998ecf8427e"
"""The ETag of an empty object, of services that name their requests otherwise than Amazon."""

MESSAGES: dict[Code, str] = {
    "ok": "✓ Connection OK",
    "empty": "✓ Connection OK - prefix is empty",
    "access_denied": "✗ Access denied",
    "no_such_bucket": "✗ Bucket does not exist",
    "failed": "✗ Connection failed",
}
_FIXES: dict[Code, str] = {
    "ok": "",
    "empty": "Nothing to fix: upload the first file.",
    "access_denied": "Grant what `windlass storage policy` prints, or correct the credentials.",
    "no_such_bucket": "Correct the bucket's name.",
    "failed": "Try again; if it stays so, look at the network, AWS_ENDPOINT_URL_S3 or "
    "STORAGE_EMULATOR_HOST.",
}
_CODES: dict[type[DeliveryError], Code] = {
    StorageDenied: "access_denied",
    BucketMissing: "no_such_bucket",
}


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """What a test found: the documented message, why, and what to do about it."""

    ok: bool
    code: Code
    message: str
    cause: str = ""
    fix: str = ""


async def probe(settings: Settings, place: Place, mode: Mode) -> Finding:
    """Tests a prefix; `place` is one even without the final slash.

    Raises StorageUnconfigured if there is no identity to test with, MissingExtra if a library that
    is needed is not installed.
    """
    key = place.key.rstrip("/")
    prefix = Place(place.scheme, place.bucket, f"{key}/" if key else "")
    try:
        async with asyncio.timeout(DEADLINE_S):
            keys = s3_keys(settings) if place.scheme == "s3" else None
            if keys is None:
                return await _through_store(settings, prefix, mode)
            return await _Test(settings, prefix, keys).run(mode)
    except TimeoutError:
        return _finding("failed", f"no answer within {DEADLINE_S:g} s")
    except StorageUnconfigured:
        raise
    except DeliveryError as error:
        return _finding(_CODES.get(type(error), "failed"), error.message)


class _Test:
    """One test over S3's own requests, whose answers are read whole."""

    def __init__(self, settings: Settings, prefix: Place, keys: Keys) -> None:
        self._settings = settings
        self._prefix = prefix
        self._keys = keys
        self._region = s3_region(settings)

    async def run(self, mode: Mode) -> Finding:
        head = await self._send(Call(method="HEAD", bucket=self._prefix.bucket))
        self._region = head.headers.get("x-amz-bucket-region") or self._region
        if mode == "write":
            return await self._write(head)
        return await self._read()

    async def _read(self) -> Finding:
        query = (("list-type", "2"), ("max-keys", "1"), ("prefix", self._prefix.key))
        call = Call(method="GET", bucket=self._prefix.bucket, query=query)
        answer = await self._ask(call, "ListBucket")
        if b"<ListBucketResult" not in answer.body:
            raise _stranger(answer)
        return _finding("ok" if b"<Contents>" in answer.body else "empty")

    async def _write(self, head: Answer) -> Finding:
        acl = self._settings.storage_acl
        call = Call(
            method="PUT",
            bucket=self._prefix.bucket,
            key=f"{self._prefix.key}{TEST_OBJECT}",
            headers={"x-amz-acl": acl} if acl else {},
        )
        answer = await self._ask(call, "PutObject")
        # Portals and proxies answer 200 to anything. Whoever stored an object names its ETag.
        tag = answer.headers.get("etag", "")
        marked = "x-amz-request-id" in answer.headers
        if not tag or not (marked or tag.strip('"') == _NOTHING_MD5):
            raise _stranger(answer)
        if head.status == 403:
            return _finding("ok", "may write; without s3:ListBucket, which delivery does not need")
        return _finding("ok")

    async def _ask(self, call: Call, operation: str) -> Answer:
        """The answer, if it is a success; asks once more where the bucket turns out to be."""
        answer = await self._send(call)
        cause = _cause(answer, operation)
        if answer.status != 200 and moved(cause) and cause.region not in ("", self._region):
            self._region = cause.region
            answer = await self._send(call)
            cause = _cause(answer, operation)
        if answer.status == 200:
            return answer
        if not cause.code:
            raise _stranger(answer)
        raise failure(cause, self._prefix)

    async def _send(self, call: Call) -> Answer:
        return await send(self._settings, call, keys=self._keys, region=self._region)


async def _through_store(settings: Settings, prefix: Place, mode: Mode) -> Finding:
    """The same with the library for objects: for Google, and for S3 with the machine's own role,
    whose keys only the library has. No HEAD: neither has one, and it decides nothing."""
    obstore = library()
    store = await Stores(settings).get(prefix, Way.WHOLE)
    if mode == "read":
        with told("ListObjects", prefix):
            async for found in obstore.list(store, prefix.key or None, chunk_size=1):
                return _finding("ok" if found else "empty")
        return _finding("empty")
    # Replacing asks Google for the right to delete, which nobody needs to give.
    way = "create" if prefix.scheme == "gs" else "overwrite"
    try:
        with told("PutObject", prefix):
            await obstore.put_async(store, f"{prefix.key}{TEST_OBJECT}", b"", mode=way)
    except ObjectExists:
        return _finding("ok", "the test's object is there already, which only writers are told")
    return _finding("ok")


def _cause(answer: Answer, operation: str) -> Cause:
    return Cause(
        operation=operation,
        status=answer.status,
        code=answer.field("Code"),
        message=answer.field("Message"),
        region=answer.headers.get("x-amz-bucket-region") or answer.field("Region"),
    )


def _stranger(answer: Answer) -> StorageUnavailable:
    """Whoever answered does not speak S3, whatever the status says."""
    kind = answer.headers.get("content-type", "no content type")
    return StorageUnavailable(
        f"what answers is no S3: status {answer.status}, {kind}, without the marks of S3. A "
        "login page of the network, a proxy, or a wrong AWS_ENDPOINT_URL_S3?"
    )


def _finding(code: Code, cause: str = "") -> Finding:
    ok = code in ("ok", "empty")
    return Finding(ok=ok, code=code, message=MESSAGES[code], cause=cause, fix=_FIXES[code])
