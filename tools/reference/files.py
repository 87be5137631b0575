"""Which files are made, from what, and whether they are up to date."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tools.reference import commands, endpoints, errors, settings

ROOT = Path(__file__).parents[2]
BEGIN = "<!-- made by `make docs`: settings -->"
END = "<!-- end -->"

_WHOLE: dict[str, Callable[[], str]] = {
    "docs/reference/settings.md": settings.document,
    "docs/reference/errors.md": errors.document,
    "docs/reference/commands.md": commands.document,
    "docs/reference/endpoints.md": endpoints.document,
}


def made() -> dict[str, str]:
    """Every made file's text by its path from the root."""
    texts = {name: make() for name, make in _WHOLE.items()}
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    before, begin, rest = readme.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise SystemExit(f"README.md has no part between {BEGIN!r} and {END!r}")
    texts["README.md"] = f"{before}{BEGIN}\n\n{settings.short_table()}\n{END}{after}"
    return texts


def out_of_date() -> list[str]:
    """Paths of the files that are not what the code says now."""
    return [name for name, text in made().items() if _read(name) != text]


def write() -> None:
    """Writes every made file."""
    for name, text in made().items():
        path = ROOT / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def _read(name: str) -> str:
    path = ROOT / name
    return path.read_text(encoding="utf-8") if path.exists() else ""
