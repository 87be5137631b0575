"""A pytest plugin for the SDK's own test suite: takes its "mock server" skips away.

Loaded by test_sdk_suite.py into a pytest of its own, with the SDK's tests unmodified.
"""

from __future__ import annotations

import pytest

REASON = "Mock server tests are disabled"


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Drops exactly that skip mark; every other one stays."""
    for item in items:
        item.own_markers = [mark for mark in item.own_markers if not _disabled(mark)]


def _disabled(mark: pytest.Mark) -> bool:
    return mark.name == "skip" and mark.kwargs.get("reason") == REASON
