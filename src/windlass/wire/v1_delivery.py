"""Dialect v1's delivery options (contract 6.1, 6.2): checked as documented, then refused.

Called by wire/v1_extract.py. Nothing that asks for a delivery may be accepted and dropped.
"""

from __future__ import annotations

import re

import ada_url
from msgspec import UNSET

from windlass.wire.v1_body import AsyncExtractBody
from windlass.wire.v1_reading import Reading

_BUCKET = re.compile(r"(s3|gs|gcs)://[^/\s]+(/.*)?", re.DOTALL)


def read_delivery(body: AsyncExtractBody, reading: Reading) -> None:
    """Notes every wrong delivery option, and that those which are right cannot be honoured."""
    before = len(reading.problems)
    _check_callback(body, reading)
    _check_storage(body, reading)
    if len(reading.problems) > before:
        return
    for field in ("callback_url", "storage_url"):
        if getattr(body, field) is not UNSET:
            reading.unsupported((field,), "delivery", "delivery of results")


def is_web_url(text: str) -> bool:
    """Whether this is an absolute http or https URL as the WHATWG standard reads it."""
    try:
        return ada_url.URL(text).protocol in ("http:", "https:")
    except ValueError:
        return False


def _check_callback(body: AsyncExtractBody, reading: Reading) -> None:
    url = body.callback_url
    if url is not UNSET and not is_web_url(str(url)):
        message = 'must match format "uri" with http or https'
        reading.wrong(("callback_url",), message, "format", {"format": "uri"})


def _check_storage(body: AsyncExtractBody, reading: Reading) -> None:
    kind = None if body.storage_type is UNSET else str(body.storage_type)
    if body.storage_url is UNSET:
        if kind is not None:
            params = {"property": "storage_type", "missingProperty": "storage_url"}
            message = "must have property storage_url when property storage_type is present"
            reading.wrong((), message, "dependentRequired", params)
    else:
        _check_bucket(str(body.storage_url), kind, reading)
    name = body.storage_object_name
    if isinstance(name, str) and (not name or name.startswith("/") or ".." in name):
        reading.wrong(
            ("storage_object_name",), 'must NOT start with "/" or contain ".."', "pattern"
        )


def _check_bucket(url: str, kind: str | None, reading: Reading) -> None:
    match = _BUCKET.fullmatch(url)
    if match is None:
        params = {"pattern": "^(s3|gs)://bucket/prefix"}
        reading.wrong(
            ("storage_url",), "must be s3://bucket/prefix or gs://bucket/prefix", "pattern", params
        )
    elif kind is not None and kind[0] != match[1][0]:
        message = f"must have the scheme of storage_type {kind}"
        reading.wrong(("storage_url",), message, "pattern", {"storage_type": kind})
