"""A page goes in, what is expected of each format lies beside it."""

from __future__ import annotations

from pathlib import Path

import pytest

from windlass.formats import DocumentFormat, Wish
from windlass.formats.links import LINKS
from windlass.formats.markdown import MARKDOWN
from windlass.formats.reading import make
from windlass.formats.text import TEXT
from windlass.html.document import Document

CASES = sorted(folder for folder in (Path(__file__).parent / "cases").iterdir() if folder.is_dir())
URL = "http://site.test/dir/page.html"


def made(case: Path, *formats: DocumentFormat) -> dict[str, object]:
    body = (case / "page.html").read_bytes()
    document = Document(body, "text/html; charset=utf-8", URL)
    reading = make(document, formats, Wish())
    assert reading.warnings == ()
    return reading.values


@pytest.mark.parametrize("case", CASES, ids=lambda folder: folder.name)
def test_page_becomes_what_is_expected(case: Path) -> None:
    values = made(case, LINKS, TEXT, MARKDOWN)
    links = values["links"]
    assert isinstance(links, list)
    assert "\n".join(links) + "\n" == (case / "links.txt").read_text()
    assert f"{values['text']}\n" == (case / "text.txt").read_text()
    assert f"{values['markdown']}\n" == (case / "markdown.txt").read_text()


@pytest.mark.parametrize("case", CASES, ids=lambda folder: folder.name)
def test_formats_do_not_depend_on_their_company(case: Path) -> None:
    together = made(case, MARKDOWN, TEXT, LINKS)
    for one in (MARKDOWN, TEXT, LINKS):
        assert made(case, one) == {one.name: together[one.name]}
