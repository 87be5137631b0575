"""What went wrong, from what services and the object library say about it.

The library has one class for most causes; the truth stands in its text: the operation, the status,
the XML of the answer, the transport's reason. The only file that reads it. Causes are not chained:
answers to expired or unknown tokens repeat the token.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import unquote

import msgspec

from windlass.buckets.places import Place
from windlass.errors import (
    BucketMissing,
    DeliveryError,
    ObjectExists,
    StorageDenied,
    StorageRejected,
    StorageTimeout,
    StorageUnavailable,
    StorageUnconfigured,
    WindlassError,
)

_REQUEST = re.compile(r"Error performing ([A-Z]+) (\S+) in ")
_STATUS = re.compile(r"non-2xx status code: (\d{3})")
_BATCH = re.compile(r"\(code: (\w+)\)")
_REASON = re.compile(r'(?:message|error): "([^"]{1,200})"')
_KIND = re.compile(r"kind: (Timeout|Connect|Interrupted|Request|Decode|Unknown)\b")
_SHOWN = 300

_SIGNING_IN = "signing in"
"""The request was not about the bucket: credentials were asked for."""
_MISSING = {"NoSuchBucket"}
_EXISTS = {"PreconditionFailed"}
_ELSEWHERE = {
    "PermanentRedirect",
    "TemporaryRedirect",
    "AuthorizationHeaderMalformed",
    "IllegalLocationConstraintException",
}
"""S3 has the bucket in another region than it was asked in."""
_DENIED = {
    "AccessDenied",
    "AccountProblem",
    "AllAccessDisabled",
    "AuthenticationRequired",
    "ExpiredToken",
    "Forbidden",
    "InvalidAccessKeyId",
    "InvalidSecurity",
    "InvalidToken",
    "NotSignedUp",
    "RequestTimeTooSkewed",
    "SignatureDoesNotMatch",
    "TokenRefreshRequired",
    "Unauthorized",
    "UserProjectAccountProblem",
}
_PASSING = {
    "BandwidthLimitExceeded",
    "InternalError",
    "OperationAborted",
    "RateLimitExceeded",
    "RequestLimitExceeded",
    "RequestTimeout",
    "ServiceUnavailable",
    "SlowDown",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
}
_PASSING_STATUSES = {408, 409, 425, 429}
_HINTS = {
    "AccessDenied": "`windlass storage policy {prefix}` prints what to grant",
    "SignatureDoesNotMatch": "the secret key does not belong to the access key",
    "RequestTimeTooSkewed": "the clock of this machine is wrong",
    "AccessControlListNotSupported": "leave WINDLASS_STORAGE_ACL empty: this bucket has no ACLs",
    "ExpiredToken": "renew the session token",
}


class Cause(msgspec.Struct, frozen=True, kw_only=True):
    """What an answer or an exception says. `status` is 0 if no answer came, `region` is where the
    bucket is, if the answer tells; `transport` is the kind of trouble on the way."""

    operation: str
    status: int = 0
    code: str = ""
    message: str = ""
    region: str = ""
    transport: str = ""


@contextmanager
def told(operation: str, place: Place) -> Iterator[None]:
    """Translates what calls of the library raise inside. Must not enclose anything else: the
    library also uses OSError, ValueError and NotImplementedError."""
    try:
        yield
    except WindlassError:
        raise
    except Exception as error:  # noqa: BLE001 - its classes have no common base
        raise failure(read(error, operation, place), place) from None


def read(error: Exception, operation: str, place: Place) -> Cause:
    """The cause of an exception of the library; `operation` unless the text names it."""
    text = str(error)
    head = text.split("\n\nDebug source", 1)[0]
    status = _STATUS.search(head)
    kind, reason = _KIND.search(text), _REASON.search(text)
    batch = _BATCH.search(head)
    unanswered = "" if status else (reason[1] if reason else _tail(head))
    return Cause(
        operation=_operation(head, place) or operation,
        status=int(status[1]) if status else 0,
        code=element(head, "Code") or (batch[1] if batch else ""),
        message=element(head, "Details") or element(head, "Message") or unanswered,
        region=element(head, "Region"),
        transport="redirect" if "redirect without" in head else kind[1].lower() if kind else "",
    )


def element(text: str, name: str) -> str:
    """The text of the first XML element with a name, "" if there is none."""
    found = re.search(rf"<{name}(?:\s[^>]*)?>([^<]*)</{name}>", text)
    return html.unescape(found[1]).strip()[:_SHOWN] if found else ""


def cause_of(error: DeliveryError) -> Cause:
    """The cause that an error was made from."""
    cause = error.details.get("cause")
    return cause if isinstance(cause, Cause) else Cause(operation="")


def moved(cause: Cause) -> bool:
    """Whether S3 says that the bucket is in another region."""
    return (
        cause.code in _ELSEWHERE
        or cause.transport == "redirect"
        or 300 <= cause.status < 400
        or (cause.status == 400 and bool(cause.region))
    )


def failure(cause: Cause, place: Place) -> DeliveryError:
    """The error of ours for a cause, which its details keep."""
    service = "Amazon S3" if place.scheme == "s3" else "Google Cloud Storage"
    said = ": ".join(part for part in (cause.code or _status(cause), cause.message) if part)
    hint = _HINTS.get(cause.code, "").format(prefix=_prefix(place))
    doing = f"{cause.operation} for" if cause.operation == _SIGNING_IN else f"{cause.operation} on"
    text = f"{doing} bucket {place.bucket!r} ({service}) failed: {said or 'no answer'}"
    return _class_of(cause)(f"{text}; {hint}" if hint else text, cause=cause)


def _class_of(cause: Cause) -> type[DeliveryError]:
    if cause.operation == _SIGNING_IN:
        return StorageUnconfigured if 400 <= cause.status < 500 else StorageUnavailable
    for codes, kind in (
        (_MISSING, BucketMissing),
        (_EXISTS, ObjectExists),
        (_DENIED, StorageDenied),
        (_PASSING, StorageUnavailable),
    ):
        if cause.code in codes:
            return kind
    if cause.code.startswith("KMS.") or cause.status in (401, 403):
        return StorageDenied
    if cause.transport == "timeout":
        return StorageTimeout
    if 400 <= cause.status < 500 and cause.status not in _PASSING_STATUSES:
        return ObjectExists if cause.status == 412 else StorageRejected
    return StorageUnavailable


def _operation(head: str, place: Place) -> str:
    """The S3 name of a request, from its method and URL: what a policy has to grant."""
    found = _REQUEST.search(head)
    if found is None:
        return ""
    method, url = found[1], unquote(found[2])
    if place.bucket not in url:
        return _SIGNING_IN
    if "uploads" in url.partition("?")[2].split("=")[0]:
        return "CreateMultipartUpload"
    in_parts = {"PUT": "UploadPart", "POST": "CompleteMultipartUpload"}
    if "uploadId=" in url:
        return in_parts.get(method, "AbortMultipartUpload")
    if "list-type=" in url:
        return "ListObjects"
    return {"PUT": "PutObject", "GET": "GetObject", "HEAD": "HeadObject"}.get(method, "")


def _tail(head: str) -> str:
    """What is said after the request was named."""
    return head.rpartition(" - ")[2].removeprefix("HTTP error: ")[:_SHOWN]


def _status(cause: Cause) -> str:
    return f"status {cause.status}" if cause.status else ""


def _prefix(place: Place) -> str:
    folder = place.key.rpartition("/")[0]
    return f"{place.scheme}://{place.bucket}/{folder}{'/' if folder else ''}"
