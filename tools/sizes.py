"""Holds the sizes that keep this code readable; `make lint` runs it and fails on what is larger.

Files stop at 600 lines, functions at 75, nine functions in ten at 30, nesting at 3, parameters
at 6 with self.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
FILE_LINES = 600
FUNCTION_LINES = 75
NINE_IN_TEN_LINES = 30
NESTING = 3
PARAMETERS = 6

Function = ast.FunctionDef | ast.AsyncFunctionDef
_BLOCKS = (ast.For, ast.AsyncFor, ast.While, ast.If, ast.Try, ast.Match)


@dataclass(frozen=True)
class Measured:
    """One function: where it is and how large."""

    place: str
    lines: int
    nesting: int
    parameters: int


def main() -> int:
    """The exit status: 1 when something is too large."""
    complaints: list[str] = []
    functions: list[Measured] = []
    for path in sorted((ROOT / "src").rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        name = str(path.relative_to(ROOT))
        count = len(text.splitlines())
        if count > FILE_LINES:
            complaints.append(f"{name}: {count} lines, at most {FILE_LINES}")
        functions += [_measure(name, node) for node in _functions(ast.parse(text))]
    for one in functions:
        complaints += _complaints(one)
    ordered = sorted(one.lines for one in functions)
    nine_in_ten = ordered[len(ordered) * 9 // 10]
    if nine_in_ten > NINE_IN_TEN_LINES:
        complaints.append(f"a tenth of all functions has more than {nine_in_ten} lines")
    for complaint in complaints:
        sys.stderr.write(complaint + "\n")
    sys.stdout.write(
        f"{len(functions)} functions: median {ordered[len(ordered) // 2]} lines, "
        f"nine in ten at most {nine_in_ten}, longest {ordered[-1]}\n"
    )
    return 1 if complaints else 0


def _functions(tree: ast.AST) -> Iterator[Function]:
    return (node for node in ast.walk(tree) if isinstance(node, Function))


def _measure(name: str, node: Function) -> Measured:
    arguments = node.args
    return Measured(
        f"{name}:{node.lineno} {node.name}",
        (node.end_lineno or node.lineno) - node.lineno + 1,
        max((_depth(child) for child in node.body), default=0),
        len(arguments.posonlyargs) + len(arguments.args) + len(arguments.kwonlyargs),
    )


def _depth(node: ast.AST) -> int:
    """How many blocks lie inside each other; `elif` is no deeper than its `if`."""
    if isinstance(node, Function | ast.ClassDef | ast.Lambda):
        return 0
    deepest = 0
    for field, value in ast.iter_fields(node):
        children = value if isinstance(value, list) else [value]
        chained = isinstance(node, ast.If) and field == "orelse" and len(children) == 1
        for child in children:
            if not isinstance(child, ast.AST):
                continue
            depth = _depth(child)
            deepest = max(deepest, depth - 1 if chained and isinstance(child, ast.If) else depth)
    return deepest + isinstance(node, _BLOCKS)


def _complaints(one: Measured) -> Iterator[str]:
    if one.lines > FUNCTION_LINES:
        yield f"{one.place}: {one.lines} lines, at most {FUNCTION_LINES}"
    if one.nesting > NESTING:
        yield f"{one.place}: nested {one.nesting} deep, at most {NESTING}"
    if one.parameters > PARAMETERS:
        yield f"{one.place}: {one.parameters} parameters, at most {PARAMETERS}"


if __name__ == "__main__":
    raise SystemExit(main())
