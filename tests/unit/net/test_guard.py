"""The address guard by cases: what may be dialled and what may not."""

from __future__ import annotations

import ipaddress
import socket

import pytest

from windlass.errors import AddressRefused
from windlass.net.guard import AddressGuard, DialRefused, refusal

REFUSED = {
    "0.0.0.0": "unspecified",
    "0.1.2.3": "unspecified",
    "10.0.0.1": "private",
    "10.255.255.255": "private",
    "100.64.0.1": "carrier-grade NAT",
    "100.100.100.200": "carrier-grade NAT",
    "127.0.0.1": "loopback",
    "127.255.255.254": "loopback",
    "168.63.129.16": "cloud metadata",
    "169.254.169.254": "link-local",
    "172.16.0.1": "private",
    "172.31.255.255": "private",
    "192.0.0.192": "reserved",
    "192.0.2.1": "reserved",
    "192.31.196.1": "reserved",
    "192.52.193.1": "reserved",
    "192.88.99.1": "6to4 relay",
    "192.168.1.1": "private",
    "192.175.48.1": "reserved",
    "198.18.0.1": "reserved",
    "198.19.255.255": "reserved",
    "198.51.100.7": "reserved",
    "203.0.113.9": "reserved",
    "224.0.0.1": "multicast",
    "239.255.255.250": "multicast",
    "240.0.0.1": "reserved",
    "255.255.255.255": "reserved",
    "::": "unspecified",
    "::1": "loopback",
    "::7f00:1": "IPv4-compatible",
    "::8.8.8.8": "IPv4-compatible",
    "::ffff:127.0.0.1": "IPv4-mapped",
    "::ffff:8.8.8.8": "IPv4-mapped",
    "::ffff:0:127.0.0.1": "IPv4-translated",
    "64:ff9b::7f00:1": "NAT64",
    "64:ff9b::808:808": "NAT64",
    "64:ff9b:1::1": "NAT64",
    "100::1": "reserved",
    "2001::1": "reserved",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2": "reserved",
    "2001:2::1": "reserved",
    "2001:10::1": "reserved",
    "2001:20::1": "reserved",
    "2001:db8::1": "reserved",
    "2002:7f00:1::1": "6to4",
    "2002:808:808::1": "6to4",
    "2620:4f:8000::1": "reserved",
    "3fff::1": "reserved",
    "5f00::1": "reserved",
    "fc00::1": "private",
    "fd00:ec2::254": "private",
    "fd20:ce::254": "private",
    "fe80::1": "link-local",
    "fe80::1%eth0": "link-local",
    "fec0::1": "site-local",
    "ff02::1": "multicast",
    "2606:4700::5efe:10.0.0.1": "ISATAP",
    "2606:4700::200:5efe:10.0.0.1": "ISATAP",
    "2606:4700::1111%1": "zoned",
    "4000::1": "reserved",
}

ALLOWED = [
    "1.1.1.1",
    "8.8.8.8",
    "100.63.255.255",
    "100.128.0.1",
    "172.15.255.255",
    "172.32.0.1",
    "192.0.1.1",
    "192.167.255.255",
    "198.17.255.255",
    "198.20.0.1",
    "223.255.255.255",
    "2606:4700:4700::1111",
    "2a00:1450:4001:800::200e",
    "2001:4860:4860::8888",
    "[2606:4700:4700::1111]",
]

NOT_ADDRESSES = ["", "localhost", "0x7f.1", "2130706433", "0177.0.0.1", "127.1", "1.1.1.1.", "::g"]


@pytest.mark.parametrize("address", REFUSED)
def test_address_is_refused_and_says_why(address: str) -> None:
    with pytest.raises(AddressRefused) as caught:
        AddressGuard().check(address)
    assert caught.value.details == {"address": address, "why": REFUSED[address]}
    assert REFUSED[address] in caught.value.message


@pytest.mark.parametrize("address", ALLOWED)
def test_public_address_is_allowed(address: str) -> None:
    AddressGuard().check(address)


@pytest.mark.parametrize("text", NOT_ADDRESSES)
def test_what_is_no_numeric_address_is_refused(text: str) -> None:
    everything = (ipaddress.ip_network("0.0.0.0/0"), ipaddress.ip_network("::/0"))
    with pytest.raises(AddressRefused, match="not an address"):
        AddressGuard(everything).check(text)


def test_nothing_that_the_standard_library_calls_not_global_is_missed() -> None:
    """A second opinion: walk both special registries at their edges."""
    constants = (ipaddress._IPv4Constants, ipaddress._IPv6Constants)  # type: ignore[attr-defined]
    for constant in constants:
        for network in (*constant._private_networks, constant._multicast_network):
            for address in (network[0], network[-1]):
                assert refusal(address) is not None, address


def test_allowed_networks_are_exempt_as_dialled_only() -> None:
    guard = AddressGuard((ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("fd00::/8")))
    guard.check("127.0.0.1")
    guard.check("fd00::1")
    for address in ("::ffff:127.0.0.1", "::1", "10.0.0.1", "64:ff9b::7f00:1"):
        with pytest.raises(AddressRefused):
            guard.check(address)


REFUSED_HOSTS = [
    "localhost",
    "LOCALHOST.",
    "app.localhost",
    "127.0.0.1",
    "127.1",
    "2130706433",
    "0x7f000001",
    "0x7f.0.0.1",
    "017700000001",
    "0177.0.0.01",
    "0",
    "169.254.169.254",
    "[::1]",
    "[::ffff:127.0.0.1]",
    "fe80::1%25eth0",
]


@pytest.mark.parametrize("host", REFUSED_HOSTS)
def test_host_that_means_a_refused_address_is_refused_without_dns(host: str) -> None:
    with pytest.raises(AddressRefused):
        AddressGuard().check_host(host)


@pytest.mark.parametrize("host", ["example.com", "1.1.1.1", "[2606:4700::1]", "127.example.com"])
def test_other_hosts_pass_the_check_without_dns(host: str) -> None:
    AddressGuard().check_host(host)


def test_socket_factory_makes_sockets_for_allowed_addresses_only() -> None:
    guard = AddressGuard()
    kind, proto = socket.SOCK_STREAM, socket.IPPROTO_TCP
    with guard.socket_factory((socket.AF_INET, kind, proto, "", ("1.1.1.1", 80))) as made:
        assert made.family == socket.AF_INET
    refused = [
        (socket.AF_INET, kind, proto, "", ("127.0.0.1", 80)),
        (socket.AF_INET6, kind, proto, "", ("::1", 80, 0, 0)),
        (socket.AF_INET6, kind, proto, "", ("fe80::1", 80, 0, 2)),
        (socket.AF_UNIX, kind, 0, "", ("/run/x",)),
    ]
    for info in refused:
        with pytest.raises(DialRefused) as caught:
            guard.socket_factory(info)
        assert isinstance(caught.value.refused, AddressRefused)
