"""Debian's documentation over a real nginx, extracted through the SDK, held against the files."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import unquote, urldefrag

import pytest
from nimble_python import AsyncNimble

from tests.support.expected import declared_charset, expected, headings_of_markdown
from tests.support.server import WindlassServer
from tests.support.sites import Site

AT_ONCE = 12
LARGEST_SAMPLE = 200
FORMATS: Any = ["html", "markdown", "links", "text"]


@dataclass(frozen=True)
class Got:
    """One page as the SDK returned it, beside the bytes of its file."""

    page: str
    url: str
    body: bytes
    html: str
    markdown: str
    links: list[str]
    text: str


def chosen_pages(site: Site) -> list[str]:
    """All pages, or a fixed sample of a large site."""
    pages = site.pages()
    if len(pages) <= LARGEST_SAMPLE:
        return pages
    return sorted(random.Random(15).sample(pages, LARGEST_SAMPLE))


async def extracted(server: WindlassServer, site: Site, pages: list[str]) -> list[Got]:
    """Every page through the asyncio SDK, a few at a time."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(nimble: AsyncNimble, page: str) -> Got:
        async with gate:
            result: Any = await nimble.extract(url=site.url(page), formats=FORMATS)
        assert result.status == "success", (page, result.url, result.status_code)
        assert result.status_code == 200
        # Where a meta refresh led, without the place on the page.
        file = site.folder / unquote(urldefrag(result.url).url.removeprefix(site.base))
        body = file.read_bytes()
        data = result.data
        return Got(
            page, urldefrag(result.url).url, body, data.html, data.markdown, data.links, data.text
        )

    async with (
        AsyncNimble(base_url=server.url, api_key=server.api_key) as nimble,
        asyncio.TaskGroup() as group,
    ):
        running = [group.create_task(one(nimble, page)) for page in pages]
    return [task.result() for task in running]


PACKAGES = [
    "postgresql-doc-15",
    "python3.11-doc",
    "aspectj-doc",
    "debian-reference-ja",
    "debian-faq-zh-cn",
    "zsh-doc",
]


@pytest.mark.parametrize("package", PACKAGES)
async def test_pages_come_out_as_the_files_say(
    server: WindlassServer, sites: dict[str, Site], package: str
) -> None:
    """Raw text, headings in order, every link once in order, every word."""
    site = sites[package]
    checked: dict[str, Got] = {}
    for got in await extracted(server, site, chosen_pages(site)):
        if (same := checked.setdefault(got.url, got)) is not got:
            assert replace(got, page=same.page) == same
            continue
        want = expected(got.body, got.url)
        assert got.html == want.text, f"{got.page}: html differs from the file"
        assert tuple(got.links) == want.links, f"{got.page}: links differ"
        assert headings_of_markdown(got.markdown) == want.headings, f"{got.page}: headings differ"
        missing = sorted(word for word in want.words if word not in got.text)
        assert not missing, f"{got.page}: words missing from the text: {missing[:10]}"


async def test_bytes_of_iso_8859_1_pages_become_their_letters(
    server: WindlassServer, sites: dict[str, Site]
) -> None:
    site = sites["aspectj-doc"]
    declared = [
        page
        for page in site.pages()
        if not (site.folder / page).read_bytes().isascii()
        and declared_charset((site.folder / page).read_bytes()) == "windows-1252"
    ]
    assert len(declared) > 50
    for got in await extracted(server, site, declared):
        assert "\ufffd" not in got.html
        assert "\ufffd" not in got.markdown
        assert got.html == got.body.decode("windows-1252", errors="replace")


async def test_japanese_and_chinese_survive_every_format(
    server: WindlassServer, sites: dict[str, Site]
) -> None:
    for package, word in (("debian-reference-ja", "パッケージ"), ("debian-faq-zh-cn", "软件包")):
        site = sites[package]
        pages = [p for p in site.pages() if word in (site.folder / p).read_text("utf-8")]
        assert pages
        for got in await extracted(server, site, pages):
            assert word in got.html and word in got.markdown and word in got.text
