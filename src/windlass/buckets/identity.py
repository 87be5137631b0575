"""Whose rights uploads use: the operator's, as the settings say, never what a machine offers.

Called when a store is opened, by the probe and by the policy printer. Reads the shared AWS files
and the Google key file, nothing else; must not make requests.
"""

from __future__ import annotations

import json
from configparser import ConfigParser, Error
from pathlib import Path

import msgspec

from windlass.errors import StorageUnconfigured
from windlass.settings import Settings

DEFAULT_REGION = "us-east-1"
_UNSET_S3 = (
    "no S3 credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or "
    "WINDLASS_STORAGE_INSTANCE_ROLE=true to use the machine's own role"
)
_UNSET_GOOGLE = (
    "no Google Cloud credentials: set GOOGLE_APPLICATION_CREDENTIALS to a key file, or "
    "WINDLASS_STORAGE_INSTANCE_ROLE=true to use the machine's own service account"
)
_GOOGLE_KINDS = ("service_account", "authorized_user")


class Keys(msgspec.Struct, frozen=True, kw_only=True):
    """S3 keys; `session_token` is empty unless they are temporary. Never shown whole."""

    access_key_id: str
    secret_access_key: str
    session_token: str = ""

    def __repr__(self) -> str:
        return f"Keys({self.access_key_id!r})"


def s3_keys(settings: Settings) -> Keys | None:
    """The operator's keys, read anew; None: the machine's own role, which the settings allow.

    Raises StorageUnconfigured.
    """
    if settings.aws_access_key_id and settings.aws_secret_access_key:
        return Keys(
            access_key_id=settings.aws_access_key_id,
            secret_access_key=settings.aws_secret_access_key,
            session_token=settings.aws_session_token,
        )
    if settings.aws_access_key_id or settings.aws_secret_access_key:
        raise StorageUnconfigured(
            "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are set only together"
        )
    if settings.aws_profile:
        return _profile_keys(settings)
    if settings.storage_instance_role:
        return None
    raise StorageUnconfigured(_UNSET_S3)


def s3_region(settings: Settings) -> str:
    """The region to try first: the settings', the profile's, else us-east-1."""
    named = settings.aws_region or settings.aws_default_region
    if not named and settings.aws_profile and not settings.aws_access_key_id:
        named = _profile(settings).get("region", "")
    return named or DEFAULT_REGION


def google_key(settings: Settings) -> Path | None:
    """The file with the operator's Google key; None: the machine's own service account, which the
    settings allow. Raises StorageUnconfigured."""
    if settings.google_application_credentials:
        path = Path(settings.google_application_credentials).expanduser()
        _check_google_key(path)
        return path
    if settings.storage_instance_role:
        return None
    raise StorageUnconfigured(_UNSET_GOOGLE)


def google_account(settings: Settings) -> str:
    """The service account's address; empty if it is not known without asking somebody."""
    path = google_key(settings)
    return "" if path is None else str(_check_google_key(path).get("client_email", ""))


def _check_google_key(path: Path) -> dict[str, object]:
    named = f"GOOGLE_APPLICATION_CREDENTIALS names {path}"
    try:
        found = json.loads(path.read_bytes())
    except OSError as error:
        raise StorageUnconfigured(f"{named}, which cannot be read: {error.strerror}") from error
    except ValueError:  # whose text may show the key
        raise StorageUnconfigured(f"{named}, which is not JSON") from None
    kind = found.get("type") if isinstance(found, dict) else None
    if kind not in _GOOGLE_KINDS:
        raise StorageUnconfigured(
            f"{named}, of type {kind!r}; supported are {' and '.join(_GOOGLE_KINDS)}"
        )
    return dict(found)


def _profile_keys(settings: Settings) -> Keys:
    found = _profile(settings)
    try:
        return Keys(
            access_key_id=found["aws_access_key_id"],
            secret_access_key=found["aws_secret_access_key"],
            session_token=found.get("aws_session_token", ""),
        )
    except KeyError as error:
        raise StorageUnconfigured(
            f"AWS_PROFILE is {settings.aws_profile!r}, and neither {settings.aws_config_file} nor "
            f"{settings.aws_shared_credentials_file} has {error} for it; profiles that assume a "
            "role, sign in or run a program are not supported"
        ) from error


def _profile(settings: Settings) -> dict[str, str]:
    """What the two files say about the profile; the credentials file goes before the other."""
    name = settings.aws_profile
    in_config = name if name == "default" else f"profile {name}"
    return {
        **_section(settings.aws_config_file, in_config),
        **_section(settings.aws_shared_credentials_file, name),
    }


def _section(path: Path, name: str) -> dict[str, str]:
    parser = ConfigParser(interpolation=None, strict=False)
    try:
        parser.read_string(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, Error) as error:
        raise StorageUnconfigured(
            f"the shared AWS file {path} cannot be read: {type(error).__name__}"
        ) from None  # whose text may show a line of the file
    return dict(parser[name]) if parser.has_section(name) else {}
