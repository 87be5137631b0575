"""The commands of `windlass recipe`; cli/recipes.py does the work."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from windlass.cli.commands.arguments import Data, Json

recipe = typer.Typer(help="Recipes: from a page to fields.", no_args_is_help=True)


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
