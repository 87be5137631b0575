"""The header that a search backend's key goes in, as the operator's settings say."""

from __future__ import annotations

import re

from windlass.errors import SettingsError
from windlass.settings import Settings

_HEADER = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\x20-\x7e]*)")


def key_headers(settings: Settings) -> dict[str, str]:
    """The header with the key in it; none without a key. Raises SettingsError."""
    if not settings.search_key:
        return {}
    found = _HEADER.fullmatch(settings.search_header.strip())
    if found is None:
        raise SettingsError("WINDLASS_SEARCH_HEADER must be such as: X-API-Key: {key}")
    value = found[2].replace("{key}", settings.search_key) if found[2] else settings.search_key
    if not value.isprintable() or not value.isascii():
        raise SettingsError("WINDLASS_SEARCH_KEY must be printable ASCII")
    return {found[1]: value}
