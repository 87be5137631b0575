"""The supervisor's rules, over children that do nothing."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.processes import read, tree
from tests.support.waiting import eventually

SCRIPT = Path(__file__).parents[2] / "support" / "supervised.py"


class Run:
    """One supervisor process and the events it reports."""

    def __init__(self, scenario: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, SCRIPT, scenario],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.seen: list[str] = []
        self._events: queue.Queue[str] = queue.Queue()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._events.put(line.strip())

    def until(self, start: str, within_s: float = 10.0) -> str:
        """The next event that starts like this."""
        deadline = time.monotonic() + within_s
        while True:
            event = self._events.get(timeout=max(deadline - time.monotonic(), 0.001))
            self.seen.append(event)
            if event.startswith(start):
                return event

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def end(self, within_s: float = 10.0) -> int:
        """The exit status; afterwards `seen` holds every event."""
        status = self.process.wait(timeout=within_s)
        self._reader.join(timeout=10)
        while not self._events.empty():
            self.seen.append(self._events.get())
        return status

    def errors(self) -> str:
        assert self.process.stderr is not None
        return self.process.stderr.read()

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        self._reader.join(timeout=10)
        for stream in (self.process.stdout, self.process.stderr):
            assert stream is not None
            stream.close()


@pytest.fixture
def run(request: pytest.FixtureRequest) -> Iterator[Run]:
    started = Run(getattr(request, "param", "plain"))
    yield started
    started.close()


def child(event: str) -> tuple[int, str]:
    """Pid and id out of a ready event."""
    words = event.split("ready ")[1].split()
    return int(words[0]), words[1]


def test_keeper_is_ready_before_anyone_else_starts(run: Run) -> None:
    run.until("announced")
    assert run.seen[0] == "keeper ready alone"
    assert all(event.endswith("the_database") for event in run.seen[1:-1])
    assert {event.split(" ready")[0] for event in run.seen[1:-1]} == {
        "api",
        "worker 1",
        "worker 2",
    }


def test_stop_ends_the_api_and_workers_before_the_keeper(run: Run) -> None:
    run.until("announced")
    run.send(signal.SIGTERM)
    assert run.end() == 0
    told = [event for event in run.seen if event.endswith("told")]
    assert told[-1] == "keeper told"
    assert sorted(told[:-1]) == ["api told", "worker 1 told", "worker 2 told"]


def test_a_signal_to_the_whole_group_does_not_end_the_keeper_early(run: Run) -> None:
    run.until("announced")
    os.killpg(run.process.pid, signal.SIGTERM)
    assert run.end() == 0
    assert [event for event in run.seen if event.endswith("told")][-1] == "keeper told"


def test_ctrl_c_stops_gracefully(run: Run) -> None:
    run.until("announced")
    os.killpg(run.process.pid, signal.SIGINT)  # what a terminal does
    assert run.end() == 0
    assert "worker 1 told" in run.seen


@pytest.mark.alone
@pytest.mark.parametrize("role", ["api", "worker 1"])
def test_a_killed_child_is_replaced_within_two_seconds(run: Run, role: str) -> None:
    run.until("announced")
    pid, _ = child(next(event for event in run.seen if event.startswith(f"{role} ready")))
    os.kill(pid, signal.SIGKILL)
    new_pid, _ = child(run.until(f"{role} ready", within_s=2.0))
    assert new_pid != pid


def test_a_dead_workers_tasks_are_released_under_its_own_id(run: Run) -> None:
    run.until("announced")
    pid, worker_id = child(next(event for event in run.seen if event.startswith("worker 2")))
    before = len(run.seen)
    os.kill(pid, signal.SIGKILL)
    assert run.until("keeper released") == f"keeper released {worker_id}"
    # The new one may have been ready before the keeper had told of the old one.
    ready = [event for event in run.seen[before:] if event.startswith("worker 2 ready")]
    _, new_id = child(ready[0] if ready else run.until("worker 2 ready"))
    assert new_id != worker_id


@pytest.mark.alone
def test_a_killed_keeper_is_replaced_and_knows_it_is_not_alone(run: Run) -> None:
    run.until("announced")
    keeper = next(one for one in tree(run.process.pid) if one.command[1:] == ("keeper",))
    os.kill(keeper.pid, signal.SIGKILL)
    assert run.until("keeper ready", within_s=2.0) == "keeper ready again"


def test_processes_are_named_after_their_roles(run: Run) -> None:
    run.until("announced")
    commands = {one.command for one in tree(run.process.pid)[1:]}
    assert commands == {
        ("windlass", "keeper"),
        ("windlass", "api"),
        ("windlass", "worker", "1"),
        ("windlass", "worker", "2"),
    }


def test_children_do_not_outlive_a_killed_supervisor(run: Run) -> None:
    run.until("announced")
    pids = [one.pid for one in tree(run.process.pid)[1:]]
    assert len(pids) == 4
    run.process.kill()
    run.process.wait()
    eventually(lambda: not any(is_alive(pid) for pid in pids), "every child is dead")


def is_alive(pid: int) -> bool:
    process = read(pid)
    return process is not None and process.alive


@pytest.mark.parametrize("run", ["stubborn worker"], indirect=True)
def test_a_second_ctrl_c_stops_at_once(run: Run) -> None:
    run.until("announced")
    run.send(signal.SIGINT)
    run.until("worker 1 told")
    began = time.monotonic()
    run.send(signal.SIGINT)
    assert run.end() == 130
    assert time.monotonic() - began < 8
    assert run.seen[-1] == "keeper told"


@pytest.mark.parametrize("run", ["short-lived worker"], indirect=True)
def test_a_child_that_keeps_dying_is_started_ever_more_slowly(run: Run) -> None:
    began = time.monotonic()
    for _ in range(4):
        run.until("worker 1 ready")
    assert time.monotonic() - began > 0.25 + 0.5
    assert run.process.poll() is None


@pytest.mark.parametrize("run", ["refusing api", "refusing keeper"], indirect=True)
def test_a_setting_that_a_child_refuses_ends_the_start_with_one_line(run: Run) -> None:
    assert run.end() == 2
    assert run.errors().splitlines()[-1] == "windlass: WINDLASS_SOMETHING must be something else"
    assert "announced" not in run.seen
