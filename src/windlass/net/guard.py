"""Which addresses may be dialled. Used by every driver and by the egress proxy.

Checks the numeric address handed to the socket, after DNS, for every connection: neither another
spelling, nor a redirect, nor a second DNS answer gets around it. It never resolves names.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable

from windlass.errors import AddressRefused
from windlass.settings import Network

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
AddrInfo = tuple[int | socket.AddressFamily, int | socket.SocketKind, int, str, tuple[object, ...]]
"""One entry of getaddrinfo()."""

# IANA's special-purpose registry for IPv4 (RFC 6890 and later), whole: even the entries that
# are "globally reachable" there (AS112, AMT) hold no site anybody wants read.
_REFUSED_V4: tuple[tuple[str, str], ...] = (
    ("0.0.0.0/8", "unspecified"),
    ("10.0.0.0/8", "private"),
    ("100.64.0.0/10", "carrier-grade NAT"),
    ("127.0.0.0/8", "loopback"),
    ("168.63.129.16/32", "cloud metadata"),
    ("169.254.0.0/16", "link-local"),
    ("172.16.0.0/12", "private"),
    ("192.0.0.0/24", "reserved"),
    ("192.0.2.0/24", "reserved"),
    ("192.31.196.0/24", "reserved"),
    ("192.52.193.0/24", "reserved"),
    ("192.88.99.0/24", "6to4 relay"),
    ("192.168.0.0/16", "private"),
    ("192.175.48.0/24", "reserved"),
    ("198.18.0.0/15", "reserved"),
    ("198.51.100.0/24", "reserved"),
    ("203.0.113.0/24", "reserved"),
    ("224.0.0.0/4", "multicast"),
    ("240.0.0.0/4", "reserved"),
)
# For IPv6 the rule is turned around: only 2000::/3 is global unicast (RFC 4291, section 2.4), so
# everything outside is refused (the names only make the message better), and within it these.
_GLOBAL_V6 = ipaddress.IPv6Network("2000::/3")
_REFUSED_V6: tuple[tuple[str, str], ...] = (
    ("2001::/23", "reserved"),  # Teredo, ORCHID, benchmarking, AMT: RFC 2928 and the registry
    ("2001:db8::/32", "reserved"),
    ("2002::/16", "6to4"),
    ("2620:4f:8000::/48", "reserved"),
    ("3fff::/20", "reserved"),
    ("::/128", "unspecified"),
    ("::1/128", "loopback"),
    ("::ffff:0:0/96", "IPv4-mapped"),
    ("::ffff:0:0:0/96", "IPv4-translated"),
    ("::/96", "IPv4-compatible"),
    ("64:ff9b::/96", "NAT64"),
    ("64:ff9b:1::/48", "NAT64"),
    ("fe80::/10", "link-local"),
    ("fec0::/10", "site-local"),
    ("fc00::/7", "private"),
    ("ff00::/8", "multicast"),
)
# Interface identifiers that carry an IPv4 address through a tunnel (ISATAP, RFC 5214 section 6.1).
_ISATAP = (0x00005EFE, 0x02005EFE)


def _networks(table: Iterable[tuple[str, str]]) -> tuple[tuple[int, int, str], ...]:
    rows = ((ipaddress.ip_network(text), why) for text, why in table)
    return tuple((int(net.network_address), int(net.netmask), why) for net, why in rows)


_RULES = {4: _networks(_REFUSED_V4), 6: _networks(_REFUSED_V6)}


def refusal(address: Address) -> str | None:
    """Why an address is not a public unicast one ("loopback"), None if it is."""
    number = int(address)
    for base, mask, why in _RULES[address.version]:
        if number & mask == base:
            return why
    if isinstance(address, ipaddress.IPv6Address):
        if address not in _GLOBAL_V6:
            return "reserved"
        if (number >> 32) & 0xFFFFFFFF in _ISATAP:
            return "ISATAP"
    return None


class DialRefused(OSError):  # noqa: N818 - named like the rest of the error tree
    """The socket factory's refusal; `refused` is the error to report.

    An OSError whose text is the same for every address, because happy eyeballs collects only
    OSErrors and keeps the class of several only if they all read alike.
    """

    def __init__(self, refused: AddressRefused) -> None:
        super().__init__("address refused")
        self.refused = refused


class AddressGuard:
    """Refuses every address but public unicast ones and the networks in `allow`.

    `allow` holds what the operator wrote into settings; it is compared with the address as it is
    dialled, so allowing 127.0.0.0/8 does not allow ::ffff:127.0.0.1.
    """

    def __init__(self, allow: tuple[Network, ...] = ()) -> None:
        self._allow = allow

    def check(self, address: str) -> None:
        """Raises AddressRefused unless `address` may be dialled.

        `address` is numeric as the kernel gets it: dotted quad or IPv6 text, with or without
        brackets or a zone. Anything else ("0x7f.1", "localhost") is refused as not an address:
        resolve first, check what comes out.
        """
        bare = address[1:-1] if address[:1] == "[" and address[-1:] == "]" else address
        bare, _, zone = bare.partition("%")
        try:
            parsed = ipaddress.ip_address(bare)
        except ValueError:
            raise AddressRefused(f"{address!r} is not an address that can be checked.") from None
        if any(parsed in network for network in self._allow):
            return
        why = refusal(parsed) or ("zoned" if zone else None)
        if why is not None:
            raise AddressRefused(
                f"Connections to {address} are not allowed ({why}).", address=address, why=why
            )

    def check_host(self, host: str) -> None:
        """Raises AddressRefused for a URL's host that can be judged without DNS.

        For requests whose connection somebody else makes (an operator's proxy): numeric hosts,
        in any spelling that libc reads, and the names that always mean the dialling machine
        (RFC 6761 section 6.3). Other names pass.
        """
        name = host.rstrip(".").lower()
        if name == "localhost" or name.endswith(".localhost"):
            self.check("127.0.0.1")
        elif ":" in name:
            self.check(name)
        else:
            try:
                packed = socket.inet_aton(name)
            except (OSError, ValueError):
                return
            self.check(socket.inet_ntoa(packed))

    def socket_factory(self, addr_info: AddrInfo) -> socket.socket:
        """An unconnected socket for one getaddrinfo() entry, if it may be dialled.

        Has the signature of aiohttp's `socket_factory` and is called by it for literals, resolved
        names and each happy-eyeballs attempt. Raises DialRefused.
        """
        family, kind, proto, _, sockaddr = addr_info
        try:
            if family not in (socket.AF_INET, socket.AF_INET6):
                raise AddressRefused(f"Connections of address family {family} are not allowed.")
            self.check(str(sockaddr[0]))
        except AddressRefused as refused:
            raise DialRefused(refused) from refused
        return socket.socket(family, kind, proto)
