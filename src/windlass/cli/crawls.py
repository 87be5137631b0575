"""`windlass crawl`: start, list, get, cancel, over HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec

from windlass.cli.client import Client, ask, connect, pauses, settings_of
from windlass.cli.output import note, note_more, print_json, print_table, progress, write_text
from windlass.errors import SettingsError, TargetError
from windlass.settings import Settings

_LIST = "/v1/crawl"
_ENDED = ("succeeded", "failed", "canceled")
_COUNTS = {"include_tasks": "false"}
_LISTS = ("include_paths", "exclude_paths")
_TEXTS = ("name", "storage_object_name")
"""Options that are texts even if they look like something else."""
_NAMED = 10
"""URLs that hold a crawl up, and kinds of pages that were stopped, that are shown."""


def start(
    body: Mapping[str, Any],
    options: Sequence[str],
    wait: bool,
    as_json: bool,
    data: Path | None,
) -> None:
    """Starts a crawl with options "name=value" and prints its id; with `wait` stays until it has
    ended and shows it. Raises TargetError if it failed."""
    body = {**read_options(options), **body}
    crawl = asyncio.run(_start(settings_of(data), body, wait, quiet=as_json))
    if wait or as_json:
        _show(crawl, as_json)
    else:
        _warn(crawl)
        write_text(crawl["crawl_id"])


def read_options(options: Sequence[str]) -> dict[str, Any]:
    """Values as JSON where they are, else as text; patterns in a list. Raises SettingsError."""
    read: dict[str, Any] = {}
    for option in options:
        name, equals, text = option.partition("=")
        if not equals or not name:
            raise SettingsError(f"--set {option}: must be NAME=VALUE")
        if name in _LISTS:
            read.setdefault(name, []).append(text)
        else:
            read[name] = _read_value(name, text)
    return read


def _read_value(name: str, text: str) -> Any:
    if name in _TEXTS:
        return text
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text


def show_list(
    status: str | None, limit: int, cursor: str | None, as_json: bool, data: Path | None
) -> None:
    """Prints a page of crawls."""
    query = {"limit": str(limit), **_COUNTS}
    query |= {"status": status} if status else {}
    query |= {"cursor": cursor} if cursor else {}
    answer = ask(data, "GET", _LIST, query=query)
    if as_json:
        print_json(answer)
        return
    headings = ("id", "status", "created", "completed", "failed", "pending", "url", "name")
    print_table(headings, [_row(crawl) for crawl in answer["data"]])
    note_more(answer)


def show_crawl(crawl_id: str, wait: bool, as_json: bool, data: Path | None) -> None:
    """Prints a crawl's pages and numbers. Raises TargetError after that if it failed."""
    _show(asyncio.run(_crawl(settings_of(data), crawl_id, wait, quiet=as_json)), as_json)


def cancel(crawl_id: str, as_json: bool, data: Path | None) -> None:
    """Cancels a crawl."""
    answer = ask(data, "DELETE", _path(crawl_id))
    if as_json:
        print_json(answer)
    else:
        note(f"crawl {crawl_id} goes no further")


def _show(crawl: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(crawl)
    else:
        rows = [_page_row(task) for task in crawl["tasks"]]
        print_table(("id", "status", "code", "depth", "url", "error"), rows)
        _explain(crawl)
    if crawl["status"] == "failed":
        raise TargetError(str(crawl.get("error") or "the crawl failed"))


def _explain(crawl: dict[str, Any]) -> None:
    """What the numbers do not say: why pages are missing, and what the end waits for."""
    _warn(crawl)
    for family in crawl.get("stopped", ())[:_NAMED]:
        note(f"stopped: {family['family']} ({family['reason']})")
    for one in crawl.get("holdups", ())[:_NAMED]:
        note(f"waiting for: {one['url']} ({one['reason'].replace('_', ' ')})")
    note(f"crawl {crawl['crawl_id']}: {_summary(crawl)}")


def _warn(crawl: dict[str, Any]) -> None:
    for warning in crawl["warnings"]:
        note(f"warning: {warning}")


def _summary(crawl: dict[str, Any]) -> str:
    text = (
        f"{crawl['status']}, {crawl['completed']} completed, {crawl['failed']} failed, "
        f"{crawl['pending']} pending"
    )
    excluded = crawl.get("excluded", 0)
    return f"{text}, {excluded} excluded" if excluded else text


async def _start(
    settings: Settings, body: Mapping[str, Any], wait: bool, *, quiet: bool
) -> dict[str, Any]:
    async with connect(settings) as client:
        crawl: dict[str, Any] = await client.call("POST", _LIST, body)
        if not wait:
            return crawl
        return await _ended(client, crawl["crawl_id"], quiet)


async def _crawl(settings: Settings, crawl_id: str, wait: bool, *, quiet: bool) -> dict[str, Any]:
    async with connect(settings) as client:
        if wait:
            return await _ended(client, crawl_id, quiet)
        return await _read(client, crawl_id)


async def _ended(client: Client, crawl_id: str, quiet: bool) -> dict[str, Any]:
    """The crawl once it has ended; the server sees to it that every crawl does."""
    async with progress(f"crawl {crawl_id}", quiet=quiet) as say:
        for pause_s in pauses():
            crawl = await _read(client, crawl_id, _COUNTS)
            if crawl["status"] in _ENDED:
                break
            say(f"crawl {crawl_id}: {_summary(crawl)}")
            await asyncio.sleep(pause_s)
    return await _read(client, crawl_id)


async def _read(
    client: Client, crawl_id: str, query: dict[str, str] | None = None
) -> dict[str, Any]:
    crawl: dict[str, Any] = await client.call("GET", _path(crawl_id), query=query)
    return crawl


def _path(crawl_id: str) -> str:
    return f"{_LIST}/{quote(crawl_id, safe='')}"


def _row(crawl: dict[str, Any]) -> tuple[str, ...]:
    numbers = (str(crawl[name]) for name in ("completed", "failed", "pending"))
    named = (crawl["url"], str(crawl["name"] or ""))
    return (crawl["crawl_id"], crawl["status"], crawl["created_at"], *numbers, *named)


def _page_row(task: dict[str, Any]) -> tuple[str, ...]:
    names = ("status_code", "depth", "url", "error")
    return (task["task_id"], task["status"], *(str(task.get(name, "")) for name in names))
