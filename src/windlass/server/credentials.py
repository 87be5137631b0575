"""The first API key of account main: the operator's, or one made once and kept.

Called at start; the command line reads the same file. The database gets only its hash.
"""

from __future__ import annotations

import os
from pathlib import Path

from windlass.errors import SettingsError
from windlass.settings import Settings


def key_file(settings: Settings) -> Path:
    """Where a generated key is kept."""
    return settings.data / "api-key"


def stored_key(settings: Settings) -> str:
    """The key of the settings or of the file; empty when there is neither."""
    if settings.api_key:
        return settings.api_key
    try:
        return key_file(settings).read_text(encoding="ascii").strip()
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{key_file(settings)} cannot be read: {error}") from error


def bootstrap_key(settings: Settings) -> str:
    """The key to start with, made and kept if there is none. Raises SettingsError."""
    key = stored_key(settings) or _make(settings)
    if not all("!" <= letter <= "~" for letter in key):
        raise SettingsError("WINDLASS_API_KEY must be printable ASCII without spaces")
    if not settings.api_key and key_file(settings).stat().st_mode & 0o077:
        key_file(settings).chmod(0o600)
    return key


def _make(settings: Settings) -> str:
    from windlass.storage.accounts import new_key

    file = key_file(settings)
    try:
        settings.data.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = file.with_name(f"api-key.{os.getpid()}")
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "w", encoding="ascii") as stream:
            stream.write(new_key() + "\n")
            stream.flush()
            os.fsync(stream.fileno())
        draft.replace(file)
    except OSError as error:
        raise SettingsError(
            f"WINDLASS_DATA must be a folder that can be written: {file}: {error.strerror}"
        ) from error
    return stored_key(settings)
