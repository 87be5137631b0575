"""The house rules hold: layers, sizes, names, docstrings, types, style.

These are the checks of `make lint`, so that `make test` alone says whether a change is fit.
"""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import windlass
from tests.support.documents import ROOT
from tools import sizes
from windlass.errors import WindlassError

SOURCE = Path(windlass.__file__).parent
PROGRAMS = Path(sys.executable).parent
FORBIDDEN = {"util", "utils", "helper", "helpers", "common", "manager", "managers", "data", "misc"}
FILES = sorted(SOURCE.rglob("*.py"))
_VAGUE_ENDING = re.compile("(Utils?|Helpers?|Managers?)$")

Documented = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


@pytest.mark.timeout(400)
@pytest.mark.parametrize(
    "command",
    [
        ("ruff", "check", "src", "tests", "bench", "tools"),
        ("ruff", "format", "--check", "src", "tests", "bench", "tools"),
        ("mypy",),
        ("lint-imports",),
    ],
    ids=["style", "format", "types", "layers"],
)
def test_the_checkers_have_nothing_to_say(command: tuple[str, ...]) -> None:
    run = subprocess.run(
        [str(PROGRAMS / command[0]), *command[1:]],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=380,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr


def test_files_functions_and_nesting_are_small(capsys: pytest.CaptureFixture[str]) -> None:
    assert sizes.main() == 0, capsys.readouterr().err
    median = re.search(r"median (\d+) lines", capsys.readouterr().out)
    assert median is not None
    assert int(median[1]) <= 7


def test_no_module_and_no_class_has_a_name_that_says_nothing() -> None:
    for path in FILES:
        assert path.stem not in FORBIDDEN, path
        assert path.parent.name not in FORBIDDEN, path
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                vague = node.name.lower() in FORBIDDEN or _VAGUE_ENDING.search(node.name)
                assert not vague, f"{path}: {node.name}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_what_is_public_says_what_it_promises(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert ast.get_docstring(tree), "the module has no docstring"
    silent = [name for name, node in public(tree, "") if not ast.get_docstring(node)]
    assert [name for name in silent if not inherited(path, name)] == []


def public(node: ast.AST, prefix: str, *, seam: bool = False) -> Iterator[tuple[str, Documented]]:
    """Public classes, functions and methods below a node, by qualified name.

    Of a documented seam (a Protocol) the members without a body are left out: what implements it
    says what they promise.
    """
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If | ast.Try):
            yield from public(child, prefix, seam=seam)
        if not isinstance(child, Documented) or child.name.startswith("_"):
            continue
        if not (seam and ast.unparse(child.body[-1]) == "..."):
            yield f"{prefix}{child.name}", child
        if isinstance(child, ast.ClassDef):
            is_seam = any(ast.unparse(base).startswith("Protocol") for base in child.bases)
            yield from public(child, f"{prefix}{child.name}.", seam=is_seam)


def inherited(path: Path, name: str) -> bool:
    """Whether a method answers to a library's class, which documents it."""
    owner, _, method = name.rpartition(".")
    if not owner:
        return False
    module = ".".join(path.relative_to(SOURCE.parent).with_suffix("").parts)
    found: object = importlib.import_module(module.removesuffix(".__init__"))
    for part in owner.split("."):
        found = getattr(found, part)
    assert isinstance(found, type)
    return any(
        method in vars(base) for base in found.__mro__ if not base.__module__.startswith("windlass")
    )


def test_every_error_has_a_code_of_its_own_and_a_sentence() -> None:
    codes: dict[str, str] = {}
    for kind in tree_of(WindlassError):
        assert "code" in vars(kind), f"{kind.__name__} has no code"
        assert re.fullmatch(r"[a-z]+(_[a-z]+)*", kind.code)
        assert kind.code not in codes, f"{kind.__name__} and {codes.get(kind.code)}"
        assert kind.__doc__, f"{kind.__name__} has no default message"
        assert kind().public_message
        codes[kind.code] = kind.__name__


def tree_of(root: type[WindlassError]) -> Iterator[type[WindlassError]]:
    yield root
    for child in root.__subclasses__():
        yield from tree_of(child)
