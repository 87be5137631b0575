"""The tree of commands: names, arguments and help, in a file per group of them.

What they do lies in files of the same names one folder up, which are imported when they run.
"""

from __future__ import annotations

from typing import Annotated

import typer

from windlass.cli import exits
from windlass.cli.commands.agents import agents
from windlass.cli.commands.arguments import Data, Json, Out
from windlass.cli.commands.batches import batches
from windlass.cli.commands.crawls import crawl
from windlass.cli.commands.deliveries import deliveries
from windlass.cli.commands.keys import keys
from windlass.cli.commands.recipe import recipe
from windlass.cli.commands.storage import storage
from windlass.cli.commands.tasks import tasks
from windlass.cli.commands.webhooks import webhooks

_HELP = """A self-hosted web data server.

Exit status: 0 done; 1 the server failed; 2 wrong usage or setting; 3 the page could not be had
(what was had of it is written all the same), or the delivery failed; 4 unknown, expired or not
ready; 5 the API key was refused or is over its rate; 6 no server answers; 7 an agent's sample
brings something else than it did; 130 interrupted. Errors are one line on stderr.

Settings are environment variables: see `windlass settings`."""

app = typer.Typer(
    help=_HELP,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.add_typer(recipe, name="recipe")
app.add_typer(agents, name="agents")
app.add_typer(tasks, name="tasks")
app.add_typer(batches, name="batches")
app.add_typer(crawl, name="crawl")
app.add_typer(deliveries, name="deliveries")
app.add_typer(webhooks, name="webhooks")
app.add_typer(keys, name="keys")
app.add_typer(storage, name="storage")


def _show_version(wanted: bool) -> None:
    if wanted:
        from windlass import __version__

        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    """Options of the program itself."""


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on (WINDLASS_HOST).")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on (WINDLASS_PORT).")] = None,
    data: Data = None,
    roles: Annotated[
        str, typer.Option(help="What this machine does; less than both needs a shared database.")
    ] = "api,worker",
    workers: Annotated[
        int | None, typer.Option(help="Worker processes; 0: one per core (WINDLASS_WORKERS).")
    ] = None,
) -> None:
    """Start the server; Ctrl-C stops it."""
    from windlass.server import serve as run
    from windlass.server.start import parse_roles
    from windlass.settings import load

    given = {"host": host, "port": port, "data": data, "workers": workers}
    raise typer.Exit(run(load(given).settings, parse_roles(roles)))


@app.command()
def extract(
    url: Annotated[str, typer.Argument(metavar="URL", help="The page.")],
    formats: Annotated[
        list[str] | None,
        typer.Option("--format", help="html, markdown, text, links, headers or cookies; repeat."),
    ] = None,
    out: Out = None,
    as_json: Json = False,
    data: Data = None,
) -> None:
    """Extract one page: through a running server, else in this process.

    One textual format is printed as it is, anything else as JSON; --json prints the whole answer.
    """
    from windlass.cli.extract import extract as run
    from windlass.cli.output import Target

    run(url, tuple(formats or ("markdown",)), Target(out, as_json), data)


@app.command("map")
def map_site(
    url: Annotated[str, typer.Argument(metavar="URL", help="Where to start.")],
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="Most URLs.")] = 5000,
    options: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help="Another option of POST /v1/map, such as sitemap=only, domain_filter=domain or "
            "country=DE; repeat.",
        ),
    ] = None,
    as_json: Json = False,
    data: Data = None,
) -> None:
    """Name the URLs of a site: one a line in a pipe, with titles on a terminal.

    What is missing and why is told on stderr. Status 3 if nothing was found.
    """
    from windlass.cli.maps import show_map

    show_map({"url": url, "limit": limit}, options or [], as_json, data)


@app.command()
def settings(as_json: Json = False, data: Data = None) -> None:
    """Show every setting: value, default, where it comes from."""
    from windlass.cli.listing import show_settings

    show_settings(as_json, data)


def main() -> None:
    """Runs the command that the arguments name and ends the process with its status."""
    exits.run(app)
