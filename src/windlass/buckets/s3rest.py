"""S3 requests that the library for objects cannot make, with all that their answers say.

Used to find a bucket's region, to set an ACL and to probe; sends no object bytes to speak of.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from urllib.parse import quote, urlsplit

import msgspec
from aiohttp import ClientError, ClientSession, ClientTimeout
from yarl import URL

from windlass.buckets.identity import Keys, s3_keys, s3_region
from windlass.buckets.signing import Unsigned, query_string, signed_headers
from windlass.errors import StorageTimeout, StorageUnavailable
from windlass.settings import Settings

TIMEOUT_S = 15.0
_ANSWER_LIMIT = 262_144


class Answer(msgspec.Struct, frozen=True):
    """What S3 said. Header names are lower case; the body is cut at 256 KiB."""

    status: int
    headers: dict[str, str]
    body: bytes

    def field(self, name: str) -> str:
        """The text of the first XML element with a name, "" if there is none."""
        pattern = rf"<{name}(?:\s[^>]*)?>([^<]*)</{name}>".encode()
        found = re.search(pattern, self.body)
        return found[1].decode(errors="replace") if found else ""


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """A request about a bucket or, with a key, about an object."""

    method: str
    bucket: str
    key: str = ""
    query: Sequence[tuple[str, str]] = ()
    headers: Mapping[str, str] = {}
    body: bytes = b""


def service_url(settings: Settings, region: str) -> str:
    """Where S3 of a region answers, without a final slash: Amazon's or the operator's own."""
    if settings.aws_endpoint_url_s3:
        return settings.aws_endpoint_url_s3.rstrip("/")
    suffix = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
    return f"https://s3.{region}.{suffix}"


async def send(settings: Settings, call: Call, *, keys: Keys | None, region: str) -> Answer:
    """Makes a call, unsigned if there are no keys; the answer, whatever its status. The bucket
    stands in the path, which every service knows. Raises StorageUnavailable, StorageTimeout."""
    parts = urlsplit(service_url(settings, region))
    key = f"/{call.key}" if call.key else ""
    path = quote(f"{parts.path}/{call.bucket}{key}", safe="/-_.~")
    unsigned = Unsigned(
        method=call.method,
        host=parts.netloc,
        path=path,
        query=call.query,
        headers=call.headers,
        body=call.body,
    )
    headers = signed_headers(unsigned, keys, region, datetime.now(UTC))
    query = query_string(call.query)
    url = URL(f"{parts.scheme}://{parts.netloc}{path}{'?' if query else ''}{query}", encoded=True)
    doing = f"{call.method} of bucket {call.bucket!r}"
    try:
        timeout = ClientTimeout(total=TIMEOUT_S)
        async with (
            ClientSession(timeout=timeout, trust_env=True, auto_decompress=False) as session,
            session.request(
                call.method, url, headers=headers, data=call.body or None, allow_redirects=False
            ) as answer,
        ):
            body = b""
            async for chunk in answer.content.iter_chunked(65536):
                body += chunk
                if len(body) >= _ANSWER_LIMIT:
                    break
            found = {name.lower(): value for name, value in answer.headers.items()}
            return Answer(answer.status, found, body[:_ANSWER_LIMIT])
    except TimeoutError as error:
        raise StorageTimeout(f"{doing} was not answered within {TIMEOUT_S:g} s") from error
    except (ClientError, OSError) as error:
        raise StorageUnavailable(f"{doing} failed: {error}") from error


async def find_region(settings: Settings, bucket: str) -> str:
    """The region of a bucket as S3 tells it: in a header, in the answer to GetBucketLocation or in
    a refusal. The settings' region if it tells none. Raises StorageUnavailable, StorageTimeout."""
    first = s3_region(settings)
    call = Call(method="GET", bucket=bucket, query=(("location", ""),))
    answer = await send(settings, call, keys=s3_keys(settings), region=first)
    named = answer.headers.get("x-amz-bucket-region") or answer.field("Region")
    if named or answer.status != 200:
        return named or first
    where = answer.field("LocationConstraint")
    return {"": "us-east-1", "EU": "eu-west-1"}.get(where, where)
