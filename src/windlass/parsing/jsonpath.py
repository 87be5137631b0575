"""JSONPath as recipes write it (contract 7.8.2): names, indices, slices, `..`, filters, regexes.

Used by selectors.py and extractors.py. Reading a path is pathsyntax.py's work; here it is followed.
Everything met on the way is paid for at the meter, so that no path runs for ever.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

from windlass.parsing.pathsyntax import (
    Compare,
    Every,
    Filter,
    Index,
    Literal,
    Logic,
    Name,
    Not,
    Operand,
    Path,
    PathSyntaxError,
    Pattern,
    Slice,
    Step,
    Test,
    parse_path,
)

__all__ = ["Item", "JsonPath", "Meter", "PathSyntaxError", "json_path"]

Meter = Callable[[int], None]
"""Called with the number of values met; raises when it is too much."""


class Item:
    """A JSON value, and where it is: the value it is in under `key`; at the top, what it was read
    from, an element or nothing."""

    __slots__ = ("key", "up", "value")

    def __init__(self, value: Any, up: Any = None, key: str | int | None = None) -> None:
        self.value = value
        self.up = up
        self.key = key

    def children(self) -> Iterator[Item]:
        """What is directly in it."""
        if isinstance(self.value, dict):
            for key, value in self.value.items():
                yield Item(value, self, key)
        elif isinstance(self.value, list):
            for index, value in enumerate(self.value):
                yield Item(value, self, index)

    def member(self, name: str) -> Item | None:
        """The member of an object; of a list, the item that the digits count."""
        value = self.value
        if isinstance(value, dict):
            return Item(value[name], self, name) if name in value else None
        if isinstance(value, list) and name.isascii() and name.isdigit():
            return self.at(int(name))
        return None

    def at(self, index: int) -> Item | None:
        """The item of a list, counted from its end if negative."""
        value = self.value
        if not isinstance(value, list):
            return None
        index += len(value) if index < 0 else 0
        return Item(value[index], self, index) if 0 <= index < len(value) else None


class JsonPath:
    """A path to follow. `definite` says that it leads to one value at most."""

    def __init__(self, path: Path) -> None:
        self._steps = path.steps
        self.definite = path.definite

    def find(self, item: Item, meter: Meter) -> list[Item]:
        """What it leads to from a value, in the order of the document."""
        return _follow(self._steps, [item], item, meter)


@lru_cache(maxsize=1024)
def json_path(text: str) -> JsonPath:
    """The path that a text means. Raises PathSyntaxError."""
    return JsonPath(parse_path(text))


def _follow(steps: tuple[Step, ...], items: list[Item], top: Item, meter: Meter) -> list[Item]:
    for step in steps:
        if not items:
            break
        if step.deep:
            items = [inner for item in items for inner in _all_in(item, meter)]
        items = [found for item in items for found in _select(step, item, top, meter)]
        meter(len(items) + 1)
    return items


def _all_in(item: Item, meter: Meter) -> Iterator[Item]:
    """A value and everything in it, without recursion: nesting is the page's to choose."""
    waiting = [item]
    while waiting:
        one = waiting.pop()
        yield one
        children = list(one.children())
        meter(len(children) + 1)
        waiting.extend(reversed(children))


def _select(step: Step, item: Item, top: Item, meter: Meter) -> Iterator[Item]:
    for choice in step.choices:
        if isinstance(choice, Name):
            found = item.member(choice.name)
            if found is not None:
                yield found
        elif isinstance(choice, Index):
            found = item.at(choice.index)
            if found is not None:
                yield found
        elif isinstance(choice, Every):
            yield from item.children()
        elif isinstance(choice, Slice):
            if isinstance(item.value, list):
                places = range(len(item.value))[choice.places]
                yield from (Item(item.value[place], item, place) for place in places)
        else:
            yield from _filtered(choice, item, top, meter)


def _filtered(choice: Filter, item: Item, top: Item, meter: Meter) -> Iterator[Item]:
    for child in item.children():
        meter(1)
        if _holds(choice.test, child, top, meter):
            yield child


# --------------------------------------------------------------------- filters

_MISSING = object()


def _holds(test: Test, item: Item, top: Item, meter: Meter) -> bool:
    if isinstance(test, Logic):
        holding = (_holds(part, item, top, meter) for part in test.parts)
        return all(holding) if test.every else any(holding)
    if isinstance(test, Not):
        return not _holds(test.test, item, top, meter)
    if isinstance(test, Compare):
        left = _value(test.left, item, top, meter)
        right = _value(test.right, item, top, meter)
        return _compare(left, test.sign, right)
    if isinstance(test, Pattern):
        meter(1)
        text = _scalar_text(_value(test.left, item, top, meter))
        return text is not None and test.expression.search(text) is not None
    return _value(test, item, top, meter) is not _MISSING


def _value(operand: Operand, item: Item, top: Item, meter: Meter) -> Any:
    if isinstance(operand, Literal):
        return operand.value
    start = top if operand.from_top else item
    found = _follow(operand.path.steps, [start], top, meter)
    return found[0].value if found else _MISSING


def _scalar_text(value: Any) -> str | None:
    if isinstance(value, str):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    return None


def _compare(left: Any, sign: str, right: Any) -> bool:
    if sign == "==":
        return _same(left, right)
    if sign == "!=":
        return not _same(left, right)
    if not _ordered(left, right):
        return False
    if sign == "<":
        return bool(left < right)
    if sign == "<=":
        return bool(left <= right)
    return bool(left > right) if sign == ">" else bool(left >= right)


def _same(left: Any, right: Any) -> bool:
    """Equality as JSON has it, where true is not 1."""
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    return bool(left == right)


def _ordered(left: Any, right: Any) -> bool:
    if isinstance(left, bool) or isinstance(right, bool):
        return False
    numbers = isinstance(left, int | float) and isinstance(right, int | float)
    return numbers or (isinstance(left, str) and isinstance(right, str))
