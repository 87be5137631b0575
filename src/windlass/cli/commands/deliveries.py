"""`windlass deliveries`: names, arguments and help; what they do lies in cli/deliveries.py."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from windlass.cli.commands.arguments import Data, Json

deliveries = typer.Typer(
    help="Uploads and webhooks of your tasks: what became of them.", no_args_is_help=True
)

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
