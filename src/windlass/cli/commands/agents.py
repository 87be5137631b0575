"""The commands of `windlass agents`: names, arguments and help; cli/agents.py does the work."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from windlass.cli import exits
from windlass.cli.commands.arguments import Data, Json, Out

agents = typer.Typer(help="Agents: from parameters to fields.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="NAME", help="The agent.")]
File = Annotated[Path, typer.Argument(metavar="FILE", help="The agent's document, as JSON.")]


@agents.command("list")
def agents_list(
    search: Annotated[str, typer.Option(help="Part of a name, domain or vertical.")] = "",
    as_json: Json = False,
    data: Data = None,
) -> None:
    """List agents: built-in ones and your own."""
    from windlass.cli.agents import show_list

    show_list(search, as_json, data)


@agents.command("show")
def agents_show(name: Name, as_json: Json = False, data: Data = None) -> None:
    """Show what an agent takes and gives."""
    from windlass.cli.agents import show_agent

    show_agent(name, as_json, data)


@agents.command("create")
def agents_create(file: File, as_json: Json = False, data: Data = None) -> None:
    """Create an agent. Status 2 if the file is no agent, each mistake on a line of its own."""
    from windlass.cli.agents import save

    save(file, new=True, as_json=as_json, data=data)


@agents.command("update")
def agents_update(file: File, as_json: Json = False, data: Data = None) -> None:
    """Store a new version of an agent; runs under way keep theirs."""
    from windlass.cli.agents import save

    save(file, new=False, as_json=as_json, data=data)


@agents.command("export")
def agents_export(
    name: Name,
    version: Annotated[int | None, typer.Option(help="Another than the newest.")] = None,
    out: Out = None,
    data: Data = None,
) -> None:
    """Print an agent's document, a built-in one's too."""
    from windlass.cli.agents import export

    export(name, version, out, data)


@agents.command("import")
def agents_import(
    files: Annotated[list[Path], typer.Argument(metavar="FILE", help="Agents' documents.")],
    data: Data = None,
) -> None:
    """Store documents that were exported: new agents, or new versions of those that exist."""
    from windlass.cli.agents import save

    for file in files:
        save(file, new=None, as_json=False, data=data)


@agents.command("delete")
def agents_delete(name: Name, data: Data = None) -> None:
    """Delete an agent with all its versions; runs under way go on."""
    from windlass.cli.agents import delete

    delete(name, data)


@agents.command("test")
def agents_test(
    name: Name,
    saved: Annotated[
        bool, typer.Option("--saved", help="On the page that the sample keeps, not the site's.")
    ] = False,
    as_json: Json = False,
    data: Data = None,
) -> None:
    """Run an agent's sample: what it expects, and what is there now.

    Status 0 if that is the same; 7 if the site has changed under the agent; 3 if there was no page.
    """
    from windlass.cli.agents import test

    if not test(name, saved, as_json, data):
        raise typer.Exit(exits.CHANGED)


@agents.command("run")
def agents_run(
    name: Name,
    params: Annotated[
        list[str] | None,
        typer.Argument(metavar="NAME=VALUE", help="Parameters; localization=true switches it on."),
    ] = None,
    formats: Annotated[
        list[str] | None,
        typer.Option("--format", help="Also html, markdown, text, links or headers; repeat."),
    ] = None,
    out: Out = None,
    as_json: Json = False,
    data: Data = None,
) -> None:
    """Run an agent and print its fields; --json prints the whole answer."""
    from windlass.cli.agents import run
    from windlass.cli.output import Target

    run(name, params or [], formats or [], Target(out, as_json), data)
