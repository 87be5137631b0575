"""`windlass batches`: list, get, cancel, over HTTP."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any
from urllib.parse import quote

from windlass.cli.client import Client, ask, connect, pauses, settings_of
from windlass.cli.output import note, note_more, print_json, print_table, progress
from windlass.cli.tasks import task_row
from windlass.errors import TargetError
from windlass.settings import Settings

_LIST = "/v1/batches"


def show_list(limit: int, cursor: str | None, as_json: bool, data: Path | None) -> None:
    """Prints a page of batches."""
    query = {"limit": str(limit)} | ({"cursor": cursor} if cursor else {})
    answer = ask(data, "GET", _LIST, query=query)
    if as_json:
        print_json(answer)
        return
    rows = [
        (batch["id"], batch["created_at"], str(len(batch["tasks"])), str(batch["completed"]))
        for batch in answer["data"]
    ]
    print_table(("id", "created", "tasks", "completed"), rows)
    note_more(answer)


def show_batch(batch_id: str, wait: bool, as_json: bool, data: Path | None) -> None:
    """Prints a batch's tasks. Raises TargetError after that if some failed."""
    batch = asyncio.run(_batch(settings_of(data), batch_id, wait, quiet=as_json))
    tasks = [task for task in batch["tasks"] if task is not None]
    if as_json:
        print_json(batch)
    else:
        headings = ("id", "state", "created", "status", "url", "error")
        print_table(headings, [task_row(task) for task in tasks])
    failed, count = sum(task["state"] == "error" for task in tasks), len(batch["tasks"])
    if failed:
        raise TargetError(f"{failed} of {count} tasks failed")
    if not as_json:
        note(f"{batch['completed_count']} of {count} tasks have ended")


def cancel(batch_id: str, as_json: bool, data: Path | None) -> None:
    """Cancels a batch."""
    answer = ask(data, "DELETE", _path(batch_id))
    if as_json:
        print_json(answer)
    else:
        note(f"what had not ended of batch {batch_id} is canceled")


async def _batch(settings: Settings, batch_id: str, wait: bool, *, quiet: bool) -> dict[str, Any]:
    async with connect(settings) as client:
        if wait:
            await _ended(client, batch_id, quiet)
        batch: dict[str, Any] = await client.call("GET", _path(batch_id))
        return batch


async def _ended(client: Client, batch_id: str, quiet: bool) -> None:
    """Returns when all tasks have ended; the server sees to it that every task does."""
    async with progress(f"batch {batch_id}", quiet=quiet):
        for pause_s in pauses():
            if (await client.call("GET", f"{_path(batch_id)}/progress"))["completed"]:
                return
            await asyncio.sleep(pause_s)


def _path(batch_id: str) -> str:
    return f"{_LIST}/{quote(batch_id, safe='')}"
