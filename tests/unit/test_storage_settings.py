"""Settings of delivery: names that everybody scripts, and lists."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

import pytest

from windlass.buckets import Buckets, Held
from windlass.cli.listing import HIDDEN, show_settings
from windlass.errors import MissingExtra, SettingsError
from windlass.settings import Settings, load, parse_flag, parse_schedule, variable

NAMES = (
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_PROFILE",
    "AWS_REGION",
    "AWS_ENDPOINT_URL_S3",
    "GOOGLE_APPLICATION_CREDENTIALS",
    "STORAGE_EMULATOR_HOST",
)


@pytest.fixture(autouse=True)
def plain(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """None of the names is set, and no file .env is near."""
    monkeypatch.chdir(tmp_path)
    for item in dataclasses.fields(Settings):
        monkeypatch.delenv(variable(item), raising=False)


@pytest.mark.parametrize("name", NAMES)
def test_the_names_that_everybody_scripts_are_read(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "told")
    origin = load()
    assert getattr(origin.settings, name.lower()) == "told"
    assert origin.sources[name.lower()] == "environment"


def test_a_dotenv_file_may_have_them_and_the_environment_goes_before_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text("AWS_REGION=eu-west-1\nAWS_PROFILE=lake\nUNRELATED=1\n")
    monkeypatch.setenv("AWS_REGION", "eu-west-3")
    settings = load().settings
    assert (settings.aws_region, settings.aws_profile) == ("eu-west-3", "lake")


def test_our_prefix_does_not_make_them_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WINDLASS_AWS_REGION", "eu-west-1")
    with pytest.raises(SettingsError, match="WINDLASS_AWS_REGION is not a setting"):
        load()


def test_secrets_are_not_shown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.setenv(name, "hush-hush")
    show_settings(as_json=True, data=None)
    shown = capsys.readouterr().out
    assert "hush-hush" not in shown
    assert shown.count(HIDDEN) == 2


def test_a_schedule_is_a_list_of_durations() -> None:
    assert parse_schedule("0,10,1m, 5m ,0.5h") == (0.0, 10.0, 60.0, 300.0, 1800.0)
    for wrong in ("", "1,,2", "1,-2", "soon"):
        with pytest.raises(ValueError, match=r".*"):
            parse_schedule(wrong)


def test_a_flag_is_true_or_false_and_nothing_else() -> None:
    assert [parse_flag(text) for text in ("true", "1", "YES", "false", "0", "off")] == (
        [True] * 3 + [False] * 3
    )
    with pytest.raises(ValueError, match="maybe"):
        parse_flag("maybe")


def test_only_one_acl_is_known() -> None:
    with pytest.raises(SettingsError, match="bucket-owner-full-control"):
        Settings(storage_acl="public-read")


async def test_without_the_extra_the_message_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "obstore", None)
    with pytest.raises(MissingExtra, match=r"windlass\[cloud\]"):
        await Buckets(Settings()).upload("s3://lake/a", Held([b"{}"]), compress=False)
