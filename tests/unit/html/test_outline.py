"""What a page says of itself and where it leads, by cases."""

from __future__ import annotations

import msgspec
import pytest

from windlass.formats import FORMATS, DocumentFormat, Wish
from windlass.formats.reading import Reading, ReadRequest, read
from windlass.html.document import Document
from windlass.model.outline import Outline, PageLink

URL = "https://site.test/dir/page"


def outline(markup: str, content_type: str = "text/html; charset=utf-8") -> Outline:
    return Document(markup.encode(), content_type, URL).tree.outline()


def head(inside: str) -> Outline:
    return outline(f"<!doctype html><head>{inside}</head><body><p>x")


@pytest.mark.parametrize(
    ("inside", "title", "description"),
    [
        ("<title> A\n title </title>", "A title", ""),
        ("<title>One</title><title>Two</title>", "One", ""),
        ('<meta property="og:title" content="Shared">', "Shared", ""),
        ("<title></title><meta property='og:title' content='Shared'>", "Shared", ""),
        ('<meta name="Description" content=" What\nit is ">', "", "What it is"),
        ("<meta name=description content=1><meta name=description content=2>", "", "1"),
        ("<meta name=description content=''><meta property=og:description content=S>", "", "S"),
        ("<title>" + "x" * 5000, "x" * 1000, ""),
        ("", "", ""),
    ],
)
def test_title_and_description(inside: str, title: str, description: str) -> None:
    page = head(inside)
    assert (page.title, page.description) == (title, description)


def test_the_title_of_a_drawing_is_not_the_pages() -> None:
    assert outline("<p><svg><title>Icon</title></svg>").title == ""


@pytest.mark.parametrize(
    ("inside", "canonicals"),
    [
        ('<link rel="canonical" href="/true">', ("https://site.test/true",)),
        ("<link rel='nofollow CANONICAL' href=' true#x '>", ("https://site.test/dir/true",)),
        ("<base href=/b/><link rel=canonical href=x>", ("https://site.test/b/x",)),
        ("<link rel=canonical href=a><link rel=canonical href=a>", ("https://site.test/dir/a",)),
        ("<link rel=canonical href=''><link rel=canonical><link rel=icon href=i>", ()),
        ("<link rel=canonical href=mailto:x>", ()),
    ],
)
def test_canonical_links(inside: str, canonicals: tuple[str, ...]) -> None:
    assert head(inside).canonicals == canonicals


def test_only_the_head_speaks_for_the_page() -> None:
    page = outline(
        "<body><link rel=canonical href=/x><meta name=robots content=noindex>"
        "<meta http-equiv=refresh content='0;url=/y'>"
    )
    assert (page.canonicals, page.robots, page.refresh) == ((), (), "")


@pytest.mark.parametrize(
    ("content", "target"),
    [
        ("0; url=next", "https://site.test/dir/next"),
        ("900; URL='/next#x'", "https://site.test/next"),
        ("30", ""),
        ("0; url=javascript:x()", ""),
    ],
)
def test_refresh_leads_on_after_any_time(content: str, target: str) -> None:
    assert head(f'<meta http-equiv="Refresh" content="{content}">').refresh == target


def test_what_is_asked_of_robots_is_kept_with_the_name_it_is_asked_of() -> None:
    page = head(
        '<meta name="ROBOTS" content="NoIndex, follow"><meta name=googlebot content=nofollow>'
        '<meta name=robots content="max-image-preview:large"><meta name=x content="nonesuch">'
    )
    assert page.robots == (("robots", "noindex, follow"), ("googlebot", "nofollow"))


def test_links_are_once_each_with_the_words_that_lead_there() -> None:
    page = outline(
        "<base href='/b/'><a href=one#x><b>The</b>\n first </a><a href=two rel='nofollow ugc'>2</a>"
        "<a href=one rel=nofollow>again</a><a href='/img'><img src=i.png alt=Picture></a>"
        "<a href='/named' title=Named></a><a href=mailto:x@y.z>mail</a><a>nowhere</a>"
        "<map><area href=/area alt=Area></map><a href=two>two, followed</a>"
        "<a href=three rel=nofollow>3</a>"
    )
    assert page.links == (
        PageLink("https://site.test/b/one", False, "The first"),
        PageLink("https://site.test/b/two", False, "2"),
        PageLink("https://site.test/img", False, "Picture"),
        PageLink("https://site.test/named", False, "Named"),
        PageLink("https://site.test/area", False, "Area"),
        PageLink("https://site.test/b/three", True, "3"),
    )


def test_links_are_those_of_the_links_format() -> None:
    markup = (
        "<a href=/1>1</a><a href=//x.test/2>2</a><frameset><frame src=3></frameset>"
        "<a href='http://['>4</a><a href='?q#f'>5</a><a href=''>6</a><a href='#'>7</a>"
    )
    tree = Document(markup.encode(), "text/html", URL).tree
    assert [link.url for link in tree.outline().links] == tree.links()


def test_an_xhtml_page_has_the_same_outline() -> None:
    page = outline(
        '<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml"><head><title>T</title>'
        '<link rel="canonical" href="/c"/><script src="x"/></head>'
        '<body><p><a href="/a">A &amp; B</a></p></body></html>',
        "application/xhtml+xml",
    )
    assert (page.title, page.canonicals) == ("T", ("https://site.test/c",))
    assert page.links == (PageLink("https://site.test/a", False, "A & B"),)


def test_views_of_one_tree_do_not_disturb_each_other() -> None:
    markup = (
        "<head><title>T</title><meta name=robots content=noindex></head><body><h1 id=x>H"
        "<a href='#x'>¶</a></h1><p hidden><a href=/hidden>h</a></p><a href=/a>a</a></body>"
    )
    tree = Document(markup.encode(), "text/html", URL).tree
    first = tree.outline()
    text = tree.markdown()
    assert tree.outline() == first
    assert tree.strings().split("\n") == ["T", "H", "a"]
    assert tree.markdown() == text
    assert [link.url for link in first.links] == [
        URL,
        "https://site.test/hidden",
        "https://site.test/a",
    ]


def test_the_outline_comes_through_a_reading_process_as_it_is() -> None:
    request = ReadRequest(
        URL,
        "text/html",
        (FORMATS.path("outline"), FORMATS.path("markdown")),
        Wish(),
        b"<title>T</title><a href=/a rel=nofollow>A</a>",
    )
    reading = msgspec.msgpack.decode(read(msgspec.msgpack.encode(request)), type=Reading)
    values = msgspec.convert(reading.values["outline"], Outline)
    assert values == Outline(title="T", links=(PageLink("https://site.test/a", True, "A"),))


def test_what_is_no_page_has_an_empty_outline() -> None:
    made = FORMATS.get("outline")
    assert isinstance(made, DocumentFormat)
    warnings: list[str] = []
    assert made.make(Document(b"{}", "application/json", URL), Wish(), warnings) == Outline()
    assert warnings == []
