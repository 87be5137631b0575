"""`windlass settings`: every setting with its value, default and source; secrets stay hidden."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from windlass.cli.output import print_json, print_table
from windlass.settings import Settings, load, variable

HIDDEN = "(hidden)"


def show_settings(as_json: bool, data: Path | None) -> None:
    """Prints them all."""
    origin = load({"data": data})
    rows = []
    for item in dataclasses.fields(Settings):
        secret = item.metadata["secret"]
        rows.append(
            {
                "name": variable(item),
                "value": _shown(getattr(origin.settings, item.name), secret),
                "default": _shown(_default(item), secret),
                "source": origin.sources[item.name],
                "accepts": item.metadata["accepts"],
                "doc": item.metadata["doc"],
            }
        )
    if as_json:
        print_json(rows)
        return
    headings = ("variable", "value", "default", "source", "meaning")
    print_table(
        headings, [[r["name"], r["value"], r["default"], r["source"], r["doc"]] for r in rows]
    )


def _default(item: dataclasses.Field[Any]) -> Any:
    if item.default_factory is not dataclasses.MISSING:
        return item.default_factory()
    return item.default


def _listed(value: Any) -> str:
    return ";".join(value) if isinstance(value, tuple) else _shown(value, False)


def _shown(value: Any, secret: bool) -> str:
    if secret and value:
        return HIDDEN
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:.12g}"
    if isinstance(value, dict):
        return ",".join(f"{name}={_listed(item)}" for name, item in value.items())
    if isinstance(value, tuple):
        return ",".join(_shown(part, secret) for part in value)
    return str(value)
