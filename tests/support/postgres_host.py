"""Holds an embedded PostgreSQL in a process that tests may kill; run as a script.

Arguments: data directory, then what to do once it runs: "hold" until killed, or "stop". Prints
`ready DSN PID`.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from windlass.storage.embedded import EmbeddedPostgres


async def main(data: str, then: str) -> None:
    """See the module."""
    server = EmbeddedPostgres(Path(data))
    dsn = await server.start()
    print("ready", dsn, server.pid, flush=True)
    if then == "hold":
        await server.wait()
    await server.stop()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
