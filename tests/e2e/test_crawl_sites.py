"""Whole documentation packages crawled over a real nginx, held against the files on the disk.

What a crawl must find is computed here from the files alone: lxml reads their links, and nothing of
the crawl's own rules is used.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

import pytest
from lxml import html
from nimble_python import Nimble

from tests.support.server import WindlassServer, running
from tests.support.sites import Site
from tests.support.waiting import eventually

ENDED = ("succeeded", "failed", "canceled")
PAGES = (".html", ".htm")
LIMIT_S = 240.0
DEPTH = 20


@pytest.fixture(scope="module")
def fast_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WindlassServer]:
    """One that may ask the host as often as it likes."""
    data = tmp_path_factory.mktemp("crawling") / "data"
    with running(data, rate_limit="1000000", host_concurrency="64") as started:
        yield started


def links_of(file: Path, url: str) -> set[str]:
    """Where a file's links lead, without fragments."""
    document = html.fromstring(file.read_bytes())
    base = document.xpath("string(//base/@href)")
    found = document.xpath("//a/@href | //area/@href | //frame/@src | //iframe/@src")
    refresh = document.xpath(
        "//meta[translate(@http-equiv, 'REFSH', 'refsh') = 'refresh']/@content"
    )
    found += [part.partition("=")[2].strip("'\" ") for part in refresh if "=" in part]
    absolute = set()
    for reference in found:
        try:
            absolute.add(urldefrag(urljoin(urljoin(url, base), reference.strip())).url)
        except ValueError:
            continue
    return absolute


def file_of(site: Site, url: str) -> Path | None:
    """The file behind a URL of the site, None if there is none."""
    path = unquote(urlsplit(url).path)
    file = site.folder / path.lstrip("/")
    if file.is_dir():
        file = file / "index.html"
    return file if file.is_file() else None


def reachable(site: Site, start: str, below: str = "/", wanted: str = "") -> set[str]:
    """HTML pages that a reader can click to from the start, below a path and fitting a pattern."""
    found = {start}
    todo = deque([start])
    while todo:
        url = todo.popleft()
        file = file_of(site, url)
        if file is None or file.suffix not in PAGES:
            continue
        for link in links_of(file, url):
            parts = urlsplit(link)
            near = link.startswith(site.base) and parts.path.startswith(below)
            if near and not parts.query and link not in found and re.search(wanted, parts.path):
                found.add(link)
                todo.append(link)
    pages = {url: file_of(site, url) for url in found}
    return {url for url, file in pages.items() if file is not None and file.suffix in PAGES}


def crawled(server: WindlassServer, url: str, **options: Any) -> Any:
    """A crawl that has ended."""
    with Nimble(base_url=server.url, api_key=server.api_key) as client:
        crawl_id = client.crawl.run(
            url=url,
            max_discovery_depth=DEPTH,
            limit=10_000,
            extract_options={"formats": ["links"]},
            **options,
        ).crawl_id

        def probe() -> bool:
            query = {"include_tasks": "false"}
            crawl = client.crawl.status(crawl_id, extra_query=query)
            numbers = (crawl.completed, crawl.failed, crawl.pending)
            assert crawl.total == sum(number or 0 for number in numbers)
            return crawl.status in ENDED

        eventually(probe, f"the crawl of {url} ends", within_s=LIMIT_S)
        return client.crawl.status(crawl_id)


def same_page(url: str) -> str:
    """Folders and their index files are one page here: nginx gives the same file."""
    return url.removesuffix("index.html")


@pytest.mark.parametrize("package", ["zsh-doc", "debian-faq-zh-cn", "debian-reference-ja",
                                     "postgresql-doc-15", "python3.11-doc"])  # fmt: skip
def test_every_page_of_a_package_is_found_once(
    fast_server: WindlassServer, sites: dict[str, Site], package: str
) -> None:
    site = sites[package]
    start = site.base
    if file_of(site, start) is None:
        start = site.url(next(page for page in site.pages() if "index" in page))
    crawl = crawled(fast_server, start, sitemap="skip")
    done = [task.url for task in crawl.tasks if task.status == "completed"]
    assert len(set(done)) == len(done)
    expected = {same_page(url) for url in reachable(site, start)}
    found = {same_page(url) for url in done if file_of(site, url).suffix in PAGES}
    assert found == expected
    assert crawl.model_extra["stopped"] == []
    assert crawl.status == "succeeded"


@pytest.mark.parametrize(("options", "wanted"), [
    ({"include_paths": ["/sql-"]}, r"/sql-"),
    ({"exclude_paths": ["/(?:sql|functions|app)-"]}, r"^(?!.*/(?:sql|functions|app)-)"),
])  # fmt: skip
def test_patterns_choose_pages(
    fast_server: WindlassServer, sites: dict[str, Site], options: dict[str, Any], wanted: str
) -> None:
    site = sites["postgresql-doc-15"]
    start = site.url("sql-commands.html")
    crawl = crawled(fast_server, start, sitemap="skip", crawl_entire_domain=True, **options)
    done = {task.url for task in crawl.tasks if task.status == "completed"}
    expected = reachable(site, start, wanted=wanted)
    # The start page is fetched whatever the patterns say, but is a page only if they let it be one.
    assert done == {url for url in expected if re.search(wanted, urlsplit(url).path)}
