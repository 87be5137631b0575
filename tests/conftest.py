"""Fixtures that every kind of test shares: real servers, real sites, the vendor's SDK.

Nothing here skips: what is missing is installed into the cache or fails the test.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pytest
from nimble_python import Nimble

from tests.support import server as real_servers
from tests.support import sites as real_sites
from tests.support.origin import Origin
from tests.support.relay import CountingProxy
from tests.support.server import WindlassServer, logs_of_running_servers, running
from tests.support.sites import Site
from tests.support.turns import turn

if TYPE_CHECKING:
    from tests.support.gcs import GCS
    from tests.support.s3 import S3
    from tests.support.s3_faults import FaultyS3

StartServer = Callable[..., WindlassServer]


def _empty_cluster() -> Path:
    from tests.support.postgres import empty_cluster

    return empty_cluster()


real_servers.cluster_to_copy = _empty_cluster


def pytest_collection_finish() -> None:
    """Thousands of collected tests are no garbage: who looks for leaks need not look through them,
    which took the greater part of the time of such a test."""
    gc.collect()
    gc.freeze()


_TURNS = pytest.StashKey[TemporaryDirectory[str]]()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tells every process of a run side by side where turns are taken."""
    stash = node.config.stash
    if _TURNS not in stash:
        stash[_TURNS] = TemporaryDirectory(prefix="windlass-turns-")
    node.workerinput["turns"] = stash[_TURNS].name


def pytest_unconfigure(config: pytest.Config) -> None:
    if _TURNS in config.stash:
        config.stash[_TURNS].cleanup()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Waits for the test's turn, before the clock of its time limit starts."""
    turns = getattr(item.config, "workerinput", {}).get("turns")
    if turns is None:
        return (yield)
    with turn(Path(turns), alone=item.get_closest_marker("alone") is not None):
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Shows the end of every running server's log beside a failure."""
    report = yield
    if report.failed:
        report.sections.extend(logs_of_running_servers())
    return report


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WindlassServer]:
    """The default server: one worker, a limit nobody reaches, loopback allowed as a target."""
    with running(tmp_path_factory.mktemp("server") / "data", rate_limit="1000000") as started:
        yield started


@pytest.fixture
def start_server(tmp_path: Path) -> Iterator[StartServer]:
    """Starts servers with settings of their own; each is stopped gracefully after the test."""
    started: list[WindlassServer] = []

    def start(workers: int = 1, name: str = "data", **settings: str) -> WindlassServer:
        made = WindlassServer(tmp_path / name, settings, workers)
        started.append(made)
        made.start()
        return made

    yield start
    try:
        for one in started:
            one.stop()
    finally:
        for one in started:
            one.kill_everything()


@pytest.fixture
def origin() -> Iterator[Origin]:
    """A site whose answers the test decides."""
    site = Origin()
    try:
        yield site
    finally:
        site.close()


@pytest.fixture(scope="session")
def s3() -> Iterator[S3]:
    """An S3 that enforces what users were granted; tests make buckets of their own."""
    from tests.support.s3 import S3

    double = S3()
    try:
        yield double
    finally:
        double.close()


@pytest.fixture
def faulty_s3() -> Iterator[FaultyS3]:
    """An S3 that misbehaves as told."""
    from tests.support.s3_faults import FaultyS3

    double = FaultyS3()
    try:
        yield double
    finally:
        double.close()


@pytest.fixture
def gcs() -> Iterator[GCS]:
    """A Google Cloud Storage that enforces roles."""
    from tests.support.gcs import GCS

    double = GCS()
    try:
        yield double
    finally:
        double.close()


@pytest.fixture(scope="session")
def sites() -> Iterator[dict[str, Site]]:
    """Debian's documentation packages behind a real nginx, by package name."""
    with real_sites.serving(*real_sites.all_packages()) as served:
        yield served


@pytest.fixture(scope="session")
def client(server: WindlassServer) -> Iterator[Nimble]:
    """The vendor's SDK against the default server."""
    with Nimble(base_url=server.url, api_key=server.api_key) as made:
        yield made


@pytest.fixture(scope="session")
def strict_client(server: WindlassServer) -> Iterator[Nimble]:
    """The SDK in the mode in which it rejects whatever does not fit its models."""
    with Nimble(
        base_url=server.url, api_key=server.api_key, _strict_response_validation=True
    ) as made:
        yield made


@pytest.fixture
def counted(server: WindlassServer) -> Iterator[CountingProxy]:
    """A reverse proxy in front of the default server that counts the SDK's tries."""
    proxy = CountingProxy(server.url)
    try:
        yield proxy
    finally:
        proxy.close()
