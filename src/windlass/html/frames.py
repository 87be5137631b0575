"""How a page-reading process and its parent talk: length-prefixed frames on a stream socket.

Used by both ends (child.py, process.py); keep it free of imports, the child must stay small.
"""

from __future__ import annotations

import struct
from typing import NamedTuple


class Terms(NamedTuple):
    """What a child is told when it is started. Sizes in bytes."""

    link: int
    """File descriptor of its end of the socket."""
    parent: int
    """Process id of its parent."""
    entry: str
    """"module:function" that answers a request: bytes in, bytes out."""
    memory: int
    """Most address space it may use."""
    pages: int
    """Requests after which it asks to be replaced."""
    growth: int
    """Memory it may grow by before it asks to be replaced."""
    nice: int = 0
    """How far it stands back for others that want the CPU."""


REQUEST = struct.Struct("<I")
"""Head of a request: bytes that follow."""
REPLY = struct.Struct("<IB")
"""Head of a reply: bytes that follow, flags."""

FAILED = 1
"""The payload names what went wrong (UTF-8) instead of being the value."""
RETIRE = 2
"""The child has grown or worked enough and wants no new requests after those it was sent."""
READY = 4
"""First frame of a child, without payload: it has loaded everything and waits for work."""
