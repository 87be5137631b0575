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

_LIMIT_S = 600
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
        out, peak_mb = _watched(command, folder)
        figures = json.loads(out.splitlines()[-1])
        written = len(list(Path(folder).glob("*.md")))
    if written != figures["pages"]:
        raise RuntimeError(f"{peer.name} wrote {written} of {figures['pages']} pages")
    return CrawlRun(peer.name, written, figures["wall_s"], figures["cpu_s"], peak_mb)


def crawled_by_wget(url: str, suffixes: tuple[str, ...]) -> CrawlRun:
    """wget follows the links and keeps the pages: no Markdown, one connection."""
    with tempfile.TemporaryDirectory(prefix="windlass-bench-") as folder:
        command = ["wget", "-q", "-r", "-l", "inf", "-np", "-P", folder, url]
        began, before = time.perf_counter(), os.times()
        _, peak_mb = _watched(command, folder, accepted=(0, 8))  # 8: a link led to an error
        wall, after = time.perf_counter() - began, os.times()
        pages = sum(path.suffix in suffixes for path in Path(folder).rglob("*"))
    cpu = after.children_user + after.children_system
    cpu -= before.children_user + before.children_system
    return CrawlRun("wget, pages only", pages, wall, cpu, peak_mb)


def _watched(
    command: Sequence[str], folder: str, accepted: tuple[int, ...] = (0,)
) -> tuple[str, float]:
    """What it printed, and the most megabytes it held."""
    ended = threading.Event()
    peak = [0.0]

    def look(pid: int) -> None:
        while not ended.wait(_LOOK_S):
            peak[0] = max(peak[0], sum(pss_bytes(one.pid) for one in tree(pid)) / 1e6)

    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=folder
    ) as process:
        watcher = threading.Thread(target=look, args=(process.pid,))
        watcher.start()
        try:
            out, _ = process.communicate(timeout=_LIMIT_S)
        finally:
            process.kill()
            ended.set()
            watcher.join()
    if process.returncode not in accepted:
        raise RuntimeError(f"{command[0]} ended with {process.returncode}")
    return out, peak[0]
