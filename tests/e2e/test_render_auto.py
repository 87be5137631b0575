"""`render: auto`: plain HTTP first, a browser when the page proves to need it, sites remembered."""

from __future__ import annotations

from pathlib import Path

from tests.support.rendersite import RenderSite
from windlass.extraction import Extractor
from windlass.model.request import Attempts, ExtractRequest
from windlass.net.cookies import CookieJar
from windlass.settings import Settings, parse_networks

LOOPS = ("uvloop",)
LOOPBACK = parse_networks("127.0.0.0/8")


class Memory:
    """What was remembered, in the order it was."""

    def __init__(self) -> None:
        self.sites: list[str] = []

    async def needs_browser(self, site: str) -> bool:
        return site in self.sites

    async def remember(self, site: str) -> None:
        self.sites.append(site)


async def test_a_page_that_needs_a_browser_gets_one_and_its_site_is_remembered(
    tmp_path: Path,
) -> None:
    memory = Memory()
    extractor = Extractor(Settings(data=tmp_path, allow_addresses=LOOPBACK), memory)
    try:
        async with RenderSite() as site:
            plain = ExtractRequest(url=site.url("plain"), render="auto")
            shell = ExtractRequest(url=site.url("app"), render="auto")
            assert (await extractor.extract(plain, CookieJar())).driver == "vx6"
            assert memory.sites == []
            got = await extractor.extract(shell, CookieJar())
            assert got.driver == "vx8"
            assert memory.sites == [f"127.0.0.1:{site.port}"]
            assert site.asked("app") == 2
            # From now on plain HTTP is not even tried.
            got = await extractor.extract(shell, CookieJar())
            assert (got.driver, site.asked("app")) == ("vx8", 3)
            steps = (Attempts("vx6", 1), Attempts("vx10", 1))
            got = await extractor.extract(
                ExtractRequest(url=site.url("app"), plan=steps), CookieJar()
            )
            assert got.driver == "vx8"
            assert "driver=vx10 requested, vx8 used: this server has one kind of browser" in (
                got.warnings
            )
    finally:
        await extractor.aclose()
