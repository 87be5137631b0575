"""Where a URL is not parsed because it is plain, the parser would have said the same."""

from __future__ import annotations

from random import Random

import ada_url
import pytest

from windlass.html.charset import sniff
from windlass.html.document import Source
from windlass.html.media import Kind
from windlass.html.tree import Tree
from windlass.html.urls import Resolver, page_of, resolve
from windlass.net.plainurls import taken_apart

_PIECES = (
    *(
        "a",
        "B7",
        "index.html",
        "..",
        ".",
        ".hidden",
        "x~y",
        "%41",
        "%zz",
        "é",
        " ",
        "\t",
        "\\",
        ";v=1",
    ),
    *("/", "//", "?", "?q=1", "?q=a b", "&", "#", "#top", "#a b", ":", ":80", ":443", ":8080", "@"),
    *("http:", "https:", "http://", "https://", "mailto:", "site.test", "SITE.test", "127.0.0.1"),
    *("1.2.3", "0x7f.1", "xn--bcher-kva.test", "user:pw@", "[::1]"),
)
_BASES = (
    "http://site.test/",
    "http://site.test:8080/docs/page.html",
    "https://site.test/docs/page.html?q=1",
    "http://site.test/a/../b/",
    "http://SITE.test",
    "http://site.test/a b/c",
)
_HOSTS = (
    "site.test",
    "SITE.test",
    "127.0.0.1",
    "1.2.3",
    "0x7f.1",
    "xn--bcher-kva.test",
    "u:p@a",
    "[::1]",
)


def _made(random: Random) -> str:
    return "".join(random.choice(_PIECES) for _ in range(random.randint(0, 6)))


@pytest.mark.parametrize("base", _BASES)
def test_a_reference_leads_where_a_browser_goes(base: str) -> None:
    random = Random(base)
    for _ in range(5000):
        reference = _made(random)
        assert Resolver(base)(reference).url == (resolve(base, reference) or ""), reference


def test_a_plain_url_is_what_the_parser_makes_of_it() -> None:
    random, plain = Random(7), 0
    for _ in range(20000):
        host = random.choice(_HOSTS) + random.choice(("", ":80", ":443", ":8080", ":70000"))
        url = (
            random.choice(("http://", "https://")) + host + random.choice(("", "/")) + _made(random)
        )
        assert page_of(url) == resolve(url, ""), url
        if (found := taken_apart(url)) is None:
            continue
        plain += 1
        parsed = ada_url.URL(url)
        assert (parsed.href, parsed.origin) == (url, found[1])
        assert found[0] + (f"?{found[2]}" if found[2] else "") == url
    assert plain > 100


def test_links_are_told_without_their_words() -> None:
    body = (
        b'<html><head><title>T</title><base href="/docs/"></head><body><a href="a.html">A</a>'
        b'<a rel="nofollow" href="b.html">B</a><a href="b.html#x">again</a>'
        b'<a rel="nofollow" href="/c">C</a><map><area href="//other.test/d" alt="D"></map></body>'
    )
    url = "http://site.test/x"
    encoding = sniff(body, "text/html; charset=utf-8", markup=True, xml=False)
    words = Tree(Source(body, encoding, url, Kind.HTML)).outline()
    bare = Tree(Source(body, encoding, url, Kind.HTML)).outline(words=False)
    told = [(one.url, one.nofollow) for one in bare.links]
    assert told == [
        ("http://site.test/docs/a.html", False),
        ("http://site.test/docs/b.html", False),
        ("http://site.test/c", True),
        ("http://other.test/d", False),
    ]
    assert told == [(one.url, one.nofollow) for one in words.links]
    assert [one.text for one in words.links] == ["A", "B", "C", "D"]
    assert {one.text for one in bare.links} == {""}
    assert bare.title == words.title == "T"
