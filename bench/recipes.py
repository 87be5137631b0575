"""How fast are 30 fields taken out of real pages, beside parsel doing the same ones?

Both in this process, on the same bodies, one core: what the network costs is another question.
Half of the fields are links, numbers and parts of texts. Fields that differ are counted, so that
speed is not had by finding less.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any, Literal, NamedTuple
from urllib.parse import urljoin

import msgspec
from parsel import Selector

from tests.support.downloads import debian_package
from windlass.formats import Wish
from windlass.formats.parsing import parsing_of
from windlass.html.document import Document
from windlass.parsing.recipes import compile_recipe

PACKAGES = ("python3.11-doc", "sqlite3-doc", "ant-doc")
_PER_PACKAGE = 150
_LARGEST = 500_000


class Field(NamedTuple):
    """One field: how its elements are selected, and what of them is wanted."""

    how: Literal["css", "xpath"]
    selector: str
    what: str = "text"
    every: bool = False
    then: Literal["", "url", "number", "regex"] = ""


FIELDS = {
    "title": Field("css", "title", then="number"),
    "h1": Field("css", "h1", then="number"),
    "h2": Field("css", "h2"),
    "h2s": Field("css", "h2", every=True),
    "h3s": Field("css", "h3", every=True),
    "first": Field("css", "p", then="regex"),
    "canonical": Field("css", "link[rel=canonical]", "href", then="url"),
    "next": Field("css", "link[rel=next]", "href", then="url"),
    "prev": Field("css", "link[rel=prev]", "href", then="url"),
    "charset": Field("css", "meta[charset]", "charset"),
    "viewport": Field("css", 'meta[name="viewport"]', "content", then="regex"),
    "generator": Field("css", 'meta[name="generator"]', "content", then="regex"),
    "description": Field("css", 'meta[property="og:description"]', "content"),
    "styles": Field("css", 'link[rel="stylesheet"]', "href", every=True, then="url"),
    "scripts": Field("css", "script[src]", "src", every=True, then="url"),
    "terms": Field("css", "dl dt code", every=True),
    "signature": Field("css", "dl.py.function > dt"),
    "definition": Field("css", "dl.py.function > dd > p:first-child"),
    "crumbs": Field("css", "div.related li a", every=True),
    "section": Field("css", "div.body section[id]", "id"),
    "cells": Field("css", "table td:nth-child(2)", every=True, then="number"),
    "head": Field("css", "table th"),
    "code": Field("css", "pre", then="number"),
    "footer": Field("css", "div.footer"),
    "toc": Field("xpath", "//div[@class='toc']//a", "href", every=True, then="url"),
    "anchor": Field("xpath", "//a[@name]", "name"),
    "external": Field("xpath", "//a[starts-with(@href, 'http')]", "href", every=True, then="url"),
    "emphasis": Field("xpath", "//p[contains(., 'SQL')]/em"),
    "second": Field("xpath", "(//ul/li)[2]"),
    "after": Field("xpath", "//h2/following-sibling::p[1]"),
}

URL = "http://site.test/"
_PATTERN = r"(\w+)\W+(\w+)"
POST_PROCESSORS: dict[str, dict[str, Any]] = {
    "url": {"type": "url"},
    "number": {"type": "number"},
    "regex": {"type": "regex", "regex": _PATTERN, "group": 2},
}
_SECOND = re.compile(_PATTERN)
_NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?|\.\d+")


class Recipes(msgspec.Struct, frozen=True):
    """Pages per second and milliseconds of CPU per page, ours and parsel's; of their fields, how
    many are not equal."""

    pages: int
    megabytes: float
    fields: int
    per_second: float
    cpu_ms: float
    parsel_per_second: float
    parsel_cpu_ms: float
    differing: float

    @property
    def ratio(self) -> float:
        """How many times parsel's rate ours is."""
        return self.per_second / self.parsel_per_second


def measure(passes: int) -> Recipes:
    """The answer: the fastest of some passes each, taken in turns."""
    bodies = list(_bodies())
    wish = Wish(recipe=compile_recipe(_recipe()).text, recipe_s=600)
    ours, theirs = [], []
    for _ in range(max(passes, 1)):
        ours.append(_timed(lambda body: _ours(body, wish), bodies))
        theirs.append(_timed(_parsels, bodies))
    mine, other = min(ours), min(theirs)
    count = len(bodies)
    return Recipes(
        pages=count,
        megabytes=sum(map(len, bodies)) / 1e6,
        fields=len(FIELDS),
        per_second=count / mine[0],
        cpu_ms=mine[1] / count * 1000,
        parsel_per_second=count / other[0],
        parsel_cpu_ms=other[1] / count * 1000,
        differing=_differing(bodies, wish) / (count * len(FIELDS)),
    )


def _bodies() -> Any:
    for package in PACKAGES:
        files = sorted(debian_package(package).rglob("*.html"))
        real = [file for file in files if file.is_file() and file.stat().st_size < _LARGEST]
        step = max(len(real) // _PER_PACKAGE, 1)
        yield from (file.read_bytes() for file in real[::step][:_PER_PACKAGE])


def _recipe() -> dict[str, Any]:
    return {
        name: {
            "type": "terminal_list" if field.every else "terminal",
            "selector": {"type": "css", "css_selector": field.selector}
            if field.how == "css"
            else {"type": "xpath", "path": field.selector},
            "extractor": ({"type": "text"} if field.what == "text" else _attr(field.what))
            | ({"post_processor": POST_PROCESSORS[field.then]} if field.then else {}),
        }
        for name, field in FIELDS.items()
    }


def _attr(name: str) -> dict[str, str]:
    return {"type": "attr", "attr": name}


def _timed(read: Callable[[bytes], object], bodies: list[bytes]) -> tuple[float, float]:
    began, cpu = time.perf_counter(), time.process_time()
    for body in bodies:
        read(body)
    return time.perf_counter() - began, time.process_time() - cpu


def _ours(body: bytes, wish: Wish) -> Any:
    document = Document(body, "text/html", URL)
    return parsing_of(document, wish, [])


def _parsels(body: bytes) -> dict[str, Any]:
    page = Selector(body=body)
    values: dict[str, Any] = {}
    for name, field in FIELDS.items():
        found = page.css(field.selector) if field.how == "css" else page.xpath(field.selector)
        if field.every:
            read = [_one(each, field) for each in found]
            values[name] = [value for value in read if value is not None]
        else:
            values[name] = _one(found[0], field) if found else None
    return values


def _one(element: Selector, field: Field) -> Any:
    if field.what != "text":
        text = element.attrib.get(field.what)
    else:
        text = element.xpath("string()").get(default="").strip()
    return text if text is None or not field.then else _THEN[field.then](text)


def _number(text: str) -> float | None:
    found = _NUMBER.search(text)
    return None if found is None else float(found.group().replace(",", ""))


def _second(text: str) -> str | None:
    found = _SECOND.search(text)
    return None if found is None else found.group(2)


_THEN: dict[str, Callable[[str], Any]] = {
    "url": lambda text: urljoin(URL, text),
    "number": _number,
    "regex": _second,
}
"""What whoever uses parsel writes for each post-processor."""


def _differing(bodies: list[bytes], wish: Wish) -> int:
    wrong = 0
    for body in bodies:
        ours = msgspec.msgpack.decode(_ours(body, wish))
        theirs = _parsels(body)
        wrong += sum(_bare(ours[name]) != _bare(theirs[name]) for name in FIELDS)
    return wrong


def _bare(value: Any) -> Any:
    """Without white space, of which HTML parsers keep less than XML ones."""
    if isinstance(value, list):
        return [_bare(item) for item in value]
    return "".join(value.split()) if isinstance(value, str) else value
