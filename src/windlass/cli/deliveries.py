"""`windlass deliveries`: list, get, resend, over HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

from windlass.cli.client import connect, settings_of
from windlass.cli.output import note, print_json, print_table
from windlass.errors import DeliveryError, SettingsError
from windlass.settings import Settings, parse_duration

_LIST = "/v1/deliveries"
_PAGE = 1000
_SHOWN_APART = ("attempts", "headers", "circuit")


def show_list(only: dict[str, str | None], limit: int, as_json: bool, data: Path | None) -> None:
    """Prints the newest deliveries; what is None is not asked for."""
    query = {name: value for name, value in only.items() if value is not None}
    found, more = asyncio.run(_newest(settings_of(data), query, limit))
    if as_json:
        print_json({"data": found, "more": more})
        return
    headings = ("id", "kind", "state", "tries", "created", "next", "destination", "error")
    print_table(headings, [_row(delivery) for delivery in found])
    if more:
        note(f"these are the newest {limit}: --limit shows more")


def show_delivery(delivery_id: str, as_json: bool, data: Path | None) -> None:
    """Prints a delivery with its attempts. Raises DeliveryError after that if it failed."""
    delivery = asyncio.run(_read(settings_of(data), delivery_id))
    if as_json:
        print_json(delivery)
    else:
        _print_delivery(delivery)
    if delivery["state"] in ("failed", "cancelled"):
        raise DeliveryError(delivery["error"] or f"the delivery {delivery['state']}")


def resend(delivery_ids: Sequence[str], as_json: bool, data: Path | None) -> None:
    """Sends deliveries again, one after the other; the first that cannot be ends it."""
    asyncio.run(_resend(settings_of(data), delivery_ids, as_json))


def resend_failed(
    since: str, only: dict[str, str | None], as_json: bool, data: Path | None
) -> None:
    """Sends all again that failed since "2h" ago, or since a time."""
    wanted = {name: value for name, value in only.items() if value is not None}
    settings = settings_of(data)
    wanted["since"] = _moment(since).isoformat()
    count = asyncio.run(_resend_failed(settings, wanted))
    if as_json:
        print_json({"resent": count, "since": wanted["since"]})
    else:
        note(f"{count} deliveries wait to be sent again")


async def _newest(
    settings: Settings, query: dict[str, str], limit: int
) -> tuple[list[dict[str, Any]], bool]:
    """So many deliveries, page by page, and whether there are more."""
    found: list[dict[str, Any]] = []
    async with connect(settings) as client:
        while True:
            page = {**query, "limit": str(min(limit - len(found), _PAGE))}
            answer = await client.call("GET", _LIST, query=page)
            found += answer["data"]
            cursor = answer["pagination"]["next_cursor"]
            if cursor is None or len(found) >= limit:
                return found, cursor is not None
            query = {**query, "cursor": cursor}


async def _read(settings: Settings, delivery_id: str) -> Any:
    async with connect(settings) as client:
        return await client.call("GET", _path(delivery_id))


async def _resend(settings: Settings, delivery_ids: Sequence[str], as_json: bool) -> None:
    async with connect(settings) as client:
        for delivery_id in delivery_ids:
            delivery = await client.call("POST", f"{_path(delivery_id)}/resend")
            if as_json:
                print_json(delivery)
                continue
            until = delivery["postponed_until"]
            wait = f": its receiver is left alone until {until}" if until else ""
            note(f"delivery {delivery_id} waits to be sent again{wait}")


async def _resend_failed(settings: Settings, wanted: dict[str, str]) -> int:
    async with connect(settings) as client:
        count, more = 0, True
        while more:
            answer = await client.call("POST", f"{_LIST}/resend", wanted)
            count += int(answer["resent"])
            more = answer["more"]
            # What failed anew meanwhile is not meant.
            wanted = {**wanted, "until": answer["until"]}
        return count


def _moment(text: str) -> datetime:
    """The time that "2h" (ago) or "2026-01-24 12:00" (here, unless it names a zone) means."""
    try:
        return datetime.now(UTC) - timedelta(seconds=parse_duration(text))
    except ValueError:
        pass
    except OverflowError as error:
        raise SettingsError(f"--failed-since {text} is too long ago") from error
    try:
        return datetime.fromisoformat(text).astimezone()
    except (ValueError, OverflowError) as error:
        message = f'--failed-since {text}: must be a duration such as "2h", or a time'
        raise SettingsError(message) from error


def _path(delivery_id: str) -> str:
    return f"{_LIST}/{quote(delivery_id, safe='')}"


def _print_delivery(delivery: dict[str, Any]) -> None:
    circuit = delivery["circuit"]
    until = f" until {circuit['open_until']}" if circuit["state"] == "open" else ""
    facts = {name: value for name, value in delivery.items() if name not in _SHOWN_APART}
    facts["circuit"] = f"{circuit['state']}{until}"
    facts["headers"] = ", ".join(delivery["headers"])
    rows = [(name, str(value)) for name, value in facts.items() if value not in (None, "")]
    print_table(("", ""), rows)
    headings = ("try", "outcome", "started", "ms", "status", "error", "answer", "next")
    print_table(headings, [_attempt_row(attempt) for attempt in delivery["attempts"]])


def _row(delivery: dict[str, Any]) -> tuple[str, ...]:
    return (
        delivery["id"],
        delivery["kind"],
        delivery["state"],
        str(delivery["attempt_count"]),
        delivery["created_at"],
        delivery["next_attempt_at"] or "",
        delivery["destination"],
        delivery["error"] or "",
    )


def _attempt_row(attempt: dict[str, Any]) -> tuple[str, ...]:
    names = ("number", "outcome", "started_at", "duration_ms", "status_code", "error", "answer")
    values = [attempt[name] for name in (*names, "next_attempt_at")]
    # One line per attempt, whatever the receiver answered.
    return tuple("" if value is None else " ".join(str(value).split()) for value in values)
