"""Signatures, held to the worked examples of Amazon's documentation."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from windlass.buckets.identity import Keys
from windlass.buckets.signing import Unsigned, query_string, signed_headers

KEYS = Keys(
    access_key_id="AKIAIOSFODNN7EXAMPLE",
    secret_access_key="wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
)
NOW = datetime(2013, 5, 24, tzinfo=UTC)
HOST = "examplebucket.s3.amazonaws.com"


@pytest.mark.parametrize(
    ("query", "signature"),
    [
        (
            (("lifecycle", ""),),
            "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
        ),
        (
            (("prefix", "J"), ("max-keys", "2")),
            "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
        ),
    ],
)
def test_the_documented_examples_come_out(
    query: tuple[tuple[str, str], ...], signature: str
) -> None:
    request = Unsigned(method="GET", host=HOST, path="/", query=query)
    found = signed_headers(request, KEYS, "us-east-1", NOW)
    assert found["authorization"] == (
        "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, "
        f"SignedHeaders=host;x-amz-content-sha256;x-amz-date, Signature={signature}"
    )


def test_without_keys_nothing_is_signed() -> None:
    request = Unsigned(method="GET", host=HOST, path="/", query=(("location", ""),))
    assert "authorization" not in signed_headers(request, None, "us-east-1", NOW)


def test_a_session_token_is_signed() -> None:
    keys = Keys(access_key_id="A", secret_access_key="B", session_token="T")
    found = signed_headers(Unsigned(method="GET", host=HOST, path="/"), keys, "x", NOW)
    assert found["x-amz-security-token"] == "T"
    assert ";x-amz-security-token," in found["authorization"]


def test_a_query_is_sorted_and_escaped() -> None:
    assert query_string((("prefix", "a/ü +"), ("acl", ""))) == "acl=&prefix=a%2F%C3%BC%20%2B"
