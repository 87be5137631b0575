"""Selectors (contract 7.8.2): one compile function each, from a spec to a Finder.

Used by parsers.py and, to refuse what is wrong, by reading.py. To add one: its Spec in
model/recipe.py, a function here, a line in SELECTORS.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from windlass.html.css import CssError
from windlass.html.dom import Dom, Element, Node, XPathError, css, parent_of, xpath
from windlass.model.recipe import (
    Chain,
    Css,
    FirstOf,
    Json,
    Parent,
    Root,
    Selector,
    Spec,
    XPath,
)
from windlass.parsing.faults import Spot
from windlass.parsing.jsonpath import Item, JsonPath, PathSyntaxError, json_path
from windlass.parsing.run import Context, Run

Every = Callable[[Context, Run], list[Any]]


class Finder(NamedTuple):
    """A compiled selector: everything it finds from a context, in order, or only the first."""

    every: Every
    first: Callable[[Context, Run], Any]


def compile_selector(spec: Selector | None, spot: Spot) -> Finder:
    """Notes at the spot what is wrong, and then still returns something. None: what it is at."""
    if spec is None or spot.overdue:
        return _HERE
    return SELECTORS[type(spec)](spec, spot)


_HERE = Finder(lambda context, run: [context], lambda context, run: context)
_NOTHING = Finder(lambda context, run: [], lambda context, run: None)


def _of_every(every: Every) -> Finder:
    def first(context: Context, run: Run) -> Any:
        found = every(context, run)
        return found[0] if found else None

    return Finder(every, first)


def _elements(select: Callable[[Dom, Node], list[Element]]) -> Every:
    def every(context: Context, run: Run) -> list[Any]:
        place = run.dom_of(context)
        if place is None:
            return []
        run.look()
        found = select(*place)
        run.spend(len(found) + 1)
        return found

    return every


def _css(spec: Css, spot: Spot) -> Finder:
    try:
        selector = css(spec.css_selector)
    except CssError as error:
        wrong = f"must be a CSS selector: {error}"
        (spot / "css_selector").wrong(wrong, "format", {"format": "css"})
        return _NOTHING

    def first(context: Context, run: Run) -> Any:
        place = run.dom_of(context)
        run.spend(1)
        run.look()
        return None if place is None else place[0].first(place[1], selector)

    return Finder(_elements(lambda dom, node: dom.select(node, selector)), first)


def _xpath(spec: XPath, spot: Spot) -> Finder:
    try:
        query = xpath(spec.path)
    except XPathError as error:
        wrong = f"must be an XPath 1.0 path: {error}"
        (spot / "path").wrong(wrong, "format", {"format": "xpath"})
        return _NOTHING

    return _of_every(_elements(query.select))


def read_path(text: str, spot: Spot) -> JsonPath:
    """The path; one that leads to the value itself, and a problem, if it is none."""
    try:
        return json_path(text)
    except PathSyntaxError as error:
        spot.wrong(f"must be a JSONPath: {error}", "format", {"format": "jsonpath"})
        return json_path("$")


def _json(spec: Json, spot: Spot) -> Finder:
    path = read_path(spec.path, spot / "path")
    coercion = spec.coercion_filter
    choose = None if coercion is None else read_path(coercion, spot / "coercion_filter")

    def every(context: Context, run: Run) -> list[Any]:
        item = run.json_of(context)
        if item.value is None:
            return []
        if choose is None:
            return path.find(item, run.spend)
        chosen = choose.find(item, run.spend)
        if not chosen and isinstance(item.value, dict):  # one object where others have a list
            chosen = choose.find(Item([item.value], item.up), run.spend)
        return [found for each in chosen for found in path.find(each, run.spend)]

    return _of_every(every)


def _chain(spec: Chain, spot: Spot) -> Finder:
    steps = [
        compile_selector(step, spot / "sequence" / number)
        for number, step in enumerate(spec.sequence)
    ]

    def every(context: Context, run: Run) -> list[Any]:
        found: list[Any] = [context]
        for step in steps:
            if len(found) == 1:
                found = step.every(found[0], run)
            else:
                found = _once(inner for each in found for inner in step.every(each, run))
        return found

    return _of_every(every)


def _once(found: Iterable[Any]) -> list[Any]:
    """The same without the elements that were there before; values may be equal and not the
    same."""
    seen: set[Element] = set()
    kept: list[Any] = []
    for each in found:
        if isinstance(each, Element):
            if each in seen:
                continue
            seen.add(each)
        kept.append(each)
    return kept


def _parent(spec: Parent, spot: Spot) -> Finder:
    times = spec.times

    def first(context: Context, run: Run) -> Any:
        run.spend(times)
        found: Any = context
        for _ in range(times):
            found = found.up if isinstance(found, Item) else parent_of(found)
            if found is None:
                return None
        return found

    def every(context: Context, run: Run) -> list[Any]:
        found = first(context, run)
        return [] if found is None else [found]

    return Finder(every, first)


def _root(spec: Root, spot: Spot) -> Finder:
    return Finder(lambda context, run: [run.root], lambda context, run: run.root)


def _first_of(spec: FirstOf, spot: Spot) -> Finder:
    ways = [
        compile_selector(way, spot / "selectors" / number)
        for number, way in enumerate(spec.selectors)
    ]

    def every(context: Context, run: Run) -> list[Any]:
        for way in ways:
            if found := way.every(context, run):
                return found
        return []

    def first(context: Context, run: Run) -> Any:
        for way in ways:
            if (found := way.first(context, run)) is not None:
                return found
        return None

    return Finder(every, first)


SELECTORS: dict[type[Spec], Callable[[Any, Spot], Finder]] = {
    Css: _css,
    XPath: _xpath,
    Json: _json,
    Chain: _chain,
    Parent: _parent,
    Root: _root,
    FirstOf: _first_of,
}
"""The compile function of each selector."""
