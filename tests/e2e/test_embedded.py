"""The private PostgreSQL: started, killed and started again, as whoever we happen to be."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import asyncpg
import pytest

from tests.support.processes import everything
from tests.support.waiting import eventually, eventually_async
from windlass.errors import EngineError, SettingsError
from windlass.storage.embedded import EmbeddedPostgres, binaries, leftovers, server

HOST = Path(__file__).parents[1] / "support" / "postgres_host.py"
NO_NAMESPACES = HOST.with_name("no_user_namespaces.py")
ROOT = os.geteuid() == 0

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="kills by /proc")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state directory that was used and stopped, to copy: initdb is the slow part."""
    data = tmp_path_factory.mktemp("made") / "state"
    subprocess.run([sys.executable, HOST, data, "stop"], check=True, timeout=60)
    return data


@pytest.fixture
def data(cluster: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "state"
    shutil.copytree(cluster, folder, symlinks=True)
    return folder


@asynccontextmanager
async def running(data: Path) -> AsyncIterator[tuple[EmbeddedPostgres, str]]:
    postgres = EmbeddedPostgres(data)
    try:
        yield postgres, await postgres.start()
    finally:
        await postgres.stop()


@asynccontextmanager
async def host(data: Path, *before: str | Path) -> AsyncIterator[tuple[int, str, int]]:
    """Pid of a process that holds a PostgreSQL, its DSN and the postmaster's pid."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, *before, HOST, data, "hold", stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(30):
            line = (await process.stdout.readline()).decode().split()
        assert line[:1] == ["ready"], "PostgreSQL did not start"
        yield process.pid, line[1], int(line[2])
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def run(dsn: str, *statements: str) -> object:
    """The last statement's value."""
    connection = await asyncpg.connect(dsn, timeout=10)
    try:
        for statement in statements[:-1]:
            await connection.execute(statement)
        return await connection.fetchval(statements[-1])
    finally:
        await connection.close()


KEEP = ("CREATE TABLE kept (n int)", "INSERT INTO kept VALUES (7)", "SELECT n FROM kept")


def is_alive(pid: int) -> bool:
    process = everything().get(pid)
    return process is not None and process.alive


def _of_process(pid: int, name: str) -> str:
    return Path(f"/proc/{pid}/{name}").read_text()


@contextmanager
def program(*command: str | Path, cwd: Path | None = None) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(command, cwd=cwd)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def socket_folder(dsn: str) -> Path:
    return Path(parse_qs(urlsplit(dsn).query)["host"][0])


# ---------------------------------------------------------------- the ordinary life


async def test_first_start_makes_a_cluster_that_the_second_uses(tmp_path: Path) -> None:
    data = tmp_path / "not" / "there" / "yet"
    async with running(data) as (_, dsn):
        assert await run(dsn, *KEEP) == 7
        assert await run(dsn, "SHOW data_checksums") == "on"
        assert await run(dsn, "SHOW server_encoding") == "UTF8"
        assert await run(dsn, "SELECT lower('ÄÖÜ')") == "äöü"
    assert data.stat().st_mode & 0o777 == 0o700
    async with running(data) as (_, dsn):
        assert await run(dsn, KEEP[-1]) == 7


async def test_stop_leaves_no_process_and_no_folder(data: Path) -> None:
    async with running(data) as (postgres, dsn):
        assert postgres.pid is not None
        folder = socket_folder(dsn)
        assert (folder / ".s.PGSQL.5432").is_socket()
    assert postgres.pid is None
    assert leftovers.processes(data / "postgres") == []
    assert not folder.exists()
    assert not (data / "run").is_symlink()


async def test_stop_is_immediate_when_clients_keep_it_busy(data: Path) -> None:
    async with running(data) as (postgres, dsn):
        busy = await asyncpg.connect(dsn)
        query = asyncio.create_task(busy.execute("SELECT pg_sleep(60)"))
        async with asyncio.timeout(10):
            await postgres.stop(timeout_s=5)
        with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
            await query
        busy.terminate()


async def test_only_a_unix_socket_that_others_cannot_reach_is_open(data: Path) -> None:
    async with running(data) as (postgres, dsn):
        folder = socket_folder(dsn)
        assert folder.stat().st_mode & 0o777 == 0o700
        assert len(str(folder / ".s.PGSQL.5432")) <= 103
        assert await run(dsn, "SHOW listen_addresses") == ""
        assert postgres.pid is not None
        assert not _tcp_sockets(postgres.pid)


def _tcp_sockets(pid: int) -> set[str]:
    tables = [Path(f"/proc/net/{name}").read_text().split() for name in ("tcp", "tcp6")]
    held = [os.readlink(link) for link in Path(f"/proc/{pid}/fd").iterdir()]
    inodes = {name[len("socket:[") : -1] for name in held if name.startswith("socket:")}
    assert inodes
    return inodes & {word for table in tables for word in table}


@pytest.mark.skipif(not ROOT, reason="needs a second account")
async def test_another_account_is_refused_even_when_it_reaches_the_socket(data: Path) -> None:
    async with running(data) as (_, dsn):
        folder = socket_folder(dsn)
        reachable = Path("/tmp") / f"wl-test-{os.getpid()}"
        reachable.mkdir(mode=0o755)
        try:
            reachable.chmod(0o755)
            # A second name of the socket in an open folder: only its own mode guards it now.
            (reachable / "s").hardlink_to(folder / ".s.PGSQL.5432")
            answer = await asyncio.to_thread(_connect_as_nobody, reachable / "s")
            assert answer == "PermissionError"
            (reachable / "s").chmod(0o777)
            answer = await asyncio.to_thread(_connect_as_nobody, reachable / "s")
            assert "peer authentication failed" in answer.lower()
        finally:
            shutil.rmtree(reachable)


def _connect_as_nobody(path: Path) -> str:
    """What PostgreSQL answers to role windlass asked for by account nobody."""
    out, into = os.pipe()
    child = os.fork()
    if child == 0:
        os.setgid(65534)
        os.setuid(65534)
        pairs = b"user\0windlass\0database\0windlass\0\0"
        hello = (196608).to_bytes(4, "big") + pairs
        try:
            with socket.socket(socket.AF_UNIX) as client:
                client.settimeout(5)
                client.connect(str(path))
                client.sendall((len(hello) + 4).to_bytes(4, "big") + hello)
                os.write(into, client.recv(4000))
        except OSError as error:
            os.write(into, type(error).__name__.encode())
        os._exit(0)
    os.close(into)
    with os.fdopen(out, "rb") as answer:
        text = answer.read().decode(errors="replace")
    os.waitpid(child, 0)
    return text


async def test_our_role_cannot_reach_the_system(data: Path) -> None:
    async with running(data) as (_, dsn):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await run(dsn, "COPY (SELECT 1) TO PROGRAM 'cat'")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await run(dsn, "SELECT pg_read_file('/etc/passwd')")


async def test_the_environment_of_postgres_holds_no_secrets(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WINDLASS_API_KEY", "wl_secret")
    monkeypatch.setenv("PGDATA", "/nowhere")
    async with running(data) as (postgres, _):
        assert postgres.pid is not None
        shown = _of_process(postgres.pid, "environ")
    assert "wl_secret" not in shown
    assert "/nowhere" not in shown


async def test_a_state_directory_with_a_very_long_path_works(cluster: Path, tmp_path: Path) -> None:
    data = tmp_path.joinpath(*["a-folder-name-of-some-length"] * 8, "quote's and spaces")
    data.parent.mkdir(parents=True)
    shutil.copytree(cluster, data, symlinks=True)
    assert len(str(data)) > 200
    async with running(data) as (_, dsn):
        assert await run(dsn, *KEEP) == 7


async def test_the_log_stays_bounded(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "LOG_LIMIT_BYTES", 20_000)
    monkeypatch.setattr(server, "LOG_CHECK_S", 0.01)
    log, older = data / "postgres.log", data / "postgres.log.1"
    async with running(data) as (_, dsn):
        connection = await asyncpg.connect(dsn)

        async def complain() -> bool:
            await connection.execute(f"DO $$ BEGIN RAISE LOG '{'x' * 1000}'; END $$")
            return older.exists()

        await eventually_async(complain, "the log was rotated")
        await connection.execute("DO $$ BEGIN RAISE LOG 'after the rotation'; END $$")
        await connection.close()
        assert older.stat().st_size <= 20_000
        eventually(lambda: "after the rotation" in log.read_text(), "the log goes on")
        assert b"\0" not in log.read_bytes()


def test_a_log_for_whose_copy_there_is_no_room_is_emptied_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log, older = tmp_path / "postgres.log", tmp_path / "postgres.log.1"
    log.write_text("x" * 100)

    def half_a_copy(source: Path, target: Path) -> None:
        target.write_text("x" * 50)
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(shutil, "copyfile", half_a_copy)
    server._rotate(log)
    assert log.read_text() == ""
    assert not older.exists()


# ---------------------------------------------------------------- killed


async def test_postgres_ends_when_its_parent_is_killed(data: Path) -> None:
    async with host(data) as (parent, dsn, postmaster):
        assert await run(dsn, *KEEP) == 7
        os.kill(parent, signal.SIGKILL)
        eventually(lambda: not is_alive(postmaster), "PostgreSQL has shut down")
    async with running(data) as (_, dsn):
        assert await run(dsn, KEEP[-1]) == 7


async def test_start_right_after_a_kill_waits_for_the_orphan(data: Path) -> None:
    async with host(data) as (parent, dsn, postmaster):
        assert await run(dsn, *KEEP) == 7
        os.kill(postmaster, signal.SIGSTOP)  # as slow to shut down as can be
        os.kill(parent, signal.SIGKILL)
        next_one = EmbeddedPostgres(data)
        starting = asyncio.create_task(next_one.start())
        # A stopped process ignores SIGINT until it is continued.
        asyncio.get_running_loop().call_later(0.3, os.kill, postmaster, signal.SIGCONT)
        assert await starting == dsn  # so that clients of the killed one need no new address
        assert await run(dsn, KEEP[-1]) == 7
        assert not is_alive(postmaster)
        await next_one.stop()


async def test_kill_of_everything_loses_nothing_committed(data: Path) -> None:
    async with host(data) as (parent, dsn, _):
        assert await run(dsn, *KEEP) == 7
        for pid in (parent, *leftovers.processes(data / "postgres")):
            with contextlib.suppress(ProcessLookupError):  # it ended with its parent
                os.kill(pid, signal.SIGKILL)
    async with running(data) as (_, dsn):
        assert await run(dsn, KEEP[-1]) == 7


async def test_a_start_removes_folders_of_killed_servers_whose_data_is_gone(
    data: Path, tmp_path: Path
) -> None:
    lost = tmp_path / "lost"
    shutil.copytree(data, lost, symlinks=True)
    async with host(lost) as (pid, _, postmaster):
        left = (lost / "run").readlink()
        os.kill(pid, signal.SIGKILL)
        eventually(lambda: not is_alive(postmaster), "PostgreSQL has shut down")
    shutil.rmtree(lost)
    assert left.is_dir()
    async with running(data):
        assert not left.exists()


async def test_a_start_leaves_the_folder_of_another_server_alone(
    data: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    shutil.copytree(data, other, symlinks=True)
    async with running(other) as (_, dsn):
        async with running(data):
            assert await run(dsn, "SELECT 1") == 1
        assert await run(dsn, "SELECT 1") == 1


async def test_killed_postmaster_comes_back_at_the_same_address(data: Path) -> None:
    async with running(data) as (postgres, dsn):
        assert await run(dsn, *KEEP) == 7
        assert postgres.pid is not None
        os.kill(postgres.pid, signal.SIGKILL)
        async with asyncio.timeout(5):
            assert await postgres.wait() == -signal.SIGKILL
            assert await postgres.start() == dsn
        assert await run(dsn, KEEP[-1]) == 7


async def test_backend_that_outlives_its_postmaster_does_not_block_the_start(data: Path) -> None:
    async with running(data) as (postgres, dsn):
        busy = await asyncpg.connect(dsn)
        backend = await busy.fetchval("SELECT pg_backend_pid()")
        assert postgres.pid is not None
        os.kill(backend, signal.SIGSTOP)  # cannot notice that its postmaster dies
        os.kill(postgres.pid, signal.SIGKILL)
        await postgres.wait()
        async with asyncio.timeout(10):
            await postgres.start()
        assert not is_alive(backend)
        busy.terminate()


async def test_a_killed_first_start_does_not_wedge_the_next(tmp_path: Path) -> None:
    data = tmp_path / "state"
    with program(sys.executable, HOST, data, "hold"):
        eventually((data / "postgres.new" / "PG_VERSION").exists, "initdb is at work")
    assert not (data / "postgres").exists()
    async with running(data) as (_, dsn):
        assert await run(dsn, "SELECT 1") == 1
    assert not (data / "postgres.new").exists()


async def test_a_lock_file_naming_a_stranger_is_not_believed(data: Path) -> None:
    with program("sleep", "60") as stranger:
        lines = [str(stranger.pid), str(data / "postgres"), "1", "5432", "/tmp", "", "", "ready"]
        (data / "postgres" / "postmaster.pid").write_text("\n".join(lines) + "\n")
        async with running(data) as (_, dsn):
            assert await run(dsn, "SELECT 1") == 1
        assert stranger.poll() is None


async def test_a_shell_in_the_cluster_folder_is_left_alone(data: Path) -> None:
    with program("sleep", "60", cwd=data / "postgres") as shell:
        async with running(data):
            pass
        assert shell.poll() is None


# ---------------------------------------------------------------- clear answers


async def test_second_server_on_one_directory_is_told_who_has_it(data: Path) -> None:
    async with host(data) as (holder, dsn, _):
        with pytest.raises(SettingsError, match=rf"another Windlass server \(pid {holder}\)"):
            await EmbeddedPostgres(data).start()
        assert await run(dsn, "SELECT 1") == 1


async def test_cluster_of_a_version_that_is_not_installed_is_named(data: Path) -> None:
    (data / "postgres" / "PG_VERSION").write_text("13\n")
    with pytest.raises(SettingsError, match=r"made by PostgreSQL 13, but only .* is installed"):
        await EmbeddedPostgres(data).start()


async def test_cluster_of_an_older_installed_version_keeps_its_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = binaries.installed()
    if len(both) < 2:
        pytest.skip("this wheel brings one version only")
    with monkeypatch.context() as patch:
        patch.setattr(binaries, "installed", lambda: both[1:])
        async with running(tmp_path):
            pass
    async with running(tmp_path) as (_, dsn):
        assert str(await run(dsn, "SHOW server_version")).startswith(f"{both[1].major}.")


async def test_directory_that_is_a_file_is_a_settings_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SettingsError, match="WINDLASS_DATA"):
        await EmbeddedPostgres(tmp_path / "file").start()


async def test_postgres_that_cannot_start_says_why(data: Path) -> None:
    (data / "postgres" / "global" / "pg_control").unlink()
    with pytest.raises(EngineError, match=r"pg_control|could not find the database system"):
        await EmbeddedPostgres(data).start()
    again = EmbeddedPostgres(data)
    with pytest.raises(EngineError):  # and not: another server uses this directory
        await again.start()


async def test_missing_wheel_is_a_settings_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(binaries, "find_spec", lambda name: None)
    with pytest.raises(SettingsError, match="WINDLASS_DATABASE_URL"):
        await EmbeddedPostgres(tmp_path).start()


# ---------------------------------------------------------------- as root


def _modes(folder: Path) -> dict[Path, int]:
    return {parent: parent.stat().st_mode for parent in (folder, *folder.parents)}


@pytest.mark.skipif(not ROOT, reason="only root has this problem")
@pytest.mark.parametrize("before", [(), (NO_NAMESPACES,)], ids=["namespace", "account"])
async def test_root_runs_it_unprivileged_below_a_0700_folder(
    tmp_path: Path, before: tuple[Path, ...]
) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    modes = _modes(home)
    async with host(home / "state", *before) as (parent, dsn, postmaster):
        assert await run(dsn, *KEEP) == 7
        assert "CapEff:\t0000000000000000" in _of_process(postmaster, "status")
        os.kill(parent, signal.SIGKILL)
        eventually(lambda: not is_alive(postmaster), "PostgreSQL has shut down")
    assert _modes(home) == modes


@pytest.mark.skipif(not ROOT, reason="only root has this problem")
async def test_files_made_under_one_identity_are_usable_under_the_next(tmp_path: Path) -> None:
    data = tmp_path / "state"
    for number, before in enumerate([(NO_NAMESPACES,), (), (NO_NAMESPACES,)]):
        async with host(data, *before) as (parent, dsn, postmaster):
            await run(dsn, "CREATE TABLE IF NOT EXISTS kept (n int)", "SELECT 1")
            count = await run(dsn, "INSERT INTO kept VALUES (1)", "SELECT count(*) FROM kept")
            assert count == number + 1
            os.kill(parent, signal.SIGKILL)
            eventually(lambda pid=postmaster: not is_alive(pid), "PostgreSQL has shut down")


@pytest.mark.skipif(not ROOT, reason="needs to become somebody else")
def test_an_ordinary_account_runs_it_as_itself(tmp_path: Path) -> None:
    command = ["unshare", "--user", "--map-user=1", sys.executable, HOST, tmp_path / "state"]
    done = subprocess.run([*command, "stop"], capture_output=True, text=True, timeout=60)
    assert done.stdout.startswith("ready "), done.stderr
