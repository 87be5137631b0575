"""Tables that a pipe table can hold: rectangular, one line per cell. Used by shape.py.

Tables that only arrange a page are dissolved into blocks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from turbohtml import Element, Node, Text

_MOST_CELLS = 200_000
"""Beyond it a table is left as it is: spans are two numbers, their cells are not."""
_MOST_COLUMNS = 1000
_HEADINGS = ("h1", "h2", "h3", "h4", "h5", "h6")
_LISTS = ("ul", "ol")
_SECTIONS = ("thead", "tbody", "tfoot")
_ITEMS = frozenset({"ul", "ol", "li"})
_LINES = frozenset(
    {
        *("p", "div", "blockquote", "section", "article", "dt", "dd", "address", "figure"),
        *("figcaption", "hr", *_HEADINGS),
    }
)
_CELL_BLOCKS = frozenset({"pre", *_ITEMS, *_LINES})
_ARRANGED = frozenset({"table", "form", *_HEADINGS})
_TELLING = frozenset({"th", "caption", *_ARRANGED, *_CELL_BLOCKS})
_UNWRAPPED = ",".join(sorted(_LINES))


def shape_table(table: Element) -> None:
    """Makes a table rectangular and its cells one-liners, or dissolves a layout table."""
    rows = _rows(table)
    cells = [_cells(row) for row in rows]
    tags = {element.tag for element in table.iter_elements(_TELLING)}
    if _is_layout(table, tags, cells):
        _dissolve(table, rows, cells)
        return
    if _is_uneven(cells):
        _square(rows, cells)
    if not tags.isdisjoint(_CELL_BLOCKS):
        for row in cells:
            for cell in row:
                _one_line(cell)


def _is_uneven(cells: list[list[Element]]) -> bool:
    if len({len(row) for row in cells}) > 1:
        return True
    for row in cells:
        for cell in row:
            if cell.attr("colspan") is not None or cell.attr("rowspan") is not None:
                return True
    return False


def _rows(table: Element) -> list[Element]:
    rows: list[Element] = []
    for child in table.children:
        if isinstance(child, Element):
            if child.tag == "tr":
                rows.append(child)
            elif child.tag in _SECTIONS:
                rows.extend(
                    row for row in child.children if isinstance(row, Element) and row.tag == "tr"
                )
    return rows


def _cells(row: Element) -> list[Element]:
    return [cell for cell in row.children if isinstance(cell, Element) and cell.tag in ("td", "th")]


# ---------------------------------------------------------------- layout


def _is_layout(table: Element, tags: set[str], cells: list[list[Element]]) -> bool:
    """Whether the table arranges blocks rather than relates values. `tags`: what is inside."""
    if (table.attr("role") or "").strip().lower() in ("presentation", "none"):
        return True
    if "th" in tags or "caption" in tags:
        return "table" in tags
    if not tags.isdisjoint(_ARRANGED):
        return True
    flat = len(cells) <= 1 or max(map(len, cells)) <= 1
    return flat and not tags.isdisjoint(_CELL_BLOCKS)


def _dissolve(table: Element, rows: list[Element], cells: list[list[Element]]) -> None:
    for section in table.children:
        if isinstance(section, Element) and section.tag in (*_SECTIONS, "caption"):
            section.tag = "div"
    for row, members in zip(rows, cells, strict=True):
        row.tag = "div"
        for cell in members:
            cell.tag = "div"
    table.tag = "div"


# ---------------------------------------------------------------- spans


def _square(rows: list[Element], cells: list[list[Element]]) -> None:
    """Gives every row the same number of cells: what a span covers becomes an empty cell."""
    covered: dict[int, int] = {}
    widths: list[int] = []
    budget = _MOST_CELLS
    for row, members in zip(rows, cells, strict=True):
        column = 0
        for cell in members:
            if covered:
                column = _skip_covered(covered, column, cell.insert_before)
            wide = _span(cell, "colspan", _MOST_COLUMNS)
            tall = _span(cell, "rowspan", len(rows))
            budget -= wide
            if budget < 0:
                return
            if wide > 1:
                cell.insert_after(*(Element("td") for _ in range(wide - 1)))
            if tall > 1:
                covered.update(dict.fromkeys(range(column, column + wide), tall - 1))
            column += wide
        widths.append(_skip_covered(covered, column, row.append))
    widest = max(widths, default=0)
    if widest * len(rows) <= _MOST_CELLS:
        for row, width in zip(rows, widths, strict=True):
            for _ in range(widest - width):
                row.append(Element("td"))


def _skip_covered(covered: dict[int, int], column: int, put: Callable[[Element], None]) -> int:
    """The next column that no cell from above reaches into; those before get an empty cell."""
    while covered.get(column, 0) > 0:
        covered[column] -= 1
        put(Element("td"))
        column += 1
    return column


def _span(cell: Element, name: str, most: int) -> int:
    text = cell.attr(name)
    if text is None:
        return 1
    del cell.attrs[name]
    if not text.strip().isdecimal():
        return 1
    return max(1, min(int(text[:6]), most))


# ---------------------------------------------------------------- cells


def _one_line(cell: Element) -> None:
    """Puts <br> where blocks of a cell begin and end; a pipe table has no other line break."""
    blocks = list(cell.iter_elements(_CELL_BLOCKS)) if cell.find() is not None else None
    if not blocks:
        return
    for block in blocks:
        if block.tag == "pre":
            _code_lines(block)
        elif block.tag in _ITEMS:
            block.attrs.clear()
        else:
            _break_around(block, [block])
            if block.tag in _HEADINGS:
                block.wrap_children(Element("strong"))
    cell.strip_tags(_UNWRAPPED)


def _break_around(block: Element, pieces: list[Node]) -> None:
    """Replaces a block by `pieces` with <br> towards text on either side."""
    if _has_text(block.previous_siblings):
        pieces.insert(0, Element("br"))
    if _has_text(block.next_siblings):
        pieces.append(Element("br"))
    if pieces != [block]:
        marker = Text("")
        block.insert_before(marker)
        marker.replace_with(*pieces)
        if block not in pieces:
            block.decompose()


def _has_text(siblings: Iterable[Node]) -> bool:
    """Whether the nearest thing on this side is content that would run into the block."""
    for sibling in siblings:
        if isinstance(sibling, Element):
            return sibling.tag != "br" and sibling.tag not in _LISTS
        if isinstance(sibling, Text) and sibling.data.strip():
            return True
    return False


def _code_lines(block: Element) -> None:
    """A code block as lines of inline code."""
    pieces: list[Node] = []
    for line in block.text.rstrip().lstrip("\n").split("\n"):
        if pieces:
            pieces.append(Element("br"))
        if line.strip():
            pieces.append(Element("code", None, [Text(line)]))
    if pieces:
        _break_around(block, pieces)
    else:
        block.decompose()
