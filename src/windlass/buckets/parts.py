"""Large objects: sent in parts as they are read, whole in the bucket at the end or not there.

Used by Buckets only. The library tells no upload id, so all depends on never losing its writer: a
call of it is not cut short but waited for, then the writer aborts, also when we are cancelled.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from typing import TYPE_CHECKING, Any

import structlog

from windlass.buckets.failures import read, told
from windlass.buckets.places import Place
from windlass.buckets.stores import library

if TYPE_CHECKING:
    from obstore import AsyncWritableFile

    from windlass.buckets.stores import Store

log = structlog.get_logger(__name__)

PART_BYTES = 16 * 1024 * 1024
"""10,000 parts, S3's limit, make 160 GB."""
PARTS_AT_ONCE = 2
MEMORY_BYTES = PART_BYTES * (PARTS_AT_ONCE + 1)
ABORT_S = 10.0
"""Time a call under way gets to end, and then the abort."""
CLOSE_S = 300.0
"""Time completing gets in the background: the library then gives up and aborts by itself."""


class PartsWriter:
    """Writes large objects; `aclose` waits for aborts that are under way."""

    def __init__(self) -> None:
        self._ending: set[asyncio.Task[None]] = set()

    async def write(
        self, store: Store, place: Place, chunks: AsyncIterator[bytes], attributes: dict[str, str]
    ) -> None:
        """One object from chunks of any size. Raises DeliveryError, and what reading the chunks
        raises; then nothing of it stays, if the bucket lets us abort."""
        writer = library().open_writer_async(
            store,
            place.key,
            attributes=attributes,
            buffer_size=PART_BYTES,
            max_concurrency=PARTS_AT_ONCE,
        )
        upload = _Upload(writer, place)
        try:
            async for chunk in chunks:
                await upload.call(writer.write(chunk))
            upload.closing = True
            await upload.call(writer.close())
        except BaseException:
            ending = asyncio.create_task(upload.end())
            self._ending.add(ending)
            ending.add_done_callback(self._ending.discard)
            await asyncio.wait({ending}, timeout=2 * ABORT_S)
            raise

    async def aclose(self) -> None:
        """Waits for aborts, but not for a service that does not answer."""
        if self._ending:
            _, late = await asyncio.wait(self._ending, timeout=2 * ABORT_S)
            for ending in late:
                ending.cancel()
            await asyncio.gather(*late, return_exceptions=True)


class _Upload:
    """One writer of the library and the call to it that is under way."""

    def __init__(self, writer: AsyncWritableFile, place: Place) -> None:
        self._writer = writer
        self._place = place
        self._call: asyncio.Future[Any] | None = None
        self.closing = False
        """Closing aborts by itself if it fails."""

    async def call(self, work: Awaitable[Any]) -> None:
        """Awaits a call; if we are cancelled it goes on."""
        self._call = asyncio.ensure_future(work)
        with told("UploadPart", self._place):
            await asyncio.shield(self._call)

    async def end(self) -> None:
        """Waits for the call under way, then aborts. Raises nothing: what it cannot clean up is
        left to the bucket's lifecycle rule, and logged."""
        if self.closing:
            if not await self._settled(CLOSE_S):
                self._left("it could not be completed in time")
            return
        await self._settled(ABORT_S)
        abort = self._writer.__aexit__(RuntimeError, RuntimeError("abort"), None)
        try:
            async with asyncio.timeout(ABORT_S):
                await abort
        except TimeoutError:
            self._left("the abort was not answered")
        except Exception as error:  # noqa: BLE001 - the library's own have no common base
            cause = read(error, "AbortMultipartUpload", self._place)
            self._left(cause.code or cause.message)

    async def _settled(self, patience_s: float) -> bool:
        """Whether the call under way ended by itself; otherwise it is cut short now, as an abort
        would wait for it."""
        if self._call is None:
            return True
        await asyncio.wait({self._call}, timeout=patience_s)
        ended = self._call.done()
        if not ended:
            self._call.cancel()
            await asyncio.wait({self._call}, timeout=1.0)
        if self._call.done() and not self._call.cancelled():
            self._call.exception()  # told to whoever awaited the call
        return ended

    def _left(self, reason: str) -> None:
        log.warning(
            "parts_left_behind", bucket=self._place.bucket, key=self._place.key, reason=reason
        )
