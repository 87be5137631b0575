"""Bodies are read as what they are declared to be, or as what they look like."""

from __future__ import annotations

import pytest

from windlass.html.media import Kind, essence, kind_of

XHTML = b'<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml"><body/></html>'


@pytest.mark.parametrize(
    ("content_type", "body", "kind"),
    [
        ("text/html; charset=utf-8", b"", Kind.HTML),
        ("TEXT/HTML", b'{"a": 1}', Kind.HTML),
        ("text/html", XHTML, Kind.HTML),
        ("application/xhtml+xml", b"<html/>", Kind.XHTML),
        ("application/xml", XHTML, Kind.XHTML),
        ("application/xml", b"<feed/>", Kind.XML),
        ("application/rss+xml", b"<rss/>", Kind.XML),
        ("image/svg+xml", b"<svg/>", Kind.XML),
        ("application/json", b"{}", Kind.JSON),
        ("application/vnd.api+json", b"{}", Kind.JSON),
        ("text/plain", b"<html>shown as it is", Kind.TEXT),
        ("text/plain", b"\x00\x01", Kind.BINARY),
        ("text/plain", "\ufeffa".encode("utf-16"), Kind.TEXT),
        ("text/csv", b"a,b", Kind.TEXT),
        ("text/markdown", b"# a", Kind.MARKDOWN),
        ("application/javascript", b"x()", Kind.TEXT),
        ("application/x-yaml", b"a: 1", Kind.TEXT),
        ("image/png", b"\x89PNG", Kind.BINARY),
        ("application/pdf", b"%PDF-1.7", Kind.BINARY),
        ("application/zip", b"PK\x03\x04", Kind.BINARY),
        ("video/mp4", b"text?", Kind.BINARY),
        ("application/octet-stream", b"%PDF-1.7", Kind.BINARY),
        ("application/octet-stream", b"<html>", Kind.TEXT),
        ("application/octet-stream", b"a\nb", Kind.TEXT),
        ("", b"  \n<!doctype HTML>", Kind.HTML),
        ("", b"<p>x", Kind.HTML),
        ("", b"<pre>x", Kind.TEXT),
        ("", b"\xef\xbb\xbf<html >", Kind.HTML),
        ("", b"<!-- note --><html>", Kind.HTML),
        ("", b"<?xml version='1.0'?><feed/>", Kind.XML),
        ("", b"<?xml version='1.0'?><!DOCTYPE html><html lang=en>", Kind.HTML),
        ("", XHTML, Kind.XHTML),
        ("", b"GIF89a", Kind.BINARY),
        ("", b"just text", Kind.TEXT),
        ("", b"", Kind.HTML),
        ("nonsense", b"<html>", Kind.HTML),
        ("*/*", b"<html>", Kind.HTML),
    ],
)
def test_kind_of(content_type: str, body: bytes, kind: Kind) -> None:
    assert kind_of(content_type, body) is kind


def test_essence_drops_parameters_and_refuses_nonsense() -> None:
    assert essence(" Text/HTML ; charset=x") == "text/html"
    assert essence("text/html, text/plain") == "text/html"
    assert essence("html") == ""
