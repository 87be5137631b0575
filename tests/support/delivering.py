"""A real server, the vendor's SDK and a receiver, and what tests ask about deliveries between them.

Used by contract, e2e and fault tests. What HTTP does not show is read from the database.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from nimble_python import Nimble

from tests.support.inside import rows
from tests.support.receiver import Received, Receiver, receiving
from tests.support.server import WindlassServer, running
from tests.support.waiting import eventually

SECRET = "whsec_dGhlIGZpcnN0IHNlY3JldCBvZiBhY2NvdW50IG1haW4="
"""What the webhooks of account main are signed with."""


@dataclass
class Delivering:
    """A running server with a client and a receiver."""

    server: WindlassServer
    client: Nimble
    receiver: Receiver

    def submit(self, url: str, **options: Any) -> str:
        """The id of a new task."""
        return self.client.extract_async(url=url, **options).task.id

    def told(self, task_id: str) -> list[Received]:
        """Webhooks about a task so far, oldest first."""
        return [one for one in tuple(self.receiver.seen) if task_id in one.body]

    def news(self, task_id: str, count: int = 1, within_s: float = 20.0) -> list[Received]:
        """Webhooks about a task, once there are so many."""

        def probe() -> list[Received] | None:
            told = self.told(task_id)
            return told if len(told) >= count else None

        return eventually(probe, f"{count} webhooks about {task_id}", within_s=within_s)

    def http(self) -> httpx.Client:
        """A client with the server's key."""
        bearer = {"Authorization": f"Bearer {self.server.api_key}"}
        return httpx.Client(base_url=self.server.url, headers=bearer, timeout=15, verify=False)

    def results(self, task_id: str) -> bytes:
        """The bytes of /results."""
        with self.http() as http:
            return http.get(f"/v1/tasks/{task_id}/results").raise_for_status().content

    def delivery(self, task_id: str, kind: str = "webhook") -> dict[str, Any] | None:
        """The row of a task's delivery, once there is one."""
        found = rows(
            self.server, "SELECT * FROM task WHERE parent_id = $1 AND kind = $2", task_id, kind
        )
        assert len(found) <= 1, f"{task_id} has {len(found)} deliveries of kind {kind}"
        return found[0] if found else None

    def ended(self, task_id: str, kind: str = "webhook") -> dict[str, Any]:
        """The row of a task's delivery, once that has ended."""

        def probe() -> dict[str, Any] | None:
            row = self.delivery(task_id, kind)
            return row if row is not None and row["finished_at"] is not None else None

        return eventually(probe, f"the {kind} of {task_id} ends", within_s=30, every_s=0.1)

    def resend(self, delivery: dict[str, Any]) -> None:
        """Has a delivery sent again."""
        with self.http() as http:
            http.post(f"/v1/deliveries/{delivery['id']}/resend").raise_for_status()

    def tries(self, task_id: str, kind: str = "webhook") -> list[dict[str, Any]]:
        """The rows of a delivery's attempts, oldest first."""
        return rows(
            self.server,
            "SELECT attempt.* FROM attempt JOIN task ON task.id = attempt.task_id "
            "WHERE parent_id = $1 AND kind = $2 ORDER BY number",
            task_id,
            kind,
        )

    def lane(self, url: str) -> dict[str, Any]:
        """The row of an endpoint's lane, {} if there is none yet."""
        pattern = f"hook:%:{url.partition('?')[0]}"
        found = rows(self.server, "SELECT * FROM lane WHERE key LIKE $1", pattern)
        return found[0] if found else {}


@contextmanager
def delivering(data: Path, workers: int = 1, **settings: str) -> Iterator[Delivering]:
    """A started server with these settings, beside a client and a receiver."""
    settings = {"rate_limit": "0", "webhook_secret": SECRET, **settings}
    with (
        receiving() as receiver,
        running(data, workers, **settings) as server,
        Nimble(base_url=server.url, api_key=server.api_key) as client,
    ):
        yield Delivering(server, client, receiver)
