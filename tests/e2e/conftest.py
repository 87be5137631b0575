"""Which event loops a test module runs on: those named in its `LOOPS`, else asyncio's own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

import pytest
import uvloop

Factory = Callable[[], asyncio.AbstractEventLoop]

_FACTORIES: dict[str, Factory] = {
    "asyncio": asyncio.new_event_loop,
    "uvloop": uvloop.new_event_loop,
}


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Factory]:
    """The loops for one test."""
    module = getattr(item, "module", None)
    return {name: _FACTORIES[name] for name in getattr(module, "LOOPS", ("asyncio",))}
