"""`kill -9` exactly between two steps of a delivery. Afterwards there is one object with the right
bytes and one webhook; what is repeated is only the step that nobody wrote down.

The site and the doubles hold their answers; before a commit, the test locks the row that the worker
is about to write.
"""

from __future__ import annotations

import asyncio
import gzip
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest

from tests.support.blows import strike
from tests.support.delivering import Delivering, delivering
from tests.support.inside import leftovers, rows
from tests.support.origin import Origin
from tests.support.receiver import Received
from tests.support.s3_faults import HELD, FaultyS3
from tests.support.sdk import finished
from tests.support.waiting import eventually


@dataclass
class Stage:
    """A server, its surroundings, and one task on its way through them."""

    world: Delivering
    s3: FaultyS3
    origin: Origin
    token: str = ""
    task_id: str = ""

    def submit(self, hook: str = "ok", **query: object) -> None:
        """Starts a task that is uploaded and told of."""
        self.token = uuid4().hex
        self.task_id = self.world.submit(
            self.origin.page(self.token),
            storage_url="s3://lake/",
            storage_compress=True,
            callback_url=self.world.receiver.url(hook, **query),
        )

    @property
    def key(self) -> str:
        """Where its object is to be."""
        return f"lake/{self.task_id}.json.gz"

    def state(self) -> str:
        """Its state in the database."""
        statement = "SELECT state::text FROM task WHERE id = $1"
        return str(rows(self.world.server, statement, self.task_id)[0]["state"])

    def object_arrives(self) -> None:
        """Returns when the bucket has it."""
        eventually(lambda: self.key in self.s3.objects, "the object arrives")

    def worker_waits(self) -> None:
        """Returns when some commit waits for our lock."""
        statement = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
        eventually(lambda: rows(self.world.server, statement), "a commit waits", every_s=0.05)

    @contextmanager
    def locked(self, statement: str, *values: object) -> Iterator[None]:
        """Holds a lock on the rows of a SELECT."""
        folder = str((self.world.server.data / "run").resolve())
        with asyncio.Runner() as runner:
            connection = runner.run(
                asyncpg.connect(
                    host=folder,
                    user="windlass",
                    database="windlass",
                    server_settings={"search_path": "windlass"},
                )
            )
            runner.run(connection.execute("BEGIN"))
            assert runner.run(connection.fetch(f"{statement} FOR UPDATE", *values))
            try:
                yield
            finally:
                connection.terminate()


def settle(world: Delivering) -> None:
    """Has the database's disk know all that was committed so far. Starts of tasks are not waited
    for: a crash of the database may forget the latest, and their numbers are given again."""
    rows(world.server, "SELECT pg_logical_emit_message(true, 'test', '')")


Step = Callable[[Stage], Iterator[None]]


def page_read(stage: Stage) -> Iterator[None]:
    """The page was read and its result stored, but not written down."""
    stage.origin.hold()
    stage.submit()
    eventually(lambda: stage.origin.visits(f"/page/{stage.token}"), "the page is asked for")
    with stage.locked("SELECT FROM task WHERE id = $1", stage.task_id):
        stage.origin.release()
        stage.worker_waits()
        yield


def upload_planned(stage: Stage) -> Iterator[None]:
    """The result is written down and its upload waits to start."""
    with stage.locked("SELECT FROM lane WHERE key = 'put:s3://lake'"):
        stage.submit()
        eventually(lambda: stage.state() == "delivering", "the upload waits")
        yield


def object_arrived(stage: Stage) -> Iterator[None]:
    """The bucket has the object, but has not answered."""
    stage.s3.fail("PutObject", HELD)
    stage.submit()
    stage.object_arrives()
    yield


def object_answered(stage: Stage) -> Iterator[None]:
    """The bucket has answered, but the end of the task is not written down."""
    stage.s3.fail("PutObject", HELD)
    stage.submit()
    stage.object_arrives()
    with stage.locked("SELECT FROM task WHERE id = $1", stage.task_id):
        stage.s3.release()
        stage.worker_waits()
        yield


def webhook_planned(stage: Stage) -> Iterator[None]:
    """The task has ended, and its webhook waits to start."""
    with stage.locked("SELECT FROM lane WHERE key LIKE 'hook:%/ok'"):
        stage.submit()
        assert finished(stage.world.client, stage.task_id).state == "success"
        assert stage.world.told(stage.task_id) == []
        yield


def webhook_arrived(stage: Stage) -> Iterator[None]:
    """The receiver has the webhook, but has not answered."""
    stage.submit("hang", times=1)
    stage.world.news(stage.task_id)
    yield


def webhook_answered(stage: Stage) -> Iterator[None]:
    """The receiver has answered, but the attempt is not written down."""
    arrived, go_on = threading.Event(), threading.Event()

    def look(_: Received) -> None:
        arrived.set()
        go_on.wait(20)

    stage.world.receiver.look = look
    stage.submit()
    try:
        assert arrived.wait(20), "the webhook arrives"
        stage.world.receiver.look = None
        webhook = "SELECT FROM task WHERE parent_id = $1 AND kind = 'webhook'"
        with stage.locked(webhook, stage.task_id):
            go_on.set()
            stage.worker_waits()
            yield
    finally:
        stage.world.receiver.look = None
        go_on.set()


REPEATED = {
    page_read: (2, 1, 1),
    upload_planned: (1, 1, 1),
    object_arrived: (1, 2, 1),
    object_answered: (1, 2, 1),
    webhook_planned: (1, 1, 1),
    webhook_arrived: (1, 1, 2),
    webhook_answered: (1, 1, 2),
}
"""How often each step asks the site, the bucket and the receiver if a worker dies."""
COMMITS = (page_read, object_answered, webhook_answered)
CASES = [
    *((step, victim, REPEATED[step]) for step in REPEATED for victim in ("worker", "everything")),
    # Workers outlive the database, and write down what they have when it is back.
    *((step, "postgres", (1, 1, 1)) for step in COMMITS),
]


@pytest.fixture(scope="module")
def surroundings(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[Delivering, FaultyS3]]:
    s3 = FaultyS3()
    try:
        folder = tmp_path_factory.mktemp("steps")
        with delivering(folder / "data", webhook_schedule="0,0.2", **s3.settings()) as world:
            yield world, s3
    finally:
        s3.close()


@pytest.mark.parametrize(
    ("step", "victim", "repeated"), CASES, ids=lambda case: getattr(case, "__name__", str(case))
)
def test_one_object_and_one_webhook_whatever_dies_when(
    surroundings: tuple[Delivering, FaultyS3],
    origin: Origin,
    step: Step,
    victim: str,
    repeated: tuple[int, int, int],
) -> None:
    world, s3 = surroundings
    stage = Stage(world, s3, origin)
    stage.submit()  # there are lanes from now on
    world.ended(stage.task_id)
    with contextmanager(step)(stage):
        settle(world)
        strike(world.server, victim)
    s3.release()
    world.server.wait_ready()
    assert finished(world.client, stage.task_id).state == "success"
    assert world.ended(stage.task_id)["state"] == "succeeded"
    assert gzip.decompress(s3.objects[stage.key]) == world.results(stage.task_id)
    told = world.told(stage.task_id)
    assert len(set(s3.puts[stage.key])) == 1
    assert len({one.delivery_id for one in told}) == 1
    assert len({one.body for one in told}) == 1
    assert [one.attempt for one in told] == list(range(1, len(told) + 1))
    visits = len(origin.visits(f"/page/{stage.token}"))
    assert (visits, len(s3.puts[stage.key]), len(told)) == repeated
    # A task that was put into the queue again while its worker wrote its end leaves an entry behind
    # until somebody takes it.
    eventually(lambda: leftovers(world.server) == {}, "nothing is left over", every_s=0.1)


def test_workers_that_keep_dying_cost_a_webhook_one_try_not_all(
    tmp_path: Path, origin: Origin
) -> None:
    with delivering(tmp_path / "data", webhook_schedule="0,0.3,0.3", max_rescues="1") as world:
        task_id = world.submit(
            origin.page("dying"), callback_url=world.receiver.url("hang", times=4)
        )
        for count in range(1, 5):
            world.news(task_id, count)
            strike(world.server, "worker")
        told = world.news(task_id, 5)
        assert len({one.delivery_id for one in told}) == 1
        assert world.ended(task_id)["state"] == "succeeded"
        tries = [(one["outcome"], one["code"]) for one in world.tries(task_id)]
        lost, counted = ("lost", "worker_lost"), ("retried", "worker_lost")
        assert tries == [lost, lost, counted] * 2 + [("succeeded", None)]
