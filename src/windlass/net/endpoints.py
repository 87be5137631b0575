"""Where a URL leads, as a key: politeness lanes and circuit breakers are kept by it."""

from __future__ import annotations

import hashlib
import re
from functools import lru_cache
from urllib.parse import urlsplit

_LONGEST = 500
"""Characters of a key as they are; of longer ones the rest becomes a digest (an index entry is
limited)."""
_ORIGIN = re.compile(r"https?://[^/?#]{1,300}(?=[/?#]|\Z)")


def host_of(url: str) -> str:
    """Host and port of a URL, as in "example.com:443": the same for http and https on one port.

    Names longer than DNS knows share what they begin with.
    """
    origin = _ORIGIN.match(url)
    return _remembered_host(origin[0]) if origin else _host(url)


def _host(url: str) -> str:
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return f"{(parts.hostname or '').lower()[:255]}:{port}"


# A page names the same few hosts a hundred times.
_remembered_host = lru_cache(maxsize=1024)(_host)


def web_lane(url: str) -> str:
    """The politeness lane of a page, as in "web:example.com:443"."""
    return f"web:{host_of(url)}"


def endpoint_of(url: str) -> str:
    """Scheme, host, port and path of a URL: what one receiver is."""
    parts = urlsplit(url)
    return _short(f"{parts.scheme.lower()}://{host_of(url)}{parts.path or '/'}")


def bucket_of(url: str) -> str:
    """Scheme and bucket of an object's URL, as in "s3://lake"."""
    scheme, _, rest = url.partition("://")
    return _short(f"{scheme}://{rest.partition('/')[0]}")


def _short(key: str) -> str:
    if len(key) <= _LONGEST:
        return key
    digest = hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
    return f"{key[:_LONGEST]}#{digest}"
