"""Opened stores of the object library: one per bucket and way of writing, the latest used kept.

Used by Buckets only. Everything that the library would otherwise take from the environment or from
the machine is said explicitly: endpoints, credentials, how requests are signed.
"""

from __future__ import annotations

import asyncio
import json
from collections import OrderedDict
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from enum import Enum
from types import ModuleType
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from weakref import WeakValueDictionary

from windlass.buckets.identity import google_key, s3_keys, s3_region
from windlass.buckets.places import Place
from windlass.errors import MissingExtra
from windlass.settings import Settings

if TYPE_CHECKING:
    from obstore.store import ClientConfig, GCSStore, RetryConfig, S3Store

    Store = S3Store | GCSStore

KEPT = 64
"""Open stores; one costs 0.5 MB and 10 ms."""
REGIONS_KEPT = 1024
CONNECT_TIMEOUT_S = 10
PART_TIMEOUT_S = 120
_WHOLE_TIMEOUT_S = 86_400
"""Whole objects have a deadline by their size, which is ours to keep."""
_KEYS_KEPT = timedelta(minutes=5)
"""After which a profile is read again: something may renew its session token."""
_GOOGLE = "https://storage.googleapis.com"


class Way(Enum):
    """How a store is used: objects sent whole, or everything else."""

    WHOLE = "whole"
    PARTS = "parts"


def library() -> ModuleType:
    """The object library. Raises MissingExtra."""
    try:
        import obstore
    except ModuleNotFoundError as error:
        raise MissingExtra(
            "buckets need the extra 'cloud': pip install 'windlass[cloud]' "
            f"(missing module {error.name})"
        ) from error
    return obstore


class Stores:
    """Opens stores when they are first needed."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._open: OrderedDict[tuple[str, str, Way], Store] = OrderedDict()
        self._regions: OrderedDict[str, str] = OrderedDict()
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def get(self, place: Place, way: Way) -> Store:
        """The store of a place's bucket. Raises StorageUnconfigured, MissingExtra, and what
        finding the bucket's region raises."""
        key = (place.scheme, place.bucket, way)
        lock = self._locks.setdefault(place.bucket, asyncio.Lock())
        async with lock:
            if key not in self._open:
                self._open[key] = await self._opened(place, way)
                while len(self._open) > KEPT:
                    self._open.popitem(last=False)
            self._open.move_to_end(key)
            return self._open[key]

    async def region(self, bucket: str) -> str:
        """The region of an S3 bucket. An operator's own service is not asked: most have one."""
        if bucket not in self._regions:
            if self._settings.aws_endpoint_url_s3:
                return s3_region(self._settings)
            await self.find(bucket)
        return self._regions[bucket]

    async def find(self, bucket: str, told: str = "") -> str:
        """The region that S3 told or now tells, remembered. Raises as `find_region`."""
        from windlass.buckets.s3rest import find_region

        self._regions[bucket] = told or await find_region(self._settings, bucket)
        while len(self._regions) > REGIONS_KEPT:
            self._regions.popitem(last=False)
        for way in Way:
            self._open.pop(("s3", bucket, way), None)
        return self._regions[bucket]

    async def _opened(self, place: Place, way: Way) -> Store:
        library()
        region = await self.region(place.bucket) if place.scheme == "s3" else ""
        opener: Callable[[], Store] = (
            (lambda: _open_s3(self._settings, place.bucket, region, way))
            if place.scheme == "s3"
            else (lambda: _open_google(self._settings, place.bucket, way))
        )
        return await asyncio.to_thread(opener)  # reads the machine's certificates


def _open_s3(settings: Settings, bucket: str, region: str, way: Way) -> S3Store:
    from obstore.store import S3Store

    from windlass.buckets.s3rest import service_url

    keys = s3_keys(settings)
    url = service_url(settings, region)
    in_host = not settings.aws_endpoint_url_s3 and fits_host(bucket)
    if in_host:
        url = url.replace("://", f"://{bucket}.", 1)
    # Parts may not carry an ACL: S3 refuses the header there.
    acl = {"x-amz-acl": settings.storage_acl} if way is Way.WHOLE and settings.storage_acl else {}
    return S3Store(
        bucket,
        config={
            "region": region,
            "aws_endpoint_url_s3": url,
            "virtual_hosted_style_request": in_host,
            "skip_signature": False,
            "unsigned_payload": False,
            "s3_express": False,
        },
        client_options=_client(url, way, acl),
        retry_config=_retries(2 if way is Way.WHOLE else 4),
        credential_provider=None if keys is None else _s3_provider(settings),
    )


def fits_host(bucket: str) -> bool:
    """Whether a bucket's name can stand in a host name that Amazon's certificate covers."""
    return "." not in bucket and "_" not in bucket and bucket == bucket.lower()


def _s3_provider(settings: Settings) -> Callable[[], Any]:
    def current() -> dict[str, Any]:
        keys = s3_keys(settings)
        assert keys is not None
        lasting = bool(settings.aws_access_key_id)
        return {
            "access_key_id": keys.access_key_id,
            "secret_access_key": keys.secret_access_key,
            "token": keys.session_token or None,
            "expires_at": None if lasting else datetime.now(UTC) + _KEYS_KEPT,
        }

    return current


def _open_google(settings: Settings, bucket: str, way: Way) -> GCSStore:
    from obstore.store import GCSStore

    # A create that is repeated finds itself and cannot tell: no repeats below our own schedule.
    retries = _retries(0 if way is Way.WHOLE else 4)
    nobody: Any = {"token": "", "expires_at": None}
    if settings.storage_emulator_host:
        named = settings.storage_emulator_host.rstrip("/")
        url = named if "://" in named else f"http://{named}"
        return GCSStore(
            bucket,
            config={"base_url": url, "skip_signature": True},
            client_options=_client(url, way),
            retry_config=retries,
            credential_provider=lambda: nobody,
        )
    path = google_key(settings)
    found = json.loads(path.read_bytes()) if path else {}
    url = str(found.get("gcs_base_url") or _GOOGLE)
    named_key = (
        "service_account" if found.get("type") == "service_account" else "application_credentials"
    )
    config: Any = {"base_url": url, "skip_signature": False}
    return GCSStore(
        bucket,
        config=config | ({named_key: str(path)} if path else {}),
        client_options=_client(url, way),
        retry_config=retries,
    )


def _client(url: str, way: Way, headers: dict[str, str] | None = None) -> ClientConfig:
    timeout_s = _WHOLE_TIMEOUT_S if way is Way.WHOLE else PART_TIMEOUT_S
    options: ClientConfig = {
        "allow_http": urlsplit(url).scheme == "http",
        "allow_invalid_certificates": False,
        "connect_timeout": timedelta(seconds=CONNECT_TIMEOUT_S),
        "timeout": timedelta(seconds=timeout_s),
        "pool_idle_timeout": timedelta(seconds=50),
        "user_agent": "windlass",
    }
    if headers:
        options["default_headers"] = headers
    return options


def _retries(count: int) -> RetryConfig:
    return {
        "max_retries": count,
        "backoff": {
            "init_backoff": timedelta(milliseconds=100),
            "max_backoff": timedelta(seconds=2),
        },
        "retry_timeout": timedelta(minutes=3),
    }
