"""The HTTP edge over a double of Service, which most tests of windlass.api ask."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest

from tests.support.verbs import FakeVerbs, client_for


@pytest.fixture
def verbs() -> FakeVerbs:
    return FakeVerbs()


@pytest.fixture
async def client(verbs: FakeVerbs) -> AsyncIterator[httpx.AsyncClient]:
    """Asks as account main."""
    async with client_for(verbs) as made:
        yield made
