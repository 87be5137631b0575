"""docs/delivery.md says of numbers and answers what the code does."""

from __future__ import annotations

import re

import msgspec

from tests.support.documents import ROOT, fenced
from windlass.buckets import WHOLE_BYTES
from windlass.buckets.probe import MESSAGES, TEST_OBJECT
from windlass.cli.storage import STATUSES
from windlass.settings import Settings
from windlass.storage import breaker
from windlass.storage.accounts import SECRET_OVERLAP_S
from windlass.webhooks.sender import READ_BYTES
from windlass.wire.v1_webhook import WebhookBody, WebhookTask

PAGE = ROOT / "docs" / "delivery.md"
TEXT = " ".join(PAGE.read_text(encoding="utf-8").split())
SECONDS = {"s": 1, "min": 60, "h": 3600}


def waits() -> list[tuple[float, ...]]:
    """The tables of tries, as seconds."""
    rows = re.findall(r"^\| after the one before \| at once \| (.*) \|$", PAGE.read_text(), re.M)
    return [
        (0.0, *(float(cell.split()[0]) * SECONDS[cell.split()[1]] for cell in row.split(" | ")))
        for row in rows
    ]


def test_the_tables_of_tries_are_the_schedules() -> None:
    settings = Settings()
    assert waits() == [settings.webhook_schedule, settings.upload_schedule]
    written = ",".join(f"{wait:g}" for wait in settings.webhook_schedule)
    assert f"`WINDLASS_WEBHOOK_SCHEDULE` is this table (`{written}`)" in TEXT


def test_limits_of_webhooks_are_the_settings() -> None:
    settings = Settings()
    assert f"2xx within {settings.webhook_timeout:g} s" in TEXT
    assert f"({settings.webhook_connect_timeout:g} s of them to connect)" in TEXT
    assert f"most {READ_BYTES // 1024} KiB are read" in TEXT
    assert f"at most {settings.webhook_concurrency} webhooks are under way" in TEXT
    assert f"after {settings.delivery_within / 3600:g} h (`WINDLASS_DELIVERY_WITHIN`)" in TEXT


def test_the_breaker_is_told_as_it_is() -> None:
    assert f"After {breaker.OPENS_AFTER} failures in a row" in TEXT
    minutes = f"{breaker.WINDOW_S / 60:g} minutes"
    assert f"half of the last {breaker.WINDOW} tries within {minutes}" in TEXT
    assert breaker.PROBE_S == 60.0
    assert f"growing distances up to {breaker.LONGEST_PROBE_S / 60:g} minutes" in TEXT


def test_secrets_overlap_for_a_day() -> None:
    assert SECRET_OVERLAP_S == 24 * 3600
    assert "the old one stays valid for a day" in TEXT


def test_what_is_sent_whole_is_below_the_written_size() -> None:
    assert f"below {WHOLE_BYTES // 2**20} MiB are one PutObject" in TEXT


def test_every_answer_of_a_test_is_told_with_its_status() -> None:
    for code, message in MESSAGES.items():
        assert f"| `{message}` | {STATUSES[code]} |" in TEXT
    assert f"`{TEST_OBJECT}`" in TEXT


def test_the_example_of_a_webhook_has_the_keys_that_we_send() -> None:
    body = msgspec.json.decode(fenced(PAGE, "json"))
    sent = {field.name for field in msgspec.structs.fields(WebhookTask)}
    only_sometimes = {"error", "error_type", "error_code", "batch_id"}
    assert set(body["task"]) == sent - only_sometimes
    assert set(body) == {field.name for field in msgspec.structs.fields(WebhookBody)}
