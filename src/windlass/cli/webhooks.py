"""`windlass webhooks secret`: show, rotate, over HTTP, for the account of the key."""

from __future__ import annotations

from pathlib import Path

from windlass.cli.client import ask
from windlass.cli.output import note, print_json, print_table, write_text
from windlass.errors import SettingsError
from windlass.settings import parse_duration

_SECRET = "/v1/webhooks/secret"  # noqa: S105 - a path


def show(as_json: bool, data: Path | None) -> None:
    """Prints every active secret, the current one first."""
    answer = ask(data, "GET", _SECRET)
    if as_json:
        print_json(answer)
        return
    rows = [
        (each["secret"], each["created_at"], each["expires_at"] or "") for each in answer["data"]
    ]
    print_table(("secret", "created", "ends"), rows)


def rotate(overlap: str, as_json: bool, data: Path | None) -> None:
    """Makes a new secret: on stdout that alone."""
    try:
        overlap_s = parse_duration(overlap)
    except ValueError as error:
        raise SettingsError(f'--overlap {overlap}: must be a duration such as "24h"') from error
    answer = ask(data, "POST", f"{_SECRET}/rotate", {"overlap": overlap_s})
    if as_json:
        print_json(answer)
        return
    current, *former = answer["data"]
    for each in former:
        note(f"a former secret signs, too, until {each['expires_at']}")
    note("webhooks are signed with the new one within ten seconds:")
    write_text(current["secret"])
