"""What a sample expects held against what was found."""

from __future__ import annotations

from typing import Any

import pytest

from windlass.agents.samples import compare


def rows(expected: Any, found: Any) -> dict[str, bool]:
    return {one.field: one.same for one in compare(expected, found)}


@pytest.mark.parametrize(
    ("expected", "found", "told"),
    [
        ({"a": 1}, {"a": 1, "b": 2}, {"/a": True}),
        ({"a": 1}, {"a": 2}, {"/a": False}),
        ({"a": None}, {"a": None}, {"/a": True}),
        ({"a": 1}, {"a": True}, {"/a": False}),
        ({"a": 1}, {"a": 1.0}, {"/a": True}),
        ({"a": {"b": "x"}}, {"a": None}, {"/a/b": False}),
        ({"a/b": 1}, {"a/b": 1}, {"/a~1b": True}),
        ([{"n": 1}], [{"n": 1, "m": 2}, {"n": 2}], {"/0/n": True}),
        ([1, 2], [1], {"": False}),
        ([], [1], {"": False}),
        ({}, {"a": 1}, {"": False}),
        ("x", "x", {"": True}),
        (None, {"a": 1}, {"": False}),
    ],
)
def test_every_expected_field_is_held_against_what_was_found(
    expected: Any, found: Any, told: dict[str, bool]
) -> None:
    assert rows(expected, found) == told
