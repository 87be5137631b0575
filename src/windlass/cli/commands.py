"""The tree of commands: names, arguments and help; what they do lies in a file per group."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from windlass.cli import exits
from windlass.cli.agent_commands import agents

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
tasks = typer.Typer(help="Asynchronous tasks of your account.", no_args_is_help=True)
batches = typer.Typer(help="Batches of your account.", no_args_is_help=True)
crawl = typer.Typer(help="Crawls of your account.", no_args_is_help=True)
deliveries = typer.Typer(
    help="Uploads and webhooks of your tasks: what became of them.", no_args_is_help=True
)
webhooks = typer.Typer(help="Webhooks of your account.", no_args_is_help=True)
secret = typer.Typer(help="What webhooks are signed with.", no_args_is_help=True)
keys = typer.Typer(help="API keys; only account main may.", no_args_is_help=True)
storage = typer.Typer(help="Buckets that results are delivered to.", no_args_is_help=True)
recipe = typer.Typer(help="Recipes: from a page to fields.", no_args_is_help=True)
app.add_typer(recipe, name="recipe")
app.add_typer(agents, name="agents")
app.add_typer(tasks, name="tasks")
app.add_typer(batches, name="batches")
app.add_typer(crawl, name="crawl")
app.add_typer(deliveries, name="deliveries")
app.add_typer(webhooks, name="webhooks")
webhooks.add_typer(secret, name="secret")
app.add_typer(keys, name="keys")
app.add_typer(storage, name="storage")

Json = Annotated[bool, typer.Option("--json", help="Print JSON, for machines.")]
Data = Annotated[
    Path | None, typer.Option("--data", metavar="DIR", help="State directory (WINDLASS_DATA).")
]
Out = Annotated[
    Path | None, typer.Option("--out", metavar="FILE", help="Write there instead of stdout.")
]


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


@recipe.command("try")
def recipe_try(
    url: Annotated[str, typer.Argument(metavar="URL", help="The page.")],
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The recipe, as JSON.")],
    as_json: Json = False,
    data: Data = None,
) -> None:
    """Try a recipe on a page: each field, what it found and where.

    Works in this process, with or without a server. Status 2 if the file is no recipe, each mistake
    on a line of its own; 3 if the page could not be had or nothing was found on it.
    """
    from windlass.cli.recipes import try_recipe

    try_recipe(url, file, as_json, data)


Limit = Annotated[int, typer.Option(min=1, max=1000, help="How many.")]
Cursor = Annotated[str | None, typer.Option(help="Where the last list ended.")]


@tasks.command("list")
def tasks_list(
    limit: Limit = 20,
    cursor: Cursor = None,
    as_json: Json = False,
    data: Data = None,
) -> None:
    """List tasks, newest first."""
    from windlass.cli.tasks import show_list

    show_list(limit, cursor, as_json, data)


Wait = Annotated[bool, typer.Option("--wait", help="Wait until the task has ended.")]
TaskId = Annotated[str, typer.Argument(metavar="ID", help="The task's id.")]


@tasks.command("get")
def tasks_get(
    task_id: TaskId, wait: Wait = False, as_json: Json = False, data: Data = None
) -> None:
    """Show one task. Status 3 if it failed."""
    from windlass.cli.tasks import show_task

    show_task(task_id, wait, as_json, data)


@tasks.command("results")
def tasks_results(
    task_id: TaskId,
    wait: Wait = False,
    out: Out = None,
    as_json: Json = False,
    data: Data = None,
) -> None:
    """Print a task's result, as `extract` does."""
    from windlass.cli.output import Target
    from windlass.cli.tasks import show_results

    show_results(task_id, wait, Target(out, as_json), data)


@tasks.command("cancel")
def tasks_cancel(task_id: TaskId, as_json: Json = False, data: Data = None) -> None:
    """End a task that has not ended."""
    from windlass.cli.tasks import cancel

    cancel(task_id, as_json, data)


BatchId = Annotated[str, typer.Argument(metavar="ID", help="The batch's id.")]


@batches.command("list")
def batches_list(
    limit: Limit = 20, cursor: Cursor = None, as_json: Json = False, data: Data = None
) -> None:
    """List batches, newest first."""
    from windlass.cli.batches import show_list

    show_list(limit, cursor, as_json, data)


@batches.command("get")
def batches_get(
    batch_id: BatchId,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until all tasks have ended.")] = False,
    as_json: Json = False,
    data: Data = None,
) -> None:
    """Show a batch's tasks in the order of its inputs. Status 3 if some failed."""
    from windlass.cli.batches import show_batch

    show_batch(batch_id, wait, as_json, data)


@batches.command("cancel")
def batches_cancel(batch_id: BatchId, as_json: Json = False, data: Data = None) -> None:
    """End all tasks of a batch that have not ended."""
    from windlass.cli.batches import cancel

    cancel(batch_id, as_json, data)


CrawlId = Annotated[str, typer.Argument(metavar="ID", help="The crawl's id.")]
CrawlWait = Annotated[
    bool, typer.Option("--wait", help="Wait until it has ended, showing how far it is.")
]


@crawl.command("start")
def crawl_start(
    url: Annotated[str, typer.Argument(metavar="URL", help="Where to start.")],
    options: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help="An option of POST /v1/crawl, such as limit=100, sitemap=skip, "
            "include_paths=^/docs or callback=https://…; repeat.",
        ),
    ] = None,
    formats: Annotated[
        list[str] | None,
        typer.Option("--format", help="html, markdown, text, links, headers or cookies; repeat."),
    ] = None,
    wait: CrawlWait = False,
    as_json: Json = False,
    data: Data = None,
) -> None:
    """Crawl a site. With --wait status 3 if no page could be had."""
    from windlass.cli.crawls import start

    body = {"url": url, "extract_options": {"formats": formats or ["markdown"]}}
    start(body, options or [], wait, as_json, data)


@crawl.command("list")
def crawl_list(
    status: Annotated[
        Literal["queued", "running", "succeeded", "failed", "canceled"] | None,
        typer.Option(help="Only those in this status."),
    ] = None,
    limit: Limit = 20,
    cursor: Cursor = None,
    as_json: Json = False,
    data: Data = None,
) -> None:
    """List crawls, newest first."""
    from windlass.cli.crawls import show_list

    show_list(status, limit, cursor, as_json, data)


@crawl.command("get")
def crawl_get(
    crawl_id: CrawlId, wait: CrawlWait = False, as_json: Json = False, data: Data = None
) -> None:
    """Show a crawl's pages, and what it left out and why. Status 3 if no page could be had."""
    from windlass.cli.crawls import show_crawl

    show_crawl(crawl_id, wait, as_json, data)


@crawl.command("cancel")
def crawl_cancel(crawl_id: CrawlId, as_json: Json = False, data: Data = None) -> None:
    """End a crawl; pages that it has brought stay."""
    from windlass.cli.crawls import cancel

    cancel(crawl_id, as_json, data)


Kind = Annotated[Literal["upload", "webhook"] | None, typer.Option(help="Only these.")]
Destination = Annotated[
    str | None, typer.Option(metavar="URL", help="Only those whose URL begins with this.")
]


@deliveries.command("list")
def deliveries_list(
    task: Annotated[str | None, typer.Option(metavar="ID", help="Only those of this task.")] = None,
    state: Annotated[
        Literal["queued", "running", "succeeded", "failed", "cancelled"] | None,
        typer.Option(help="Only those in this state."),
    ] = None,
    destination: Destination = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="How many.")] = 20,
    as_json: Json = False,
    data: Data = None,
) -> None:
    """List deliveries, newest first."""
    from windlass.cli.deliveries import show_list

    show_list({"task": task, "state": state, "destination": destination}, limit, as_json, data)


@deliveries.command("get")
def deliveries_get(
    delivery_id: Annotated[
        str, typer.Argument(metavar="ID", help="The delivery's id: the webhook-id of a webhook.")
    ],
    as_json: Json = False,
    data: Data = None,
) -> None:
    """Show one delivery with every try. Status 3 if it failed."""
    from windlass.cli.deliveries import show_delivery

    show_delivery(delivery_id, as_json, data)


@deliveries.command("resend")
def deliveries_resend(
    delivery_ids: Annotated[
        list[str] | None,
        typer.Argument(metavar="ID", help="Deliveries that have ended, one or several."),
    ] = None,
    failed_since: Annotated[
        str | None,
        typer.Option(metavar="TIME", help='Instead: all that failed since "2h" ago, or a time.'),
    ] = None,
    kind: Kind = None,
    destination: Destination = None,
    as_json: Json = False,
    data: Data = None,
) -> None:
    """Send deliveries again, under the same id. Status 4 for one that is under way."""
    from windlass.cli.deliveries import resend, resend_failed

    if bool(delivery_ids) == bool(failed_since):
        raise typer.BadParameter("give either ids or --failed-since")
    if failed_since:
        resend_failed(failed_since, {"kind": kind, "destination": destination}, as_json, data)
    elif kind or destination:
        raise typer.BadParameter("--kind and --destination go with --failed-since")
    else:
        resend(delivery_ids or [], as_json, data)


@secret.command("show")
def secret_show(as_json: Json = False, data: Data = None) -> None:
    """Print what webhooks are signed with, the current secret first."""
    from windlass.cli.webhooks import show

    show(as_json, data)


@secret.command("rotate")
def secret_rotate(
    overlap: Annotated[
        str, typer.Option(metavar="TIME", help="How long the one before signs, too.")
    ] = "24h",
    as_json: Json = False,
    data: Data = None,
) -> None:
    """Make a new secret and print it."""
    from windlass.cli.webhooks import rotate

    rotate(overlap, as_json, data)


@keys.command("create")
def keys_create(
    account: Annotated[str, typer.Option(metavar="NAME", help="Whose; made if new.")] = "main",
    as_json: Json = False,
    data: Data = None,
) -> None:
    """Make a key and print it, once."""
    from windlass.cli.keys import create

    create(account, as_json, data)


@keys.command("list")
def keys_list(as_json: Json = False, data: Data = None) -> None:
    """List all keys."""
    from windlass.cli.keys import show_list

    show_list(as_json, data)


@keys.command("revoke")
def keys_revoke(
    key_id: Annotated[str, typer.Argument(metavar="ID", help="The key's id, from `keys list`.")],
    as_json: Json = False,
    data: Data = None,
) -> None:
    """Revoke a key. Every process refuses it within ten seconds."""
    from windlass.cli.keys import revoke

    revoke(key_id, as_json, data)


Prefix = Annotated[
    str, typer.Argument(metavar="URL", help="s3://bucket/prefix/ or gs://bucket/prefix/.")
]


@storage.command("policy")
def storage_policy(
    url: Prefix,
    purpose: Annotated[
        Literal["delivery", "jobs"],
        typer.Option("--for", help="delivery writes results; jobs also read below input/."),
    ] = "delivery",
    principal: Annotated[
        str,
        typer.Option(help="Whom to grant it: ARN, or e-mail address of a service account."),
    ] = "",
    kms: Annotated[
        str, typer.Option(metavar="KEY", help="KMS key that the bucket encrypts with.")
    ] = "",
    as_json: Json = False,
) -> None:
    """Print what a bucket's owner has to set up: policy, key statement, lifecycle rule.

    Asks no cloud; what it does not know is a placeholder.
    """
    from windlass.buckets.policy import Wanted
    from windlass.cli.storage import show_policy

    show_policy(url, Wanted(bucket="", principal=principal, purpose=purpose, key=kms), as_json)


@storage.command("test")
def storage_test(
    url: Prefix,
    mode: Annotated[
        Literal["read", "write"],
        typer.Option(help="read lists one object, write puts .nimble-connection-test."),
    ] = "write",
    as_json: Json = False,
) -> None:
    """Test whether a bucket can be read or written, with the settings of this machine.

    Status 0 if so; 5 access denied, 4 no such bucket, 6 anything else. Nothing is ever deleted.
    """
    from windlass.cli.storage import test

    raise typer.Exit(test(url, mode, as_json))


@app.command()
def settings(as_json: Json = False, data: Data = None) -> None:
    """Show every setting: value, default, where it comes from."""
    from windlass.cli.listing import show_settings

    show_settings(as_json, data)


def main() -> None:
    """Runs the command that the arguments name and ends the process with its status."""
    exits.run(app)
