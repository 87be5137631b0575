"""A PostgreSQL for whoever needs only that, a browser for whoever needs only that, and the event
loops that a test module runs on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio
import uvloop

from tests.support.engine import Engine
from tests.support.postgres import emptied_database, running_postgres
from windlass.storage.database import Database

if TYPE_CHECKING:
    from playwright.async_api import Browser

    from tests.support.barebrowser import Bare
    from tests.support.stagesite import StageSite

Factory = Callable[[], asyncio.AbstractEventLoop]

_FACTORIES: dict[str, Factory] = {
    "asyncio": asyncio.new_event_loop,
    "uvloop": uvloop.new_event_loop,
}


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Factory]:
    """The loops for one test: those named in its module's `LOOPS`, else asyncio's own."""
    module = getattr(item, "module", None)
    return {name: _FACTORIES[name] for name in getattr(module, "LOOPS", ("asyncio",))}


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The DSN of a server for databases without any Windlass around them."""
    with running_postgres() as dsn:
        yield dsn


@pytest.fixture
async def database(postgres: str, request: pytest.FixtureRequest) -> AsyncIterator[Database]:
    """A migrated database that holds nothing."""
    module = request.module.__name__.rpartition(".")[2]
    opened = await Database.open(await emptied_database(postgres, module))
    yield opened
    await opened.aclose()


@pytest.fixture
async def engine(database: Database) -> Engine:
    """What a worker does, on that database."""
    return await Engine(database).open()


@pytest.fixture(scope="module")
def stage() -> Iterator[StageSite]:
    """A site with something to do and to look at."""
    from tests.support.stagesite import stage_site

    with stage_site() as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    """A Chromium without any Windlass around it."""
    from tests.support.barebrowser import bare_browser

    async with bare_browser() as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def bare(browser: Browser) -> AsyncIterator[Bare]:
    """A page in that browser."""
    from tests.support.barebrowser import bare_page

    async with bare_page(browser) as page:
        yield page
