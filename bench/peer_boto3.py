"""boto3 putting the same objects. A script: endpoint, count, threads, compress (0 or 1), file.

Prints the seconds on the clock and the CPU seconds it took, once its client is warm.
"""

from __future__ import annotations

import gzip
import json
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import boto3
from botocore.config import Config


def main() -> None:
    """As people write it: one client, shared by the threads of a pool."""
    endpoint, (count, threads, compress) = sys.argv[1], map(int, sys.argv[2:5])
    client = boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id="bench",
        aws_secret_access_key="bench",
        config=Config(max_pool_connections=threads),
    )
    body = Path(sys.argv[5]).read_bytes()

    def put(number: int) -> None:
        content = gzip.compress(body, 6) if compress else body
        client.put_object(
            Bucket="lake", Key=f"peer/{number}.json", Body=content, ContentType="application/json"
        )

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(put, range(50)))
        began, before = time.perf_counter(), os.times()
        list(pool.map(put, range(count)))
        wall, after = time.perf_counter() - began, os.times()
    cpu = after.user + after.system - before.user - before.system
    print(json.dumps({"wall_s": wall, "cpu_s": cpu}))


if __name__ == "__main__":
    main()
