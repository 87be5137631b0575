"""Trees that real pages made and that once lost text or failed."""

from __future__ import annotations

import pytest
import turbohtml

from windlass.html import plain
from windlass.html.tables import shape_table


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("<ul>a<li>b</li></ul>", "- a\n- b"),
        ("<ul><a id=x><li>1</li><li>2</li></a></ul>", "- 1\n- 2"),
        ("<ol><div><li>1</li></div><li>2</li></ol>", "1. 1\n2. 2"),
        ("<ul><li>x</li> <b>stray</b></ul>", "- x\n- stray"),
    ],
)
def test_text_outside_the_items_of_a_list_is_kept(source: str, expected: str) -> None:
    assert plain.render(turbohtml.parse(source)) == expected


def test_an_empty_code_block_in_a_cell_is_left_out() -> None:
    document = turbohtml.parse("<table><tr><th>a<th>b<tr><td><pre>\n</pre><td>x</table>")
    table = document.find("table")
    assert table is not None
    shape_table(table)
    assert table.text == "abx"
    assert table.find("pre") is None
