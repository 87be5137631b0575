"""`windlass webhooks`: names, arguments and help; what they do lies in cli/webhooks.py."""

from __future__ import annotations

from typing import Annotated

import typer

from windlass.cli.commands.arguments import Data, Json

webhooks = typer.Typer(help="Webhooks of your account.", no_args_is_help=True)
secret = typer.Typer(help="What webhooks are signed with.", no_args_is_help=True)
webhooks.add_typer(secret, name="secret")


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
