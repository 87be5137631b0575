"""Dialect v1's delivery options (contract 6.1 to 6.3, 6.8), wherever a request may carry them.

Readers of requests name the places as layers; what is wrong is noted under its exact path. Where
results may go is asked of `reading.may_store`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec
from msgspec import UNSET

from windlass.model.delivery import RESERVED_HEADERS, DeliveryOptions, Folder, Webhook
from windlass.wire import ajv
from windlass.wire.document import unexplained
from windlass.wire.v1_body import CallbackSpec, DeliveryFields
from windlass.wire.v1_headers import read_headers
from windlass.wire.v1_options import given
from windlass.wire.v1_reading import Reading, Steps
from windlass.wire.v1_urls import read_web_url

KEY_LIMIT = 1024
"""Bytes of an object's key in S3 and Google Cloud Storage."""
METADATA_LIMIT = 16 * 1024
"""Bytes of a callback's metadata, which every one of its webhooks repeats."""

_RECEIVER = re.compile(r"https?://[^/\\\s]", re.IGNORECASE)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_PLACE = re.compile(r"(s3|gs|gcs)://([^/]*)(?:/(.*))?", re.IGNORECASE | re.DOTALL)
_S3_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,220}[A-Za-z0-9]")
_GS_BUCKET = re.compile(r"[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]")
_BUCKETS = {
    "s3": (_S3_BUCKET, "must name a bucket: letters, digits, dots and hyphens, at least 3"),
    "gs": (_GS_BUCKET, "must name a bucket: lower-case letters, digits, dots, - and _, at least 3"),
}
"""Names by scheme: S3's oldest buckets have upper-case letters and underscores, GCS has none."""
_NO_BUCKET = re.compile(r"\.\.|\A\d+\.\d+\.\d+\.\d+\Z")

_KEY_FAULTS = (
    (re.compile(rf"{_CONTROL.pattern}|\\"), "must NOT contain control characters or backslashes"),
    (re.compile(r"\A/|//"), 'must NOT contain empty parts ("//")'),
    (re.compile(r"(?:\A|/)\.\.?(?:/|\Z)"), 'must NOT have "." or ".." as a part'),
)
_NAME_FAULTS = (
    (re.compile(r"\A/|/\Z"), 'must NOT start or end with "/"'),
    (re.compile(r"\.\."), 'must NOT contain ".."'),
    *_KEY_FAULTS,
)


class Layer(msgspec.Struct, frozen=True):
    """One object of a request that may carry the options: where it stands, and its JSON.

    `shared`: several tasks read it, so that a name in it gets their ids added.
    """

    where: Steps
    options: Mapping[str, Any]
    shared: bool = False


class _Option(msgspec.Struct, frozen=True):
    """One option that was given, and where."""

    value: Any
    where: Steps
    shared: bool


def read_delivery(layers: Sequence[Layer], reading: Reading) -> DeliveryOptions | None:
    """What the layers ask for, an earlier one going before a later one key by key; None: nothing.

    `base` of what is returned is the caller's to set.
    """
    found: dict[str, _Option] = {}
    for layer in layers:
        for name, value in _well_typed(layer, reading).items():
            found.setdefault(name, _Option(value, (*layer.where, name), layer.shared))
    if not found:
        return None
    callback = found.get("callback_url")
    webhook = None if callback is None else _receiver(callback.value, callback.where, reading)
    folder = _folder(found, reading)
    return DeliveryOptions(folder=folder, webhook=webhook) if folder or webhook else None


def read_callback(value: Any, where: Steps, reading: Reading) -> Webhook | None:
    """A crawl's `callback`, an object or only its URL (contract 6.8); None if it is wrong."""
    if isinstance(value, str):
        return _receiver(value, where, reading)
    found = ajv.problems(CallbackSpec, value)
    if found:
        reading.adopt(where, found)
        return None
    spec = msgspec.convert(value, CallbackSpec)
    webhook = _receiver(spec.url, (*where, "url"), reading)
    headers = _callback_headers(given(spec.headers, {}), (*where, "headers"), reading)
    metadata = given(spec.metadata, {})
    if len(msgspec.json.encode(metadata)) > METADATA_LIMIT:
        message = f"must NOT have more than {METADATA_LIMIT} bytes"
        reading.wrong((*where, "metadata"), message, "maxLength", {"limit": METADATA_LIMIT})
    if webhook is None:
        return None
    names = {name.lower() for name in headers}
    own = {name: each for name, each in webhook.headers.items() if name.lower() not in names}
    events = tuple(dict.fromkeys(given(spec.events, [])))
    return Webhook(url=webhook.url, headers=own | headers, events=events, metadata=metadata)


def _well_typed(layer: Layer, reading: Reading) -> dict[str, Any]:
    """The layer's options that are of the right type."""
    options = layer.options
    present = {name: options[name] for name in _NAMES if name in options}
    if not present:
        return present
    found = []
    try:
        msgspec.convert(present, DeliveryFields)
    except msgspec.ValidationError as error:
        found = ajv.problems(DeliveryFields, present) or [unexplained(str(error))]
        reading.adopt(layer.where, found)
    bad = {problem.path.split("/")[1] for problem in found}
    return {name: value for name, value in present.items() if name not in bad}


_NAMES = DeliveryFields.__struct_fields__


def _receiver(text: str, where: Steps, reading: Reading) -> Webhook | None:
    read = None
    if _RECEIVER.match(text) and not _CONTROL.search(text):
        read = read_web_url(text)
    if read is None:
        message = 'must match format "uri" with http or https and a host'
        reading.wrong(where, message, "format", {"format": "uri"})
        return None
    url, authorization = read
    headers = {"Authorization": authorization} if authorization else {}
    return Webhook(url=url.partition("#")[0], headers=headers)


def _callback_headers(headers: dict[str, str], where: Steps, reading: Reading) -> dict[str, str]:
    for name in headers:
        if name.lower() in RESERVED_HEADERS:
            params = {"propertyName": name}
            reading.wrong(where, f"must NOT set {name}", "propertyNames", params)
    kept = read_headers(dict(headers), reading, where)
    return {name: value for name, value in headers.items() if name in kept}


def _folder(found: dict[str, _Option], reading: Reading) -> Folder | None:
    name, compress = found.get("storage_object_name"), found.get("storage_compress")
    named = name is None or _is_clean(name, name.value, _NAME_FAULTS, reading)
    if "storage_url" not in found:
        _without_place(found, reading)
        return None
    place = found["storage_url"]
    url = _read_place(place, found.get("storage_type"), reading)
    if url is None or not named:
        return None
    folder = Folder(
        url=url,
        name=name.value if name else None,
        shared=name.shared if name else False,
        compress=compress is not None and compress.value,
    )
    key = folder.upload_of(UUID(int=0)).url.split("/", 3)[3]
    if len(key.encode()) > KEY_LIMIT:
        message = f"must make a key of at most {KEY_LIMIT} bytes"
        reading.wrong((name or place).where, message, "maxLength", {"limit": KEY_LIMIT})
    elif not reading.may_store(url):
        reading.wrong(place.where, "is not allowed for this account", "allowed")
    return folder


def _without_place(found: dict[str, _Option], reading: Reading) -> None:
    if "storage_type" in found:
        params = {"property": "storage_type", "missingProperty": "storage_url"}
        message = "must have property storage_url when property storage_type is present"
        reading.wrong(found["storage_type"].where[:-1], message, "dependentRequired", params)
        return
    for name in ("storage_compress", "storage_object_name"):
        if name in found:
            reading.warn(f"{name} is ignored: there is no storage_url")


def _read_place(place: _Option, kind: _Option | None, reading: Reading) -> str | None:
    """ "s3://bucket/prefix/" or "gs://…", None if it is wrong. Of a prefix every character counts:
    nothing is decoded or encoded."""
    match = _PLACE.fullmatch(place.value)
    if match is None:
        message = "must be s3://bucket/prefix or gs://bucket/prefix"
        reading.wrong(place.where, message, "pattern")
        return None
    scheme, bucket, prefix = _SCHEMES[match[1].lower()], match[2], match[3] or ""
    if kind is not None and _SCHEMES[kind.value] != scheme:
        message = f"must have the scheme of storage_type {kind.value}"
        reading.wrong(place.where, message, "pattern", {"storage_type": kind.value})
        return None
    pattern, message = _BUCKETS[scheme]
    if not pattern.fullmatch(bucket) or _NO_BUCKET.search(bucket):
        reading.wrong(place.where, message, "pattern")
        return None
    prefix = prefix if prefix.endswith("/") or not prefix else prefix + "/"
    return (
        f"{scheme}://{bucket}/{prefix}" if _is_clean(place, prefix, _KEY_FAULTS, reading) else None
    )


_SCHEMES = {"s3": "s3", "gs": "gs", "gcs": "gs"}


def _is_clean(
    option: _Option,
    text: str,
    faults: Sequence[tuple[re.Pattern[str], str]],
    reading: Reading,
) -> bool:
    """Whether the text may be part of a key; the first fault is noted."""
    for pattern, message in faults:
        if pattern.search(text):
            reading.wrong(option.where, message, "pattern")
            return False
    return True


def delivery_layer(body: msgspec.Struct) -> Layer:
    """The top level of a body that was read already."""
    options = {name: getattr(body, name) for name in _NAMES}
    return Layer((), {name: value for name, value in options.items() if value is not UNSET})
