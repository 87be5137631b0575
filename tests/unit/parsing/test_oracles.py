"""CSS finds what soupsieve finds, XPath what lxml finds, on pages that none of us wrote."""

from __future__ import annotations

from functools import cache
from typing import Any

import lxml.html
import pytest
from bs4 import BeautifulSoup

from tests.support.downloads import debian_package
from windlass.html.dom import Dom, css, xpath

PAGES = {
    "python3.11-doc": ("library/os.path.html", "library/bisect.html"),
    "sqlite3-doc": ("lang_delete.html",),
    "ant-doc": ("Tasks/copy.html",),
}


@cache
def _sources() -> tuple[str, ...]:
    sources = []
    for package, names in PAGES.items():
        for name in names:
            found = sorted(debian_package(package).rglob(name))
            sources.append(found[0].read_text("utf-8", "replace"))
    return tuple(sources)


@cache
def _trees() -> list[tuple[Dom, BeautifulSoup, Any]]:
    """Each page by the three parsers, from the same well-formed source, so that only what selects
    may differ."""
    trees = []
    for source in _sources():
        clean = str(BeautifulSoup(source, "html5lib"))
        ours = Dom.fragment(clean, "http://site.test/")
        trees.append((ours, BeautifulSoup(clean, "html5lib"), lxml.html.fromstring(clean)))
    return trees


def _ours(dom: Dom, found: list[Any]) -> list[str]:
    return [f"{element.tag} {' '.join(element.text.split())}"[:200] for element in found]


def _soups(found: list[Any]) -> list[str]:
    texts = ["".join(str(piece) for piece in _strings(element)) for element in found]
    pairs = zip(found, texts, strict=True)
    return [f"{element.name} {' '.join(text.split())}"[:200] for element, text in pairs]


def _strings(element: Any) -> list[Any]:
    from bs4.element import PreformattedString, Script, Stylesheet, TemplateString

    hidden = (PreformattedString,)
    shown = (Script, Stylesheet, TemplateString)
    return [
        node
        for node in element.descendants
        if isinstance(node, str) and (isinstance(node, shown) or not isinstance(node, hidden))
    ]


def _lxmls(found: list[Any]) -> list[str]:
    texts = [element.xpath("string(.)") for element in found]
    pairs = zip(found, texts, strict=True)
    return [f"{element.tag} {' '.join(text.split())}"[:200] for element, text in pairs]


SELECTORS = (
    "h1",
    "body > div",
    "div p",
    "dt + dd",
    "h2 ~ p",
    "a, code, h1",
    "a[href]",
    'a[href^="http"]',
    'a[href$=".html"]',
    'a[href*="lib"]',
    'link[rel~="next"]',
    '[lang|="en"]',
    'a[class="reference INTERNAL" i]',
    'a[class!="headerlink"]',
    ".headerlink",
    ".Headerlink",
    "#index-0",
    "li:first-child",
    "li:last-child > a",
    "p:only-child",
    "dd:nth-child(2n)",
    "li:nth-child(-n+2)",
    "p:nth-last-child(1)",
    "p:nth-of-type(2)",
    "p:first-of-type",
    "li:nth-child(2 of .toctree-l1)",
    "code:only-of-type",
    "a:not([href^=http])",
    "p:not(:has(a, code))",
    "li:is(:first-child, :last-child)",
    "div:where(.section, .body) > p",
    "dl:has(> dt)",
    "dt:has(+ dd)",
    "section:has(h2):not(:has(h3))",
    ":root > body",
    "p:empty",
    "td:empty",
    "a:any-link",
    "a:link",
    "input:checked",
    "input:enabled",
    "form :required",
    "p:-soup-contains('path')",
    "p:-soup-contains('the path', 'SELECT')",
    "li:-soup-contains-own('path')",
    "dt:-soup-contains('return') + dd p",
    "div:has(> p:-soup-contains('path')) a",
    "p:not(:-soup-contains('a'))",
    ":lang(en) h1",
    "html[lang] title",
    "a:hover",
    "td:nth-child(2)",
    "tr:nth-child(odd) > td:first-child",
    "*|p",
    "div:nth-child(1 of .body) p",
    "p:is()",
    ":placeholder-shown",
    "input:in-range",
)


@pytest.mark.parametrize("selector", SELECTORS)
def test_css_finds_what_soupsieve_finds(selector: str) -> None:
    compiled = css(selector)
    for dom, soup, _ in _trees():
        ours = _ours(dom, dom.select(dom.document, compiled))
        assert ours == _soups(soup.select(selector))


@pytest.mark.parametrize("selector", SELECTORS)
def test_css_below_an_element_finds_what_soupsieve_finds(selector: str) -> None:
    compiled = css(selector)
    for dom, soup, _ in _trees():
        (ours,) = dom.select(dom.document, css("body"))
        assert soup.body is not None
        assert _ours(dom, dom.select(ours, compiled)) == _soups(soup.body.select(selector))


PATHS = (
    "//h1",
    "/html/body/*",
    "//div/p",
    "//a[@href]",
    "//a[starts-with(@href, 'http')]",
    "//a[contains(@href, 'lib')]",
    "//li[1]",
    "(//li)[3]",
    "//li[last()]",
    "//li[position() < 3]/a",
    "//p[code and a]",
    "//p[not(a)]",
    "//dt/following-sibling::dd[1]",
    "//dd/preceding-sibling::dt[1]",
    "//code/ancestor::section",
    "//code/ancestor-or-self::*[1]",
    "//section//h2/..",
    "//h2/following::p[1]",
    "//table//tr[2]/td",
    "//tr[count(td) > 1]",
    "//p[contains(., 'path')]",
    "//p[contains(text(), 'path')]",
    "//p[string-length(normalize-space(.)) > 200]",
    "//*[local-name() = 'pre']",
    "//*[name() = 'code' or self::em]",
    "//h1 | //h2 | //title",
    "//a[@class = 'headerlink']/parent::*",
    "//li[a[starts-with(@href, 'os')]]",
    "//li[.//code]/a",
    "//*[@id][position() mod 7 = 0]",
    "//p[translate(substring(., 1, 1), 'T', 't') = 't']",
    "//tr[td[2] > 1]",
    "//dl[dt and not(dd/p)]",
    "//body/descendant::a[5]",
    "//a[substring-after(@href, '#') != '']",
    "//div[@class and not(@id)]/child::p",
    "//p[sum(ancestor::*/@nope) = 0][1]",
    "//li[boolean(a) = true()]",
    "//p/text()/..",
    "id('index-0')",
)


@pytest.mark.parametrize("path", PATHS)
def test_xpath_finds_what_lxml_finds(path: str) -> None:
    compiled = xpath(path)
    for dom, _, tree in _trees():
        ours = _ours(dom, compiled.select(dom, dom.document))
        assert ours == _lxmls(tree.getroottree().xpath(path))
