"""How do others crawl the same site? Each as people run it: one process, links followed from the
start page, Markdown and links of every page written to disk (wget: the page itself).

Used by crawl.py. CPU and seconds are without the start of the program, but for wget.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec

from bench.environments import environment
from bench.peers import PINS
from tests.support.processes import pss_bytes, tree

_LIMIT_S = 300
"""Seconds that a peer gets; what it has by then is what it did."""
_LOOK_S = 0.2


class CrawlRun(msgspec.Struct, frozen=True):
    """What a crawl came to: pages with a result, seconds, CPU seconds of all its processes, the
    most memory that they held at a time (PSS)."""

    name: str
    pages: int
    wall_s: float
    cpu_s: float
    peak_mb: float

    @property
    def per_second(self) -> float:
        """Pages per second."""
        return self.pages / self.wall_s

    @property
    def cpu_ms(self) -> float:
        """CPU milliseconds per page."""
        return self.cpu_s / max(self.pages, 1) * 1000


class Peer(msgspec.Struct, frozen=True):
    """A program to compare with: what it is called, its script, the libraries it runs on."""

    name: str
    script: str
    pins: tuple[str, ...]


PEERS = (
    Peer("Scrapy + html2text", "scrapy", PINS),
    Peer(
        "Crawlee + markdownify",
        "crawlee",
        ("crawlee[beautifulsoup]==1.11.0", "markdownify==1.2.3", "uvloop==0.23.0"),
    ),
    Peer("Crawl4AI, HTTP mode", "crawl4ai", ("crawl4ai==0.9.5", "uvloop==0.23.0")),
)


def crawled_by(peer: Peer, url: str, concurrency: int) -> CrawlRun:
    """One crawl. Raises RuntimeError when the program fails; pages may be missing."""
    script = Path(__file__).with_name(f"peer_crawl_{peer.script}.py")
    python = environment(peer.script, peer.pins)
    with tempfile.TemporaryDirectory(prefix="windlass-bench-") as folder:
        command = [str(python), str(script), url, folder, str(concurrency)]
        seen = _watched(command, folder)
        written = len(list(Path(folder).glob("*.md")))
    if seen.stopped:
        name = f"{peer.name}, stopped after {_LIMIT_S} s"
        return CrawlRun(name, written, seen.wall_s, seen.cpu_s, seen.peak_mb)
    figures = json.loads(seen.out.splitlines()[-1])
    if written != figures["pages"]:
        raise RuntimeError(f"{peer.name} wrote {written} of {figures['pages']} pages")
    return CrawlRun(peer.name, written, figures["wall_s"], figures["cpu_s"], seen.peak_mb)


def crawled_by_wget(url: str, suffixes: tuple[str, ...]) -> CrawlRun:
    """wget follows the links and keeps the pages: no Markdown, one connection."""
    with tempfile.TemporaryDirectory(prefix="windlass-bench-") as folder:
        command = ["wget", "-q", "-r", "-l", "inf", "-np", "-P", folder, url]
        before = os.times()
        seen = _watched(command, folder, accepted=(0, 8))  # 8: a link led to an error
        after = os.times()
        pages = sum(path.suffix in suffixes for path in Path(folder).rglob("*"))
    cpu = after.children_user + after.children_system
    cpu -= before.children_user + before.children_system
    return CrawlRun("wget, pages only", pages, seen.wall_s, cpu, seen.peak_mb)


class _Watched(msgspec.Struct):
    """What a program printed, how long it took, the CPU seconds and the most megabytes of all its
    processes; whether it was stopped because its time was up."""

    out: str = ""
    wall_s: float = 0.0
    cpu_s: float = 0.0
    peak_mb: float = 0.0
    stopped: bool = False


def _watched(command: Sequence[str], folder: str, accepted: tuple[int, ...] = (0,)) -> _Watched:
    ended = threading.Event()
    seen, began = _Watched(), time.perf_counter()

    def look(pid: int) -> None:
        while not ended.wait(_LOOK_S):
            living = tree(pid)
            seen.peak_mb = max(seen.peak_mb, sum(pss_bytes(one.pid) for one in living) / 1e6)
            seen.cpu_s = max(seen.cpu_s, sum(one.cpu_s for one in living))

    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=folder
    ) as process:
        watcher = threading.Thread(target=look, args=(process.pid,))
        watcher.start()
        try:
            seen.out, _ = process.communicate(timeout=_LIMIT_S)
        except subprocess.TimeoutExpired:
            seen.stopped = True
        finally:
            process.kill()
            ended.set()
            watcher.join()
    seen.wall_s = time.perf_counter() - began
    if process.returncode not in accepted and not seen.stopped:
        raise RuntimeError(f"{command[0]} ended with {process.returncode}")
    return seen
