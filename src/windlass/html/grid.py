"""What a table says, row by row: the text of its cells, spans written out. Used by parsing/.

Reads the tree and leaves it as it is; tables.py is for those that change theirs.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from turbohtml import Element

_MOST_CELLS = 200_000
"""Beyond it spans are not written out: they are two numbers, their cells are not."""
_MOST_COLUMNS = 1000
_SECTIONS = ("thead", "tbody", "tfoot")


class Grid(NamedTuple):
    """A table. `columns` are the texts of its heading row, empty if it has none; `rows` the others,
    as long as the widest: a cell that spans several stands in each."""

    caption: str
    columns: list[str]
    rows: list[list[str]]


def grid_of(table: Element) -> Grid:
    """The table of an element; for anything but a table, an empty one."""
    caption = next((_text(one) for one in _members(table, ("caption",))), "")
    lines = list(_lines(table))
    heading = [_is_heading(row) for row in lines]
    texts = _written_out([_cells(row) for row in lines])
    width = max(map(len, texts), default=0)
    if width * len(texts) <= _MOST_CELLS:
        texts = [row + [""] * (width - len(row)) for row in texts]
    first = 1 if heading and heading[0] else 0
    return Grid(caption, texts[0] if first else [], texts[first:])


def _members(element: Element, tags: tuple[str, ...]) -> Iterator[Element]:
    for child in element.children:
        if isinstance(child, Element) and child.tag in tags:
            yield child


def _lines(table: Element) -> Iterator[Element]:
    for child in _members(table, ("tr", *_SECTIONS)):
        if child.tag == "tr":
            yield child
        else:
            yield from _members(child, ("tr",))


def _cells(row: Element) -> list[Element]:
    return list(_members(row, ("td", "th")))


def _is_heading(row: Element) -> bool:
    cells = _cells(row)
    parent = row.parent
    if isinstance(parent, Element) and parent.tag == "thead":
        return bool(cells)
    return bool(cells) and all(cell.tag == "th" for cell in cells)


def _written_out(lines: list[list[Element]]) -> list[list[str]]:
    covered: dict[int, tuple[int, str]] = {}
    budget = _MOST_CELLS
    rows: list[list[str]] = []
    for cells in lines:
        row: list[str] = []
        for cell in cells:
            _take_covered(covered, row)
            text = _text(cell)
            wide = _span(cell, "colspan", _MOST_COLUMNS)
            tall = _span(cell, "rowspan", len(lines) - len(rows))
            budget -= wide * tall
            if budget < 0:
                wide = tall = 1
            if tall > 1:
                covered.update(dict.fromkeys(range(len(row), len(row) + wide), (tall - 1, text)))
            row += [text] * wide
        _take_covered(covered, row)
        rows.append(row)
    return rows


def _take_covered(covered: dict[int, tuple[int, str]], row: list[str]) -> None:
    """Adds what cells of rows above reach down to."""
    while len(row) in covered:
        left, text = covered.pop(len(row))
        if left > 1:
            covered[len(row)] = (left - 1, text)
        row.append(text)


def _span(cell: Element, name: str, most: int) -> int:
    text = (cell.attr(name) or "").strip()
    return max(1, min(int(text[:6]), most)) if text.isdecimal() else 1


def _text(element: Element) -> str:
    return " ".join(element.text.split())
