"""A real `windlass serve` in processes of its own, on a free port with its own data directory.

Used by contract, e2e and fault tests and by bench/. Speaks to it as a user would: command line,
HTTP, signals. Must not import windlass.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from tests.support.loopback import free_port
from tests.support.processes import Process, read, tree
from tests.support.waiting import eventually

START_LIMIT_S = 60.0
STOP_LIMIT_S = 45.0
LOOPBACK = "127.0.0.0/8,::1/128"
CLOUDS = ("AWS_", "GOOGLE_", "STORAGE_EMULATOR_HOST")
"""Beginnings of variables with which machines tell whose buckets they may write to."""
COMMAND = Path(sys.executable).with_name("windlass")

# A test run that is killed must not leave servers behind.
_WITH_US = ["setpriv", "--pdeathsig", "TERM"] if shutil.which("setpriv") else []

_running: list[WindlassServer] = []

cluster_to_copy: Callable[[], Path] | None = None
"""Where a new server finds a database cluster to start from; without it, each makes its own."""


@dataclass
class WindlassServer:
    """One server. `settings` are extra WINDLASS_ variables, without the prefix, any case, and the
    clouds' own variables."""

    data: Path
    settings: Mapping[str, str] = field(default_factory=dict)
    workers: int = 1
    port: int = field(default_factory=free_port)
    arguments: tuple[str, ...] = ()
    _process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Base URL of the API."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def api_key(self) -> str:
        """The key of account main."""
        return (self.data / "api-key").read_text().strip()

    @property
    def log_file(self) -> Path:
        """Everything that the server's processes printed, over all its starts."""
        return self.data.parent / f"{self.data.name}.log"

    @property
    def pid(self) -> int:
        """The process that `windlass serve` is."""
        assert self._process is not None, "the server was not started"
        return self._process.pid

    def environment(self) -> dict[str, str]:
        """The caller's environment with its own settings replaced by this server's."""
        others = ("WINDLASS_", "NIMBLE_", *CLOUDS)
        kept = {k: v for k, v in os.environ.items() if not k.startswith(others)}
        settings = {"ALLOW_ADDRESSES": LOOPBACK, "LOG_FORMAT": "json", **self.settings}
        return kept | {variable(name): value for name, value in settings.items()}

    def launch(self) -> None:
        """Starts the processes without waiting for them."""
        if not self.data.exists():
            self.data.mkdir(parents=True)
            self._copy_cluster()
        command = [*_WITH_US, str(COMMAND), "serve", "--port", str(self.port)]
        command += ["--data", str(self.data)]
        command += ["--workers", str(self.workers), *self.arguments]
        with self.log_file.open("ab") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self.environment(),
                cwd=self.data.parent,
                start_new_session=True,
            )
        if self not in _running:
            _running.append(self)

    def _copy_cluster(self) -> None:
        if cluster_to_copy is not None and "WINDLASS_DATABASE_URL" not in self.environment():
            subprocess.run(["cp", "-a", cluster_to_copy(), self.data / "postgres"], check=True)

    def start(self) -> float:
        """Starts and waits until it is ready; the seconds that took."""
        began = time.monotonic()
        self.launch()
        try:
            self.wait_ready()
        except BaseException:
            self.kill_everything()
            raise
        return time.monotonic() - began

    def wait_ready(self, within_s: float = START_LIMIT_S) -> None:
        """Returns when /readyz says yes. Raises with the log when the process ends before."""
        eventually(self._ready, "the server is ready", within_s=within_s)

    def _ready(self) -> bool:
        if self._process is not None and self._process.poll() is not None:
            code = self._process.returncode
            raise RuntimeError(f"windlass serve ended with {code}:\n{self.log_tail()}")
        try:
            # Reading the certificates of all authorities would take most of a server's start.
            answer = httpx.get(f"{self.url}/readyz", timeout=2.0, verify=False)
            return answer.status_code == 200
        except httpx.TransportError:
            return False

    def processes(self, role: str | None = None) -> list[Process]:
        """Its live processes, or those of one role: see `role_of`."""
        if self._process is None or read(self.pid) is None:
            return []
        found = tree(self.pid)
        if role is None:
            return found
        parents = {process.pid: process for process in found}
        return [one for one in found if role_of(one, parents, self.pid) == role]

    def kill(self, role: str) -> list[int]:
        """`kill -9` of every process of a role; the pids, all of them gone."""
        victims = self.processes(role)
        assert victims, f"no process plays {role!r}: {[p.command for p in self.processes()]}"
        return self.kill_these(victims)

    def kill_these(self, victims: list[Process]) -> list[int]:
        """`kill -9` of some of its processes; their pids, all of them gone."""
        pids = [process.pid for process in victims]
        for pid in pids:
            send(pid, signal.SIGKILL)
        eventually(lambda: all(_gone(pid) for pid in pids), f"{pids} are dead")
        return pids

    def kill_everything(self) -> None:
        """`kill -9` of the supervisor and all that it started, at once, PostgreSQL included."""
        if self._process is None:
            return
        pids = [process.pid for process in self.processes()]
        for pid in pids:
            send(pid, signal.SIGKILL)
        self._process.wait(timeout=10)
        eventually(lambda: all(_gone(pid) for pid in pids), "every process is dead")

    def terminate(self) -> None:
        """SIGTERM to the supervisor, as a service manager does; does not wait."""
        send(self.pid, signal.SIGTERM)

    def wait_stopped(self, within_s: float = STOP_LIMIT_S) -> int:
        """The exit code, once the process has ended."""
        assert self._process is not None
        return self._process.wait(timeout=within_s)

    def stop(self) -> None:
        """A graceful stop. Raises when it fails, takes too long or leaves a process behind."""
        if self._process is None or self._process.poll() is not None:
            self._forget()
            return
        pids = [process.pid for process in self.processes()]
        self.terminate()
        try:
            code = self.wait_stopped()
        except subprocess.TimeoutExpired:
            self.kill_everything()
            raise
        finally:
            self._forget()
        left = [pid for pid in pids if not _gone(pid)]
        for pid in left:
            send(pid, signal.SIGKILL)
        assert not left, f"left behind after a graceful stop: {left}"
        assert code == 0, f"windlass serve ended with {code}:\n{self.log_tail()}"

    def restart(self) -> float:
        """Graceful stop and start; the seconds that the start took."""
        self.stop()
        return self.start()

    def _forget(self) -> None:
        if self in _running:
            _running.remove(self)

    def log_tail(self, lines: int = 60) -> str:
        """The last lines of the log."""
        if not self.log_file.exists():
            return "(no log)"
        return "\n".join(self.log_file.read_text(errors="replace").splitlines()[-lines:])

    def command(
        self, *arguments: str, check: bool = True, api_key: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Runs `windlass` with these arguments against this server, by default as account main."""
        environment = self.environment() | {
            "WINDLASS_URL": self.url,
            "WINDLASS_API_KEY": api_key or self.api_key,
        }
        return subprocess.run(
            [str(COMMAND), *arguments],
            capture_output=True,
            text=True,
            env=environment,
            cwd=self.data.parent,
            timeout=60,
            check=check,
        )


def variable(name: str) -> str:
    """The environment variable of a setting."""
    upper = name.upper()
    return upper if upper.startswith(CLOUDS) else f"WINDLASS_{upper}"


def role_of(process: Process, known: Mapping[int, Process], root: int) -> str:
    """supervisor, keeper, api, worker, reader (of pages), node (between a worker and its browser),
    postgres (the postmaster), backend, or other: a browser."""
    parent = known.get(process.parent)
    if process.pid == root:
        return "supervisor"
    if process.name == "postgres":
        return "backend" if parent is not None and parent.name == "postgres" else "postgres"
    if process.command[:1] == ("windlass",) and len(process.command) > 1:
        return process.command[1]
    if "run-driver" in process.command:
        return "node"
    if parent is not None and parent.command[:2] == ("windlass", "worker"):
        return "reader"
    return "other"


def send(pid: int, what: signal.Signals) -> None:
    """A signal to a process that may be gone already."""
    try:
        os.kill(pid, what)
    except ProcessLookupError:
        return


def _gone(pid: int) -> bool:
    process = read(pid)
    return process is None or not process.alive


def logs_of_running_servers() -> list[tuple[str, str]]:
    """A title and the end of the log for every server that runs: shown when a test fails."""
    return [(f"windlass serve on {server.url}", server.log_tail()) for server in _running]


@contextmanager
def running(data: Path, workers: int = 1, **settings: str) -> Iterator[WindlassServer]:
    """A started server, stopped at the end; killed instead when the block fails."""
    server = WindlassServer(data, settings, workers)
    server.start()
    try:
        yield server
        server.stop()
    finally:
        server.kill_everything()
        server._forget()
