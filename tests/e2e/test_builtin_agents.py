"""The built-in agents on pages of every kind that they are for, from parameters to fields."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.support.server import LOOPBACK
from tests.support.sites import Site
from tests.support.smallsite import Reply, plain, small_site
from windlass.agents.binding import bind
from windlass.agents.builtins import builtins
from windlass.agents.documents import compiled
from windlass.extraction import Extractor
from windlass.model.request import ExtractRequest
from windlass.net.cookies import CookieJar
from windlass.settings import Settings, parse_networks
from windlass.wire.v1_agents import AgentCall
from windlass.wire.v1_reading import Reading

WORDS = "The council met on Tuesday evening and spoke about the bridge for three hours. "
ARTICLE_LD = {
    "@context": "https://schema.org",
    "@type": "NewsArticle",
    "headline": "Bridge opens",
    "author": [{"@type": "Person", "name": "Ada Example"}],
    "datePublished": "2026-03-01T08:15:30+01:00",
    "dateModified": "2026-03-02",
}
ARTICLE = f"""<!DOCTYPE html><html lang="en"><head><title>Bridge opens | Daily</title>
<meta property="og:site_name" content="Daily"><meta property="og:image" content="/lead.jpg">
<meta name="description" content="After three hours."><link rel="canonical" href="/a/bridge">
<script type="application/ld+json">{json.dumps(ARTICLE_LD)}</script></head>
<body><nav><a href="/">Home</a><img src="/logo.png"></nav>
<article><h1>Bridge opens</h1><p>{WORDS * 3}</p><img src="one.jpg"><p>{WORDS * 3}</p>
<p>{WORDS * 2}</p></article><footer>Imprint</footer></body></html>"""
PLAIN_ARTICLE = f"""<html><head><title>Plain</title><meta name="author" content="Bob">
<script type="application/ld+json">{{this is not JSON</script></head>
<body><main><h1>Plain story</h1>
<time datetime="2026-01-05">5 Jan</time><p>{WORDS * 4}</p><p>{WORDS * 4}</p></main></body></html>"""
PRODUCT_LD = {
    "@context": "https://schema.org",
    "@graph": [
        {"@type": "BreadcrumbList", "name": "Crumbs"},
        {
            "@type": "Product",
            "name": "Blue mug",
            "sku": "a1",
            "gtin13": "4006381333931",
            "brand": {"@type": "Brand", "name": "Mugs"},
            "image": ["/mug.jpg", "/mug2.jpg"],
            "description": "A mug.",
            "offers": {
                "@type": "Offer",
                "price": "9.90",
                "priceCurrency": "EUR",
                "availability": "https://schema.org/InStock",
            },
            "aggregateRating": {"ratingValue": "4.5", "reviewCount": "12"},
        },
    ],
}
PRODUCT = f"""<html><head><script type="application/ld+json">{json.dumps(PRODUCT_LD)}</script>
</head><body><h1>Mug page</h1></body></html>"""
MICRODATA = """<html><body><h1>x</h1><div itemscope itemtype="https://schema.org/Product">
<span itemprop="name">Red mug</span><span itemprop="brand">Mugs</span>
<img itemprop="image" src="/red.jpg"><meta itemprop="sku" content="r2">
<div itemprop="offers" itemscope itemtype="https://schema.org/Offer">
<span itemprop="price" content="1234.50">1.234,50 €</span>
<meta itemprop="priceCurrency" content="EUR">
<link itemprop="availability" href="https://schema.org/OutOfStock"></div></div></body></html>"""
OPEN_GRAPH = """<html><head><meta property="og:title" content="Green mug">
<meta property="og:image" content="/green.jpg"><meta property="product:price:amount" content="7">
<meta property="product:price:currency" content="USD"></head><body></body></html>"""
RSS = """<?xml version="1.0"?><rss version="2.0" xmlns:dc="http://purl.org/dc/elements/1.1/"
xmlns:content="http://purl.org/rss/1.0/modules/content/"><channel><title>News</title>
<link>https://x.test/</link><item><guid>g1</guid><title>One</title><link>https://x.test/1</link>
<pubDate>Sun, 01 Mar 2026 08:15:30 GMT</pubDate><dc:creator>Ada</dc:creator>
<description>First.</description><content:encoded><![CDATA[<p>All</p>]]></content:encoded></item>
<item><title>Two</title></item></channel></rss>"""
ATOM = """<?xml version="1.0"?><feed xmlns="http://www.w3.org/2005/Atom"><title>Atom news</title>
<link rel="self" href="/feed"/><link href="https://x.test/"/>
<entry><id>e1</id><title>One</title><link rel="alternate" href="/1"/>
<updated>2026-03-01T08:15:30Z</updated><author><name>Bob</name></author>
<summary>First.</summary></entry></feed>"""
JSON_FEED = json.dumps(
    {
        "version": "https://jsonfeed.org/version/1.1",
        "title": "JSON news",
        "home_page_url": "https://x.test/",
        "items": [
            {
                "id": "j1",
                "url": "https://x.test/1",
                "title": "One",
                "content_text": "All",
                "date_published": "2026-03-01T08:15:30Z",
                "authors": [{"name": "Cy"}],
            }
        ],
    }
)
SITEMAP = """<?xml version="1.0"?><urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">
<url><loc>https://x.test/a</loc><lastmod>2026-03-01</lastmod><priority>0.5</priority></url>
<url><loc> https://x.test/b </loc></url></urlset>"""
INDEX = """<sitemapindex xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">
<sitemap><loc>https://x.test/s1.xml</loc><lastmod>2026-03-01</lastmod></sitemap></sitemapindex>"""
TABLES = """<html><head><title>Tables</title></head><body><table><caption>Prices</caption>
<thead><tr><th>what</th><th colspan="2">price</th></tr></thead>
<tr><td rowspan="2">mug</td><td>9</td><td>EUR</td></tr><tr><td>10</td><td>USD</td></tr></table>
<table><tr><td>only</td></tr></table></body></html>"""
LINKS = """<html><head><title>Links</title><base href="/sub/"></head><body><a href="x">to
<b>x</b></a><a rel="nofollow" title="t" href="https://y.test/">y</a><a>none</a></body></html>"""
REPLIES = {
    "/article": Reply(ARTICLE),
    "/plain": Reply(PLAIN_ARTICLE),
    "/product": Reply(PRODUCT),
    "/microdata": Reply(MICRODATA),
    "/graph": Reply(OPEN_GRAPH),
    "/rss": plain(RSS, "application/rss+xml"),
    "/atom": plain(ATOM, "application/atom+xml"),
    "/json": plain(JSON_FEED, "application/feed+json"),
    "/sitemap.xml": plain(SITEMAP, "application/xml"),
    "/index.xml": plain(INDEX, "text/xml"),
    "/tables": Reply(TABLES),
    "/links": Reply(LINKS),
}


class World:
    """The pages, and a way to run agents on them."""

    def __init__(self, extractor: Extractor, base: str) -> None:
        self.base = base
        self._extractor = extractor

    async def run(self, name: str, url: str) -> Any:
        """`data.parsing` of a run."""
        url = url if "://" in url else self.base + url
        call = AgentCall(agent=name, params={"url": url})
        reading = Reading(0.0)
        request = bind(compiled(builtins()[name].text), call, reading)
        assert isinstance(request, ExtractRequest), reading.problems
        page = await self._extractor.extract(request, CookieJar(()))
        assert page.failure is None, page.failure
        assert set(page.values) == {"parsing"}
        return page.values["parsing"]


@pytest.fixture
async def world() -> AsyncIterator[World]:
    extractor = Extractor(Settings(allow_addresses=parse_networks(LOOPBACK)))
    try:
        with small_site(REPLIES) as site:
            yield World(extractor, site.base)
    finally:
        await extractor.aclose()


async def test_an_article_with_all_that_a_page_can_say(world: World) -> None:
    found = await world.run("article", "/article")
    text, markdown = found.pop("text"), found.pop("markdown")
    assert found == {
        "title": "Bridge opens",
        "author": "Ada Example",
        "published_at": "2026-03-01T08:15:30+01:00",
        "modified_at": "2026-03-02T00:00:00",
        "description": "After three hours.",
        "language": "en",
        "site_name": "Daily",
        "canonical_url": world.base + "/a/bridge",
        "image": world.base + "/lead.jpg",
        "images": [world.base + "/one.jpg"],
    }
    assert text.count("The council met") == 8
    assert "Imprint" not in text and "Home" not in text
    assert "The council met" in markdown


async def test_an_article_that_says_little(world: World) -> None:
    found = await world.run("article", "/plain")
    assert (found["title"], found["author"]) == ("Plain story", "Bob")
    assert found["published_at"] == "2026-01-05T00:00:00"
    assert (found["description"], found["image"], found["images"]) == (None, None, [])


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (
            "/product",
            {
                "name": "Blue mug",
                "sku": "a1",
                "gtin": "4006381333931",
                "brand": "Mugs",
                "price": 9.9,
                "currency": "EUR",
                "availability": "https://schema.org/InStock",
                "rating": 4.5,
                "review_count": 12,
                "image": "{base}/mug.jpg",
                "description": "A mug.",
            },
        ),
        (
            "/microdata",
            {
                "name": "Red mug",
                "sku": "r2",
                "brand": "Mugs",
                "price": 1234.5,
                "currency": "EUR",
                "availability": "https://schema.org/OutOfStock",
                "image": "{base}/red.jpg",
                "rating": None,
            },
        ),
        (
            "/graph",
            {
                "name": "Green mug",
                "price": 7,
                "currency": "USD",
                "image": "{base}/green.jpg",
                "sku": None,
            },
        ),
    ],
)
async def test_a_product_is_read_however_its_page_tells_it(
    world: World, path: str, expected: dict[str, Any]
) -> None:
    found = await world.run("product", path)
    told = {
        name: value.replace("{base}", world.base) if isinstance(value, str) else value
        for name, value in expected.items()
    }
    assert {name: found[name] for name in told} == told


async def test_links_with_their_words(world: World) -> None:
    found = await world.run("links", "/links")
    assert found == {
        "title": "Links",
        "links": [
            {
                "position": 1,
                "url": world.base + "/sub/x",
                "text": "to x",
                "title": None,
                "rel": None,
            },
            {"position": 2, "url": "https://y.test/", "text": "y", "title": "t", "rel": "nofollow"},
        ],
    }


async def test_tables_with_spans_written_out(world: World) -> None:
    found = await world.run("tables", "/tables")
    assert found["tables"] == [
        {
            "caption": "Prices",
            "columns": ["what", "price", "price"],
            "rows": [["mug", "9", "EUR"], ["mug", "10", "USD"]],
        },
        {"caption": "", "columns": [], "rows": [["only"]]},
    ]


async def test_sitemaps_and_their_indexes(world: World) -> None:
    found = await world.run("sitemap", "/sitemap.xml")
    first, second = found["urls"]
    assert first == {
        "url": "https://x.test/a",
        "last_modified": "2026-03-01",
        "change_frequency": None,
        "priority": "0.5",
    }
    assert second["url"] == "https://x.test/b"
    index = await world.run("sitemap", "/index.xml")
    assert index["sitemaps"] == [{"url": "https://x.test/s1.xml", "last_modified": "2026-03-01"}]
    assert index["urls"] == []


@pytest.mark.parametrize(
    ("path", "title", "first"),
    [
        (
            "/rss",
            "News",
            {
                "id": "g1",
                "title": "One",
                "url": "https://x.test/1",
                "author": "Ada",
                "summary": "First.",
                "content": "<p>All</p>",
            },
        ),
        ("/atom", "Atom news", {"id": "e1", "title": "One", "url": "{base}/1", "author": "Bob"}),
        (
            "/json",
            "JSON news",
            {
                "id": "j1",
                "title": "One",
                "url": "https://x.test/1",
                "author": "Cy",
                "content": "All",
            },
        ),
    ],
)
async def test_feeds_of_every_kind(
    world: World, path: str, title: str, first: dict[str, Any]
) -> None:
    found = await world.run("feed", path)
    assert (found["title"], found["link"]) == (title, "https://x.test/")
    entry = found["entries"][0]
    told = {name: value.replace("{base}", world.base) for name, value in first.items()}
    assert {name: entry[name] for name in told} == told
    assert entry["published_at"].startswith("2026-03-01T08:15:30")


async def test_a_real_manual_page_gives_its_links_and_tables(
    world: World, sites: dict[str, Site]
) -> None:
    url = sites["postgresql-doc-15"].url("datatype-numeric.html")
    links = await world.run("links", url)
    assert len(links["links"]) > 20
    assert all(one["url"].startswith("http") for one in links["links"])
    tables = await world.run("tables", url)
    (numeric,) = [one for one in tables["tables"] if "smallint" in json.dumps(one["rows"])][:1]
    assert numeric["columns"] == ["Name", "Storage Size", "Description", "Range"]
    assert numeric["rows"][0][:2] == ["smallint", "2 bytes"]
