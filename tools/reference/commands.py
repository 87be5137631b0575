"""docs/reference/commands.md, from the tree of commands."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import typer.main

from tools.reference.markdown import code, table, titled
from windlass.cli.commands import app

_INTRO = """\
The command `windlass` comes with the package; in a checkout it is `.venv/bin/windlass`. All
commands but `serve`, `settings`, `storage` and `recipe` talk to a server: that of `WINDLASS_URL`,
else one on this machine with the same settings. The key is `WINDLASS_API_KEY`, else the one that
the local server keeps in its state directory. `extract` works without a server too, in its own
process."""


def document() -> str:
    """The whole file."""
    root: Any = typer.main.get_command(app)
    parts = [titled("Commands", _INTRO), _section("windlass", root, usage="windlass COMMAND")]
    parts += [_section(name, command) for name, command in commands()]
    return "".join(parts)


def commands() -> Iterator[tuple[str, Any]]:
    """Every command with its full name, such as "windlass tasks list"."""
    yield from _below("windlass", typer.main.get_command(app))


def _below(name: str, command: Any) -> Iterator[tuple[str, Any]]:
    inside = getattr(command, "commands", None)
    if inside is None:
        yield name, command
        return
    for word, one in inside.items():
        yield from _below(f"{name} {word}", one)


def _section(name: str, command: Any, usage: str = "") -> str:
    arguments = [one for one in command.params if one.param_type_name == "argument"]
    options = [one for one in command.params if one.param_type_name == "option"]
    if not usage:
        usage = " ".join([name, *map(_word, arguments), *(["[OPTIONS]"] if options else [])])
    text = f"\n## {name}\n\n```text\n{usage}\n```\n\n{_help(command)}\n"
    rows = [[code(_word(one)), _meaning(one)] for one in (*arguments, *options)]
    return text + ("\n" + table(("argument or option", "meaning"), rows) if rows else "")


def _help(command: Any) -> str:
    return str(command.help or "").strip()


def _word(parameter: Any) -> str:
    """A parameter as it is written in a command line."""
    metavar = str(parameter.metavar or parameter.opts[-1].lstrip("-").upper())
    if parameter.param_type_name == "argument":
        return metavar
    names = ", ".join(parameter.opts)
    return names if parameter.is_flag else f"{names} {metavar}"


def _meaning(parameter: Any) -> str:
    default = parameter.default
    if default in (None, False, ""):
        return str(parameter.help)
    return f"{parameter.help} Default: {code(str(default))}."
