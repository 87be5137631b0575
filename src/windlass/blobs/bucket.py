"""Results in a bucket, for API and workers on several machines.

One put of many results makes one object, since requests are what a bucket costs and what takes
time. Needs the rights to write, read, list and delete below its prefix.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import structlog

from windlass.blobs.packs import HOUR, RESULTS, Address, Pieces, hour_over, pack_name
from windlass.buckets import Buckets, Held, absent
from windlass.errors import BlobMissing, DeliveryError, ResultsUnavailable, SettingsError
from windlass.settings import Settings

log = structlog.get_logger(__name__)

PACK_BYTES = 64_000_000
"""A put that is larger makes several objects."""
_PIECE_BYTES = 8 * 1024 * 1024


class BucketBlobs:
    """Packs below the prefix that `settings.results_url` names. Raises SettingsError."""

    def __init__(self, settings: Settings) -> None:
        self._base = f"{settings.results_url.rstrip('/')}/"
        self._buckets = Buckets(settings)
        self._cleared_hour = ""
        try:
            self._buckets.check(self._base)
        except DeliveryError as error:
            raise SettingsError(f"WINDLASS_RESULTS_URL cannot be used: {error.message}") from error

    async def put(self, contents: Sequence[bytes]) -> Sequence[str]:
        """One object, or several if it would become too large. Raises ResultsUnavailable."""
        addresses: list[str] = []
        while len(addresses) < len(contents):
            addresses += await self._put_pack(contents[len(addresses) :])
        return addresses

    async def get(self, address: str) -> bytes:
        """The bytes at an address. Raises BlobMissing, ResultsUnavailable."""
        return await self._range(Address.of(address))

    async def source(self, address: str) -> Pieces:
        """The bytes at an address, 8 MB at a time; whether they are there shows in reading."""
        return Pieces(Address.of(address), self._range, _PIECE_BYTES)

    async def expire(self, before: datetime) -> None:
        """Removes the packs of the hours that ended before a moment; asks the bucket for them once
        an hour, since asking costs."""
        hour = before.strftime(HOUR)
        if hour == self._cleared_hour:
            return
        try:
            for name in await self._buckets.folders(f"{self._base}{RESULTS}/"):
                if hour_over(name, before):
                    await self._buckets.clear(f"{self._base}{RESULTS}/{name}/")
        except DeliveryError as error:
            log.warning("results_not_expired", reason=error.message)
            return
        self._cleared_hour = hour

    async def aclose(self) -> None:
        """Closes what is open."""
        await self._buckets.aclose()

    async def _put_pack(self, contents: Sequence[bytes]) -> list[str]:
        """Stores the first of the contents, as many as make one pack."""
        name = pack_name(datetime.now(UTC).strftime(HOUR))
        pieces: list[bytes] = []
        addresses: list[str] = []
        end = 0
        for content in contents:
            if pieces and end + len(content) > PACK_BYTES:
                break
            addresses.append(str(Address(name, end, len(content))))
            pieces.append(content)
            end += len(content)
        try:
            await self._buckets.put(f"{self._base}{name}", Held(pieces))
        except DeliveryError as error:
            raise ResultsUnavailable(error.message) from error
        return addresses

    async def _range(self, where: Address) -> bytes:
        if not where.length:
            return b""
        try:
            content = await self._buckets.read(
                f"{self._base}{where.pack}", where.offset, where.length
            )
        except DeliveryError as error:
            if absent(error):
                raise BlobMissing(f"no bytes are stored at {where}") from error
            raise ResultsUnavailable(error.message) from error
        if len(content) != where.length:
            raise BlobMissing(f"the bytes at {where} are cut short")
        return content
