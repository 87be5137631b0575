"""The vendor's own API tests, un-skipped, against us (sdist of nimble_python 0.24.0).

They send placeholders ("url", a made-up task id, one fixed key); a proxy in front of the server
puts real ones in their place. Tests and SDK run as their authors wrote them.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from nimble_python import Nimble

from tests.support.downloads import sdist
from tests.support.origin import Origin
from tests.support.relay import CountingProxy, Exchange
from tests.support.sdk import finished
from tests.support.server import WindlassServer

PLACEHOLDER_ID = "123e4567-e89b-12d3-a456-426614174000"
PLACEHOLDER_CURSOR = "182bd5e5-6e1a-4fe4-a799-aa6d9a6ab26e"
# Their "all params" extracts and crawls ask for a browser.
NEEDS_MORE = "not (extract and all_params) and not run_with_all_params"
NOT_YET = "not generat"
SELECTED = f"(Tasks or Batches or Crawl or extract or TestAgent or TestAsyncAgent) and {NEEDS_MORE}"
SELECTED += f" and {NOT_YET} and not ((run_async or run_batch) and all_params and Agent)"
FILES = ("client", "tasks", "batches", "crawl", "agent")
EXPECTED_TESTS = 320


@pytest.fixture
def stand_in(
    server: WindlassServer, client: Nimble, strict_client: Nimble, origin: Origin
) -> Iterator[CountingProxy]:
    """A proxy that turns the suite's placeholders into things that exist on the server."""
    batch = client.extract_batch(inputs=[{"url": origin.page("placeholder")}])
    task_id = batch.tasks[0].id
    finished(client, task_id)
    client.extract_async(url=origin.page("newer"))
    cursor = client.tasks.list(limit=1).pagination.next_cursor
    assert cursor is not None
    for _ in range(2):
        crawl_id = client.crawl.run(url=origin.page("crawled"), limit=1).crawl_id
    crawl_cursor = client.crawl.list(limit=1).pagination.next_cursor
    assert crawl_cursor is not None

    def rewrite(exchange: Exchange) -> Exchange:
        kept = {k: v for k, v in exchange.headers.items() if k.lower() != "authorization"}
        headers = kept | {"Authorization": f"Bearer {server.api_key}"}
        known = batch.batch_id if "/batches/" in exchange.path else task_id
        known = crawl_id if "/crawl/" in exchange.path else known
        path = exchange.path.replace(PLACEHOLDER_ID, known).replace(PLACEHOLDER_CURSOR, cursor)
        path = path.replace("cursor=cursor", f"cursor={crawl_cursor}")
        path = path.replace("/agents/template_name", "/agents/links")
        body = exchange.body
        if body:
            content = json.loads(body)
            real: dict[str, Any] = {"url": origin.page("sdk")}
            if "/agents/" in path:
                real = {"agent": "links", "params": real}
            real = {"shared_inputs": real} if path.endswith("/batch") else real
            body = json.dumps(content | real).encode()
        return replace(exchange, headers=headers, path=path, body=body)

    proxy = CountingProxy(server.url, rewrite)
    try:
        yield proxy
    finally:
        proxy.close()


def test_the_sdk_s_own_api_tests_pass(stand_in: CountingProxy) -> None:
    folder = sdist("nimble_python", "0.24.0")
    tests = folder / "tests" / "api_resources"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "sdk_suite_plugin", "-o", "addopts="]
    command += ["-p", "no:cacheprovider", "-k", SELECTED]
    command += [str(tests / f"test_{name}.py") for name in FILES]
    environment = os.environ | {
        "TEST_API_BASE_URL": stand_in.url,
        "PYTHONPATH": str(Path(__file__).parent),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    counted = re.search(r"(\d+) passed", done.stdout)
    assert counted is not None and int(counted[1]) == EXPECTED_TESTS, done.stdout[-500:]
    assert "skipped" not in done.stdout.splitlines()[-1]
    assert len(stand_in.passed) >= EXPECTED_TESTS // 2
