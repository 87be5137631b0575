"""The address guard in front of the plain HTTP driver: nothing hostile is ever connected to."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import AsyncIterator

import pytest

from tests.support.badanswers import PAGE
from tests.support.badsite import BadSite
from tests.support.driving import Trap, driving, failing, fetch, resolving
from windlass.drivers.http import HttpDriver
from windlass.errors import InvalidRequest
from windlass.net.guard import AddressGuard

LOOPS = ("asyncio", "uvloop")


@pytest.fixture
async def site() -> AsyncIterator[BadSite]:
    async with BadSite() as made:
        yield made


@pytest.fixture
async def driver() -> AsyncIterator[HttpDriver]:
    async with driving() as made:
        yield made


HOSTILE = [
    "http://127.0.0.1:{port}/",
    "http://localhost:{port}/",
    "http://127.1:{port}/",
    "http://2130706433:{port}/",
    "http://0x7f000001:{port}/",
    "http://0x7f.0.0.1:{port}/",
    "http://017700000001:{port}/",
    "http://0177.0.0.1:{port}/",
    "http://127.0.0.1.:{port}/",
    "http://0.0.0.0:{port}/",
    "http://0:{port}/",
    "http://[::1]:{port}/",
    "http://[::]:{port}/",
    "http://[::ffff:127.0.0.1]:{port}/",
    "http://[::ffff:7f00:1]:{port}/",
    "http://[::127.0.0.1]:{port}/",
    "http://[64:ff9b::127.0.0.1]:{port}/",
    "http://[2002:7f00:1::]:{port}/",
    "http://[fe80::1]:{port}/",
    "http://[fd00:ec2::254]/latest/meta-data/",
    "http://169.254.169.254/latest/meta-data/",
    "http://100.100.100.200/",
    "http://168.63.129.16/",
    "http://10.0.0.1/",
    "http://192.168.0.1/",
    "http://172.16.0.1/",
    "http://224.0.0.1/",
    "http://255.255.255.255/",
    "http://１２７.0.0.1:{port}/",
    "http://127。0。0。1:{port}/",
    "http://me:pw@127.0.0.1:{port}/",
    "https://127.0.0.1:{port}/",
]


async def test_hostile_addresses_are_refused_before_any_connection() -> None:
    assert len(HOSTILE) >= 20
    async with Trap() as trap, driving(guard=AddressGuard()) as driver:
        for url in HOSTILE:
            error = await failing(driver, url.format(port=trap.port))
            assert error.code == "address_refused", url
            assert not error.retryable
        # A connection that was made would be in the backlog by now: look after one of our own.
        _, writer = await asyncio.open_connection("127.0.0.1", trap.port)
        writer.close()
        async with asyncio.timeout(5):
            await trap.visited.wait()
        assert trap.arrivals == 1


@pytest.mark.parametrize("status", [302, 307])
async def test_redirect_to_a_hostile_address_is_refused(site: BadSite, status: int) -> None:
    guard = AddressGuard((ipaddress.ip_network("127.0.0.1/32"),))
    async with driving(guard=guard) as driver:
        for target in ("http://127.0.0.2/", "http://[::1]/", "http://0x7f000003/"):
            error = await failing(driver, site.url("redirect", to=target, status=status))
            assert error.code == "address_refused"
        error = await failing(driver, site.url("refresh", after=0, to="http://127.0.0.2/"))
        assert error.code == "address_refused"


async def test_name_that_rebinds_is_checked_at_every_connection(site: BadSite) -> None:
    """Allowed at the first look, hostile at the second: the name server of an attacker."""
    guard = AddressGuard((ipaddress.ip_network("127.0.0.1/32"),))
    resolve = resolving({"rebind.test": ["127.0.0.1", "127.0.0.2"]})
    async with driving(guard=guard, resolve=resolve) as driver:
        url = f"http://rebind.test:{site.ports[0]}/once"
        assert (await fetch(driver, url)).body == PAGE
        assert (await failing(driver, url)).code == "address_refused"


@pytest.mark.parametrize(
    "addresses", ["127.0.0.2 127.0.0.3", "127.0.0.2 ::1", "::1 fe80::1 10.0.0.1 127.0.0.9"]
)
async def test_every_address_of_a_name_is_checked(site: BadSite, addresses: str) -> None:
    """Happy eyeballs race several addresses; each goes through the guard."""
    guard = AddressGuard((ipaddress.ip_network("127.0.0.1/32"),))
    async with driving(guard=guard, resolve=resolving({"many.test": [addresses]})) as driver:
        error = await failing(driver, f"http://many.test:{site.ports[0]}/page")
        assert error.code == "address_refused"
    assert site.connections == 0


async def test_allowed_address_among_hostile_ones_is_used(site: BadSite) -> None:
    guard = AddressGuard((ipaddress.ip_network("127.0.0.1/32"),))
    resolve = resolving({"many.test": ["::1 10.0.0.1 127.0.0.1"]})
    async with driving(guard=guard, resolve=resolve) as driver:
        page = await fetch(driver, f"http://many.test:{site.ports[0]}/page")
    assert page.body == PAGE


@pytest.mark.parametrize("url", ["gopher://x/", "file:///etc/passwd", "ftp://x/", "x", ""])
async def test_only_http_is_fetched(driver: HttpDriver, url: str) -> None:
    with pytest.raises(InvalidRequest):
        await fetch(driver, url)
