"""`windlass keys`: names, arguments and help; what they do lies in cli/keys.py."""

from __future__ import annotations

from typing import Annotated

import typer

from windlass.cli.commands.arguments import Data, Json

keys = typer.Typer(help="API keys; only account main may.", no_args_is_help=True)


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
