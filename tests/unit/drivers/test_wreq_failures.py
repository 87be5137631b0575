"""wreq's exceptions, by class name and Rust's debug text, as ours."""

from __future__ import annotations

import pytest

from windlass.drivers.wreq_failures import cut_short, unanswered
from windlass.errors import (
    BadRedirect,
    BodyTruncated,
    ConnectionFailed,
    ConnectionLost,
    ConnectTimeout,
    InvalidResponse,
    ReadTimeout,
    TargetError,
    TlsFailed,
)

SENT = "wreq::Error { kind: Request, uri: https://a.test/, source: Error { kind: SendRequest, "
CONNECT = "wreq::Error { kind: Request, uri: https://a.test/, source: Error { kind: Connect, "
SSL = 'Some(Error { code: SSL (1), cause: Some(Ssl(ErrorStack([Error { reason: "%s", ...'


@pytest.mark.parametrize(
    ("kind", "text", "expected", "words"),
    [
        ("BuilderError", "wreq::Error { kind: Builder, source: IdnaError }", BadRedirect, ""),
        ("ConnectionError", CONNECT + "source: Some(TimedOut)", ConnectTimeout, "a.test"),
        (
            "ConnectionError",
            CONNECT + "Error { code: SYSCALL (5), cause: None }",
            TlsFailed,
            "clos",
        ),
        ("ConnectionError", CONNECT + "kind: ConnectionReset", TlsFailed, "closed"),
        ("ConnectionError", CONNECT + "something else", ConnectionFailed, "a.test"),
        ("ProxyConnectionError", CONNECT + "TunnelUnsuccessful", ConnectionFailed, "a.test"),
        (
            "ConnectionError",
            CONNECT + SSL % "CERTIFICATE_VERIFY_FAILED",
            TlsFailed,
            "not trusted: certificate verify failed",
        ),
        ("ConnectionError", CONNECT + SSL % "WRONG_VERSION_NUMBER", TlsFailed, "wrong version"),
        ("TlsError", "odd", TlsFailed, "connection ended"),
        ("TimeoutError", "wreq::Error { kind: Request, source: TimedOut }", ReadTimeout, "a.test"),
        ("RequestError", SENT + "netty::Error(IncompleteMessage)", ConnectionLost, "a.test"),
        ("ConnectionResetError", SENT + "ConnectionReset", ConnectionLost, "a.test"),
        ("RequestError", SENT + "netty::Error(Parse(Version))", InvalidResponse, "bad version"),
        ("RequestError", SENT + "netty::Error(Parse(TooLarge))", InvalidResponse, "bad too large"),
        (
            "RequestError",
            SENT + 'netty::Error(Http2, Error { kind: GoAway(b"", FRAME_SIZE_ERROR, Library) })',
            InvalidResponse,
            "frame size error",
        ),
        (
            "RequestError",
            SENT + 'netty::Error(Http2, Error { kind: GoAway(b"", NO_ERROR, Remote) })',
            ConnectionLost,
            "a.test",
        ),
    ],
)
def test_what_wreq_says_becomes_one_class(
    kind: str, text: str, expected: type[TargetError], words: str
) -> None:
    raised: Exception = type(kind, (Exception,), {})(text)
    error = unanswered(raised, "https://a.test")
    assert type(error) is expected
    assert words in str(error)


@pytest.mark.parametrize(
    ("text", "expected", "words"),
    [
        ("source: TimedOut", ReadTimeout, "stopped"),
        ("Custom { kind: UnexpectedEof, error: IncompleteBody }", BodyTruncated, "after 7 bytes"),
        ('"Invalid chunk size line: missing size digit"', BodyTruncated, "broken chunk after 7"),
        ("kind: ConnectionReset", BodyTruncated, "after 7 bytes"),
    ],
)
def test_the_end_of_a_body_tells_why(text: str, expected: type[TargetError], words: str) -> None:
    error = cut_short(Exception(text), "https://a.test", 7)
    assert type(error) is expected
    assert words in str(error)
