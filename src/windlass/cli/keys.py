"""`windlass keys`: create, list, revoke, over HTTP, with a key of account main."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

from windlass.cli.client import ask
from windlass.cli.output import note, print_json, print_table, write_text


def create(account: str, as_json: bool, data: Path | None) -> None:
    """Prints a new key: on stdout the key alone."""
    made = ask(data, "POST", "/v1/keys", {"account": account})
    if as_json:
        print_json(made)
        return
    note(f"key {made['id']} of account {made['account']}; it is not shown again:")
    write_text(made["key"])


def show_list(as_json: bool, data: Path | None) -> None:
    """Prints all keys, without their text."""
    answer = ask(data, "GET", "/v1/keys")
    if as_json:
        print_json(answer)
        return
    names = ("id", "account", "prefix", "created_at", "last_used_at", "revoked_at")
    rows = [[str(key.get(name) or "") for name in names] for key in answer["data"]]
    print_table(("id", "account", "key", "created", "last used", "revoked"), rows)


def revoke(key_id: str, as_json: bool, data: Path | None) -> None:
    """Revokes a key."""
    ask(data, "DELETE", f"/v1/keys/{quote(key_id, safe='')}")
    if as_json:
        print_json({"id": key_id, "revoked": True})
    else:
        note(f"key {key_id} is revoked")
