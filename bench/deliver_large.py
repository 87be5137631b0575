"""How much memory does an upload of 1 GiB take, plain and gzipped?

By the same code as a worker's, in a process of its own: pages end at `fetch_limit`, so no task has
a result of this size.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

from bench.deliver_scene import script
from bench.deliver_uploads import cloud, result
from bench.lean import Connection
from tests.support.server import variable

BYTES = 2**30
_PACK = "results/2026010100/1-0.pack"
_LIMIT_S = 300.0


class Large(msgspec.Struct, frozen=True):
    """Megabytes resident before and at the peak, seconds, and what came in how many parts."""

    compress: bool
    before_mb: int
    peak_mb: int
    took_s: int
    parts: int
    sent_mb: float


async def measure() -> list[Large]:
    """The answer."""
    with TemporaryDirectory(prefix="windlass-bench-") as folder:
        await asyncio.to_thread(_write, Path(folder) / _PACK)
        return [await _upload(folder, compress=compress) for compress in (False, True)]


def _write(pack: Path) -> None:
    pack.parent.mkdir(parents=True)
    piece = (result() * 32)[: 2**20]
    with pack.open("wb") as file:
        for _ in range(BYTES // len(piece)):
            file.write(piece)


async def _upload(folder: str, *, compress: bool) -> Large:
    with script("lean_bucket.py") as (_, ports):
        program = str(Path(__file__).with_name("large_upload.py"))
        words = [folder, f"{_PACK}:0:{BYTES}", "s3://lake/large.json", str(int(compress))]
        settings = {variable(name): value for name, value in cloud(ports[0]).items()}
        done = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, program, *words],
            check=True,
            stdout=subprocess.PIPE,
            text=True,
            timeout=_LIMIT_S,
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(Path.cwd()), **settings},
        )
        bucket = await Connection.open("127.0.0.1", ports[0], "")
        came = json.loads((await bucket.get("/")).body)
        bucket.close()
    before, peak, took = map(int, done.stdout.split())
    return Large(compress, before, peak, took, came["parts"], came["bytes"] / 1e6)
