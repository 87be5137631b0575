"""What the object library says about failures, and what we make of it.

The texts are what obstore 0.12 says to answers of S3 and Google Cloud Storage.
"""

from __future__ import annotations

import pytest

from windlass.buckets.failures import cause_of, failure, moved, read, told
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
)

PLACE = Place("s3", "lake", "team/a.json")
URL = "https://lake.s3.eu-west-1.amazonaws.com/team/a.json"


def answered(status: str, body: str = "", method: str = "PUT", query: str = "") -> Exception:
    return OSError(
        f"Generic S3 error: Error performing {method} {URL}{query} in 28.5ms, after 2 retries, "
        f"max_retries: 2, retry_timeout: 180s  - Server returned non-2xx status code: {status}: "
        f"{body}"
    )


def refused(status: str, code: str, extra: str = "") -> Exception:
    return answered(status, f"<Error><Code>{code}</Code><Message>m</Message>{extra}</Error>")


def unanswered(kind: str, reason: str) -> Exception:
    return OSError(
        f"Generic S3 error: Error performing PUT {URL} in 1ms - HTTP error: error sending request\n"
        f"\nDebug source:\nGeneric {{ inner: Http(HttpError {{ kind: {kind}, source: {reason} }})"
    )


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (refused("403 Forbidden", "AccessDenied"), StorageDenied),
        (refused("403 Forbidden", "InvalidAccessKeyId"), StorageDenied),
        (refused("400 Bad Request", "ExpiredToken"), StorageDenied),
        (refused("400 Bad Request", "KMS.DisabledException"), StorageDenied),
        (answered("401 Unauthorized"), StorageDenied),
        (refused("404 Not Found", "NoSuchBucket"), BucketMissing),
        (refused("412 Precondition Failed", "PreconditionFailed"), ObjectExists),
        (refused("400 Bad Request", "AccessControlListNotSupported"), StorageRejected),
        (refused("400 Bad Request", "KeyTooLongError"), StorageRejected),
        (refused("503 Service Unavailable", "SlowDown"), StorageUnavailable),
        (refused("400 Bad Request", "RequestTimeout"), StorageUnavailable),
        (answered("429 Too Many Requests"), StorageUnavailable),
        (answered("500 Internal Server Error"), StorageUnavailable),
        (unanswered("Timeout", "TimedOut"), StorageTimeout),
        (unanswered("Connect", 'Os { message: "Connection refused" }'), StorageUnavailable),
        (ValueError("something new"), StorageUnavailable),
    ],
)
def test_the_real_cause_decides(error: Exception, kind: type[DeliveryError]) -> None:
    found = failure(read(error, "PutObject", PLACE), PLACE)
    assert type(found) is kind
    assert "PutObject on bucket 'lake' (Amazon S3) failed" in found.message


@pytest.mark.parametrize(
    ("method", "query", "operation"),
    [
        ("PUT", "", "PutObject"),
        ("POST", "?uploads=", "CreateMultipartUpload"),
        ("PUT", "?partNumber=3&uploadId=x", "UploadPart"),
        ("POST", "?uploadId=x", "CompleteMultipartUpload"),
        ("DELETE", "?uploadId=x", "AbortMultipartUpload"),
        ("GET", "", "GetObject"),
    ],
)
def test_the_operation_is_the_one_that_failed(method: str, query: str, operation: str) -> None:
    assert read(answered("500 x", method=method, query=query), "?", PLACE).operation == operation


@pytest.mark.parametrize(
    ("error", "region"),
    [
        (
            refused("400 Bad Request", "AuthorizationHeaderMalformed", "<Region>eu-1</Region>"),
            "eu-1",
        ),
        (refused("301 Moved", "PermanentRedirect"), ""),
        (answered("307 Temporary Redirect"), ""),
        (OSError("in 1ms - Received redirect without LOCATION, this normally indicates"), ""),
    ],
)
def test_a_bucket_elsewhere_is_recognised(error: Exception, region: str) -> None:
    cause = read(error, "PutObject", PLACE)
    assert moved(cause)
    assert cause.region == region


@pytest.mark.parametrize(
    ("status", "kind"),
    [("404 Not Found", StorageUnconfigured), ("500 x", StorageUnavailable)],
)
def test_credentials_that_the_machine_does_not_give_are_no_fault_of_the_bucket(
    status: str, kind: type[DeliveryError]
) -> None:
    error = OSError(
        "Generic S3 error: Error performing PUT http://169.254.169.254/latest/api/token in 2ms - "
        f"Server returned non-2xx status code: {status}: "
    )
    found = failure(read(error, "PutObject", PLACE), PLACE)
    assert type(found) is kind
    assert "signing in for bucket 'lake'" in found.message


def test_being_denied_is_no_move() -> None:
    assert not moved(read(refused("403 Forbidden", "AccessDenied"), "PutObject", PLACE))


def test_the_message_says_what_to_do() -> None:
    found = failure(read(refused("403 Forbidden", "AccessDenied"), "PutObject", PLACE), PLACE)
    assert "`windlass storage policy s3://lake/team/`" in found.message


def test_a_token_in_an_answer_is_not_repeated() -> None:
    error = refused("400 Bad Request", "ExpiredToken", "<Token-0>session-token</Token-0>")
    with pytest.raises(StorageDenied) as caught, told("PutObject", PLACE):
        raise error
    assert "session-token" not in str(caught.value)
    assert caught.value.__suppress_context__, "logs do not show what it was made from"
    assert cause_of(caught.value).code == "ExpiredToken"


def test_escapes_in_an_answer_are_undone() -> None:
    error = answered("403 x", "<Error><Code>AccessDenied</Code><Message>&apos;a&apos;</Message>")
    assert read(error, "PutObject", PLACE).message == "'a'"
