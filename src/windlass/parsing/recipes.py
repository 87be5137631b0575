"""Recipes whole: read and checked once, compiled once in every process that uses one.

`compile_recipe` is for whoever takes a recipe from a caller, `evaluator` for page-reading
processes. What either does with pages and requests is not known here.
"""

from __future__ import annotations

from functools import lru_cache
from time import thread_time
from typing import Any

import msgspec

from windlass.errors import InvalidRequest, Problem
from windlass.model.recipe import Parser, Recipe
from windlass.parsing.faults import Spot
from windlass.parsing.parsers import Evaluate, compile_parser
from windlass.parsing.reading import RecipeReader

MAX_SIZE = 200_000
"""Bytes of a recipe's JSON, shorthands resolved."""

_CHECK_S = 0.5
"""CPU seconds that the parts of one recipe may take to compile."""

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Parser)


def read_recipe(value: Any, spot: Spot) -> Recipe | None:
    """The recipe that decoded JSON means, text that holds JSON included; None, with everything
    wrong noted at the spot and below, if it is none."""
    if isinstance(value, str):
        try:
            value = msgspec.json.decode(value)
        except (msgspec.DecodeError, RecursionError) as error:
            spot.wrong(f"must be a recipe or one as JSON text: {error}", "parse")
            return None
    known = len(spot.problems)
    reader = RecipeReader()
    parser = reader.whole(value, spot)
    _check(parser, reader.aliases, spot)
    if len(spot.problems) > known:
        return None
    encoded = _encoder.encode(parser)
    if len(encoded) > MAX_SIZE:
        spot.wrong(f"must NOT be larger than {MAX_SIZE} bytes", "maxLength", {"limit": MAX_SIZE})
        return None
    return Recipe(parser, encoded.decode())


def _check(parser: Parser, aliases: dict[str, str], spot: Spot) -> None:
    """Notes what only compiling finds, at the places that the caller knows."""
    found: list[Problem] = []
    ours = Spot(found, until=thread_time() + _CHECK_S)
    compile_parser(parser, ours)
    if ours.overdue:
        message = "takes too long to check: it has too many or too large regular expressions"
        spot.wrong(message, "maxCost", {"limit": _CHECK_S})
    for problem in found:
        place = Spot(spot.problems, _as_written(problem.path, aliases, spot.path))
        place.wrong(problem.message, problem.keyword, problem.params)


def _as_written(path: str, aliases: dict[str, str], prefix: str) -> str:
    steps = path.split("/")
    for end in range(len(steps), 0, -1):
        ours = "/".join(steps[:end])
        if ours in aliases:
            return "/".join([aliases[ours], *steps[end:]])
    return prefix + path


def compile_recipe(value: Any, prefix: str = "") -> Recipe:
    """The recipe that decoded JSON means. Raises InvalidRequest naming everything wrong, in places
    that begin with `prefix` (a JSON pointer)."""
    spot = Spot([], prefix)
    recipe = read_recipe(value, spot)
    if recipe is None:
        first = spot.problems[0]
        raise InvalidRequest(f"{first.path or '/'}: {first.message}", tuple(spot.problems))
    return recipe


@lru_cache(maxsize=64)
def evaluator(text: str) -> Evaluate:
    """The function that a recipe's canonical JSON stands for. Raises ValueError if it is none."""
    problems: list[Problem] = []
    evaluate = compile_parser(_decoder.decode(text), Spot(problems))
    if problems:  # a library that came later may know less
        raise ValueError(f"{problems[0].path}: {problems[0].message}")
    return evaluate
