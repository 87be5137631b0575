"""AWS Signature Version 4 for the few S3 requests that the library for objects cannot make.

Pure; used by s3rest.py only.
Source: docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from datetime import datetime
from urllib.parse import quote

import msgspec

from windlass.buckets.identity import Keys

_ALGORITHM = "AWS4-HMAC-SHA256"


class Unsigned(msgspec.Struct, frozen=True, kw_only=True):
    """A request: `path` is percent-encoded already, `headers` are those that are to be signed
    beside the ones that signing adds."""

    method: str
    host: str
    path: str
    query: Sequence[tuple[str, str]] = ()
    headers: Mapping[str, str] = {}
    body: bytes = b""


def query_string(query: Sequence[tuple[str, str]]) -> str:
    """A query as it is both signed and sent."""
    pairs = sorted((quote(name, safe="-_.~"), quote(text, safe="-_.~")) for name, text in query)
    return "&".join(f"{name}={text}" for name, text in pairs)


def signed_headers(
    request: Unsigned, keys: Keys | None, region: str, now: datetime
) -> dict[str, str]:
    """Headers to send, `host` among them; without keys only what an anonymous request needs."""
    payload = hashlib.sha256(request.body).hexdigest()
    headers = {name.lower(): value.strip() for name, value in request.headers.items()}
    headers |= {"host": request.host, "x-amz-content-sha256": payload}
    if keys is None:
        return headers
    headers["x-amz-date"] = now.strftime("%Y%m%dT%H%M%SZ")
    if keys.session_token:
        headers["x-amz-security-token"] = keys.session_token
    names = ";".join(sorted(headers))
    canonical = "\n".join(
        (
            request.method,
            request.path,
            query_string(request.query),
            *(f"{name}:{headers[name]}" for name in sorted(headers)),
            "",
            names,
            payload,
        )
    )
    scope = f"{now:%Y%m%d}/{region}/s3/aws4_request"
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    text = "\n".join((_ALGORITHM, headers["x-amz-date"], scope, digest))
    signature = _keyed(_signing_key(keys, region, now), text).hex()
    headers["authorization"] = (
        f"{_ALGORITHM} Credential={keys.access_key_id}/{scope}, "
        f"SignedHeaders={names}, Signature={signature}"
    )
    return headers


def _signing_key(keys: Keys, region: str, now: datetime) -> bytes:
    key = f"AWS4{keys.secret_access_key}".encode()
    for part in (f"{now:%Y%m%d}", region, "s3", "aws4_request"):
        key = _keyed(key, part)
    return key


def _keyed(key: bytes, text: str) -> bytes:
    return hmac.new(key, text.encode(), hashlib.sha256).digest()
