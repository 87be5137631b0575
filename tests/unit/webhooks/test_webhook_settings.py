"""What the settings of webhooks accept, and what they say of the rest."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from windlass.errors import SettingsError
from windlass.settings import Settings, load

ABSENT = Path("/nonexistent/.env")


def secret_of(size: int) -> str:
    """A well-formed secret of so many bytes."""
    return f"whsec_{base64.b64encode(bytes(range(size))).decode()}"


def read(monkeypatch: pytest.MonkeyPatch, name: str, text: str) -> Settings:
    """The settings of an environment that says one thing."""
    monkeypatch.setenv(name, text)
    return load(env_file=ABSENT).settings


def test_the_schedule_is_a_list_of_durations(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = read(monkeypatch, "WINDLASS_WEBHOOK_SCHEDULE", "0, 500ms,1m , 2h")
    assert settings.webhook_schedule == (0.0, 0.5, 60.0, 7200.0)


@pytest.mark.parametrize("text", ["", ",", "0,", "5,-1", "0,soon", "0,nan", "inf", "0;5"])
def test_a_schedule_that_is_none_is_refused_by_name(
    monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    with pytest.raises(SettingsError, match="WINDLASS_WEBHOOK_SCHEDULE must be"):
        read(monkeypatch, "WINDLASS_WEBHOOK_SCHEDULE", text)


@pytest.mark.parametrize("size", [24, 32, 64])
def test_a_secret_of_24_to_64_bytes_is_taken(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    settings = read(monkeypatch, "WINDLASS_WEBHOOK_SECRET", secret_of(size))
    assert settings.webhook_secret == secret_of(size)


def test_no_secret_is_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    assert read(monkeypatch, "WINDLASS_WEBHOOK_SECRET", " ").webhook_secret == ""


@pytest.mark.parametrize(
    "text",
    [
        secret_of(23),
        secret_of(65),
        secret_of(32)[6:],
        secret_of(32).upper(),
        secret_of(32)[:-1],
        secret_of(32).replace("A", "-"),
        "whsec_",
        "whsec_not base64 at all, but long enough for one",
    ],
)
def test_a_wrong_secret_is_refused_without_being_shown(
    monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    with pytest.raises(SettingsError, match="WINDLASS_WEBHOOK_SECRET must be") as caught:
        read(monkeypatch, "WINDLASS_WEBHOOK_SECRET", text)
    shown: BaseException | None = caught.value
    while shown is not None:
        assert text[6:] == "" or text[6:] not in str(shown)
        shown = shown.__cause__
