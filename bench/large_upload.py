"""Uploads one stored result in a process of its own. A script: folder, address, URL, compress.

Prints megabytes: resident before the upload and at its peak; then the seconds it took.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import uvloop

from windlass.blobs.file import FileBlobs
from windlass.buckets import Buckets, Held
from windlass.settings import load


async def main() -> None:
    """Settings come from the environment, as a worker's do."""
    folder, address, url, compress = sys.argv[1:5]
    blobs, buckets = FileBlobs(Path(folder)), Buckets(load().settings)
    await buckets.upload(url + ".small", Held([b"{}"]), compress=False)
    before = _resident_mb("VmRSS")
    began = time.perf_counter()
    await buckets.upload(url, await blobs.source(address), compress=compress == "1")
    took = time.perf_counter() - began
    print(round(before), round(_resident_mb("VmHWM")), round(took), flush=True)
    await buckets.aclose()
    await blobs.aclose()


def _resident_mb(what: str) -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{what}:"):
            return int(line.split()[1]) * 1024 / 1e6
    raise RuntimeError(f"the kernel tells no {what}")


if __name__ == "__main__":
    uvloop.run(main())
