"""`windlass recipe`: a recipe tried on one page in this process, with where it found what."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from windlass.cli.client import settings_of
from windlass.cli.output import note, print_json, print_table, progress
from windlass.errors import InvalidRequest, SettingsError, TargetError
from windlass.model.page import Extraction
from windlass.settings import Settings

_SHOWN = 60
"""Characters of a value or a place in a table."""


def try_recipe(url: str, file: Path, as_json: bool, data: Path | None) -> None:
    """Prints each field, what it found and where. Raises TargetError if the page cannot be had or
    nothing was found, SettingsError or InvalidRequest for a file that is no recipe."""
    recipe = _read(file)
    settings = settings_of(data)
    url = url if "://" in url else f"https://{url}"
    page = asyncio.run(_extract(settings, url, recipe, as_json))
    for warning in page.warnings:
        note(f"warning: {warning}")
    if "explained" not in page.values:
        raise TargetError(_why(page))
    if page.failure is not None:
        note(f"warning: {page.failure.message}")
    told = page.values["explained"]
    if as_json:
        print_json({"url": page.url, "status_code": page.status, **told})
    else:
        rows = list(_rows(told["value"], told["sighted"]))
        print_table(("field", "found", "where"), rows)
    if _is_empty(told["value"]) or _is_error(told["value"]):
        raise TargetError("the recipe found nothing on this page")


def _read(file: Path) -> str:
    from windlass.parsing.recipes import compile_recipe

    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{file}: {error}") from error
    try:
        return compile_recipe(text).text
    except InvalidRequest as error:
        for problem in error.problems:
            note(f"{file}: {problem.path or '/'}: {problem.message}")
        raise InvalidRequest(f"{file} is no recipe: {len(error.problems)} mistakes") from error


async def _extract(settings: Settings, url: str, recipe: str, quiet: bool) -> Extraction:
    from windlass.extraction import Extractor
    from windlass.model.request import ExtractRequest
    from windlass.net.cookies import CookieJar

    request = ExtractRequest(url=url, formats=("explained",), recipe=recipe)
    extractor = Extractor(settings)
    try:
        async with progress(f"trying the recipe on {url}", quiet=quiet):
            return await extractor.extract(request, CookieJar(()))
    finally:
        await extractor.aclose()


def _why(page: Extraction) -> str:
    if page.failure is not None:
        return page.failure.message
    told = page.values.get("parsing")
    return str(told.get("error")) if isinstance(told, dict) else "the page could not be read"


def _rows(value: Any, sighted: list[dict[str, str]]) -> Iterator[tuple[str, str, str]]:
    places: dict[str, list[str]] = {}
    for one in sighted:
        places.setdefault(one["field"], []).append(one["at"])
    for field, values in _by_field(value).items():
        found = [each for each in values if not _is_empty(each)]
        shown = _cut(msgspec.json.encode(found[0]).decode()) if found else "nothing"
        where = places.get(field, [])
        more = f" (+{len(found) - 1})" if len(found) > 1 else ""
        others = f" (+{len(where) - 1})" if len(where) > 1 else ""
        yield field.lstrip("/") or "(all)", shown + more, _cut(where[0] if where else "") + others


def _by_field(value: Any) -> dict[str, list[Any]]:
    """The values of each field, those of objects in a list together: as recipes name them."""
    fields: dict[str, list[Any]] = {}
    waiting: list[tuple[str, Any]] = [("", value)]
    while waiting:
        field, one = waiting.pop()
        if isinstance(one, dict) and one:
            inner = [
                (f"{field}/{key.replace('~', '~0').replace('/', '~1')}", item)
                for key, item in one.items()
            ]
            waiting.extend(reversed(inner))
        elif isinstance(one, list) and one and all(isinstance(item, dict) for item in one):
            waiting.extend((f"{field}/*", item) for item in reversed(one))
        else:
            fields.setdefault(field, []).append(one)
    return fields


def _is_empty(value: Any) -> bool:
    if isinstance(value, dict):
        return all(_is_empty(item) for item in value.values())
    return value is None or value == []


def _is_error(value: Any) -> bool:
    return isinstance(value, dict) and value.keys() == {"status", "error"}


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
