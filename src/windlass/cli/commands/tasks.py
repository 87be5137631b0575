"""`windlass tasks`: names, arguments and help; what they do lies in cli/tasks.py."""

from __future__ import annotations

from typing import Annotated

import typer

from windlass.cli.commands.arguments import Cursor, Data, Json, Limit, Out

tasks = typer.Typer(help="Asynchronous tasks of your account.", no_args_is_help=True)


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
