"""Extractors (contract 7.8.3): one compile function each, from a spec to a function.

Used by parsers.py and, to refuse what is wrong, by reading.py. To add one: its Spec in
model/recipe.py, a function here, a line in EXTRACTORS.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from windlass.html.dom import Element, attribute_of, markup_of, pieces_of, text_of
from windlass.html.grid import grid_of
from windlass.model.recipe import (
    AttrOf,
    Extractor,
    JsonOf,
    MainContentOf,
    RawOf,
    Spec,
    TableOf,
    TextOf,
)
from windlass.parsing.faults import Spot
from windlass.parsing.jsonpath import Item
from windlass.parsing.patterns import compile_pattern
from windlass.parsing.postprocess import compile_post
from windlass.parsing.postprocess.texts import as_text
from windlass.parsing.run import Context, Run
from windlass.parsing.selectors import read_path

Extract = Callable[[Context | None, Run], Any]
"""The value of a context; of None, where nothing was found, whatever stands for that."""


def compile_extractor(spec: Extractor, spot: Spot) -> Extract:
    """Notes at the spot what is wrong, and then still returns something."""
    read = EXTRACTORS[type(spec)](spec, spot)
    if spec.post_processor is None:
        return lambda context, run: None if context is None else read(context, run)
    process = compile_post(spec.post_processor, spot / "post_processor")
    return lambda context, run: process(None if context is None else read(context, run), run)


Reader = Callable[[Context, Run], Any]


def _text(spec: TextOf, spot: Spot) -> Reader:
    separator, strip = spec.separator, spec.strip
    pattern = None if spec.regex is None else compile_pattern(spec.regex, spot / "regex")

    def read(context: Context, run: Run) -> Any:
        if isinstance(context, Item):
            if context.value is None:
                return None
            text = as_text(context.value)
        elif separator is None:
            text = text_of(context)
        else:
            pieces = pieces_of(context)
            kept = filter(None, map(str.strip, pieces)) if strip else pieces
            text = separator.join(kept)
        if strip:
            text = text.strip()
        return run.give(text)

    def search(context: Context, run: Run) -> Any:
        text = read(context, run)
        found = None if pattern is None or text is None else pattern.search(text)
        return None if found is None else found.group(1 if pattern and pattern.groups else 0)

    return read if pattern is None else search


def _attr(spec: AttrOf, spot: Spot) -> Reader:
    name = spec.attr
    lower = name.lower()

    def read(context: Context, run: Run) -> Any:
        if isinstance(context, Element):
            value = attribute_of(context, name)
            if value is None and lower != name:  # names of attributes are lower case in HTML
                value = attribute_of(context, lower)
            return None if value is None else run.give(value)
        if isinstance(context, Item):
            member = context.member(name)
            return None if member is None else member.value
        return None

    return read


def _json(spec: JsonOf, spot: Spot) -> Reader:
    if spec.path is None:
        return lambda context, run: run.json_of(context).value
    path = read_path(spec.path, spot / "path")

    def read(context: Context, run: Run) -> Any:
        item = run.json_of(context)
        if item.value is None:
            return None
        found = [each.value for each in path.find(item, run.spend)]
        if path.definite:
            return found[0] if found else None
        return found or None

    return read


def _raw(spec: RawOf, spot: Spot) -> Reader:
    def read(context: Context, run: Run) -> Any:
        if isinstance(context, Item):
            return context.value
        return run.give(markup_of(context))

    return read


def _table(spec: TableOf, spot: Spot) -> Reader:
    def read(context: Context, run: Run) -> Any:
        if not isinstance(context, Element):
            return None
        grid = grid_of(context)
        run.spend(sum(map(len, grid.rows)))
        for row in (grid.columns, *grid.rows):
            run.give("".join(row))
        return grid._asdict()

    return read


def _main_content(spec: MainContentOf, spot: Spot) -> Reader:
    return lambda context, run: run.give(run.main_content(spec.format))


EXTRACTORS: dict[type[Spec], Callable[[Any, Spot], Reader]] = {
    TextOf: _text,
    AttrOf: _attr,
    JsonOf: _json,
    RawOf: _raw,
    TableOf: _table,
    MainContentOf: _main_content,
}
"""The compile function of each extractor."""
