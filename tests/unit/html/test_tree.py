"""A tree leads where a browser leads, and its views do not disturb each other."""

from __future__ import annotations

import pytest

from windlass.html.document import Document
from windlass.html.tree import Tree

PAGE = "http://site.test/a/b/page.html?q=1"


def tree(html: str, url: str = PAGE, content_type: str = "text/html; charset=utf-8") -> Tree:
    return Document(html.encode(), content_type, url).tree


def leads(html: str, url: str = PAGE) -> list[str]:
    return tree(html, url).links()


@pytest.mark.parametrize(
    ("reference", "url"),
    [
        ("c.html", "http://site.test/a/b/c.html"),
        ("../c.html", "http://site.test/a/c.html"),
        ("../../../../c.html", "http://site.test/c.html"),
        ("/c", "http://site.test/c"),
        ("//Other.test/c", "http://other.test/c"),
        ("", "http://site.test/a/b/page.html?q=1"),
        ("#part", "http://site.test/a/b/page.html?q=1"),
        ("?p=2", "http://site.test/a/b/page.html?p=2"),
        ("c.html#part", "http://site.test/a/b/c.html"),
        (" a b/ü.html ", "http://site.test/a/b/a%20b/%C3%BC.html"),
        ("c\n\t.html", "http://site.test/a/b/c.html"),
        ("\\c\\d", "http://site.test/c/d"),
        ("./c/./d/../e", "http://site.test/a/b/c/e"),
        ("http:c.html", "http://site.test/a/b/c.html"),
        ("HTTPS://EXAMPLE.test:443/x", "https://example.test/x"),
        ("http://münchen.test/", "http://xn--mnchen-3ya.test/"),
        (
            "c.html?x=ä&y=a b",
            "http://site.test/a/b/c.html?x=%C3%A4&amp;y=a%20b".replace("&amp;", "&"),
        ),
    ],
)
def test_references_resolve_as_in_a_browser(reference: str, url: str) -> None:
    assert leads(f'<a href="{reference}">x</a>') == [url]


@pytest.mark.parametrize(
    "reference",
    [
        "mailto:a@b.test",
        "javascript:void(0)",
        "tel:+1",
        "data:text/html,x",
        "ftp://f.test/",
        "http://[::1",
        "about:blank",
    ],
)
def test_what_cannot_be_fetched_is_no_link(reference: str) -> None:
    assert leads(f'<a href="{reference}">x</a>') == []


@pytest.mark.parametrize(
    ("base", "url"),
    [
        ('<base href="/">', "http://site.test/x"),
        ('<base href="/deep/er/">', "http://site.test/deep/x"),
        ('<base href="http://other.test/a/">', "http://other.test/x"),
        (
            '<base target="_top"><base href="/one/two/"><base href="/other/">',
            "http://site.test/one/x",
        ),
        ('<base href="javascript:1">', "http://site.test/a/x"),
        ('<base href="data:,x">', "http://site.test/a/x"),
        ('<base href="http://[">', "http://site.test/a/x"),
        ("", "http://site.test/a/x"),
    ],
)
def test_base_is_honoured_as_in_a_browser(base: str, url: str) -> None:
    assert leads(f'<head>{base}</head><a href="../x">x</a>') == [url]


def test_links_are_unique_and_in_document_order() -> None:
    html = (
        '<a href="b">1</a><map><area href="c"></map><a href="a">2</a><a href="b#x">3</a>'
        '<a name="here">no</a><link href="style.css"><img src="i.png">'
    )
    assert leads(html) == [f"http://site.test/a/b/{name}" for name in ("b", "c", "a")]


def test_frames_are_where_a_frameset_leads() -> None:
    html = '<frameset cols="1,2"><frame src="toc.html"><frame src="main.html"></frameset>'
    assert leads(html) == ["http://site.test/a/b/toc.html", "http://site.test/a/b/main.html"]


def test_links_in_comments_scripts_templates_and_noscript_do_not_count() -> None:
    html = (
        '<!-- <a href="1">x</a> --><script>"<a href=2>"</script><noscript><a href="3">x</a>'
        '</noscript><a href="4">x</a>'
    )
    assert leads(html) == ["http://site.test/a/b/4"]


def test_same_folder_pages_share_nothing_but_folders() -> None:
    assert leads('<a href="?x">1</a><a href="y">2</a>', "http://site.test/d/one.html") == [
        "http://site.test/d/one.html?x",
        "http://site.test/d/y",
    ]
    assert leads('<a href="?x">1</a><a href="y">2</a>', "http://site.test/d/two.html") == [
        "http://site.test/d/two.html?x",
        "http://site.test/d/y",
    ]


def test_views_come_out_the_same_in_any_order() -> None:
    html = "<h1>T</h1><dl><dt>a<dd>b</dl><table><tr><td><p>x<p>y<td>z<tr><td>1<td>2</table>"
    first = tree(html)
    text, markdown = first.text(), first.markdown()
    second = tree(html)
    assert second.markdown() == markdown
    assert second.text() == text
    assert second.markdown() == markdown
    assert second.links() == []


XHTML_HEAD = (
    '<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 '
    'Strict//EN" "http://www.w3.org/TR/xhtml1/DTD/xhtml1-strict.dtd">'
    '<html xmlns="http://www.w3.org/1999/xhtml"><head><title>T</title>'
)


def test_xhtml_is_read_by_its_own_rules() -> None:
    html = (
        XHTML_HEAD + '<script src="x.js"/></head><body><h1 id="a"/><div/><a name="here"/>'
        "<p>one&nbsp;two <![CDATA[a < b]]> <b>bold</b></p></body></html>"
    )
    read = tree(html, content_type="application/xhtml+xml")
    assert read.markdown() == "one\u00a0two a < b **bold**"


def test_xhtml_that_is_not_well_formed_is_still_read() -> None:
    html = XHTML_HEAD + "</head><body><p>one<p>two & three</body></html>"
    read = tree(html, content_type="application/xhtml+xml")
    assert read.markdown() == "one\n\ntwo & three"


def test_xml_prologue_before_the_doctype_leaves_html_alone() -> None:
    read = tree(XHTML_HEAD + '</head><body><p>one</p><a href="x">x</a></body></html>')
    assert read.markdown() == "one\n\n[x](http://site.test/a/b/x)"
    assert read.links() == ["http://site.test/a/b/x"]


def test_list_items_nested_without_lists_between_are_rendered() -> None:
    """Trees of this kind crashed the parser's renderer when they were made by hand."""
    read = tree("<ul><li>a<section><li>b<div><li>c</div></section></li></ul>")
    assert read.markdown().split() == ["-", "a", "b", "c"]
    assert read.text().split() == ["-", "a", "b", "c"]


def test_monstrous_nesting_is_survived() -> None:
    for tag in ("div", "ul><li", "blockquote", "table><tr><td", "b", "dl><dt>x</dt><dd", "sup"):
        read = tree(f"<{tag}>" * 5000 + "end")
        assert "end" in read.markdown()
        assert "end" in read.text()


def test_spans_of_cells_do_not_make_tables_explode() -> None:
    row = '<tr><td colspan="1000">x</td><td rowspan="65000">y</td></tr>'
    read = tree(f"<table>{row * 3000}</table>")
    assert len(read.markdown()) < 20_000_000
