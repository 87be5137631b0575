"""Settings: what their texts mean, and what is refused by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from windlass.errors import SettingsError
from windlass.settings import Settings, load

ABSENT = Path("/nonexistent/.env")


def read(monkeypatch: pytest.MonkeyPatch, name: str, text: str) -> Settings:
    """The settings of an environment that says one thing."""
    monkeypatch.setenv(name, text)
    return load(env_file=ABSENT).settings


def test_delays_by_host_are_written_like_every_duration(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "example.com=500ms, Slow.test=2 ,other.test=1m"
    settings = read(monkeypatch, "WINDLASS_HOST_DELAY_FOR", text)
    assert settings.host_delay_for == {"example.com": 0.5, "slow.test": 2.0, "other.test": 60.0}


def test_counts_by_host_are_whole_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = read(monkeypatch, "WINDLASS_HOST_CONCURRENCY_FOR", "example.com=2,slow.test=1")
    assert settings.host_concurrency_for == {"example.com": 2, "slow.test": 1}


@pytest.mark.parametrize(
    ("name", "text", "accepted"),
    [
        ("WINDLASS_HOST_DELAY_FOR", "example.com=soon", "host=duration pairs"),
        ("WINDLASS_HOST_DELAY_FOR", "example.com=-1", "host=duration pairs"),
        ("WINDLASS_HOST_DELAY_FOR", "example.com", "host=duration pairs"),
        ("WINDLASS_HOST_CONCURRENCY_FOR", "example.com=0", "host=number pairs"),
        ("WINDLASS_HOST_CONCURRENCY_FOR", "example.com=0.5", "host=number pairs"),
        ("WINDLASS_GRACE", "nan", "a duration"),
        ("WINDLASS_GRACE", "inf", "a duration"),
        ("WINDLASS_FETCH_LIMIT", "infMB", "a size"),
        ("WINDLASS_RATE_LIMIT", "nan", "a number"),
        ("WINDLASS_LOG_LEVEL", "loud", "debug, info, warning or error"),
        ("WINDLASS_LOG_FORMAT", "xml", "auto, json or console"),
        ("WINDLASS_ROBOTS_AGENT", "Windlass/1.0", "a product token"),
        ("WINDLASS_ROBOTS_AGENT", "", "a product token"),
        ("WINDLASS_OBEY_ROBOTS", "maybe", "true or false"),
    ],
)
def test_a_wrong_value_is_refused_with_what_is_accepted(
    monkeypatch: pytest.MonkeyPatch, name: str, text: str, accepted: str
) -> None:
    with pytest.raises(SettingsError) as refused:
        read(monkeypatch, name, text)
    assert str(refused.value).startswith(f"{name} must be ")
    assert accepted in str(refused.value)


def test_words_are_read_in_any_case(monkeypatch: pytest.MonkeyPatch) -> None:
    assert read(monkeypatch, "WINDLASS_LOG_LEVEL", "Warning").log_level == "warning"
