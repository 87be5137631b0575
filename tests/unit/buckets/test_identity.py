"""Whose rights uploads use."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from windlass.buckets.identity import (
    Keys,
    google_account,
    google_key,
    s3_keys,
    s3_region,
)
from windlass.errors import StorageUnconfigured
from windlass.settings import Settings

SECRET = "very/secret+key"


@pytest.fixture
def shared(tmp_path: Path) -> dict[str, Path]:
    """Shared AWS files with some profiles."""
    credentials, config = tmp_path / "credentials", tmp_path / "config"
    credentials.write_text(
        f"[default]\naws_access_key_id = D\naws_secret_access_key = {SECRET}%s\n"
        f"[lake]\naws_access_key_id=L\naws_secret_access_key={SECRET}\naws_session_token=T\n"
    )
    config.write_text(
        "[default]\nregion = eu-west-1\n"
        "[profile lake]\nregion = eu-west-3\naws_access_key_id = other\n"
        "[profile role]\nrole_arn = arn:aws:iam::1:role/x\nsource_profile = lake\n"
    )
    return {"aws_shared_credentials_file": credentials, "aws_config_file": config}


def test_nothing_configured_names_the_settings() -> None:
    with pytest.raises(StorageUnconfigured, match=r"AWS_ACCESS_KEY_ID.*INSTANCE_ROLE") as caught:
        s3_keys(Settings())
    assert not caught.value.retryable
    with pytest.raises(StorageUnconfigured, match="GOOGLE_APPLICATION_CREDENTIALS"):
        google_key(Settings())


def test_the_machines_role_is_used_only_if_a_setting_says_so() -> None:
    settings = Settings(storage_instance_role=True)
    assert s3_keys(settings) is None
    assert google_key(settings) is None


def test_half_a_pair_of_keys_is_an_error() -> None:
    with pytest.raises(StorageUnconfigured, match="only together"):
        s3_keys(Settings(aws_access_key_id="A", storage_instance_role=True))


def test_keys_go_before_a_profile(shared: dict[str, Path]) -> None:
    settings = Settings(
        aws_access_key_id="A", aws_secret_access_key="B", aws_profile="lake", **shared
    )
    assert s3_keys(settings) == Keys(access_key_id="A", secret_access_key="B")
    assert s3_region(settings) == "us-east-1"


def test_a_profile_is_read_from_both_files(shared: dict[str, Path]) -> None:
    settings = Settings(aws_profile="lake", **shared)
    assert s3_keys(settings) == Keys(access_key_id="L", secret_access_key=SECRET, session_token="T")
    assert s3_region(settings) == "eu-west-3"
    assert s3_region(Settings(aws_profile="lake", aws_default_region="x-1", **shared)) == "x-1"
    keys = s3_keys(Settings(aws_profile="default", **shared))
    assert keys is not None
    assert keys.secret_access_key == f"{SECRET}%s"


def test_the_shared_files_are_not_read_unless_a_profile_is_named(shared: dict[str, Path]) -> None:
    with pytest.raises(StorageUnconfigured):
        s3_keys(Settings(**shared))


@pytest.mark.parametrize("profile", ["role", "missing"])
def test_a_profile_without_keys_is_told(shared: dict[str, Path], profile: str) -> None:
    with pytest.raises(StorageUnconfigured, match=profile):
        s3_keys(Settings(aws_profile=profile, storage_instance_role=True, **shared))


def test_no_secret_is_shown(shared: dict[str, Path], tmp_path: Path) -> None:
    keys = s3_keys(Settings(aws_profile="lake", **shared))
    assert SECRET not in repr(keys)
    broken = tmp_path / "broken"
    broken.write_text(f"aws_secret_access_key = {SECRET}\n")
    with pytest.raises(StorageUnconfigured) as caught:
        s3_keys(Settings(aws_profile="lake", aws_shared_credentials_file=broken))
    assert SECRET not in str(caught.value)
    assert caught.value.__suppress_context__


def test_a_google_key_file_is_checked_before_use(tmp_path: Path) -> None:
    path = tmp_path / "key.json"
    settings = Settings(google_application_credentials=str(path))
    with pytest.raises(StorageUnconfigured, match="cannot be read"):
        google_key(settings)
    path.write_text("{ not json")
    with pytest.raises(StorageUnconfigured, match="not JSON"):
        google_key(settings)
    path.write_text(json.dumps({"type": "external_account"}))
    with pytest.raises(StorageUnconfigured, match="external_account"):
        google_key(settings)
    path.write_text(json.dumps({"type": "service_account", "client_email": "a@b.test"}))
    assert google_key(settings) == path
    assert google_account(settings) == "a@b.test"
