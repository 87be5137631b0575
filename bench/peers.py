"""How fast is Scrapy + html2text over the same pages? Called by `python -m bench`.

Its libraries live in a virtual environment of their own in the cache, pinned; as one process, as
people run it, and as one per core, which is what our workers are.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from bench.environments import environment
from tests.support.processes import busy_s

PINS = ("scrapy==2.19.0", "html2text==2025.4.15", "uvloop==0.23.0")
_SCRIPT = Path(__file__).with_name("peer_scrapy.py")


@dataclass(frozen=True)
class PeerRun:
    """What the peer came to. `cpu_s` is all processes together, `wall_s` the slowest of them.

    `others_cores` is what the rest of the machine took meanwhile, nginx included.
    """

    processes: int
    pages: int
    wall_s: float
    cpu_s: float
    others_cores: float


def run(urls: list[str], *, concurrency: int, processes: int) -> PeerRun:
    """Every URL once, split evenly over the processes. Raises RuntimeError if a page is missing."""
    python = environment("scrapy", PINS)
    began, busy = time.perf_counter(), busy_s()
    with tempfile.TemporaryDirectory(prefix="windlass-bench-") as folder:
        children = [
            _start(python, urls[share::processes], Path(folder) / str(share), concurrency)
            for share in range(processes)
        ]
        figures = [_finish(child) for child in children]
    took, used = time.perf_counter() - began, busy_s() - busy
    pages = sum(int(one["pages"]) for one in figures)
    if pages != len(urls):
        raise RuntimeError(f"Scrapy returned {pages} of {len(urls)} pages")
    wall = max(one["wall_s"] for one in figures)
    ours = sum(one["total_cpu_s"] for one in figures)
    cpu = sum(one["cpu_s"] for one in figures)
    return PeerRun(processes, pages, wall, cpu, max(used - ours, 0.0) / took)


def _start(python: Path, urls: list[str], folder: Path, concurrency: int) -> subprocess.Popen[str]:
    folder.mkdir()
    listing = folder / "urls.txt"
    listing.write_text("\n".join(urls))
    command = [str(python), str(_SCRIPT), str(listing), str(folder), str(concurrency)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def _finish(child: subprocess.Popen[str]) -> dict[str, float]:
    out, _ = child.communicate(timeout=600)
    if child.returncode != 0:
        raise RuntimeError(f"Scrapy ended with {child.returncode}")
    figures: dict[str, float] = json.loads(out.splitlines()[-1])
    return figures
