"""Submits many tasks while a server is being hurt and keeps account of what it accepted.

Used by tests/fault. What was answered with 200 is a promise; everything else is not.
"""

from __future__ import annotations

import queue
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.support.origin import Origin
from tests.support.server import WindlassServer
from tests.support.waiting import eventually

SUBMIT_LIMIT_S = 60.0
_TERMINAL = ("success", "error")


@dataclass
class Ledger:
    """`accepted` maps task id → token of its page; `refused` counts the answers but 200. `options`
    says what a page's request asks for beside its URL."""

    server: WindlassServer
    origin: Origin
    options: Callable[[str], dict[str, Any]] = lambda _: {}
    accepted: dict[str, str] = field(default_factory=dict)
    refused: Counter[str] = field(default_factory=Counter)
    ended: dict[str, dict[str, Any]] = field(default_factory=dict)

    def http(self) -> httpx.Client:
        """A client with this server's key."""
        bearer = {"Authorization": f"Bearer {self.server.api_key}"}
        return httpx.Client(base_url=self.server.url, headers=bearer, timeout=15, verify=False)

    def submit(self, tokens: list[str], at_once: int = 8) -> list[threading.Thread]:
        """Starts threads that submit one page per token until each is accepted."""
        waiting: queue.SimpleQueue[str] = queue.SimpleQueue()
        for token in tokens:
            waiting.put(token)
        threads = [threading.Thread(target=self._submit, args=(waiting,)) for _ in range(at_once)]
        for thread in threads:
            thread.start()
        return threads

    def _submit(self, waiting: queue.SimpleQueue[str]) -> None:
        deadline = time.monotonic() + SUBMIT_LIMIT_S
        with self.http() as http:
            while time.monotonic() < deadline:
                try:
                    token = waiting.get_nowait()
                except queue.Empty:
                    return
                if not self._accepted(http, token):
                    waiting.put(token)
                    time.sleep(0.05)

    def _accepted(self, http: httpx.Client, token: str) -> bool:
        wanted = {"url": self.origin.page(token), "formats": ["html"], **self.options(token)}
        try:
            answer = http.post("/v1/extract/async", json=wanted)
        except httpx.TransportError as error:
            self.refused[type(error).__name__] += 1
            return False
        if answer.status_code != 200:
            self.refused[str(answer.status_code)] += 1
            return False
        self.accepted[answer.json()["task_id"]] = token
        return True

    def wait_all_ended(self, within_s: float) -> None:
        """Returns once every accepted task is terminal; remembers how each looked."""
        with self.http() as http:

            def probe() -> bool:
                for task in listed(http):
                    if task["id"] in self.accepted and task["state"] in _TERMINAL:
                        self.ended.setdefault(task["id"], task)
                return len(self.ended) == len(self.accepted)

            what = f"all {len(self.accepted)} accepted tasks end"
            eventually(probe, what, within_s=within_s, every_s=0.2, despite=(httpx.HTTPError,))

    def check_each_ended_once(self) -> None:
        """Every accepted task: listed once, terminal, unchanged since, with its own page."""
        with self.http() as http:
            tasks = list(listed(http))
            times_listed = Counter(task["id"] for task in tasks)
            assert set(times_listed.values()) <= {1}, "a task is listed twice"
            now = {task["id"]: task for task in tasks}
            for task_id, token in self.accepted.items():
                assert task_id in now, f"task {task_id} is lost"
                assert now[task_id] == self.ended[task_id], "a terminal state changed"
                assert now[task_id]["state"] == "success", now[task_id]
                result = http.get(f"/v1/tasks/{task_id}/results")
                assert result.status_code == 200, result.text
                body = result.json()
                assert body["task_id"] == task_id
                assert f"<h1>Page {token}</h1>" in body["data"]["html"]

    def unfinished(self) -> int:
        """Accepted tasks that are not terminal yet."""
        with self.http() as http:
            states = {task["id"]: task["state"] for task in listed(http)}
        return sum(states.get(task_id) not in _TERMINAL for task_id in self.accepted)


def listed(http: httpx.Client) -> list[dict[str, Any]]:
    """Every task of the account through the list's cursors. Raises httpx.HTTPStatusError."""
    tasks: list[dict[str, Any]] = []
    cursor: str | None = None
    while True:
        query: dict[str, str] = {"limit": "1000"} | ({"cursor": cursor} if cursor else {})
        page = http.get("/v1/tasks", params=query).raise_for_status().json()
        tasks += page["data"]
        cursor = page["pagination"]["next_cursor"]
        if not page["pagination"]["has_next"]:
            return tasks
