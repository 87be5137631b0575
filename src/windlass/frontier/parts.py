"""A normalised http(s) URL taken apart. Used by the other files of this folder."""

from __future__ import annotations

import re
from typing import NamedTuple

_URL = re.compile(r"(https?)://([^/?#]*)([^?#]*)(?:\?([^#]*))?")


class Parts(NamedTuple):
    """The parts of a URL as the WHATWG standard writes it; `query` None if there is no "?"."""

    scheme: str
    host: str
    """Host with its port if that is not the scheme's own, without a name's last dot."""
    path: str
    query: str | None


def take_apart(url: str) -> Parts | None:
    """The parts of a normalised URL, None if it is not http or https. Users are left out."""
    match = _URL.match(url)
    if match is None:
        return None
    scheme, host, path, query = match.groups()
    if "@" in host:
        host = host.rpartition("@")[2]
    if "." in host[-6:]:
        host = undotted(host)
    return Parts(scheme, host, path or "/", query)


def undotted(host: str) -> str:
    """A host without the dot that may end a name: both are the same place (RFC 1034, 3.1)."""
    name, colon, port = host.rpartition(":") if host[-1:].isdigit() else (host, "", "")
    return (name.rstrip(".") + colon + port) if name.endswith(".") else host
