"""aiohttp's exceptions as ours, each as exactly one class. Used by all that asks through it."""

from __future__ import annotations

import errno
import ssl

import aiohttp
from aiohttp import client_exceptions as client

from windlass.errors import (
    BadRedirect,
    BodyTruncated,
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
)
from windlass.net.egress import Egress
from windlass.net.guard import DialRefused

FOREIGN = (aiohttp.ClientError, OSError, RuntimeError)
"""What aiohttp, the event loop (uvloop: RuntimeError on a closing transport) and TLS raise."""

_LOST = (
    client.ServerDisconnectedError,
    client.ClientOSError,
    ConnectionError,
    RuntimeError,
)


def translated(error: BaseException, origin: str, egress: Egress | None = None) -> TargetError:
    """The error to report for one of FOREIGN, met while asking `origin`.

    `egress` is the proxy of ours that was used, if one was: it knows better.
    """
    if isinstance(error, client.ClientHttpProxyError):
        ours = egress.error_in(error.headers or {}) if egress else None
        return ours or ProxyFailed(f"The proxy answered {error.status}.")
    if isinstance(error, client.ClientConnectorError):
        return _unconnected(error, origin)
    if isinstance(error, client.ConnectionTimeoutError):
        return ConnectTimeout(f"Connecting to {origin} took too long.")
    if isinstance(error, TimeoutError):
        return ReadTimeout(f"{origin} stopped sending.")
    if isinstance(error, client.ClientPayloadError):
        return BodyTruncated("The target's answer ended before it was complete.")
    if isinstance(error, client.ClientResponseError):
        # aiohttp's own parser shows the bytes below its first line: they are not ours to quote.
        why = error.message.partition("\n")[0].rstrip(".:")
        return InvalidResponse(f"The target's answer is not HTTP: {why}.")
    if isinstance(error, client.InvalidURL):
        return BadRedirect("The address cannot be fetched.")
    if isinstance(error, ssl.SSLError):
        return TlsFailed(f"The TLS connection with {origin} failed: {_reason(error)}.")
    if isinstance(error, _LOST):
        return ConnectionLost(f"{origin} closed the connection before answering.")
    return ConnectionFailed(f"No connection to {origin} could be made.")


def _unconnected(error: client.ClientConnectorError, origin: str) -> TargetError:
    cause = error.os_error
    if isinstance(cause, DialRefused):
        return cause.refused
    if isinstance(error, client.ClientConnectorCertificateError):
        return TlsFailed(f"The certificate of {origin} is not trusted: {_reason(cause)}.")
    if isinstance(error, client.ClientConnectorSSLError):
        return TlsFailed(f"The TLS handshake with {origin} failed: {_reason(cause)}.")
    if isinstance(error, client.ClientConnectorDNSError):
        return DnsFailed(f"The host name of {origin} could not be resolved.")
    if isinstance(error, client.ClientProxyConnectionError):
        return ProxyFailed("The proxy cannot be reached.")
    if isinstance(cause, ConnectionRefusedError) or cause.errno == errno.ECONNREFUSED:
        return ConnectionRefused(f"{origin} refused the connection.")
    if cause.errno == errno.ETIMEDOUT or isinstance(cause, TimeoutError):
        return ConnectTimeout(f"Connecting to {origin} took too long.")
    if isinstance(cause, ConnectionError) and origin.startswith("https:"):
        return TlsFailed(f"{origin} closed the connection during the TLS handshake.")
    why = f": {cause.strerror}" if cause.strerror else ""
    return ConnectionFailed(f"No connection to {origin} could be made{why}.")


def _reason(error: BaseException) -> str:
    """What OpenSSL says, in its words for people where it has some."""
    said = getattr(error, "verify_message", None) or getattr(error, "reason", None)
    return str(said or "the connection ended").replace("_", " ").lower()
