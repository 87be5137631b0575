"""`windlass batches`: names, arguments and help; what they do lies in cli/batches.py."""

from __future__ import annotations

from typing import Annotated

import typer

from windlass.cli.commands.arguments import Cursor, Data, Json, Limit

batches = typer.Typer(help="Batches of your account.", no_args_is_help=True)

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
