"""Sitemaps by cases: what a site may serve as one, and the addresses that are in it."""

from __future__ import annotations

import gzip
import random
import time
import tracemalloc
import zlib
from collections.abc import Iterator

import pytest

from windlass.site.entries import Entries, Entry, SitemapKind
from windlass.site.sitemaps import Sitemap
from windlass.site.tags import Tags

URL = "https://site.test/maps/sitemap.xml"
NS = 'xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"'
A, B = "https://site.test/a", "https://site.test/b"
PAIR = f"<url><loc>{A}</loc></url><url><loc>{B}</loc></url>"


def read(data: bytes | str, step: int = 0, url: str = URL) -> Sitemap:
    body = data.encode() if isinstance(data, str) else data
    chunks = [body[at : at + step] for at in range(0, len(body), step)] if step else [body]
    return Sitemap(url, chunks)


def urls(data: bytes | str, step: int = 0) -> list[str]:
    return [entry.url for entry in read(data, step)]


def urlset(inside: str) -> str:
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<urlset {NS}>{inside}</urlset>\n'


def pages(*locations: str) -> str:
    return urlset("".join(f"<url><loc>{one}</loc></url>" for one in locations))


# what is served, the addresses in it
CASES: dict[str, tuple[bytes | str, list[str]]] = {
    "plain": (urlset(PAIR), [A, B]),
    "old namespace": (
        f'<urlset xmlns="http://www.google.com/schemas/sitemap/0.84">{PAIR}</urlset>',
        [A, B],
    ),
    "wrong namespace": (f'<urlset xmlns="urn:nothing">{PAIR}</urlset>', [A, B]),
    "no namespace": (f"<urlset>{PAIR}</urlset>", [A, B]),
    "prefixed": (
        f'<s:urlset xmlns:s="x"><s:url>\n<s:loc>{A}</s:loc></s:url></s:urlset>',
        [A],
    ),
    "capitals": (f"<URLSET><URL><LOC>{A}</LOC></URL></URLSET>", [A]),
    "blank lines before the prologue": ("\n\n  " + urlset(PAIR), [A, B]),
    "a warning before the prologue": ("PHP Warning: x in y\n" + urlset(PAIR), [A, B]),
    "a stylesheet": ('<?xml version="1.0"?><?xml-stylesheet href="x.xsl"?>' + PAIR, [A, B]),
    "a doctype": (f"<!DOCTYPE urlset><urlset>{PAIR}</urlset>", [A, B]),
    "byte-order mark": (b"\xef\xbb\xbf" + urlset(PAIR).encode(), [A, B]),
    "UTF-16": (urlset(PAIR).encode("utf-16"), [A, B]),
    "UTF-16 without a mark": (urlset(PAIR).encode("utf-16-be"), [A, B]),
    "declared as UTF-16, but is not": (urlset(PAIR).replace("UTF-8", "UTF-16"), [A, B]),
    "unknown encoding": (urlset(PAIR).replace("UTF-8", "klingon"), [A, B]),
    "an encoding that is no charset": (urlset(PAIR).replace("UTF-8", "rot13"), [A, B]),
    "Latin-1, declared": (
        pages(f"{A}/é").replace("UTF-8", "ISO-8859-1").encode("latin-1"),
        [f"{A}/é"],
    ),
    "Latin-1, declared as UTF-8": (pages(f"{A}/é").encode("latin-1"), [f"{A}/é"]),
    "Cyrillic": (
        pages(f"{A}/ж").replace("UTF-8", "windows-1251").encode("cp1251"),
        [f"{A}/ж"],
    ),
    "CDATA": (pages(f"<![CDATA[{A}]]>", f"\n <![CDATA[ {B} ]]>\n"), [A, B]),
    "spaces and line breaks": (pages(f"\n\t {A}\r\n ", "https://site.test/\nb"), [A, B]),
    "no-break spaces": (pages(f"\u00a0{A}\u00a0"), [A]),
    "comments": (
        urlset(f"<!-- <url><loc>{A}/x</loc></url> --><url><loc><!-- y -->{A}</loc></url>"),
        [A],
    ),
    "comment between values": (urlset(f"<url><!--x--><loc>{A}</loc><!--y--></url>"), [A]),
    "entities": (pages(f"{A}?x=1&amp;y=2&#38;z=&#x26;"), [f"{A}?x=1&y=2&z=&"]),
    "unescaped ampersands": (pages(f"{A}?x=1&y=2&copy=3"), [f"{A}?x=1&y=2&copy=3"]),
    "broken entities": (pages(f"{A}?x=1&#xZZ;&;&#0;y"), [f"{A}?x=1&#xZZ;&;y"]),
    "relative": (pages("/a", "../b", "c", "?d", "//other.test/e"), [
        A, B, "https://site.test/maps/c", f"{URL}?d", "https://other.test/e",
    ]),
    "capital scheme": (pages("HTTPS://site.test/a"), ["HTTPS://site.test/a"]),
    "other schemes": (pages("ftp://site.test/a", "javascript:x()", "mailto:a@b.c", B), [B]),
    "no addresses": (pages("", " ", "http://[", B), ["http://[", B]),
    "an endless address": (pages("https://site.test/" + "x" * 9000, B), [B]),
    "a huge address": (pages("https://site.test/" + "x" * 300_000, B), [B]),
    "another host": (pages("https://other.test/a"), ["https://other.test/a"]),
    "missing end": (f"<urlset {NS}>{PAIR}", [A, B]),
    "cut in a tag": (f"<urlset>{PAIR}<url><lo", [A, B]),
    "cut in an end tag": (f"<urlset><url><loc>{A}</lo", [A]),
    "cut in an address": (f"<urlset><url><loc>{A}</loc></url><url><loc>https://sit", [A]),
    "cut in CDATA": (f"<urlset>{PAIR}<url><loc><![CDATA[https://site.te", [A, B]),
    "cut in a comment": (f"<urlset>{PAIR}<!-- <url><loc>{A}", [A, B]),
    "cut behind an address": (f"<urlset><url><loc>{A}</loc>", [A]),
    "a malformed entry among good ones": (
        urlset(f"<url><loc>{A}</loc></url><url><loc></url><url <loc>x</loc></url>"
               f"<url><loc>{B}</loc></url>"),
        [A, B],
    ),
    "entries that do not end": (f"<urlset><url><loc>{A}</loc><url><loc>{B}</loc></urlset>", [A, B]),
    "addresses without entries": (f"<urlset><loc>{A}</loc>\n<loc>{B}</loc></urlset>", [A, B]),
    "nothing around": (PAIR, [A, B]),
    "two addresses in an entry": (urlset(f"<url><loc>{A}</loc><loc>{B}</loc></url>"), [A]),
    "images and videos": (
        urlset(
            f"<url><loc>{A}</loc><image:image><image:loc>{A}.png</image:loc></image:image>"
            f"<video:video><video:player_loc>{A}.swf</video:player_loc></video:video></url>"
            f"<url><image:image>\n<image:loc>{A}.png</image:loc>\n</image:image><loc>{B}</loc></url>"
        ),
        [A, B],
    ),
    "images of a default namespace": (
        urlset(f'<url><image xmlns="i"> <loc>{A}.png</loc></image><loc>{A}</loc></url>'),
        [A],
    ),
    "an image that does not end": (
        urlset(f"<url><loc>{A}</loc><image:image> <image:loc>x</url><url><loc>{B}</loc></url>"),
        [A, B],
    ),
    "other languages": (
        urlset(f'<url><loc>{A}</loc><xhtml:link rel="alternate" hreflang="de" href="{B}"/></url>'),
        [A],
    ),
    "attributes": (f'<urlset a="1"><url b="2"><loc c="3">{A}</loc ></url></urlset>', [A]),
    "self-closing": (f"<urlset><url/><url><loc/></url><url><loc>{A}</loc></url></urlset>", [A]),
    "external entity": (
        '<!DOCTYPE u [<!ENTITY x SYSTEM "file:///etc/passwd">]>' + pages("&x;", A),
        [A],
    ),
    "text": (f"{A}\r\n\r\n  {B}  \nnothing\n/relative\nftp://site.test/c", [A, B]),
    "text with a mark": (f"\ufeff{A}\n{B}\n".encode(), [A, B]),
    "text in UTF-16": (f"{A}\n{B}\n".encode("utf-16"), [A, B]),
    "RSS": (
        f"<rss><channel><link>{A}/front</link><image><url>{A}.png</url><link>{A}</link></image>"
        f"<item><title>x</title><link>{A}</link></item>"
        f'<item><guid isPermaLink="true">{B}</guid></item>'
        '<item><guid isPermaLink="false">https://site.test/no</guid></item>'
        '<item><guid>tag:site.test,2024:1</guid></item></channel></rss>',
        [A, B],
    ),
    "RSS with more": (
        f'<rss><channel><item><atom:link href="{A}/self" rel="self"/><link><![CDATA[{A}]]></link>'
        f'<source url="{A}/s">{A}/s</source><comments>{A}/c</comments></item></channel></rss>',
        [A],
    ),
    "RSS 1.0": (
        f'<rdf:RDF><channel rdf:about="x"><link>{A}/front</link></channel>'
        f'<item rdf:about="x"><link>{A}</link></item></rdf:RDF>',
        [A],
    ),
    "Atom": (
        f'<feed xmlns="http://www.w3.org/2005/Atom"><link href="{A}/front"/>'
        f'<entry><link rel="self" href="{A}/self"/><link rel="alternate" href="{A}"/></entry>'
        f"<entry><link href='{B}'/><source><link href='{B}/s'/></source></entry></feed>",
        [A, B],
    ),
    "a page": (f"<!doctype html><html><head><link href='{A}'></head><body><a href='{A}'>x", []),
    "a page as text": ("404 not found", []),
    "JSON": ('{"url": "https://site.test/a"}', []),
    "nothing": ("", []),
    "white space": (" \n ", []),
    "only a mark": (b"\xff\xfe", []),
    "binary": (bytes(range(256)) * 9, []),
    "gzip": (gzip.compress(urlset(PAIR).encode()), [A, B]),
    "gzip of text": (gzip.compress(f"{A}\n{B}".encode()), [A, B]),
    "two gzip members": (
        gzip.compress(f"<urlset><url><loc>{A}</loc></url>".encode())
        + gzip.compress(f"<url><loc>{B}</loc></url></urlset>".encode()),
        [A, B],
    ),
    "gzip with junk behind": (gzip.compress(urlset(PAIR).encode()) + b"junk" * 99, [A, B]),
    "gzip with a wrong checksum": (gzip.compress(urlset(PAIR).encode())[:-8] + b"\0" * 8, [A, B]),
    "gzip without its end": (gzip.compress(urlset(PAIR).encode())[:-8], [A, B]),
    "only the start of gzip": (b"\x1f\x8b", []),
}  # fmt: skip


@pytest.mark.parametrize("step", [0, 1, 4096])
@pytest.mark.parametrize("name", CASES)
def test_addresses_are_found_however_they_are_served(name: str, step: int) -> None:
    data, expected = CASES[name]
    assert urls(data, step) == expected


@pytest.mark.parametrize("step", [1, 2, 3, 17])
@pytest.mark.parametrize("name", [name for name in CASES if "huge" not in name])
def test_tags_are_the_same_wherever_the_text_is_parted(name: str, step: int) -> None:
    data, _ = CASES[name]
    text = data.decode("utf-8", "surrogateescape") if isinstance(data, bytes) else data
    parts = (text[at : at + step] for at in range(0, len(text), step))
    assert found(Tags(parts)) == found(Tags([text]))


def found(tags: Tags) -> list[Entry]:
    return list(Entries(URL).of_tags(tags))


def test_an_entry_keeps_what_is_said_of_it() -> None:
    sitemap = read(
        urlset(
            f"<url><loc>{A}</loc><lastmod> 2024-05-01 </lastmod><changefreq>daily</changefreq>"
            "<priority>0.8</priority></url>"
            f"<url><priority>9</priority><lastmod></lastmod><loc>{B}</loc></url>"
        )
    )
    assert list(sitemap) == [Entry(A, False, "2024-05-01", 0.8), Entry(B)]
    assert sitemap.kind is SitemapKind.PAGES
    assert not sitemap.cut


def test_an_index_leads_on() -> None:
    sitemap = read(
        f"<sitemapindex {NS}><sitemap><loc>{A}.xml.gz</loc><lastmod>2024</lastmod></sitemap>"
        f"<sitemap>\n<loc>b.xml</loc></sitemap></sitemapindex>"
    )
    assert list(sitemap) == [
        Entry(f"{A}.xml.gz", True, "2024"),
        Entry("https://site.test/maps/b.xml", True),
    ]
    assert sitemap.kind is SitemapKind.INDEX


def test_titles_come_from_feeds_and_extensions() -> None:
    feed = (
        "<rss><channel><title>Site</title>"
        "<item><title>One &amp;amp; <![CDATA[<b>two</b>]]></title>"
        f"<link>{A}</link><description>&lt;p&gt;Some\n text&lt;/p&gt;</description>"
        "<pubDate>Wed, 01 May 2024 10:00:00 GMT</pubDate>"
        "<media:title>no</media:title></item></channel></rss>"
    )
    assert list(read(feed)) == [
        Entry(A, False, "Wed, 01 May 2024 10:00:00 GMT", None, "One & two", "Some text")
    ]
    atom = (
        f"<feed><entry><title type='html'>Caf&amp;eacute;</title><link href='{A}'/>"
        "<updated>2024-05-01T00:00:00Z</updated><summary>S</summary>"
        "<source><title>other</title></source></entry></feed>"
    )
    assert list(read(atom)) == [Entry(A, False, "2024-05-01T00:00:00Z", None, "Café", "S")]
    news = urlset(
        f"<url><loc>{A}</loc><news:news><news:publication><news:name>P</news:name>"
        "</news:publication><news:title>Headline</news:title></news:news></url>"
        f"<url><loc>{B}</loc><video:video><video:title>Film</video:title>"
        "<video:description>Of B</video:description></video:video>"
        "<image:image><image:title>no</image:title></image:image></url>"
    )
    assert list(read(news)) == [
        Entry(A, title="Headline"),
        Entry(B, title="Film", description="Of B"),
    ]


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (urlset(PAIR), SitemapKind.PAGES),
        (urlset(""), SitemapKind.PAGES),
        (f"<loc>{A}</loc>", SitemapKind.PAGES),
        (f"<sitemapindex {NS}/>", SitemapKind.INDEX),
        ("<rss/>", SitemapKind.FEED),
        (A, SitemapKind.TEXT),
        ("<html><body>404", SitemapKind.NONE),
        ("Not found", SitemapKind.NONE),
        ("", SitemapKind.NONE),
    ],
)
def test_it_says_what_it_was(data: str, kind: SitemapKind) -> None:
    sitemap = read(data)
    list(sitemap)
    assert sitemap.kind is kind


def test_what_can_be_read_of_a_damaged_gzip_file_is() -> None:
    body = pages(*(f"https://site.test/{number * 7919 % 100_003}" for number in range(5000)))
    packed = gzip.compress(body.encode())
    for keep in (len(packed) // 3, len(packed) - 9):
        whole = zlib.decompressobj(31).decompress(packed[:keep]).count(b"</loc>")
        assert len(urls(packed[:keep])) == whole > 1000
        broken = packed[:keep] + bytes(255 - byte for byte in packed[keep:])
        assert urls(broken)[:whole] == urls(body)[:whole]


def test_it_reads_no_more_than_its_limit() -> None:
    sitemap = Sitemap(URL, [urlset(PAIR * 1000).encode()], limit_bytes=5000)
    found = [entry.url for entry in sitemap]
    assert sitemap.cut
    assert 110 < len(found) < 125
    assert set(found) == {A, B}
    lines = Sitemap(URL, [f"{A}\n{A}\n".encode()], limit_bytes=len(A) + 9)
    assert [entry.url for entry in lines] == [A]
    assert lines.cut


def test_a_gzip_bomb_is_left_in_time() -> None:
    bomb = gzip.compress(b"<urlset>" + b" " * 100_000_000, 9)
    began = time.process_time()
    sitemap = read(bomb)
    assert list(sitemap) == []
    assert sitemap.cut
    assert time.process_time() - began < 3


def test_billion_laughs_stay_a_smile() -> None:
    laughs = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
    data = f'<!DOCTYPE x [<!ENTITY l0 "ha">{laughs}]>' + pages("/&l9;", A)
    assert urls(data)[-1] == A


def many(number: int) -> Iterator[bytes]:
    yield urlset("").partition("</urlset>")[0].encode()
    for one in range(number):
        yield f"<url><loc>https://site.test/{one}</loc><lastmod>2024</lastmod></url>\n".encode()


def test_memory_does_not_grow_with_the_sitemap() -> None:
    def peak(number: int) -> int:
        tracemalloc.start()
        assert sum(1 for _ in Sitemap(URL, many(number))) == number
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    peak(100)
    assert peak(20_000) < peak(2_000) + 100_000


@pytest.mark.parametrize(
    "unit",
    [
        "<",
        "<url",
        "<url><loc>",
        "<!--",
        "<![CDATA[",
        "<![CDATA[]]>",
        "<!ENTITY ",
        "<a:b:c",
        "<loc x",
        "</",
        "&#x1;",
        "<loc>&amp;",
        "a" * 70_000,
        "<url><url>",
        "<loc></",
        "http://a\r",
    ],
)
@pytest.mark.parametrize("before", ["<urlset>", "<urlset><url><loc>", "", "<rss><item><link>"])
def test_hostile_text_takes_linear_time(unit: str, before: str) -> None:
    data = (before + unit * (500_000 // len(unit))).encode()
    began = time.process_time()
    for _ in Sitemap(URL, [data[at : at + 16_384] for at in range(0, len(data), 16_384)]):
        pass
    assert time.process_time() - began < 2


def test_no_damage_raises() -> None:
    source = random.Random(7)
    whole = [data if isinstance(data, bytes) else data.encode() for data, _ in CASES.values()]
    for _ in range(2000):
        data = bytearray(source.choice(whole))
        for _ in range(source.randint(1, 9)):
            if data:
                data[source.randrange(len(data))] = source.choice(b"<>&;!/[]-\x00\xff\x1f")
        for entry in read(bytes(data), source.choice((0, 1, 13))):
            assert entry.url[:4].lower() == "http"
