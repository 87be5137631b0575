"""HTML → our Markdown → HTML keeps what the page says: all of CommonMark's own examples."""

from __future__ import annotations

import json
from typing import Any

import pytest
from markdown_it import MarkdownIt
from selectolax.lexbor import LexborHTMLParser, LexborNode

from tests.support.downloads import sdist
from windlass.html.document import Document
from windlass.html.urls import resolve

BASE = "http://site.test/dir/"
# Examples whose HTML says something that Markdown does not have, with what is made of it.
DIFFERENT = {
    79: "headings without text are left out",
    148: "a table of one cell with a code block in it is dissolved",
    175: "a list item that holds nothing visible is left out",
    191: "a table row without a cell is no row",
}


@pytest.fixture(scope="module")
def examples() -> list[dict[str, Any]]:
    folder = sdist("markdown-it-py", "4.3.0")
    found = json.loads((folder / "tests/test_cmark_spec/commonmark.json").read_text())
    assert len(found) == 652
    return list(found)


def said(html: str) -> dict[str, Any]:
    """Everything that must survive, whitespace aside."""
    tree = LexborHTMLParser(html)
    body = tree.body
    assert body is not None
    return {
        "words": squeezed(body.text()),
        "links": [
            (resolve(BASE, link.attributes["href"] or ""), squeezed(link.text()))
            for link in tree.css("a[href]")
            if link.text().strip()
        ],
        "images": [
            (resolve(BASE, image.attributes["src"] or ""), image.attributes.get("alt") or "")
            for image in tree.css("img[src]")
        ],
        "code": [code.text().strip("\n") for code in tree.css("code")],
        "lists": [(one.tag, start(one), items(one)) for one in tree.css("ul, ol")],
        "headings": [(one.tag, squeezed(one.text())) for one in tree.css("h1,h2,h3,h4,h5,h6")],
        "quotes": len(tree.css("blockquote")),
        "tables": [(len(one.css("tr")), len(one.css("td, th"))) for one in tree.css("table")],
    }


def squeezed(text: str) -> str:
    return "".join(text.split())


def start(node: LexborNode) -> str:
    return node.attributes.get("start") or "1"


def items(node: LexborNode) -> int:
    return sum(child.tag == "li" for child in node.iter())


def test_every_example_survives_the_way_there_and_back(examples: list[dict[str, Any]]) -> None:
    reader = MarkdownIt("commonmark").enable(["table", "strikethrough"])
    lost = {}
    for example in examples:
        html = example["html"]
        markdown = Document(html.encode(), "text/html; charset=utf-8", BASE).tree.markdown()
        before, after = said(html), said(reader.render(markdown))
        if before != after:
            lost[example["example"]] = [key for key in before if before[key] != after[key]]
    assert set(lost) == set(DIFFERENT), lost
