"""Which headers of a caller's can be sent at all (RFC 9110). Pure.

Used by all who take headers from callers or write them. What a header means is not its concern.
"""

from __future__ import annotations

import re

FRAMING = frozenset(
    (
        "connection",
        "content-length",
        "expect",
        "http2-settings",
        "keep-alive",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    )
)
"""Headers about the connection itself, in lower case: only the sender of the bytes can get them
right, so a caller's would break it."""

TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
"""A header's name (section 5.6.2)."""
UNFIT = re.compile(r"[\x00-\x08\x0a-\x1f\x7f\ud800-\udfff]")
"""Control characters, and lone surrogates, which no encoding carries."""
