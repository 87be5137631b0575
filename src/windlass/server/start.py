"""From settings to a running supervisor: checks, key, listening socket, libraries, forks.

Called by the command line through `windlass.server.serve`.
"""

from __future__ import annotations

import gc
import importlib
import os
import shutil
import socket
import sys
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import urlsplit

import structlog

from windlass.errors import SettingsError
from windlass.server import banner, logs, process
from windlass.server.credentials import bootstrap_key
from windlass.settings import Settings

log = structlog.get_logger(__name__)

ROLES = ("api", "worker")
BACKLOG = 2048
_POSTGRES = ("postgres", "postgresql")
_OBJECTS_PER_COLLECTION = 10_000

_FIRST = ("windlass.server.roles", "windlass.server.keeper", "windlass.server.supervisor")
"""What the keeper needs, which starts the database while all else is loaded."""
_LOADED = {
    "api": ("windlass.api.app", "windlass.server.http", "windlass.service", "httptools"),
    "worker": (
        "windlass.worker",
        "windlass.kinds.extract",
        "windlass.drivers.http",
        "windlass.formats.html",
        "windlass.formats.links",
        "windlass.formats.markdown",
        "windlass.formats.text",
        "aiohttp",
        "encodings.idna",
    ),
}
"""What each role needs sooner or later: loaded once, before the forks, and shared by them."""


def parse_roles(text: str) -> frozenset[str]:
    """The roles of "api,worker". Raises SettingsError naming those there are."""
    roles = frozenset(part.strip() for part in text.split(",") if part.strip())
    if not roles or not roles.issubset(ROLES):
        raise SettingsError(f"--roles takes {' and '.join(ROLES)}, not {text!r}")
    return roles


def serve(settings: Settings, roles: frozenset[str] = frozenset(ROLES)) -> int:
    """Runs a server until it is told to stop; the exit status for the shell.

    0 after a graceful stop, 1 when it could not run, 2 when a setting is wrong, 130 when it was
    stopped at once. Raises SettingsError for what can be seen before anything is started.
    """
    if settings.database_url and urlsplit(settings.database_url).scheme not in _POSTGRES:
        raise SettingsError(
            "WINDLASS_DATABASE_URL must be a URL such as postgresql://user:password@host/database"
        )
    if roles != frozenset(ROLES) and not settings.database_url:
        raise SettingsError(
            "--roles splits a server over machines that share a database: set WINDLASS_DATABASE_URL"
        )
    logs.configure(settings, "supervisor")
    key = bootstrap_key(settings)
    files = process.allow_many_files()
    listeners = _listen(settings) if "api" in roles else ()
    _share_metrics(settings.data / "metrics")
    _check_search(settings)
    _load(_FIRST)
    return _supervise(settings, roles, key, listeners, files)


def _supervise(
    settings: Settings,
    roles: frozenset[str],
    key: str,
    listeners: tuple[socket.socket, ...],
    files: int,
) -> int:
    from windlass.server.roles import Roles
    from windlass.server.supervisor import Plan, Slot, Supervisor

    workers = settings.workers or os.cpu_count() or 1
    slots = [Slot("api")] if "api" in roles else []
    if "worker" in roles:
        slots += [Slot("worker", number) for number in range(1, workers + 1)]

    def announce() -> None:
        if listeners:
            url = banner.base_url(settings.host, listeners[0].getsockname()[1])
            sys.stdout.write(banner.api_banner(settings, url, key))
        else:
            sys.stdout.write(banner.worker_banner(workers))
        sys.stdout.flush()

    body = Roles(settings, key, listeners, files).body
    names = [name for role in sorted(roles) for name in _LOADED[role]]
    plan = Plan(tuple(slots), body, announce, settings.grace, listeners, load=lambda: _load(names))
    return Supervisor(plan).run()


def _listen(settings: Settings) -> tuple[socket.socket, ...]:
    """The listening sockets: one per address of the host. Raises SettingsError."""
    try:
        if not 0 <= settings.port <= 65535:
            raise OverflowError  # the resolver would take it modulo 65536
        found = socket.getaddrinfo(
            settings.host or None,
            settings.port,
            type=socket.SOCK_STREAM,
            flags=socket.AI_PASSIVE,
        )
    except (OSError, OverflowError) as error:
        raise SettingsError(
            f"WINDLASS_HOST and WINDLASS_PORT must name an address, not "
            f"{settings.host}:{settings.port}"
        ) from error
    sockets: list[socket.socket] = []
    for family, _, _, _, address in dict.fromkeys(found):
        try:
            listener = socket.create_server(
                address[:2], family=family, backlog=BACKLOG, reuse_port=False
            )
        except OSError as error:
            for opened in sockets:
                opened.close()
            raise SettingsError(
                f"cannot listen on {settings.host}:{settings.port}: {error.strerror}; "
                "choose another with --port or WINDLASS_PORT"
            ) from error
        listener.setblocking(False)
        sockets.append(listener)
    return tuple(sockets)


def _check_search(settings: Settings) -> None:
    """Refuses a search backend that could never be asked. Loads libraries."""
    if settings.search_url:
        from windlass.search import check

        check(settings)


def _share_metrics(folder: Path) -> None:
    """Lets the processes add up what they count; must come before their libraries are loaded.

    Each server has a folder of its own: another may run on this state directory, with other roles
    or by mistake, and its counts are not ours to clear.
    """
    mine = folder / str(os.getpid())
    for old in folder.glob("[0-9]*"):
        if old == mine or not Path(f"/proc/{old.name}").exists():
            shutil.rmtree(old, ignore_errors=True)
    mine.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(mine)
    from prometheus_client import values

    # By role instead of process id: a successor counts on where a dead one stopped, and deaths
    # leave no files behind.
    values.ValueClass = values.MultiProcessValue(process.name)  # type: ignore[no-untyped-call]


def _load(names: Iterable[str]) -> None:
    for name in names:
        importlib.import_module(name)
    # What is loaded is never collected: looking at it would unshare its pages.
    gc.collect()
    gc.freeze()
    # Tasks leave hardly a cycle behind: to look for them at every 700th object is work for nothing.
    gc.set_threshold(_OBJECTS_PER_COLLECTION, 20, 20)
