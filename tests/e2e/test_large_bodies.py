"""Many large requests at once: the API's memory stays bounded, and small calls go on."""

from __future__ import annotations

import json
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx

from tests.conftest import StartServer

CALLERS = 30
PEAK_LIMIT_MB = 600
"""Without a bound it takes some 40 MB per caller."""

TARGET = {"url": "http://127.0.0.1:9/"}


def peak_mb(pid: int) -> float:
    """The most memory that a process has held so far."""
    status = Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert found is not None
    return int(found[1]) / 1024


def test_large_bodies_take_turns(start_server: StartServer) -> None:
    server = start_server(rate_limit="0", host_delay="1h")
    (api,) = server.processes("api")
    body = json.dumps(TARGET | {"method": "POST", "body": "x" * 9_900_000})
    headers = {"authorization": f"Bearer {server.api_key}"}
    over = threading.Event()
    accepted_small: list[int] = []

    def send(_: int) -> httpx.Response:
        return httpx.post(
            f"{server.url}/v1/extract/async", content=body, headers=headers, timeout=60
        )

    def send_small() -> None:
        with httpx.Client(base_url=server.url, headers=headers, timeout=60) as client:
            while not over.wait(0.05):
                answer = client.post("/v1/extract/async", json=TARGET)
                assert answer.status_code == 200
                accepted_small.append(answer.status_code)

    with ThreadPoolExecutor(CALLERS + 1) as pool:
        small = pool.submit(send_small)
        try:
            answers = list(pool.map(send, range(CALLERS)))
        finally:
            over.set()
        small.result()
    for answer in answers:
        assert answer.status_code in (200, 503), answer.text
        assert answer.status_code == 200 or answer.headers["x-should-retry"] == "true"
    assert any(answer.status_code == 200 for answer in answers)
    assert accepted_small
    assert peak_mb(api.pid) < PEAK_LIMIT_MB
