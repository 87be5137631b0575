"""One running browser: its node process, its Chromium, its folder. Started and ended by the pool.

Chromium runs with its sandbox wherever the machine lets it. It ends with its node process and
that with us, however we end; what then is left of the folder is swept by the next start.
"""

from __future__ import annotations

import asyncio
import os
import shlex
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import structlog
from playwright.async_api import Browser, Error

from windlass import launch
from windlass.drivers.browser import folders, trees
from windlass.drivers.browser.chromium import switches, unwanted_switches
from windlass.drivers.browser.contexts import Contexts
from windlass.drivers.browser.link import Link
from windlass.drivers.browser.targets import Targets
from windlass.errors import BrowserCrashed, EngineError

log = structlog.get_logger(__name__)

_STARTS_S = 30.0
_ENDS_S = 5.0
_BURIAL_S = 0.02
_BURIALS = 100


@dataclass(frozen=True)
class Way:
    """How Chromium is run: the launcher's word for its identity, and with its sandbox or not."""

    identity: str
    sandbox: bool


def ways() -> list[Way]:
    """The ways to try, best first. Chromium's sandbox refuses root and needs what root lacks: an
    identity of its own that may make namespaces."""
    if os.geteuid() != 0:
        return [Way("same", True), Way("same", False)]
    if sys.platform != "linux":
        return [Way("same", False)]
    return [Way("map:1:1", True), Way("map:1:1", False), Way("same", False)]


class BrowserProcess:
    """A browser that is running. `ended` is set when it is of no more use."""

    def __init__(
        self, link: Link, browser: Browser, targets: Targets, folder: folders.Folder
    ) -> None:
        self.browser = browser
        self.targets = targets
        self.started_at = time.monotonic()
        self.pages = 0
        """Pages opened so far."""
        self.open = 0
        """Pages open now."""
        self.retired = False
        """No new pages; ends with the last one open."""
        self.ended = link.ended
        self.contexts = Contexts(browser)
        self._link = link
        self._folder = folder
        self._leader = next(iter(trees.descendants(link.pid)), 0)
        """Chromium's first process, whose session all others are in."""
        self._closing: asyncio.Task[None] | None = None
        self._parting = asyncio.create_task(self._part(), name="browser targets")
        browser.on("disconnected", lambda _: self.ended.set())

    @property
    def version(self) -> int:
        """Chromium's major version."""
        return int(self.browser.version.partition(".")[0] or 0)

    def processes(self) -> list[int]:
        """Ids of the node process and of Chromium's. Reads /proc: some milliseconds."""
        return [self._link.pid, *trees.session(self._leader)]

    def weight(self, light: int = 0) -> int:
        """Bytes of memory of all its processes, see trees. Reads /proc: some milliseconds."""
        return trees.weight(self.processes(), light)

    def kill(self) -> None:
        """Ends it at once; whoever uses it is told. `aclose` is due all the same."""
        trees.kill(self.processes()[1:])
        self.ended.set()

    async def _part(self) -> None:
        await self.ended.wait()
        self.targets.close()

    async def aclose(self) -> None:
        """Ends it, with patience, and removes its folder. May be called more than once."""
        if self._closing is None:
            self._closing = asyncio.create_task(self._close(), name="browser end")
        await asyncio.shield(self._closing)

    async def _close(self) -> None:
        self.retired = True
        try:
            async with asyncio.timeout(_ENDS_S):
                await self.browser.close()
        except (Error, TimeoutError) as error:
            log.info("browser_killed", reason=repr(error))
        await self._link.aclose()
        below = trees.session(self._leader)
        trees.kill(_ours(below))
        await _buried(below)
        self.ended.set()
        await self._parting
        await asyncio.to_thread(self._folder.remove)


async def _buried(pids: list[int]) -> None:
    """Waits until these are gone; the kernel has been told to end them."""
    for _ in range(_BURIALS):
        pids = trees.bury(pids)
        if not pids:
            return
        await asyncio.sleep(_BURIAL_S)
    log.warning("browser_processes_left", pids=pids)


def _ours(pids: list[int]) -> list[int]:
    """Those that still run a browser's program: an id may have gone to somebody else."""
    running = []
    for pid in pids:
        try:
            target = os.readlink(f"/proc/{pid}/exe")  # noqa: PTH115 - "(deleted)" may follow
        except OSError:
            continue
        if "chrom" in target or "headless" in target:
            running.append(pid)
    return running


async def start(program: Path, home: Path, way: Way) -> BrowserProcess:
    """Starts `program` with a folder of its own in `home`. Raises EngineError, BrowserCrashed."""
    trees.adopt_orphans()
    folder = await asyncio.to_thread(folders.make, home)
    link = Link(folder.path, _environment(folder.path))
    try:
        async with asyncio.timeout(_STARTS_S):
            playwright = await link.connect()
            browser = await playwright.chromium.launch(
                executable_path=_starter(program, folder.path, way),
                chromium_sandbox=way.sandbox,
                args=switches(),
                ignore_default_args=unwanted_switches(),
                env={**_environment(folder.path)},
                handle_sigint=False,
                handle_sigterm=False,
                handle_sighup=False,
                timeout=_STARTS_S * 1000,
            )
            targets = Targets(link.straight(await browser.new_browser_cdp_session()))
    except BaseException as error:
        below = trees.descendants(link.pid) if link.pid else []
        trees.kill(below)
        await link.aclose()
        await _buried(below)
        await asyncio.to_thread(folder.remove)
        if isinstance(error, Error | TimeoutError | OSError):
            raise BrowserCrashed(f"The browser did not start: {_reason(error)}") from error
        if isinstance(error, Exception):
            raise EngineError(f"the browser did not start: {error!r}") from error
        raise
    return BrowserProcess(link, browser, targets, folder)


def _starter(program: Path, folder: Path, way: Way) -> Path:
    """A script that runs Chromium the given way; Playwright takes no more than one path."""
    script = folder / "chromium"
    words = [sys.executable, "-I", "-S", str(Path(launch.__file__))]
    command = shlex.join(words) + ' "$PPID" '
    command += shlex.join([str(folder), way.identity, "SIGKILL", str(program)])
    script.write_text(f'#!/bin/sh\nexec {command} "$@"\n')
    script.chmod(0o700)
    return script


def _environment(folder: Path) -> dict[str, str]:
    """A plain environment: none of our secrets, and temporary files in the folder."""
    return {
        "PATH": os.defpath,
        "HOME": str(folder),
        "TMPDIR": str(folder),
        "XDG_CONFIG_HOME": str(folder / "config"),
        "XDG_CACHE_HOME": str(folder / "cache"),
        "LANG": "C.UTF-8",
        "TZ": "UTC",
        "PW_LANG_NAME": "python",
        "DBUS_SESSION_BUS_ADDRESS": "disabled:",
        "NODE_OPTIONS": "--max-old-space-size=512",
    }


def _reason(error: BaseException) -> str:
    """What went wrong, in a line: Playwright repeats the whole log."""
    text = str(error)
    for line in text.splitlines():
        if "sandbox" in line.lower() or "root without" in line:
            return line.strip()[:300]
    return (text.splitlines() or [repr(error)])[0][:300]
