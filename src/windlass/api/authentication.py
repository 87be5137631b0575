"""Who calls: bearer keys (contract 1.1). Keys are checked by the service, never logged."""

from __future__ import annotations

from windlass.errors import Unauthorized

KEY_LIMIT = 512
"""Characters of a key worth looking up."""


def bearer_key(header: str) -> str:
    """The key in an Authorization header's value. Raises Unauthorized."""
    scheme, _, key = header.partition(" ")
    key = key.strip()
    if scheme.lower() != "bearer" or not 0 < len(key) <= KEY_LIMIT:
        raise Unauthorized
    return key
