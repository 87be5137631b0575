"""The life of our private PostgreSQL: make the cluster once, start, watch, stop.

Called by the supervisor. It listens on a Unix socket in a folder only its owner can enter, never
on TCP, and knows its callers by their system account, so there is no password to keep.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
from pathlib import Path
from urllib.parse import quote

import asyncpg

from windlass.errors import EngineError, SettingsError
from windlass.storage.embedded import binaries, config, identity, leftovers, runtime
from windlass.storage.embedded.identity import Host
from windlass.storage.embedded.lock import DirectoryLock

INITDB_TIMEOUT_S = 300.0
START_TIMEOUT_S = 600.0
"""Long, because a start after a crash replays up to `max_wal_size` of log."""

CONNECT_TIMEOUT_S = 20.0
KILL_TIMEOUT_S = 10.0
LOG_LIMIT_BYTES = 4_000_000
LOG_CHECK_S = 10.0
_POLL_S = 0.01


class EmbeddedPostgres:
    """A PostgreSQL whose cluster is the folder `postgres` of the state directory `data`.

    After `start` the process may die at any time: `wait` returns then, and `start` brings the
    same address back. Only one per state directory can be started at a time; a second is told
    that process `holder` (this one, if not given) has it.
    """

    def __init__(self, data: Path, *, holder: int | None = None) -> None:
        self._data = data.absolute()
        self._cluster = self._data / "postgres"
        self._log = self._data / "postgres.log"
        self._lock = DirectoryLock(self._data, holder or os.getpid())
        self._host: Host | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._log_keeper: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int | None:
        """Process id of the running postmaster."""
        running = self._process is not None and self._process.returncode is None
        return self._process.pid if self._process is not None and running else None

    async def start(self) -> str:
        """Starts PostgreSQL and returns the address for asyncpg; the same after each restart.

        Makes the cluster first if there is none and ends what a killed run left. Raises
        SettingsError when another server uses the directory, when its cluster is of another
        version or when PostgreSQL cannot run here, EngineError when it does not come up.
        """
        self._make_directory()
        await self._lock.take()
        restarting = self._process is not None
        try:
            return await self._start()
        except BaseException:
            if restarting and self._process is not None:
                await _end(self._process, 1.0)  # keeps the address for the next try
            else:
                await self.stop(timeout_s=1.0)
            raise

    async def wait(self) -> int:
        """Exit status of the postmaster, when it ends."""
        if self._process is None:
            raise EngineError("PostgreSQL was not started")
        return await self._process.wait()

    async def stop(self, timeout_s: float = 10) -> None:
        """Ends PostgreSQL: a fast shutdown, after `timeout_s` an immediate one; frees the lock."""
        if self._log_keeper is not None:
            self._log_keeper.cancel()
            self._log_keeper = None
        try:
            if self._process is not None:
                await _end(self._process, timeout_s)
                self._process = None
            if self._host is not None:
                await asyncio.to_thread(self._host.folder.remove)
                (self._data / "run").unlink(missing_ok=True)
        finally:
            # Cancelled on the way: the next start waits for what is left.
            self.hurry()
            if self._host is not None:
                self._host.folder.release()
            self._process = self._host = None
            self._lock.release()

    def hurry(self) -> None:
        """Makes a stop that is under way an immediate one."""
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(signal.SIGQUIT)

    async def _start(self) -> str:
        await leftovers.end(self._cluster)
        programs = binaries.choose(self._cluster)
        if self._host is None:
            self._host = await self._settle(programs)
        host = self._host
        if not (self._cluster / "PG_VERSION").exists():
            await self._make_cluster(host)
        await asyncio.to_thread(identity.own, self._cluster, host.identity)
        config.write(self._cluster, host)
        # Nothing runs there (leftovers.end), so a process id in it was given to a stranger.
        (self._cluster / "postmaster.pid").unlink(missing_ok=True)
        self._process = await self._launch(host)
        await self._until_ready()
        await self._ensure_database(host)
        if self._log_keeper is None:
            self._log_keeper = asyncio.create_task(_bound_log(self._log))
        return _address(host, config.ROLE, config.DATABASE)

    def _make_directory(self) -> None:
        try:
            self._data.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise SettingsError(
                f"WINDLASS_DATA must be a folder that can be written: "
                f"{self._data}: {error.strerror}"
            ) from error

    async def _settle(self, programs: binaries.Binaries) -> Host:
        """Where to run, noted as the link `run` for the next start, should we be killed."""
        link = self._data / "run"
        former = link.readlink() if link.is_symlink() else None
        host = await identity.settle(programs, former)
        link.unlink(missing_ok=True)
        link.symlink_to(host.runtime)
        await asyncio.to_thread(runtime.remove_abandoned, runtime.bases())
        return host

    async def _make_cluster(self, host: Host) -> None:
        """Makes the cluster beside its place and moves it there whole, so that a crash on the
        way leaves nothing that looks like one."""
        fresh = self._data / "postgres.new"
        await leftovers.end(fresh)
        if fresh.exists():
            await asyncio.to_thread(shutil.rmtree, fresh)
        fresh.mkdir(mode=0o700)
        identity.own(fresh, host.identity)
        command = identity.launch_command(
            host.identity,
            fresh,
            str(host.binaries.initdb),
            f"--pgdata={host.identity.cluster_argument(fresh)}",
            *config.initdb_arguments(host.binaries.major),
        )
        await _run_initdb(command)
        if self._cluster.exists():
            self._cluster.rmdir()  # an empty one, or somebody's files: then it refuses
        fresh.rename(self._cluster)
        _sync_folder(self._data)

    async def _launch(self, host: Host) -> asyncio.subprocess.Process:
        command = identity.launch_command(
            host.identity,
            self._cluster,
            str(host.binaries.postgres),
            "-D",
            host.identity.cluster_argument(self._cluster),
        )
        log = os.open(self._log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            return await asyncio.create_subprocess_exec(
                *command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=identity.environment(),
                # Ctrl-C in a terminal goes to the whole group; PostgreSQL is stopped last, by us.
                start_new_session=True,
            )
        finally:
            os.close(log)

    async def _until_ready(self) -> None:
        """Watches the status line that the postmaster keeps in its lock file."""
        assert self._process is not None
        clock = asyncio.get_running_loop()
        deadline = clock.time() + START_TIMEOUT_S
        while _status(self._cluster) != "ready":
            if self._process.returncode is not None:
                raise EngineError(f"PostgreSQL did not start: {_tail(self._log)}")
            if clock.time() > deadline:
                raise EngineError(f"PostgreSQL was not ready in time: {_tail(self._log)}")
            await asyncio.sleep(_POLL_S)

    async def _ensure_database(self, host: Host) -> None:
        """An ordinary role owns the database: a statement gone wrong cannot reach the system."""
        connection = await _connect(_address(host, config.ADMIN, "postgres"))
        try:
            known = "SELECT 1 FROM pg_roles WHERE rolname = $1"
            if not await connection.fetchval(known, config.ROLE):
                await connection.execute(f"CREATE ROLE {config.ROLE} LOGIN")
            known = "SELECT 1 FROM pg_database WHERE datname = $1"
            if not await connection.fetchval(known, config.DATABASE):
                await connection.execute(f"CREATE DATABASE {config.DATABASE} OWNER {config.ROLE}")
        finally:
            await connection.close(timeout=CONNECT_TIMEOUT_S)


async def _connect(address: str) -> asyncpg.Connection[asyncpg.Record]:
    return await asyncpg.connect(address, timeout=CONNECT_TIMEOUT_S, command_timeout=60)


def _address(host: Host, role: str, database: str) -> str:
    return f"postgresql://{role}@/{database}?host={quote(str(host.runtime), safe='/')}"


async def _run_initdb(command: list[str]) -> None:
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=identity.environment(),
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(INITDB_TIMEOUT_S):
            output, _ = await process.communicate()
    except (TimeoutError, asyncio.CancelledError):
        await _end(process, 0)
        raise
    if process.returncode != 0:
        shown = output.decode(errors="replace").strip()[-1000:]
        raise EngineError(f"the database could not be made: {shown}")


async def _end(process: asyncio.subprocess.Process, timeout_s: float) -> None:
    steps = (
        (signal.SIGINT, timeout_s),
        (signal.SIGQUIT, KILL_TIMEOUT_S),
        (signal.SIGKILL, KILL_TIMEOUT_S),
    )
    for number, patience_s in steps:
        if process.returncode is not None:
            return
        try:
            process.send_signal(number)
            async with asyncio.timeout(patience_s):
                await process.wait()
        except ProcessLookupError:
            return
        except TimeoutError:
            continue


def _status(cluster: Path) -> str:
    """The last line of the postmaster's lock file: starting, ready or stopping."""
    try:
        lines = (cluster / "postmaster.pid").read_text().splitlines()
    except FileNotFoundError:
        return ""
    return lines[7].strip() if len(lines) > 7 else ""


def _tail(log: Path) -> str:
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 1000))
        return file.read().decode(errors="replace").strip()


async def _bound_log(log: Path) -> None:
    """Keeps the log and one older copy below LOG_LIMIT_BYTES each, give or take one interval.

    PostgreSQL appends to the open file, so it is copied and emptied in place, not renamed.
    """
    while True:
        await asyncio.sleep(LOG_CHECK_S)
        if _size(log) > LOG_LIMIT_BYTES:
            await asyncio.to_thread(_rotate, log)


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except FileNotFoundError:
        return 0


def _rotate(log: Path) -> None:
    older = log.with_suffix(".log.1")
    try:
        shutil.copyfile(log, older)
    except OSError:  # a full disk has no room for a copy, and less for a log that grows
        older.unlink(missing_ok=True)
    os.truncate(log, 0)
    excess = _size(older) - LOG_LIMIT_BYTES
    if excess > 0:
        with older.open("r+b") as file:
            file.truncate(LOG_LIMIT_BYTES)


def _sync_folder(folder: Path) -> None:
    file = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
