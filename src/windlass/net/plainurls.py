"""URLs that are as the standard's serializer would write them, told apart without a parser.

Most of a site's URLs are; a parser takes long to come to the same.
"""

from __future__ import annotations

import re

_BYTE = r"(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)"
# A name or an IPv4 address, a port that is not the scheme's, no dot segment, nothing to encode or
# decode, no fragment.
_PLAIN = re.compile(
    rf"((https?://(?:(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)*[a-z](?:[a-z0-9-]*[a-z0-9])?"
    rf"|{_BYTE}(?:\.{_BYTE}){{3}})(?::(?!(?:80|443)/)(?:[1-9]\d{{1,3}}|[1-5]\d{{4}}))?)"
    r"(?:/(?!\.)[A-Za-z0-9._~-]*)+)(?:\?([A-Za-z0-9._~=&/:,-]+))?\Z"
)


def taken_apart(url: str) -> tuple[str, str, str | None] | None:
    """All before the query, the origin, and the query (None if it has none) of an absolute URL that
    is plain; None of any other."""
    plain = _PLAIN.match(url)
    if plain is None or "xn--" in url:
        return None
    before, origin, query = plain.groups()
    return before, origin, query
