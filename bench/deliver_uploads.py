"""How many uploads per second and what does one cost, beside boto3 putting the same objects?

Both sides write to the same lean stand-in for S3, which checks nothing. Ours counts everything from
the waiting upload to the ended task, PostgreSQL included; boto3's has no tasks to end.
"""

from __future__ import annotations

import asyncio
import json
import random
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

from bench import load
from bench.deliver_scene import WORKERS, Rows, Stored, script, store, until_none
from bench.meter import Meter
from tests.support.server import WindlassServer, running
from windlass.blobs.file import FileBlobs

UPLOADS = 3_000
WARM_UP = 200
RESULT_BYTES = 32_768
THREADS = (1, 16)
_FIELD = '{"status": "success", "data": {"markdown": "'
_LEFT = "SELECT count(*) FROM task WHERE state = 'delivering'"
_SPAN = """
SELECT extract(epoch FROM max(finished_at) - min(started_at))::double precision FROM task
WHERE kind = 'upload' AND created_at > now() - make_interval(secs => $1)
"""


class Uploaded(msgspec.Struct, frozen=True):
    """Objects per second; CPU milliseconds per object by role; `who` did it."""

    who: str
    compress: bool
    per_second: float
    cpu_ms_by_role: dict[str, float]

    @property
    def cpu_ms(self) -> float:
        """CPU milliseconds per object in all."""
        return sum(self.cpu_ms_by_role.values())


class Uploads(msgspec.Struct, frozen=True):
    """Ours and the peer's, plain and gzipped."""

    uploads: int
    result_bytes: int
    runs: list[Uploaded]


async def measure() -> Uploads:
    """The answer."""
    with (
        script("lean_bucket.py") as (_, ports),
        TemporaryDirectory(prefix="windlass-bench-") as folder,
        running(Path(folder) / "data", WORKERS, **cloud(ports[0])) as server,
    ):
        sample = Path(folder) / "result.json"
        sample.write_bytes(result())
        address = await _stored(server, sample.read_bytes())
        runs = []
        for compress in (False, True):
            runs.append(await _ours(server, address, compress=compress))
            for threads in THREADS:
                endpoint = f"http://127.0.0.1:{ports[0]}"
                runs.append(await asyncio.to_thread(_boto3, endpoint, sample, threads, compress))
    return Uploads(UPLOADS, RESULT_BYTES, runs)


def cloud(port: int) -> dict[str, str]:
    """Settings under which that stand-in is S3."""
    return {
        "aws_access_key_id": "bench",
        "aws_secret_access_key": "bench",
        "aws_region": "us-east-1",
        "aws_endpoint_url_s3": f"http://127.0.0.1:{port}",
    }


def result() -> bytes:
    """JSON that compresses as text does."""
    chance = random.Random(5)
    words = ["".join(chance.choices("etaoinshrdlu", k=chance.randint(2, 9))) for _ in range(2_000)]
    text = " ".join(chance.choices(words, k=RESULT_BYTES))
    return (_FIELD + text)[: RESULT_BYTES - 3].encode() + b'"}}'


async def _stored(server: WindlassServer, content: bytes) -> str:
    """The address of a result in the server's own store."""
    blobs = FileBlobs(server.data)
    (address,) = await blobs.put([content])
    await blobs.aclose()
    return address


async def _ours(server: WindlassServer, address: str, *, compress: bool) -> Uploaded:
    database = await load.connect(server)
    try:
        await _run(database, address, WARM_UP, compress=compress)
        with Meter(server) as meter:
            took = await _run(database, address, UPLOADS, compress=compress)
    finally:
        await database.close()
    cost = meter.cost
    assert cost is not None
    return Uploaded(
        who="Windlass",
        compress=compress,
        per_second=UPLOADS / took,
        cpu_ms_by_role={role: s / UPLOADS * 1000 for role, s in cost.cpu_s.items()},
    )


async def _run(database: Rows, address: str, count: int, *, compress: bool) -> float:
    """Seconds from the first start to the last end."""
    began = time.monotonic()
    results = [Stored(address, f"s3://lake/ours/{number}.json") for number in range(count)]
    await store(database, results, compress=compress)
    await until_none(lambda: database.fetchval(_LEFT))
    return float(await database.fetchval(_SPAN, time.monotonic() - began))


def _boto3(endpoint: str, sample: Path, threads: int, compress: bool) -> Uploaded:
    program = str(Path(__file__).with_name("peer_boto3.py"))
    words = [endpoint, UPLOADS, threads, int(compress), sample]
    done = subprocess.run(
        [sys.executable, program, *map(str, words)],
        check=True,
        capture_output=True,
        text=True,
        timeout=300,
    )
    figures = json.loads(done.stdout)
    return Uploaded(
        who=f"boto3, {threads} thread(s)",
        compress=compress,
        per_second=UPLOADS / figures["wall_s"],
        cpu_ms_by_role={"boto3": figures["cpu_s"] / UPLOADS * 1000},
    )
