"""What Chromium and Playwright say went wrong, in our words. The one border to their errors."""

from __future__ import annotations

import re

from windlass.errors import (
    BadEncoding,
    BadRedirect,
    BodyTruncated,
    BrowserCrashed,
    ConnectionFailed,
    ConnectionLost,
    ConnectionRefused,
    ConnectTimeout,
    DnsFailed,
    InvalidResponse,
    ProxyFailed,
    ReadTimeout,
    TargetError,
    TlsFailed,
    TooManyRedirects,
)

_CODE = re.compile(r"net::(ERR_[A-Z0-9_]+)")
_NETWORK: tuple[tuple[str, type[TargetError]], ...] = (
    ("ERR_NAME_NOT_RESOLVED", DnsFailed),
    ("ERR_CONNECTION_REFUSED", ConnectionRefused),
    ("ERR_CONNECTION_TIMED_OUT", ConnectTimeout),
    ("ERR_TIMED_OUT", ReadTimeout),
    ("ERR_CONNECTION_RESET", ConnectionLost),
    ("ERR_CONNECTION_CLOSED", ConnectionLost),
    ("ERR_CONNECTION_ABORTED", ConnectionLost),
    ("ERR_EMPTY_RESPONSE", ConnectionLost),
    ("ERR_SOCKET_NOT_CONNECTED", ConnectionLost),
    ("ERR_CERT_", TlsFailed),
    ("ERR_SSL_", TlsFailed),
    ("ERR_BAD_SSL_", TlsFailed),
    ("ERR_ECH_", TlsFailed),
    ("ERR_TUNNEL_CONNECTION_FAILED", ConnectionFailed),
    ("ERR_PROXY_", ProxyFailed),
    ("ERR_TOO_MANY_REDIRECTS", TooManyRedirects),
    ("ERR_UNSAFE_REDIRECT", BadRedirect),
    ("ERR_INVALID_REDIRECT", BadRedirect),
    ("ERR_UNKNOWN_URL_SCHEME", BadRedirect),
    ("ERR_DISALLOWED_URL_SCHEME", BadRedirect),
    ("ERR_CONTENT_DECODING_", BadEncoding),
    ("ERR_CONTENT_LENGTH_MISMATCH", BodyTruncated),
    ("ERR_INCOMPLETE_", BodyTruncated),
    ("ERR_", InvalidResponse),
)
_INTERRUPTED = ("interrupted by another navigation", "frame was detached")
_GONE = ("page crashed", "has been closed", "Target closed", "crashed", "Connection closed")


def network_code(error: Exception | str) -> str:
    """Chromium's name of a network failure ("ERR_ABORTED"), "" if the error or text has none."""
    found = _CODE.search(str(error))
    return found[1] if found else ""


def is_interrupted(error: Exception) -> bool:
    """Whether the page itself went elsewhere before it was loaded."""
    return any(words in str(error) for words in _INTERRUPTED)


def translated(error: Exception, origin: str) -> TargetError:
    """What `error` means for a page of `origin`."""
    code = network_code(error)
    for start, kind in _NETWORK:
        if code.startswith(start):
            return kind(f"{origin}: the browser says {code.removeprefix('ERR_')}.")
    text = str(error)
    if any(words.lower() in text.lower() for words in _GONE):
        return BrowserCrashed()
    return BrowserCrashed(f"The browser failed: {(text.splitlines() or ['?'])[0][:200]}")
