"""docs/reference/settings.md and the README's table, from the metadata of Settings."""

from __future__ import annotations

import dataclasses
from dataclasses import Field
from pathlib import Path
from typing import Any

from tools.reference.markdown import code, table, titled
from windlass.settings import (
    Settings,
    parse_duration,
    parse_schedule,
    parse_size,
    variable,
)

_INTRO = """\
Settings are environment variables, or lines of a file `.env` in the working directory; a variable
goes before the file, an option of the command line before both. An unknown name that starts with
`WINDLASS_` is an error, so that a typo does not pass. `windlass settings` shows every value and
where it comes from; secrets stay hidden there, in logs and in messages.

Durations are written `500ms`, `90`, `2m`, `24h`, `7d` (without a unit: seconds), sizes `1048576`,
`20MB`, `4MiB`. A server reads its settings once, when it starts. What they do together is told in
[the operator's guide](../guide/operate.md)."""

_SHORT = (
    "data",
    "database_url",
    "api_key",
    "host",
    "port",
    "workers",
    "rate_limit",
    "allow_addresses",
    "host_concurrency",
    "host_delay",
    "fetch_limit",
    "task_timeout",
    "result_ttl",
    "results_url",
    "proxies",
)
"""What the README shows."""

_DURATIONS = (("d", 86400), ("h", 3600), ("m", 60), ("s", 1), ("ms", 0.001))
_SIZES = (("GB", 10**9), ("MB", 10**6), ("KB", 10**3), ("B", 1))


def document() -> str:
    """The whole file."""
    rows = [
        [code(variable(item)), _default(item), _accepted(item), _meaning(item)]
        for item in dataclasses.fields(Settings)
    ]
    return (
        titled("Settings", _INTRO)
        + "\n"
        + table(("variable", "default", "accepts", "meaning"), rows)
    )


def short_table() -> str:
    """The settings that most people need."""
    items = {item.name: item for item in dataclasses.fields(Settings)}
    rows = [
        [code(variable(items[name])), _default(items[name]), _meaning(items[name])]
        for name in _SHORT
    ]
    return table(("variable", "default", "meaning"), rows)


def _meaning(item: Field[Any]) -> str:
    return f"{item.metadata['doc']}{' Secret.' if item.metadata['secret'] else ''}"


def _accepted(item: Field[Any]) -> str:
    """What the variable takes; how durations and sizes are written stands above the table."""
    parse, least = item.metadata["parse"], item.metadata["least"]
    accepted = {parse_duration: "duration", parse_size: "size"}.get(parse, item.metadata["accepts"])
    return accepted if least is None else f"{accepted}; at least {_text(least, item)}"


def _default(item: Field[Any]) -> str:
    default = item.default
    if item.default_factory is not dataclasses.MISSING:
        default = item.default_factory()
    if default in ("", (), {}):
        return "empty"
    return code(_text(default, item))


def _text(value: Any, item: Field[Any]) -> str:
    """A value as an operator would write it."""
    if isinstance(value, Path):
        return str(value).replace(str(Path.home()), "~", 1)
    if item.metadata["parse"] is parse_duration:
        return _scaled(value, _DURATIONS)
    if item.metadata["parse"] is parse_size:
        return _scaled(value, _SIZES)
    if item.metadata["parse"] is parse_schedule:
        return ",".join(f"{wait:g}" for wait in value)
    if isinstance(value, tuple):
        return ",".join(str(one) for one in value)
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


def _scaled(value: float, units: tuple[tuple[str, float], ...]) -> str:
    """A value in its largest whole unit."""
    for unit, size in units:
        if value and (value / size).is_integer():
            return f"{value / size:g}{unit}"
    return f"{value:g}"
