"""`windlass agents`: list, show, create, update, export, import, delete, test, run, over HTTP."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec

from windlass.cli.client import connect, settings_of
from windlass.cli.extract import finish
from windlass.cli.output import Target, note, print_json, print_table, progress, write_text
from windlass.errors import AgentNotFound, InvalidRequest, SettingsError, TargetError
from windlass.model.agent import AgentDocument
from windlass.settings import Settings

_LIST = "/v1/agents"
_PAGE = 250
_SHOWN = 60
"""Characters of a value in a table."""


def show_list(search: str, as_json: bool, data: Path | None) -> None:
    """Prints all agents."""
    agents = asyncio.run(_all(settings_of(data), search))
    if as_json:
        print_json(agents)
        return
    rows = [
        (
            one["name"],
            "built in" if one["is_public"] else f"version {one['version']}",
            one["domain"] or one["vertical"] or "",
            _cut(one["description"] or one["display_name"]),
        )
        for one in agents
    ]
    print_table(("name", "", "for", "description"), rows)


async def _all(settings: Settings, search: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    async with connect(settings) as client:
        while True:
            query = {"limit": str(_PAGE), "offset": str(len(found)), "search": search}
            page: list[dict[str, Any]] = await client.call("GET", _LIST, query=query)
            found += page
            if len(page) < _PAGE:
                return found


def show_agent(name: str, as_json: bool, data: Path | None) -> None:
    """Prints what an agent takes and gives."""
    agent = _ask(settings_of(data), "GET", _path(name))
    if as_json:
        print_json(agent)
        return
    plain = ("name", "version", "display_name", "description", "vertical", "entity_type", "domain")
    print_table(("", ""), [(key, str(agent[key])) for key in plain if agent[key] is not None])
    rows = [
        (
            one["name"],
            one["type"] + (", required" if one["required"] else ""),
            "; ".join(one["rules"]),
            "" if one["default"] is None else str(one["default"]),
            _cut(one["description"]),
        )
        for one in agent["input_properties"]
    ]
    print_table(("parameter", "type", "rules", "default", "description"), rows)


def save(file: Path, *, new: bool | None, as_json: bool, data: Path | None) -> None:
    """Stores a document: a new agent, a new version of one, or (`new` None) whichever it is.

    Raises SettingsError or InvalidRequest for a file that is no agent, AgentNotFound for an update
    of what does not exist.
    """
    document = _read(file)
    settings = settings_of(data)
    if new is not None:
        exists = document.name in {
            one["name"] for one in asyncio.run(_all(settings, "")) if not one["is_public"]
        }
        if new and exists:
            raise SettingsError(f"there is an agent {document.name}: `windlass agents update`")
        if not new and not exists:
            raise AgentNotFound(f"there is no agent {document.name}: `windlass agents create`")
    answer = _ask(settings, "PUT", _path(document.name), msgspec.to_builtins(document))
    if as_json:
        print_json(answer)
    else:
        note(f"agent {document.name} is at version {answer['version']}")


def _read(file: Path) -> AgentDocument:
    from windlass.agents.documents import read_agent

    try:
        value = msgspec.json.decode(file.read_bytes())
    except (OSError, msgspec.DecodeError) as error:
        raise SettingsError(f"{file}: {error}") from error
    try:
        return read_agent(value)
    except InvalidRequest as error:
        for problem in error.problems:
            note(f"{file}: {problem.path or '/'}: {problem.message}")
        raise InvalidRequest(f"{file} is no agent: {len(error.problems)} mistakes") from error


def export(name: str, version: int | None, out: Path | None, data: Path | None) -> None:
    """Prints an agent's document."""
    query = {"version": str(version)} if version else None
    document = _ask(settings_of(data), "GET", _path(name) + "/document", query=query)
    write_text(msgspec.json.format(msgspec.json.encode(document), indent=2).decode(), out)


def delete(name: str, data: Path | None) -> None:
    """Deletes an agent with all its versions."""
    _ask(settings_of(data), "DELETE", _path(name))
    note(f"agent {name} is deleted")


def test(name: str, saved: bool, as_json: bool, data: Path | None) -> bool:
    """Prints what a sample expects and what was found; whether that is the same. Raises TargetError
    if there was no page to read."""
    settings = settings_of(data)
    answer = asyncio.run(_test(settings, name, saved, quiet=as_json))
    if as_json:
        print_json(answer)
    else:
        rows = [
            (
                one["field"].lstrip("/") or "(all)",
                _shown(one["expected"]),
                _shown(one["found"]),
                "same" if one["same"] else "CHANGED",
            )
            for one in answer["fields"]
        ]
        print_table(("field", "expected", "found", ""), rows)
    if answer["status"] == "failed":
        raise TargetError(str(answer.get("error") or "the page could not be read"))
    if answer["status"] == "changed" and not as_json:
        changed = sum(not one["same"] for one in answer["fields"])
        note(f"{changed} of {len(answer['fields'])} fields have changed")
    return bool(answer["status"] == "same")


async def _test(settings: Settings, name: str, saved: bool, *, quiet: bool) -> dict[str, Any]:
    async with connect(settings) as client, progress(f"testing {name}", quiet=quiet):
        if not saved:
            answer: dict[str, Any] = await client.call("POST", _path(name) + "/test", {})
            return answer
        document = await client.call("GET", _path(name) + "/document")
        return await _test_saved(settings, msgspec.convert(document, AgentDocument))


async def _test_saved(settings: Settings, document: AgentDocument) -> dict[str, Any]:
    """The sample's own page read in this process."""
    from windlass.agents.documents import compiled
    from windlass.agents.samples import compare
    from windlass.formats.reader import Reader
    from windlass.model.page import Page
    from windlass.model.request import ExtractRequest

    sample = document.sample
    if sample is None or sample.page is None:
        raise InvalidRequest("The agent has no sample with a page")
    made = compiled(msgspec.json.encode(document))
    saved = sample.page
    url = saved.url or "http://saved.invalid/"
    headers = (("content-type", saved.content_type),)
    page = Page(url=url, status=200, headers=headers, body=saved.body.encode())
    reader = Reader(settings)
    try:
        read = await reader.read(page, ExtractRequest(url=url, formats=(), recipe=made.recipe))
    finally:
        await reader.aclose()
    rows = compare(sample.expected, read.values.get("parsing"))
    fields = [
        {"field": r.field, "expected": r.expected, "found": r.found, "same": r.same} for r in rows
    ]
    same = all(row.same for row in rows)
    return {"agent": document.name, "status": "same" if same else "changed", "fields": fields}


def run(
    name: str, params: list[str], formats: list[str], target: Target, data: Path | None
) -> None:
    """Runs an agent and prints its result as `extract` does."""
    body: dict[str, Any] = {"agent": name, "params": _params(params)}
    if formats:
        body["formats"] = formats
    if body["params"].pop("localization", False) is True:
        body["localization"] = True
    settings = settings_of(data)
    finish(asyncio.run(_run(settings, body, quiet=target.as_json)), target)


async def _run(settings: Settings, body: dict[str, Any], *, quiet: bool) -> dict[str, Any]:
    async with connect(settings) as client, progress(f"running {body['agent']}", quiet=quiet):
        answer: dict[str, Any] = await client.call("POST", _LIST + "/run", body)
        return answer


def _params(texts: list[str]) -> dict[str, Any]:
    """Parameters of NAME=VALUE; a value that is a JSON number, boolean or string is one."""
    params: dict[str, Any] = {}
    for text in texts:
        name, sign, value = text.partition("=")
        if not sign or not name:
            raise SettingsError(f"a parameter is NAME=VALUE, not {text!r}")
        try:
            read = msgspec.json.decode(value)
        except msgspec.DecodeError:
            read = value
        scalar = isinstance(read, bool | int | float) or value.startswith('"')
        params[name] = read if scalar else value
    return params


def _ask(
    settings: Settings,
    method: str,
    path: str,
    body: Any = None,
    query: dict[str, str] | None = None,
) -> Any:
    async def ask() -> Any:
        async with connect(settings) as client:
            return await client.call(method, path, body, query)

    return asyncio.run(ask())


def _path(name: str) -> str:
    return f"{_LIST}/{quote(name, safe='')}"


def _shown(value: Any) -> str:
    return "nothing" if value is None else _cut(msgspec.json.encode(value).decode())


def _cut(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _SHOWN else line[: _SHOWN - 1] + "…"
