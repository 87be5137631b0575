"""Whose process is at the other end of a loopback connection, as the kernel says.

Used by doors.py in place of a password, for clients that could give one only at a price. Linux
only; the question is answered in microseconds and without waiting.
"""

from __future__ import annotations

import os
import socket
import struct
import sys

_NETLINK_SOCK_DIAG = 4
_SOCK_DIAG_BY_FAMILY = 20
_REQUEST = 1
_ANY_STATE = 0xFFFFFFFF
_NO_COOKIE = 0xFFFFFFFF
_HEADER = struct.Struct("=IHHII")
_PLACE = struct.Struct("!HH16s16s")
_UID_AT = _HEADER.size + 4 + _PLACE.size + 4 + 8 + 12
"""Offset of idiag_uid in the answer: behind header, state, sockid and three counters
(linux/inet_diag.h)."""

Place = tuple[str, int]
"""An IPv4 address and a port."""


def owner(near: Place, far: Place) -> int | None:
    """The user id that owns the socket at `near`, connected to `far`; None: there is none.

    Raises OSError where the kernel cannot be asked.
    """
    if sys.platform != "linux":
        raise OSError("only Linux tells who is at the other end")
    body = struct.pack("=BBBBI", socket.AF_INET, socket.IPPROTO_TCP, 0, 0, _ANY_STATE)
    body += _PLACE.pack(near[1], far[1], _packed(near[0]), _packed(far[0]))
    body += struct.pack("=III", 0, _NO_COOKIE, _NO_COOKIE)
    head = _HEADER.pack(_HEADER.size + len(body), _SOCK_DIAG_BY_FAMILY, _REQUEST, 1, 0)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_SOCK_DIAG) as link:
        link.setblocking(False)  # the kernel answers within the call that asks
        link.sendto(head + body, (0, 0))
        answer = link.recv(4096)
    _, kind, _, _, _ = _HEADER.unpack_from(answer)
    if kind != _SOCK_DIAG_BY_FAMILY:
        return None
    return int(struct.unpack_from("=I", answer, _UID_AT)[0])


def is_ours(near: Place, far: Place) -> bool:
    """Whether the socket at `near` belongs to our own account. Raises OSError."""
    return owner(near, far) == os.geteuid()


def _packed(address: str) -> bytes:
    return socket.inet_aton(address).ljust(16, b"\0")
