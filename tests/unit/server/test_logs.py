"""Log lines: JSON where machines read, and never a secret."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from windlass.server import logs
from windlass.settings import Settings

KEY = "wl_0123456789abcdefghij"


@pytest.fixture(autouse=True)
def untouched() -> Iterator[None]:
    """Puts the process's own logging back."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level
    structlog.reset_defaults()


def configured(**settings: str) -> None:
    logs.configure(Settings(data=Path("/nonexistent"), **settings), "worker 1")  # type: ignore[arg-type]


def test_lines_are_json_away_from_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    configured()
    structlog.get_logger().info("task_done", task="t-1", account="main")
    line = json.loads(capsys.readouterr().err)
    assert line["event"] == "task_done"
    assert (line["task"], line["account"]) == ("t-1", "main")
    assert (line["role"], line["level"]) == ("worker 1", "info")
    assert line["timestamp"].endswith("Z")


def test_libraries_log_the_same_way(capsys: pytest.CaptureFixture[str]) -> None:
    configured()
    logging.getLogger("somebody").warning("it is %s", "late")
    line = json.loads(capsys.readouterr().err)
    assert (line["event"], line["logger"], line["role"]) == ("it is late", "somebody", "worker 1")


@pytest.mark.parametrize(
    "said",
    [
        {"api_key": KEY},
        {"Authorization": f"Bearer {KEY}"},
        {"dsn": "postgresql://user:pass@host/db"},
        {"cookies": {"sid": "secret-value"}},
        {"reason": f"refused {KEY}"},
        {"reason": "cannot reach postgresql://user:secret-value@host/db"},
        {"reason": "sent Authorization: Bearer secret-value"},
        {"request": {"headers": {"authorization": "bearer secret-value"}}},
        {"error": ValueError(f"bad {KEY}")},
    ],
)
def test_secrets_never_reach_a_line(
    capsys: pytest.CaptureFixture[str], said: dict[str, object]
) -> None:
    configured()
    structlog.get_logger().warning("trouble", **said)
    line = capsys.readouterr().err
    assert KEY not in line
    assert "pass@" not in line
    assert "secret-value" not in line
    assert logs.HIDDEN in line


def test_a_traceback_is_kept_without_the_values_of_variables(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configured()
    password = "secret-value"
    try:
        raise RuntimeError(f"no {password[:0]}luck with {KEY}")
    except RuntimeError:
        structlog.get_logger().exception("trouble")
    line = json.loads(capsys.readouterr().err)
    assert "test_a_traceback" in line["exception"]
    assert "secret-value" not in line["exception"].replace('password = "secret-value"', "")
    assert KEY not in line["exception"]


def test_endless_texts_are_cut(capsys: pytest.CaptureFixture[str]) -> None:
    configured()
    structlog.get_logger().warning("trouble", page="x" * 10_000_000)
    assert len(capsys.readouterr().err) < 20_000


def test_levels_below_the_setting_are_silent(capsys: pytest.CaptureFixture[str]) -> None:
    configured(log_level="warning")
    structlog.get_logger().info("quiet")
    logging.getLogger("somebody").info("quiet")
    assert capsys.readouterr().err == ""


def test_console_lines_are_not_json(capsys: pytest.CaptureFixture[str]) -> None:
    configured(log_format="console")
    structlog.get_logger().info("task_done", api_key=KEY)
    line = capsys.readouterr().err
    assert "task_done" in line
    assert not line.startswith("{")
    assert KEY not in line
