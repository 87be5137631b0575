"""Where objects are: "s3://bucket/key" and "gs://bucket/key" taken apart, and who may write there.

Used by whatever gets such a URL from a caller or an operator; knows no service.
"""

from __future__ import annotations

import re

import msgspec

from windlass.errors import StorageRejected
from windlass.settings import Settings

EVERYBODY = "*"
"""The account name in WINDLASS_STORAGE_ALLOW that stands for all."""
_URL = re.compile(r"(?P<scheme>s3|gs)://(?P<bucket>[^/]+)(?:/(?P<key>.*))?", re.DOTALL)
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,220}[A-Za-z0-9]")
_UNFIT = re.compile(r"[\x00-\x1f\x7f\\]")


class Place(msgspec.Struct, frozen=True):
    """One object or, if the key is empty or ends with a slash, a prefix. Keys are taken as they
    are: nothing in them is decoded."""

    scheme: str
    bucket: str
    key: str

    @property
    def url(self) -> str:
        """The place as a URL."""
        return f"{self.scheme}://{self.bucket}/{self.key}"

    @classmethod
    def of(cls, url: str) -> Place:
        """The place that a URL names. Raises StorageRejected if it names none, or one that could
        be mistaken for another: ".", ".." and empty segments, control characters, backslashes."""
        found = _URL.fullmatch(url)
        if found is None or not _BUCKET.fullmatch(found["bucket"]):
            raise StorageRejected(f"{url!r} is not s3://bucket/key or gs://bucket/key")
        key = found["key"] or ""
        segments = key.removesuffix("/").split("/")
        if _UNFIT.search(key) or any(part in ("", ".", "..") for part in segments if key):
            raise StorageRejected(f"{url!r} has a key that is not supported")
        return cls(found["scheme"], found["bucket"], key)


def allowed(settings: Settings, account: str, url: str) -> bool:
    """Whether WINDLASS_STORAGE_ALLOW lets an account write to an object or below a prefix."""
    try:
        place = Place.of(url)
    except StorageRejected:
        return False
    if not settings.storage_allow:
        return True
    granted = (
        *settings.storage_allow.get(account, ()),
        *settings.storage_allow.get(EVERYBODY, ()),
    )
    return any(f"{place.url.removesuffix('/')}/".startswith(prefix) for prefix in granted)
