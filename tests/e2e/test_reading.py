"""Every kind of body gives honest values, and a page that cannot be read costs only itself."""

from __future__ import annotations

import asyncio
import base64
import resource
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from windlass.errors import Unsupported
from windlass.formats.reader import Read, Reader
from windlass.model.page import Page
from windlass.model.request import Cookie, ExtractRequest
from windlass.settings import Settings

ALL = ("html", "markdown", "links", "text")
HTML = "text/html; charset=utf-8"


@pytest.fixture
async def reader() -> AsyncIterator[Reader]:
    made = Reader(Settings())
    yield made
    await made.aclose()


async def read(reader: Reader, body: bytes, content_type: str, *formats: str) -> Read:
    headers = (("Content-Type", content_type),) if content_type else ()
    page = Page(url="http://site.test/dir/page", status=200, headers=headers, body=body)
    request = ExtractRequest(url=page.url, formats=formats or ALL)
    return await reader.read(page, request)


def resident(pid: int) -> int:
    """Bytes of memory that a process has."""
    pages = Path(f"/proc/{pid}/statm").read_text().split()[1]
    return int(pages) * resource.getpagesize()


async def test_page_is_read_in_all_formats_at_once(reader: Reader) -> None:
    body = b"<h1>T</h1><p>one <a href=x>two</a></p>"
    assert await read(reader, body, HTML) == Read(
        {
            "html": body.decode(),
            "markdown": "# T\n\none [two](http://site.test/dir/x)",
            "links": ["http://site.test/dir/x"],
            "text": "T\n\none two",
        }
    )


async def test_page_without_need_of_a_parser_starts_no_process(reader: Reader) -> None:
    assert (await read(reader, "<p>é</p>".encode(), HTML, "html")).values == {"html": "<p>é</p>"}
    assert (await read(reader, b'{"a": 1}', "application/json")).values["html"] == '{"a": 1}'
    assert reader.processes == ()


async def test_encoding_that_is_not_evident_is_found_out_of_process(reader: Reader) -> None:
    got = await read(reader, "<p>ü</p>".encode("latin-1"), "text/html; charset=latin1", "html")
    assert got.values == {"html": "<p>ü</p>"}
    assert len(reader.processes) == 1


async def test_json_is_a_code_block_and_has_no_links(reader: Reader) -> None:
    got = await read(reader, b'{"url": "http://x.test/"}\n', "application/json")
    assert got.values == {
        "html": '{"url": "http://x.test/"}\n',
        "markdown": '```json\n{"url": "http://x.test/"}\n```',
        "links": [],
        "text": '{"url": "http://x.test/"}\n',
    }
    assert got.warnings == ("links is empty: the body is application/json, no page",)


@pytest.mark.parametrize(
    ("content_type", "body", "markdown"),
    [
        ("text/plain", "# not a heading\n", "```\n# not a heading\n```"),
        ("text/plain", "a ``` b ```` c", "`````\na ``` b ```` c\n`````"),
        ("text/markdown", "# a heading\n", "# a heading\n"),
        ("application/rss+xml", "<rss/>", "```xml\n<rss/>\n```"),
        ("text/css", "p {}", "```css\np {}\n```"),
        ("text/plain", " \n", ""),
    ],
)
async def test_other_text_keeps_its_form_in_markdown(
    reader: Reader, content_type: str, body: str, markdown: str
) -> None:
    got = await read(reader, body.encode(), content_type, "markdown", "text", "html")
    assert got.values == {"markdown": markdown, "text": body, "html": body}


async def test_binary_body_is_base64_with_a_warning(reader: Reader) -> None:
    body = b"\x89PNG\r\n\x1a\n" + bytes(range(256))
    got = await read(reader, body, "image/png")
    assert base64.b64decode(str(got.values["html"])) == body
    assert (got.values["markdown"], got.values["links"], got.values["text"]) == ("", [], "")
    assert got.warnings == (
        "html is base64: the body is image/png, not text",
        "links is empty: the body is image/png, no page",
        "text is empty: the body is image/png",
        "markdown is empty: the body is image/png",
    )


async def test_empty_body_is_an_empty_page(reader: Reader) -> None:
    assert (await read(reader, b"", "")).values == {
        "html": "",
        "markdown": "",
        "links": [],
        "text": "",
    }


async def test_headers_and_cookies_come_from_the_answer(reader: Reader) -> None:
    cookie = Cookie(name="a", value="1", domain="site.test")
    page = Page(
        url="http://site.test/",
        status=200,
        headers=(("X-One", "1"), ("x-ONE", "2"), ("Set-Cookie", "a=1"), ("set-cookie", "b=2, 3")),
        cookies=(cookie,),
    )
    got = await reader.read(page, ExtractRequest(url=page.url, formats=("cookies", "headers")))
    assert got.values == {
        "headers": {"x-one": "1, 2", "set-cookie": "a=1\nb=2, 3"},
        "cookies": [cookie],
    }


async def test_plain_text_is_text_under_its_other_name(reader: Reader) -> None:
    got = await read(reader, b"<p>one", HTML, "plain_text")
    assert got.values == {"text": "one"}
    both = await read(reader, b"<p>one", HTML, "plain_text", "text")
    assert both.values == {"text": "one"}


async def test_unknown_format_names_the_known_ones(reader: Reader) -> None:
    with pytest.raises(Unsupported, match=r"unknown format 'pdf'; known: cookies, explained"):
        await read(reader, b"", HTML, "pdf")


@pytest.mark.alone
async def test_page_that_takes_too_long_fails_and_keeps_its_html() -> None:
    reader = Reader(Settings(parse_timeout=1.0))
    try:
        slow = b"<p>text</p>" + b"<a href=x>y</a><p>text</p>" * 600_000
        spun, other = await asyncio.gather(
            read(reader, slow, HTML, "html", "markdown"), read(reader, b"<h1>T", HTML, "markdown")
        )
    finally:
        await reader.aclose()
    assert spun.failure is not None
    assert spun.failure.code == "parse_timeout"
    assert spun.values == {"html": slow.decode()}
    assert (other.values, other.failure) == ({"markdown": "# T"}, None)


async def test_page_that_needs_too_much_memory_fails_alone() -> None:
    reader = Reader(Settings(parse_memory=150_000_000))
    try:
        hungry = b"<b>" * 3_000_000
        ate = await read(reader, hungry, HTML, "markdown", "headers")
        other = await read(reader, b"<h1>T", HTML, "markdown")
    finally:
        await reader.aclose()
    assert ate.failure is not None
    assert ate.failure.code == "parser_crashed"
    assert set(ate.values) == {"headers"}
    assert other.values == {"markdown": "# T"}


async def test_page_reading_process_stays_small(reader: Reader) -> None:
    await read(reader, b"<h1>T</h1>" + b"<p>text <a href=x>y</a></p>" * 500, HTML)
    (pid,) = reader.processes
    assert resident(pid) < 30_000_000


async def test_values_far_larger_than_any_page_may_be_are_refused() -> None:
    reader = Reader(Settings(fetch_limit=10_000))
    try:
        got = await read(reader, b"<p>word</p>" * 10_000, HTML, "markdown", "html")
    finally:
        await reader.aclose()
    assert got.failure is not None
    assert got.failure.code == "parser_crashed"
    assert "too large" in got.failure.message
    assert set(got.values) == {"html"}
