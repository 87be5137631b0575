"""`windlass tasks`: list, get, results, cancel, over HTTP."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any
from urllib.parse import quote

from windlass.cli.client import Client, ask, connect, pauses, settings_of
from windlass.cli.extract import finish
from windlass.cli.output import Target, note, note_more, print_json, print_table, progress
from windlass.errors import TargetError
from windlass.settings import Settings

_ENDED = ("success", "error")


def show_list(limit: int, cursor: str | None, as_json: bool, data: Path | None) -> None:
    """Prints a page of tasks."""
    query = {"limit": str(limit)} | ({"cursor": cursor} if cursor else {})
    answer = ask(data, "GET", "/v1/tasks", query=query)
    if as_json:
        print_json(answer)
        return
    headings = ("id", "state", "created", "status", "url", "error")
    print_table(headings, [task_row(task) for task in answer["data"]])
    note_more(answer)


def show_task(task_id: str, wait: bool, as_json: bool, data: Path | None) -> None:
    """Prints a task. Raises TargetError after that if it failed."""
    settings = settings_of(data)
    task = asyncio.run(_task(settings, task_id, wait, quiet=as_json))
    if as_json:
        print_json(task)
    else:
        skipped = ("input", "_query", "result")
        print_table(("", ""), [(k, str(v)) for k, v in task.items() if k not in skipped])
    if task["state"] == "error":
        raise TargetError(str(task.get("error") or "the task failed"))


def show_results(task_id: str, wait: bool, target: Target, data: Path | None) -> None:
    """Prints a task's result as `extract` does."""
    settings = settings_of(data)
    finish(asyncio.run(_results(settings, task_id, wait, quiet=target.as_json)), target)


def cancel(task_id: str, as_json: bool, data: Path | None) -> None:
    """Cancels a task."""
    answer = ask(data, "DELETE", _path(task_id))
    if as_json:
        print_json(answer)
    else:
        note(f"task {task_id} is canceled, unless it had ended")


async def _task(settings: Settings, task_id: str, wait: bool, *, quiet: bool) -> dict[str, Any]:
    async with connect(settings) as client:
        return await _ended(client, task_id, quiet) if wait else await _read(client, task_id)


async def _results(settings: Settings, task_id: str, wait: bool, *, quiet: bool) -> dict[str, Any]:
    async with connect(settings) as client:
        if wait:
            await _ended(client, task_id, quiet)
        answer: dict[str, Any] = await client.call("GET", f"{_path(task_id)}/results")
        return answer


async def _ended(client: Client, task_id: str, quiet: bool) -> dict[str, Any]:
    """The task once it has ended; the server sees to it that every task does."""
    async with progress(f"task {task_id}", quiet=quiet):
        for pause_s in pauses():
            task = await _read(client, task_id)
            if task["state"] in _ENDED:
                return task
            await asyncio.sleep(pause_s)
    raise AssertionError  # for the type checker: repeat() has no end


async def _read(client: Client, task_id: str) -> dict[str, Any]:
    answer = await client.call("GET", _path(task_id))
    task: dict[str, Any] = answer["task"]
    return task


def _path(task_id: str) -> str:
    return f"/v1/tasks/{quote(task_id, safe='')}"


def task_row(task: dict[str, Any]) -> tuple[str, ...]:
    """A task as a table shows it."""
    given = task.get("input")
    url = given.get("url", "") if isinstance(given, dict) else ""
    return (
        task["id"],
        task["state"],
        task["created_at"],
        str(task.get("status_code", "")),
        str(url),
        str(task.get("error", "")),
    )
