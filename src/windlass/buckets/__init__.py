"""Buckets: objects in Amazon S3 and Google Cloud Storage, by URL. Knows nothing of tasks.

Used by the upload kind and by the store of results. The object library is loaded at its first use.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from windlass.buckets.failures import Cause, cause_of, failure, moved, told
from windlass.buckets.gzipping import gzipped
from windlass.buckets.identity import google_key, s3_keys
from windlass.buckets.parts import MEMORY_BYTES, PART_BYTES, PartsWriter
from windlass.buckets.places import Place
from windlass.buckets.room import Room
from windlass.buckets.stores import Stores, Way, library
from windlass.errors import (
    DeliveryError,
    ObjectExists,
    StorageDenied,
    StorageTimeout,
    StorageUnconfigured,
)
from windlass.settings import Settings

if TYPE_CHECKING:
    from windlass.buckets.stores import Store

WHOLE_BYTES = 100 * 1024 * 1024
"""Content from this size on is sent in parts, below with one request that leaves nothing behind,
whatever happens to us."""
ROOM_BYTES = 256 * 1024 * 1024
PATIENCE_S = 30.0
SLOWEST = 512 * 1024
"""Bytes per second below which a transfer counts as stuck."""
CLEARING_S = 600.0
"""Time to remove everything below a prefix."""
_LISTED = 1000
_NO_DELETE = "storage.objects.delete"


class Source(Protocol):
    """Bytes that can be read several times."""

    @property
    def size(self) -> int:
        """How many."""
        ...

    def chunks(self) -> AsyncIterator[bytes]:
        """All of them, in pieces of any size."""
        ...


class Held(msgspec.Struct, frozen=True):
    """A source that is in memory."""

    pieces: Sequence[bytes]

    @property
    def size(self) -> int:
        """Bytes of all pieces."""
        return sum(map(len, self.pieces))

    async def chunks(self) -> AsyncIterator[bytes]:
        """The pieces."""
        for piece in self.pieces:
            yield piece


class _Object(msgspec.Struct, frozen=True, kw_only=True):
    """What one upload is to make."""

    place: Place
    source: Source
    compress: bool = False
    again: bool = False
    kind: str = "application/octet-stream"

    @property
    def attributes(self) -> dict[str, str]:
        """A compressed object is a gzip file: no Content-Encoding, which clients would undo
        (contract 6.3)."""
        return {"Content-Type": "application/gzip" if self.compress else self.kind}


class Buckets:
    """The buckets that the operator's identity reaches. One per process, used by all its tasks."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._stores = Stores(settings)
        self._parts = PartsWriter()
        self._room = Room(ROOM_BYTES)

    def check(self, url: str) -> None:
        """Makes sure, without asking anybody, that this can be used. Raises DeliveryError,
        MissingExtra."""
        place = Place.of(url)
        library()
        if place.scheme == "s3":
            s3_keys(self._settings)
        elif not self._settings.storage_emulator_host:
            google_key(self._settings)

    async def upload(
        self, url: str, source: Source, *, compress: bool, again: bool = False
    ) -> None:
        """One JSON object, whole or not at all, gzipped if `compress`. S3 objects are replaced.

        Google Cloud Storage objects are created only, which needs fewer rights; one that exists
        is a success if it has the same bytes, or, where the identity may not look, if `again`: an
        earlier try of the same upload may have made it. Raises DeliveryError, MissingExtra and
        what reading the source raises.
        """
        await self._upload(
            _Object(
                place=Place.of(url),
                source=source,
                compress=compress,
                again=again,
                kind="application/json",
            )
        )

    async def put(self, url: str, source: Source) -> None:
        """One object of any bytes under a name that nobody else uses. Raises as `upload`."""
        await self._upload(_Object(place=Place.of(url), source=source, again=True))

    async def read(self, url: str, start: int, length: int) -> bytes:
        """A range of an object, `length` at least 1; less if the object ends in it. Raises
        DeliveryError (`absent` tells that there is no such object or range)."""
        place = Place.of(url)
        async with _deadline(place, length), self._room.taken(length):
            store = await self._stores.get(place, Way.PARTS)
            with told("GetObject", place):
                found = await store.get_range_async(place.key, start=start, length=length)
            return bytes(found)

    async def folders(self, url: str) -> list[str]:
        """The names of what lies directly below a prefix and has something below it."""
        place = Place.of(url)
        async with _deadline(place, 0):
            store = await self._stores.get(place, Way.PARTS)
            with told("ListObjects", place):
                found = await store.list_with_delimiter_async(place.key)
            return [
                str(prefix).rstrip("/").rpartition("/")[2] for prefix in found["common_prefixes"]
            ]

    async def clear(self, url: str) -> None:
        """Removes everything below a prefix. Raises DeliveryError, also if others remove it."""
        place = Place.of(url)
        async with _deadline(place, 0, CLEARING_S):
            store = await self._stores.get(place, Way.PARTS)
            with told("ListObjects", place):
                stream = store.list(place.key, chunk_size=_LISTED)
                listed = [[item["path"] for item in batch] async for batch in stream]
            for paths in listed:
                with told("DeleteObjects", place):
                    await store.delete_async(paths)

    async def aclose(self) -> None:
        """Waits, not long, for what has to be cleaned up."""
        await self._parts.aclose()

    async def _upload(self, made: _Object) -> None:
        size = made.source.size
        room = MEMORY_BYTES + PART_BYTES if size >= WHOLE_BYTES else 2 * size
        async with self._room.taken(room), _deadline(made.place, size):
            try:
                await self._send(made)
            except DeliveryError as error:
                cause = cause_of(error)
                if made.place.scheme != "s3" or not moved(cause):
                    raise
                await self._stores.find(made.place.bucket, cause.region)
                await self._send(made)

    async def _send(self, made: _Object) -> None:
        """Whole, unless it is too much for that: large content may become small by compression."""
        limit = PART_BYTES if made.source.size >= WHOLE_BYTES else None
        raw = made.source.chunks()
        chunks = gzipped(raw) if made.compress else raw
        beginning: list[bytes] = []
        held = 0
        async with _closing(raw), _closing(chunks):
            async for chunk in chunks:
                beginning.append(chunk)
                held += len(chunk)
                if limit is not None and held >= limit:
                    await self._send_parts(made, _chained(beginning, chunks))
                    return
        await self._send_whole(made, b"".join(beginning))

    async def _send_whole(self, made: _Object, body: bytes) -> None:
        place = made.place
        store = await self._stores.get(place, Way.WHOLE)
        try:
            with told("PutObject", place):
                await store.put_async(
                    place.key,
                    body,
                    attributes=made.attributes,
                    mode="create" if place.scheme == "gs" else "overwrite",
                    use_multipart=False,
                )
        except ObjectExists:
            if not await _is_ours(store, made, body):
                raise _exists(place) from None

    async def _send_parts(self, made: _Object, chunks: AsyncIterator[bytes]) -> None:
        place = made.place
        with_acl = place.scheme == "s3" and bool(self._settings.storage_acl)
        if with_acl and s3_keys(self._settings) is None:
            raise StorageUnconfigured(
                "WINDLASS_STORAGE_ACL for an object this large needs AWS_ACCESS_KEY_ID or "
                "AWS_PROFILE: the ACL is set by a request of its own"
            )
        store = await self._stores.get(place, Way.PARTS)
        try:
            await self._parts.write(store, place, chunks, made.attributes)
        except StorageDenied as error:
            # Google offers parts no precondition: who may only create is refused at the end.
            if place.scheme != "gs" or _NO_DELETE not in error.message:
                raise
            if not made.again:
                raise _exists(place) from None
        if with_acl:
            await self._set_acl(place)

    async def _set_acl(self, place: Place) -> None:
        from windlass.buckets.s3rest import Call, send

        call = Call(
            method="PUT",
            bucket=place.bucket,
            key=place.key,
            query=(("acl", ""),),
            headers={"x-amz-acl": self._settings.storage_acl},
        )
        region = await self._stores.region(place.bucket)
        answer = await send(self._settings, call, keys=s3_keys(self._settings), region=region)
        if answer.status != 200:
            cause = Cause(
                operation="PutObjectAcl",
                status=answer.status,
                code=answer.field("Code"),
                message=answer.field("Message"),
            )
            raise failure(cause, place)


def absent(error: DeliveryError) -> bool:
    """Whether reading failed because there is no such object, or no such range of it."""
    cause = cause_of(error)
    return cause.code in ("NoSuchKey", "InvalidRange") or (
        cause.status in (404, 416) and cause.code != "NoSuchBucket"
    )


async def _is_ours(store: Store, made: _Object, body: bytes) -> bool:
    """Whether the object that exists has these bytes, as far as the identity may look."""
    try:
        with told("HeadObject", made.place):
            found = await store.head_async(made.place.key)
    except DeliveryError:
        return made.again
    if found["size"] != len(body):
        return False
    tag = (found["e_tag"] or "").strip('"')
    digest = await asyncio.to_thread(hashlib.md5, body, usedforsecurity=False)
    return tag == digest.hexdigest() or (made.again and len(tag) != digest.digest_size * 2)


def _exists(place: Place) -> ObjectExists:
    return ObjectExists(
        f"bucket {place.bucket!r} has another object {place.key!r}; objects in Google Cloud "
        "Storage are created, never replaced"
    )


@asynccontextmanager
async def _deadline(place: Place, size: int, patience_s: float = 0.0) -> AsyncIterator[None]:
    allowed_s = (patience_s or PATIENCE_S) + size / SLOWEST
    try:
        async with asyncio.timeout(allowed_s):
            yield
    except TimeoutError:
        raise StorageTimeout(
            f"bucket {place.bucket!r} took longer than {allowed_s:.0f} s"
        ) from None


@asynccontextmanager
async def _closing(chunks: Any) -> AsyncIterator[None]:
    """Ends a generator that was not read to its end; other iterators need no end."""
    if hasattr(chunks, "aclose"):
        async with aclosing(chunks):
            yield
    else:
        yield


async def _chained(beginning: list[bytes], rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    while beginning:
        yield beginning.pop(0)
    async for chunk in rest:
        yield chunk
