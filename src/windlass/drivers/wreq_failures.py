"""wreq's exceptions as ours, each as exactly one class. Used by drivers/impersonate.py.

wreq tells most of what happened only in the text of its exceptions (Rust's debug output), so this
goes by class name and by words in it. Pure, and without importing wreq.
"""

from __future__ import annotations

import re

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

_TLS_REASON = re.compile(r'reason: "([A-Z0-9_]+)"')
_PARSE = re.compile(r"Parse\((\w+)")
_H2_VIOLATION = re.compile(r"([A-Z_]+), (?:Library|User)\)")
_UNTRUSTED = "CERTIFICATE_VERIFY_FAILED"


def unanswered(error: Exception, origin: str) -> TargetError:
    """The error to report when there is no answer from `origin`."""
    kind, text = type(error).__name__, str(error)
    if kind == "BuilderError":
        return BadRedirect("The address cannot be fetched.")
    if "SSL (" in text or kind == "TlsError":
        return _tls(text, origin)
    if kind in ("ConnectionError", "ProxyConnectionError"):
        return _unconnected(text, origin)
    if kind == "TimeoutError" or "TimedOut" in text:
        return ReadTimeout(f"{origin} stopped sending.")
    if found := _PARSE.search(text) or _H2_VIOLATION.search(text):
        what = re.sub(r"(?<=[a-z])(?=[A-Z])|_", " ", found[1]).lower()
        return InvalidResponse(f"The target's answer is not HTTP: bad {what}.")
    return ConnectionLost(f"{origin} closed the connection before answering.")


def cut_short(error: Exception, origin: str, received: int) -> TargetError:
    """Why a body ended after `received` bytes."""
    text = str(error)
    if "TimedOut" in text:
        return ReadTimeout(f"{origin} stopped sending.")
    broken = "chunk" in text and "IncompleteBody" not in text
    where = f"{'with a broken chunk ' if broken else ''}after {received:,} bytes"
    return BodyTruncated(f"The target's answer ended early, {where}.")


def _unconnected(text: str, origin: str) -> TargetError:
    if "TimedOut" in text:
        return ConnectTimeout(f"Connecting to {origin} took too long.")
    if "SYSCALL" in text or ("ConnectionReset" in text and origin.startswith("https:")):
        return TlsFailed(f"{origin} closed the connection during the TLS handshake.")
    return ConnectionFailed(f"No connection to {origin} could be made.")


def _tls(text: str, origin: str) -> TlsFailed:
    found = _TLS_REASON.search(text)
    reason = found[1] if found else "the connection ended"
    said = reason.replace("_", " ").lower()
    if reason == _UNTRUSTED:
        return TlsFailed(f"The certificate of {origin} is not trusted: {said}.")
    return TlsFailed(f"The TLS handshake with {origin} failed: {said}.")
