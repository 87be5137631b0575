"""The main content keeps its markup and loses what surrounds it."""

from __future__ import annotations

from windlass.formats import Wish
from windlass.formats.links import LINKS
from windlass.formats.markdown import MARKDOWN
from windlass.formats.reading import make
from windlass.formats.text import TEXT
from windlass.html import main_content
from windlass.html.document import Document

SENTENCE = "The quick brown fox jumps over the lazy dog while the band keeps playing number {}. "


def paragraph(number: int) -> str:
    return f"<p>{(SENTENCE.format(number)) * 4}<a href='/more{number}'>More on this</a>.</p>"


ARTICLE = f"""<!DOCTYPE html><html><head><title>The fox - Site</title></head><body>
<nav><ul><li><a href="/">Home</a></li><li><a href="/about">About us</a></li></ul></nav>
<div class="sidebar"><h2>Popular</h2><ul><li><a href="/1">Something else</a></li></ul></div>
<main><article><h1>The fox</h1>
{paragraph(1)}<h2>Setting it up</h2>{paragraph(2)}
<pre><code class="language-python">def fox():
    return "jumps"</code></pre>
{paragraph(3)}
<ul><li>first of the points</li><li>second of the points</li></ul>
<img src="fox.png" alt="A fox">
<table><tr><th>Animal</th><th>Speed</th></tr><tr><td>Fox</td><td>50</td></tr></table>
{paragraph(4)}</article></main>
<aside><p>Subscribe to our newsletter today</p><img src="ad.png"></aside>
<footer><p>© Site. All rights reserved.</p></footer></body></html>"""


def reading(html: str, *, main: bool = True) -> tuple[dict[str, object], tuple[str, ...]]:
    document = Document(html.encode(), "text/html; charset=utf-8", "http://site.test/")
    got = make(document, (LINKS, TEXT, MARKDOWN), Wish(main_content=main))
    return got.values, got.warnings


def test_article_keeps_headings_code_lists_tables_links_and_images() -> None:
    values, warnings = reading(ARTICLE)
    markdown = str(values["markdown"])
    assert warnings == ()
    assert markdown.startswith("# The fox\n")
    for part in (
        "## Setting it up",
        "[More on this](http://site.test/more3)",
        '```python\ndef fox():\n    return "jumps"\n```',
        "- first of the points\n- second of the points",
        "| Animal | Speed |",
        "![A fox](http://site.test/fox.png)",
    ):
        assert part in markdown


def test_what_surrounds_the_article_is_gone() -> None:
    values, _ = reading(ARTICLE)
    for text in (str(values["markdown"]), str(values["text"])):
        for word in ("Home", "Popular", "newsletter", "rights reserved", "ad.png"):
            assert word not in text
    assert "Setting it up" in str(values["text"])


def test_links_are_still_those_of_the_whole_page() -> None:
    values, _ = reading(ARTICLE)
    links = values["links"]
    assert isinstance(links, list)
    assert links[:3] == [f"http://site.test{path}" for path in ("/", "/about", "/1")]


def test_page_without_main_content_is_given_whole_with_a_warning() -> None:
    values, warnings = reading("<nav><a href='/a'>A</a></nav>")
    assert values["markdown"] == "[A](http://site.test/a)"
    assert warnings == ("no main content was found: the whole page is given",)


def test_page_that_is_too_large_is_given_whole_with_a_warning() -> None:
    _, warnings = reading("<p>" + "x" * main_content.LARGEST)
    assert warnings == (
        "the page is too large to look for main content (2,000,000 characters)",
        "no main content was found: the whole page is given",
    )
